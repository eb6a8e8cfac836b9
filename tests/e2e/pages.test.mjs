// The worked example on each Robot's page (docs/robots) is what a reader copies first: all are run. One that goes to
// somebody else's server is taken as far as that server; its own tests have one of that kind.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { test } from 'node:test'
import { Transloadit } from 'transloadit'
import { clamd } from './clamd.mjs'
import { pdf } from './pdf.mjs'
import { KEY, picture, root, SECRET, Server } from './server.mjs'

const example = (robot) => {
  const [, family, name] = robot.split('/')
  const text = fs.readFileSync(path.join(root, `docs/robots/${family}-${name}.md`), 'utf8')
  const block = JSON.parse(text.match(/^```json\n([^]*?)^```/m)[1])
  return { steps: block.steps ?? block, shown: text.match(/^!\[.*\]\((pictures\/.*)\)$/m)?.[1] }
}

// What the picture on a page has in common with what comes of its example: other encoders give other bytes.
const outline = ({ mime, meta }) => `${mime} ${meta.width}x${meta.height}`

// A file of a type that the Robot takes, by the beginning of what it accepts; a Robot that takes all gets a picture.
const made = (dir) => {
  const ffmpeg = (name, ...args) => {
    execFileSync('ffmpeg', ['-v', 'error', '-nostdin', '-y', ...args, path.join(dir, name)])
    return name
  }
  fs.copyFileSync(picture, path.join(dir, 'picture.png'))
  fs.writeFileSync(path.join(dir, 'text.txt'), 'One line.\nAnother one.\n')
  fs.writeFileSync(path.join(dir, 'page.html'), '<!doctype html><h1>One line</h1>')
  const content = 'BT /F 18 Tf 40 300 Td (One line) Tj ET'
  fs.writeFileSync(path.join(dir, 'pages.pdf'), pdf(Array(4).fill({ content })))
  execFileSync('bsdtar', ['-c', '--format=zip', '-f', 'archive.zip', 'text.txt', 'picture.png'], { cwd: dir })
  const film = ['-f', 'lavfi', '-i', 'testsrc2=s=320x240:r=10:d=3', '-f', 'lavfi', '-i', 'sine=d=3']
  const cover = ['-i', picture, '-map', '0', '-map', '1'] // the last input
  return {
    'image/': 'picture.png',
    'video/': ffmpeg('film.mp4', ...film, ...cover, '-map', '2', '-c:v:0', 'libx264', '-pix_fmt:v:0', 'yuv420p',
      '-c:v:1', 'png', '-disposition:v:1', 'attached_pic', '-c:a', 'aac'),
    'audio/': ffmpeg('sound.mp3', '-f', 'lavfi', '-i', 'sine=d=2', ...cover, '-c:v', 'png',
      '-disposition:v', 'attached_pic'),
    'application/pdf': 'pages.pdf',
    'application/': 'archive.zip',
    'text/html': 'page.html',
    'text/': 'text.txt',
  }
}

// What comes beside a film, for Robots that take both.
const beside = { '/video/subtitle': ['lines.srt', '1\n00:00:00,000 --> 00:00:02,000\nHello\n'] }

// Others are refused by name: it reads texts of a bounded size, it joins PDFs.
const special = { '/file/read': 'text.txt', '/document/merge': 'pages.pdf', '/document/optimize': 'pages.pdf' }
const any = (robot) => special[robot] ?? 'picture.png'

// Stored credentials of each type that an example names.
const bucket = { key: 'k', secret: 's', bucket: 'b', host: 'h.example', bucket_region: 'r' }
const contents = {
  google: { project_id: 'p', client_email: 'e', private_key: 'k', bucket: 'bucket' },
  youtube: { client_id: 'i', client_secret: 's', refresh_token: 'r' },
  azure: { account: 'account', container: 'container', key: 'a2V5' },
  rackspace: { account_type: 'us', data_center: 'dfw', container: 'c', user: 'u', key: 'k' },
  s3: { ...bucket, bucket_region: 'us-east-1' },
  cloudflare: bucket, mega: bucket, minio: bucket, supabase: bucket, swift: bucket, tigris: bucket, wasabi: bucket,
  digitalocean: { key: 'k', secret: 's', space: 'b', region: 'r' },
  backblaze: { bucket: 'b', app_key_id: 'k', app_key: 's' },
  sftp: { host: 'h.example', user: 'u', private_key: 'k' },
  http: { headers: '["Authorization: Bearer x"]' },
  box: { access_token: 't' },
  dropbox: { access_token: 't' },
  vimeo: { access_token: 't' },
  ftp: { host: 'h.example', user: 'u', password: 'p' },
}

// What these ask is a model's of the operator's, and here there is none.
const models = ['/ai/chat', '/image/bgremove', '/image/copyrightdetect', '/image/describe', '/image/generate',
  '/image/upscale', '/speech/transcribe', '/text/translate', '/video/generate']

test('the example on the page of each Robot works as it stands there', async (t) => {
  const { socket } = await clamd(t)
  const elsewhere = ['ai', 'bgremove', 'upscale', 'copyrightdetect', 'azure', 'backblaze', 'box', 'digitalocean',
    'dropbox', 'google', 'rackspace', 'vimeo', 'youtube'].map((n) => `${n}=http://127.0.0.1:9`)
  const s = await Server.start(t, { args: ['--clamd', socket, '--endpoint', elsewhere.join()] })
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'workcell-e2e-pages-'))
  t.after(() => fs.rmSync(dir, { recursive: true }))
  const samples = made(dir), stored = {}
  let pictures = 0
  const { robots } = await (await fetch(`${s.url}/robots`)).json()
  const sdk = new Transloadit({ authKey: KEY, authSecret: SECRET, endpoint: s.url })
  const known = new Map(robots.map((r) => [r.name, r]))
  for (const robot of robots) {
    const { steps, shown } = example(robot.name)
    const all = Object.values(steps)
    assert.ok(all.some((step) => step.robot === robot.name), `${robot.name} is not in its own example`)
    for (const step of all) {
      const used = [step.use ?? []].flat().flatMap((u) => u.steps ?? u.name ?? u).flatMap((u) => u.name ?? u)
      const missing = used.filter((n) => n !== ':original' && !steps[n])
      for (const n of missing) steps[n] = { robot: '/image/resize', use: ':original', width: 50 }
    }
    for (const { credentials: name, robot: r } of all.filter((step) => step.credentials)) {
      const type = { tus: 'http', cloudfiles: 'rackspace' }[r.split('/')[1]] ?? r.split('/')[1]
      if (stored[name]) assert.equal(stored[name], type, `${name} on two pages`)
      else await sdk.createTemplateCredential({ name, type, content: contents[type] })
      stored[name] = type
    }
    const away = all.some((step) => known.get(step.robot).export || /\/(import|request)$/.test(step.robot) ||
      models.includes(step.robot))
    const name = samples[Object.keys(samples).find((type) => robot.accepts?.startsWith(type))] ?? any(robot.name)
    const files = shown ? ['astronaut.png', 'coffee.png', 'chelsea.png'].map((n) => path.join(path.dirname(picture), n))
      : [path.join(dir, name), path.join(dir, name)]
    const sent = Object.fromEntries(files.map((f, i) => [`${i}-${path.basename(f)}`, fs.readFileSync(f)]))
    if (beside[robot.name]) {
      delete sent[`1-${name}`]
      sent[beside[robot.name][0]] = beside[robot.name][1]
    }
    const a = await s.create(steps, away ? { expected: 1 } : { files: sent })
    assert.ok(a.ok, `${robot.name}: ${a.error} ${a.message}`)
    if (away) {
      await s.cancel(a.assembly_id)
      continue
    }
    const done = await s.until(a.assembly_id)
    assert.equal(done.ok, 'ASSEMBLY_COMPLETED', `${robot.name}: ${done.error} ${done.message}`)
    const results = Object.values(done.results).flat()
    assert.ok(results.length > 0, `${robot.name}: no result`)
    for (const r of results) {
      const body = Buffer.from(await (await fetch(r.ssl_url)).arrayBuffer())
      assert.equal(body.length, r.size, `${robot.name}: ${r.name}`)
    }
    if (!shown) continue
    pictures++
    const onPage = fs.readFileSync(path.join(root, 'docs/robots', shown))
    const handle = { ':original': { robot: '/upload/handle' } }
    const look = await s.create(handle, { files: { [path.basename(shown)]: onPage } })
    const [there] = (await s.until(look.assembly_id)).uploads
    const made = results.map(outline)
    assert.ok(made.includes(outline(there)), `${robot.name}: ${outline(there)} in ${made}`)
  }
  assert.ok(pictures >= 4)
})

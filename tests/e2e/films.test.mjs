// Hostile films, one for all Robots: whatever GET /robots lists under /video and /audio is given each of them, by its
// own example. A Robot that is new is in it from its first day.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { test } from 'node:test'
import { KEY, Server } from './server.mjs'

const MARK = 'the-contents-of-another-file'
const x264 = ['-c:v', 'libx264', '-preset', 'ultrafast', '-pix_fmt', 'yuv420p']
const film = (dir, name, ...args) => {
  const file = path.join(dir, name)
  execFileSync('ffmpeg', ['-v', 'error', '-nostdin', '-y', ...args, file])
  return fs.readFileSync(file)
}

// ---- files that are put together by hand ----

const box = (type, ...parts) => {
  const body = Buffer.concat(parts)
  const head = Buffer.alloc(8)
  head.writeUInt32BE(body.length + 8)
  head.write(type, 4, 'latin1')
  return Buffer.concat([head, body])
}

// An MP4 without its pictures: their place is said to be another file.
const elsewhere = (mp4, url) => {
  const place = box('url ', Buffer.alloc(4), Buffer.from(`${url}\0`))
  const walk = (data) => {
    const out = []
    for (let at = 0; at + 8 <= data.length;) {
      const size = data.readUInt32BE(at)
      const type = data.toString('latin1', at + 4, at + 8)
      const body = data.subarray(at + 8, at + size)
      if (['moov', 'trak', 'mdia', 'minf', 'dinf'].includes(type)) out.push(box(type, walk(body)))
      else if (type === 'dref') out.push(box('dref', Buffer.from([0, 0, 0, 0, 0, 0, 0, 1]), place))
      else if (type !== 'mdat') out.push(data.subarray(at, at + size))
      at += size
    }
    return Buffer.concat(out)
  }
  return walk(mp4)
}

// EBML: sizes of eight bytes throughout.
const ebml = (id, ...parts) => {
  const number = (p) => [p >> 16, p >> 8, p].map((b) => b & 255)
  const body = Buffer.concat(parts.map((p) => Buffer.from(typeof p === 'number' ? number(p) : p)))
  const size = Buffer.alloc(8)
  size.writeUInt32BE(body.length, 4)
  size[0] = 1
  return Buffer.concat([Buffer.from(id, 'hex'), size, body])
}
const crowd = (n) => {
  const sound = (i) => ebml('ae', ebml('d7', i + 1), ebml('73c5', i + 1), ebml('83', [2]), ebml('86', 'A_PCM/INT/LIT'))
  const block = ebml('1f43b675', ebml('e7', [0]), ebml('a3', [0x81, 0, 0, 0x80, 1, 2, 3, 4]))
  return ebml('18538067', ebml('1654ae6b', ...Array.from({ length: n }, (_, i) => sound(i))), block)
}
const head = ebml('1a45dfa3', ebml('4282', 'matroska'), ebml('4287', [4]), ebml('4285', [2]))

const playlist = (uri) => `#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n${uri}\n#EXT-X-ENDLIST\n`
const mpd = (uri) => `<?xml version="1.0"?>
<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" mediaPresentationDuration="PT1S"><Period>
<AdaptationSet mimeType="video/mp2t"><Representation id="1" bandwidth="1"><BaseURL>${uri}</BaseURL></Representation>
</AdaptationSet></Period></MPD>`

// {name: contents}; `none`: not one result may come of it.
const hostile = (dir) => {
  const other = path.join(dir, 'other.ts')
  const source = ['-f', 'lavfi', '-i', 'testsrc2=s=64x48:r=10:d=1', '-f', 'lavfi', '-i', 'sine=d=1']
  const good = film(dir, 'good.mp4', ...source, ...x264, '-c:a', 'aac')
  const secret = path.join(dir, 'secret.txt')
  const lines = path.join(dir, 'lines.srt')
  film(dir, 'other.ts', '-i', path.join(dir, 'good.mp4'), '-c', 'copy')
  fs.writeFileSync(secret, `${MARK}\n`)
  fs.writeFileSync(lines, `1\n00:00:00,000 --> 00:00:01,000\n${'{\\p1}m 0 0 l 9 9{\\p0}'}\n`)
  const font = ['-attach', '/etc/hostname', '-metadata:s:t', 'mimetype=font/ttf',
    '-metadata:s:t', 'filename=../../../../etc/passwd']
  const attached = film(dir, 'attached.mkv', '-i', path.join(dir, 'good.mp4'), '-i', lines, ...font,
    '-map', '0', '-map', '1', '-c', 'copy', '-c:s', 'ass')
  const none = {
    'list.m3u8': playlist(`file:${other}`),
    'relative.m3u8': playlist('../../../../../../../../etc/passwd'),
    'named.mp4': playlist(`concat:${other}|${other}`),
    'data.m3u8': playlist(`data:video/mp2t;base64,${fs.readFileSync(other).toString('base64').slice(0, 3000)}`),
    'text.m3u8': playlist(`subfile,,start,0,end,99,,:${secret}`),
    'list.mpd': mpd(`file://${other}`),
    'list.ffconcat': `ffconcat version 1.0\nfile '${other}'\nfile '${secret}'\n`,
    'list.sdp': 'v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\n' +
      'm=video 5004 RTP/AVP 96\na=rtpmap:96 H264/90000\n',
    'nothing.mp4': '',
    'noise.mp4': Buffer.concat([good.subarray(0, 32), Buffer.alloc(5000).map((_, i) => (i * 7919) & 255)]),
    'crowd.mkv': Buffer.concat([head, crowd(5000)]),
  }
  const maybe = {
    'elsewhere.mp4': elsewhere(good, `file://${path.join(dir, 'good.mp4')}`),
    'concat:a.mp4|subfile,,start,0,end,99,,:data:video;base64,AA': good,
    '-i %03d.mp4': good,
    'attached.mkv': attached,
    'cut.mp4': film(dir, 'fast.mp4', '-i', path.join(dir, 'good.mp4'), '-c', 'copy', '-movflags', '+faststart')
      .subarray(0, good.length * 0.6 | 0),
    'long.mkv': film(dir, 'long.mkv', '-f', 'lavfi', '-i',
      'color=s=2x16:r=1:d=2,format=gray,crop=1:16,setpts=N*36000/TB', '-fps_mode', 'passthrough', '-c:v', 'ffv1', '-pix_fmt', 'gray'),
  }
  return { good, none, maybe }
}

// Robots whose inputs have parts to play get the film for one of them at a time.
const parts = {
  '/video/subtitle': [{ film: 'video', lines: 'subtitles' }, { good: 'video', film: 'subtitles' }],
}
const all = { film: '', good: '' }
const together = /\/(concat|merge|adaptive)$/

const stepsFor = (robots) => {
  const steps = { ':original': { robot: '/upload/handle', ignore_errors: true } }
  for (const r of robots) {
    const used = parts[r.name] ?? [together.test(r.name) ? all : { film: '' }]
    used.forEach((fields, i) => {
      steps[`${r.name.slice(1).replace('/', '-')}-${i}`] = {
        robot: r.name,
        ...r.example,
        use: {
          steps: Object.entries(fields).map(([f, as]) => ({ name: ':original', fields: f, ...(as && { as }) })),
          ...(fields === all && { bundle_steps: true }),
        },
        result: true,
        force_accept: true,
        ignore_errors: true,
      }
    })
  }
  return steps
}

const send = async (s, steps, name, contents, good) => {
  const body = new FormData()
  body.set('params', JSON.stringify({ auth: { key: KEY, expires: '2099-01-01T00:00:00Z' }, steps }))
  body.append('film', new Blob([contents]), name)
  body.append('good', new Blob([good]), 'good.mp4')
  body.append('lines', new Blob(['1\n00:00:00,000 --> 00:00:01,000\nHello\n']), 'lines.srt')
  return (await fetch(`${s.url}/assemblies`, { method: 'POST', body })).json()
}

// One film would keep an encoder busy for hours: it is ended by its owner, and all of it ends. The others end by
// themselves, however slow the machine is.
const ended = async (s, id, name) => {
  const over = (st) => !['ASSEMBLY_UPLOADING', 'ASSEMBLY_EXECUTING'].includes(st.ok)
  const end = Date.now() + (name === 'long.mkv' ? 20000 : Infinity)
  const st = await s.until(id, (got) => over(got) || Date.now() > end, 300000)
  if (over(st)) return st
  const canceled = await s.cancel(id)
  assert.equal(canceled.cancel.settled, true)
  return canceled
}

const isText = (step) => step.use.steps.some((u) => u.as === 'subtitles' && u.fields === 'film')
const dull = /artwork/ // a film without a cover gives none, which is no error

// Frames that can be decoded of a film or a sound.
const frames = (dir, data) => {
  const file = path.join(dir, 'result')
  fs.writeFileSync(file, data)
  const asked = ['-count_frames', '-show_entries', 'stream=nb_read_frames', '-of', 'csv=p=0']
  const out = execFileSync('ffprobe', ['-v', 'quiet', ...asked, file]).toString()
  return out.split('\n').reduce((n, line) => n + (parseInt(line, 10) || 0), 0)
}

const check = async (dir, name, steps, st, none) => {
  const text = JSON.stringify(st)
  assert.ok(!text.includes(MARK) && !text.includes('root:x:'), `${name}: ${text.slice(0, 3000)}`)
  if (st.ok === 'ASSEMBLY_CANCELED') return assert.equal(name, 'long.mkv')
  assert.equal(st.ok, 'ASSEMBLY_COMPLETED', `${name}: ${text.slice(0, 2000)}`)
  for (const step of Object.keys(steps).filter((k) => k !== ':original')) {
    const results = st.results[step] ?? []
    const said = (st.ignored_errors ?? []).filter((e) => e.step === step && e.phase === 'execute')
    for (const e of said) {
      const clear = /^[A-Z][A-Z0-9_]+$/.test(e.error) && e.error !== 'WORKER_JOB_ERROR'
      assert.ok(clear && e.message, `${name}, ${step}: ${JSON.stringify(e)}`)
      if (name === 'crowd.mkv' && !isText(steps[step])) assert.match(e.message, /1000 streams/)
    }
    const silent = !results.length && !said.length
    assert.ok(!silent || dull.test(step), `${name}, ${step}: neither a result nor an error: ${text.slice(0, 3000)}`)
    const alone = !steps[step].use.bundle_steps // what is made of a good film as well may be made
    if (none && alone) assert.deepEqual(results, [], `${name}, ${step}`)
    for (const r of results) {
      const data = Buffer.from(await (await fetch(r.ssl_url)).arrayBuffer())
      assert.equal(data.length, r.size)
      assert.ok(!data.includes(MARK) && !data.includes('root:x:'), `${name}, ${step}: another file is in ${r.name}`)
      // what stands in their place may look like one
      if (name === 'elsewhere.mp4' && alone && /video|audio|jpeg/.test(r.mime))
        assert.ok(frames(dir, data) < 5, `${step} has pictures or sound, which were 54`)
    }
  }
}

test('hostile films: every Robot gives a result or says what is wrong, and opens nothing else', async (t) => {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'workcell-films-'))
  t.after(() => fs.rmSync(dir, { recursive: true }))
  const s = await Server.start(t)
  const { good, none, maybe } = hostile(dir)
  const { robots } = await (await fetch(`${s.url}/robots`)).json()
  const over = robots.filter((r) => /^\/(video|audio)\//.test(r.name) && r.name !== '/video/generate') // a model's
  assert.ok(over.length >= 2)
  const steps = stepsFor(over)
  const work = Object.entries({ ...none, ...maybe })
  // a few at once: the workers change hands between them
  await Promise.all(Array.from({ length: 4 }, async () => {
    for (let next; (next = work.shift());) {
      const [name, contents] = next
      const a = await send(s, steps, name, contents, good)
      assert.ok(a.ok, `${name}: ${JSON.stringify(a)}`)
      await check(dir, name, steps, await ended(s, a.assembly_id, name), name in none)
    }
  }))
  const after = await send(s, steps, 'good.mp4', good, good)
  const done = await s.until(after.assembly_id, undefined, 300000)
  for (const step of Object.keys(steps).filter((k) => k !== ':original' && !dull.test(k) && k !== 'video-subtitle-1'))
    assert.ok(done.results[step]?.length, `${step} after all that: ${JSON.stringify(done.ignored_errors)}`)
  assert.ok(!/broke the rules|did not take its job/.test(s.log), s.log)
  await s.scratchEmpty()
})

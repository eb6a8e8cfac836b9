import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import fs from 'node:fs'
import http from 'node:http'
import os from 'node:os'
import path from 'node:path'
import { after, test } from 'node:test'
import { promisify } from 'node:util'
import { closeBrowser, theBrowser } from '../console/browser.mjs'
import { KEY, picture, root, SECRET, Server, sleep } from '../e2e/server.mjs'

after(closeBrowser)

const run = promisify(execFile)
const dir = (name) => path.join(root, 'examples', name)
const env = (s) => ({ ...process.env, TRANSLOADIT_KEY: KEY, TRANSLOADIT_SECRET: SECRET, WORKCELL_URL: s.url })
const types = { '.html': 'text/html', '.js': 'text/javascript', '.css': 'text/css' }

function folder(t) {
  const d = fs.mkdtempSync(path.join(os.tmpdir(), 'workcell-example-'))
  t.after(() => fs.rmSync(d, { recursive: true }))
  return d
}

async function serve(t, at) {
  const server = http.createServer((req, res) => {
    const file = path.join(at, path.normalize(new URL(req.url, 'http://x').pathname).replace(/\/$/, '/index.html'))
    if (!file.startsWith(at) || !fs.existsSync(file)) return res.writeHead(404).end()
    res.writeHead(200, { 'Content-Type': types[path.extname(file)] ?? 'application/octet-stream' }).end(fs.readFileSync(file))
  }).listen(0, '127.0.0.1')
  await new Promise((r) => server.on('listening', r))
  t.after(() => { server.closeAllConnections(); server.close() })
  return `http://127.0.0.1:${server.address().port}/`
}

// A page of another origin than the server's, as in life.
async function visit(t, s, at) {
  const context = await (await theBrowser()).newContext()
  const trouble = []
  const page = await context.newPage()
  page.setDefaultTimeout(20000)
  page.on('pageerror', (e) => trouble.push(String(e)))
  page.on('console', (m) => { if (m.type() === 'error' && !/favicon/.test(m.location().url)) trouble.push(`${m.text()} ${m.location().url}`) })
  const elsewhere = []
  page.on('request', (r) => { if (!/^(http:\/\/127\.0\.0\.1:|blob:|data:)/.test(r.url())) elsewhere.push(r.url()) })
  const finish = s.finish
  s.finish = async () => { await context.close(); await finish.call(s) }
  t.after(() => { assert.deepEqual(trouble, []); assert.deepEqual(elsewhere, [], 'it needs nothing from elsewhere') })
  await page.goto(`${await serve(t, at)}?${new URLSearchParams({ service: s.url, key: KEY })}`)
  return page
}

async function width(page, selector) {
  for (let i = 0; i < 200; i++, await sleep(50)) {
    const w = await page.evaluate((q) => document.querySelector(q)?.naturalWidth ?? 0, selector)
    if (w) return w
  }
  return 0
}

test('page: pictures go up, results come down', async (t) => {
  const s = await Server.start(t)
  const page = await visit(t, s, dir('page'))
  await page.getByLabel('Pictures').setInputFiles([picture, path.join(root, 'build/pictures/coffee.png')])
  await page.getByRole('button', { name: 'Send' }).click()
  await page.getByText('The Assembly was successfully completed.').waitFor()
  assert.equal(await width(page, '#results img'), 320)
  assert.equal(await page.locator('#results img').count(), 2)
})

test('page: its cancel ends the work', async (t) => {
  const s = await Server.start(t)
  const page = await visit(t, s, dir('page'))
  let id
  await page.route('**/assemblies/*', async (route) => { // the same page with slower steps
    if (route.request().method() !== 'POST') return route.fallback()
    id = route.request().url().split('/').pop()
    return route.continue({ postData: route.request().postDataBuffer().toString('latin1').replace('"width":320,', '"width":9000,"format":"avif",'), headers: { ...route.request().headers() } })
  })
  await page.getByLabel('Pictures').setInputFiles({ name: 'a.svg', mimeType: 'image/svg+xml', buffer: Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" width="3000" height="2000"><filter id="f"><feTurbulence baseFrequency=".3"/></filter><rect width="3000" height="2000" filter="url(#f)"/></svg>') })
  await page.getByRole('button', { name: 'Send' }).click()
  await page.getByText('Working').waitFor()
  await page.getByRole('button', { name: 'Cancel' }).click()
  await page.getByText('Execution was canceled.').or(page.getByText(/Canceled: \d+ processes ended/)).waitFor()
  assert.equal((await s.get(id)).ok, 'ASSEMBLY_CANCELED')
})

test('react: built by Vite, Uppy uploads by tus and shows the result', async (t) => {
  const out = folder(t)
  await run(path.join(dir('react'), 'node_modules/.bin/vite'), ['build', '--outDir', out, '--emptyOutDir'], { cwd: dir('react') })
  const s = await Server.start(t)
  const page = await visit(t, s, out)
  await page.locator('.uppy-Dashboard-input').first().setInputFiles(picture)
  await page.getByRole('button', { name: 'Upload 1 file' }).click()
  await page.getByText('ASSEMBLY_COMPLETED').waitFor()
  assert.equal(await width(page, 'main li > img[alt]'), 320)
})

test('node: a folder of pictures made smaller', async (t) => {
  const s = await Server.start(t)
  const from = folder(t)
  for (const n of ['astronaut.png', 'rocket.jpg']) fs.copyFileSync(path.join(root, 'build/pictures', n), path.join(from, n))
  const to = path.join(folder(t), 'smaller')
  const { stdout } = await run(process.execPath, ['smaller.mjs', from, to], { cwd: dir('node'), env: env(s) })
  assert.match(stdout, /astronaut\.webp: 320 x 320/)
  assert.deepEqual(fs.readdirSync(to).sort(), ['astronaut.webp', 'rocket.webp'])
  for (const n of fs.readdirSync(to)) assert.equal(fs.readFileSync(path.join(to, n)).subarray(8, 12).toString(), 'WEBP')
})

test('curl: signed, waited for, fetched; a wrong secret is refused', async (t) => {
  const s = await Server.start(t, { args: ['--require-signature'] })
  const to = path.join(folder(t), 'small.png')
  const { stdout } = await run(path.join(dir('curl'), 'smaller.sh'), [picture, to], { env: env(s) })
  assert.match(stdout, /320 x 320/)
  assert.equal(fs.readFileSync(to).readUInt32BE(16), 320)
  await assert.rejects(run(path.join(dir('curl'), 'smaller.sh'), [picture, to], { env: { ...env(s), TRANSLOADIT_SECRET: 'wrong' } }), /INVALID_SIGNATURE/)
})

test('receiver: what the server sends is taken, a forgery is not', async (t) => {
  const r = spawn(process.execPath, [path.join(dir('receiver'), 'receiver.mjs')], { env: { ...process.env, PORT: '0', TRANSLOADIT_SECRET: SECRET } })
  t.after(() => r.kill())
  let out = ''
  r.stdout.on('data', (d) => { out += d })
  const heard = async (re) => { for (let i = 0; i < 200 && !re.test(out); i++) await sleep(50); assert.match(out, re); return out.match(re) }
  const [, url] = await heard(/listening on (\S+)/)
  const s = await Server.start(t, { args: ['--notify-allow', '127.0.0.1'] })
  const a = await s.create({ ':original': { robot: '/upload/handle', result: true } }, { files: { x: 'abc' }, params: { notify_url: url } })
  await heard(new RegExp(`${a.assembly_id} ASSEMBLY_COMPLETED :original:1`))
  assert.equal((await s.until(a.assembly_id, (st) => st.notify_status === 'successful')).notify_response_data, 'thanks')
  for (const signature of ['', 'sha384:', `sha384:${'0'.repeat(96)}`, 'md5:00', 'sha1:aa']) {
    const res = await fetch(url, { method: 'POST', body: new URLSearchParams({ transloadit: '{"assembly_id":"forged","results":{}}', signature }) })
    assert.equal(res.status, 403, signature)
  }
  assert.ok(!out.includes('forged'))
})

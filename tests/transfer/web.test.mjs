// /http/import and /http/request where it needs a daemon around: stubs and who can do with them, a web server as people
// have it (nginx) that breaks in the middle, and an application that decides which files go on.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import fs from 'node:fs'
import http from 'node:http'
import net from 'node:net'
import os from 'node:os'
import path from 'node:path'
import { test } from 'node:test'
import { Transloadit } from '../e2e/node_modules/@transloadit/node/dist/Transloadit.js'
import { KEY, picture, SECRET, Server, sleep } from '../e2e/server.mjs'

const MB = 1 << 20
const PATIENCE = 120000
const md5 = (d) => createHash('md5').update(d).digest('hex')
const serve = (t, more = {}) =>
  Server.start(t, { args: ['--import-allow', '127.0.0.1'], env: { WORKCELL_TEST_RETRY_MS: '50' }, ...more })
const finish = async (s, a) => s.until(a.assembly_id, undefined, PATIENCE)
const run = async (s, steps, more) => finish(s, await s.create(steps, more))

async function web(t, answer) {
  const seen = []
  const server = http.createServer((req, res) => {
    const parts = []
    req.on('data', (d) => parts.push(d))
    req.on('end', () => {
      const body = Buffer.concat(parts)
      seen.push({ method: req.method, url: req.url, headers: req.headers, body })
      answer(req, res, body)
    })
  })
  await new Promise((r) => server.listen(0, '127.0.0.1', r))
  t.after(() => { server.closeAllConnections(); server.close() })
  return { seen, url: `http://127.0.0.1:${server.address().port}` }
}

const port = async () => {
  const free = net.createServer().listen(0, '127.0.0.1')
  await new Promise((r) => free.on('listening', r))
  const { port } = free.address()
  await new Promise((r) => free.close(r))
  return port
}

async function nginx(t) {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'workcell-nginx-')), at = await port()
  fs.chmodSync(dir, 0o755)
  const temp = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((n) => `${n}_temp_path ${dir}/${n};`).join(' ')
  fs.writeFileSync(`${dir}/conf`, `daemon off; pid ${dir}/pid; error_log ${dir}/log; events {}
    http { access_log off; ${temp}
    server { listen 127.0.0.1:${at}; root ${dir}/www; location /moved { return 301 /big.bin; } } }`)
  fs.mkdirSync(`${dir}/www`)
  const child = spawn('/usr/sbin/nginx', ['-e', `${dir}/log`, '-c', `${dir}/conf`], { stdio: 'ignore' })
  const gone = new Promise((r) => child.on('exit', r))
  t.after(async () => { child.kill(); await gone; fs.rmSync(dir, { recursive: true, force: true }) })
  for (const end = Date.now() + PATIENCE; ; await sleep(50)) {
    if (await fetch(`http://127.0.0.1:${at}/`).then(() => true, () => false)) break
    assert.ok(Date.now() < end, 'nginx does not listen')
  }
  return { www: `${dir}/www`, port: at }
}

// Between: `cuts` connections are cut after so many bytes each.
async function line(t, to, cuts) {
  const l = { sent: 0 }
  const server = net.createServer((c) => {
    const up = net.connect(to, '127.0.0.1')
    const both = () => { c.destroy(); up.destroy() }
    const cut = cuts.shift() ?? Infinity
    let here = 0
    for (const x of [c, up]) x.on('error', both).on('close', both)
    c.pipe(up)
    up.on('data', (d) => {
      l.sent += d.length
      here += d.length
      if (!c.write(d)) { up.pause(); c.once('drain', () => up.resume()) }
      if (here > cut) { up.pause(); c.end() }
    })
  })
  await new Promise((r) => server.listen(0, '127.0.0.1', r))
  t.after(() => server.close())
  l.url = `http://127.0.0.1:${server.address().port}`
  return l
}

test('an import from nginx that breaks again and again reads each byte once', async (t) => {
  const there = await nginx(t), bytes = randomBytes(20 * MB)
  fs.writeFileSync(`${there.www}/big.bin`, bytes)
  fs.utimesSync(`${there.www}/big.bin`, 1e9, 1e9)
  const l = await line(t, there.port, [18 * MB, MB, MB / 2, MB / 2])
  const s = await serve(t)
  const done = await run(s, { i: { robot: '/http/import', url: `${l.url}/big.bin`, result: true } })
  assert.equal(done.ok, 'ASSEMBLY_COMPLETED', done.message)
  assert.equal(done.results.i[0].md5hash, md5(bytes))
  assert.ok(l.sent < 20 * MB + 2 * MB, `${l.sent} bytes went over the line`)
  const url = `http://127.0.0.1:${there.port}/moved`
  const moved = await run(s, { i: { robot: '/http/import', url, result: true } })
  assert.equal(moved.ok, 'ASSEMBLY_COMPLETED', moved.message)
  assert.equal(moved.results.i[0].size, bytes.length)
})

test('a stub has an address, which /file/serve sends on to; other Robots say that they need the file', async (t) => {
  const there = await web(t, (req, res) => res.end('never'))
  const s = await serve(t)
  const stub = { robot: '/http/import', url: `${there.url}/film.mp4?x=1`, return_file_stubs: true }
  const done = await run(s, { i: { ...stub, result: true }, o: { robot: '/file/serve', use: 'i', result: true } })
  assert.equal(done.ok, 'ASSEMBLY_COMPLETED', done.message)
  for (const f of [done.results.i[0], done.results.o[0]])
    assert.deepEqual([f.size, f.url, f.is_temp_url, f.mime], [0, `${there.url}/film.mp4?x=1`, false, 'video/mp4'])
  for (const robot of ['/file/hash', '/video/encode', '/file/compress']) {
    const refused = await run(s, { i: stub, h: { robot, use: 'i' } })
    assert.equal(refused.error, `${robot.slice(1).replace('/', '_').toUpperCase()}_VALIDATION`)
    assert.match(refused.message, /is a stub .* needs the file/)
  }
  const sdk = new Transloadit({ authKey: KEY, authSecret: SECRET, endpoint: s.url })
  const steps = { i: { ...stub, url: `${there.url}/\${fields.input}` }, o: { robot: '/file/serve', use: 'i' } }
  await sdk.createTemplate({ name: 'stubs', template: { steps } })
  for (let i = 0; i < 2; i++) { // made, and kept
    const res = await fetch(`${s.url}/cdn/default/stubs/a.mp4`, { redirect: 'manual' })
    assert.deepEqual([res.status, res.headers.get('location')], [302, `${there.url}/a.mp4`])
  }
  assert.equal(there.seen.length, 0)
})

test('an application decides which files go on, and names new ones', async (t) => {
  const there = await web(t, (req, res, body) => {
    if (req.url !== '/ask') return res.end(fs.readFileSync(picture))
    const { files } = JSON.parse(body)
    res.end(JSON.stringify([...files.filter((f) => f.name === 'yes.txt'), { url: `${there.url}/new.png` }]))
  })
  const s = await serve(t)
  const ask = { robot: '/http/request', url: `${there.url}/ask`, payload: 'metadata' }
  const files = { 'yes.txt': 'y', 'no.txt': 'n' }
  const after = { robot: '/file/hash', use: 'asked', algorithm: 'md5', result: true }
  const each = await run(s, { asked: { ...ask, use: ':original', result: true }, h: after }, { files })
  assert.equal(each.ok, 'ASSEMBLY_COMPLETED', each.message)
  assert.deepEqual(each.results.asked.map((f) => f.name).sort(), ['new.png', 'new.png', 'yes.txt'])
  assert.equal(each.results.h.length, 3)
  assert.equal(each.results.asked.find((f) => f.name === 'new.png').meta.width, 512)
  const told = JSON.parse(there.seen.find((q) => q.url === '/ask').body)
  assert.equal(told.assembly.id, each.assembly_id)

  there.seen.length = 0
  const use = { steps: [':original'], bundle_steps: true }
  const all = await run(s, { asked: { ...ask, use, result: true } }, { files })
  assert.equal(all.ok, 'ASSEMBLY_COMPLETED', all.message)
  assert.deepEqual(all.results.asked.map((f) => f.name).sort(), ['new.png', 'yes.txt'])
  assert.equal(there.seen.filter((q) => q.url === '/ask').length, 1)

  const alone = await run(s, { asked: { ...ask, result: true } })
  assert.equal(alone.ok, 'ASSEMBLY_COMPLETED', alone.message)
  assert.deepEqual(alone.results.asked.map((f) => f.name), ['new.png'])
})

test('a server that sends a byte now and then is given up', async (t) => {
  const there = await web(t, (req, res) => {
    res.writeHead(200, { 'Content-Length': '1000000' })
    const drip = setInterval(() => res.write('x'), 100)
    res.on('close', () => clearInterval(drip))
  })
  const s = await serve(t, { env: { WORKCELL_TEST_IDLE_S: '2' } })
  const done = await run(s, { i: { robot: '/http/import', url: `${there.url}/a.bin`, fail_fast: true } })
  assert.equal(done.error, 'HTTP_IMPORT_FAILURE')
  assert.match(done.message, /too slow/)
})

test('a form brings the files, whole', async (t) => {
  const bytes = randomBytes(3 * MB)
  const there = await web(t, (req, res) => res.end())
  const s = await serve(t)
  const ask = { robot: '/http/request', use: ':original', url: there.url, payload: 'file' }
  const done = await run(s, { asked: ask }, { files: { 'a.bin': bytes } })
  assert.equal(done.ok, 'ASSEMBLY_COMPLETED', done.message)
  const { body, headers } = there.seen[0]
  const form = await new Response(body, { headers: { 'Content-Type': headers['content-type'] } }).formData()
  assert.equal(md5(Buffer.from(await form.get('file').arrayBuffer())), md5(bytes))
  assert.equal(JSON.parse(form.get('payload')).file.name, 'a.bin')
})

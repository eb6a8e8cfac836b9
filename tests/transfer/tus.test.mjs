// /tus/store with the real @tus/server: the table of transfers, what only tus has, and Workcell as the tus server.
import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import fs from 'node:fs'
import http from 'node:http'
import net from 'node:net'
import os from 'node:os'
import path from 'node:path'
import { test } from 'node:test'
import { FileStore } from '../e2e/node_modules/@tus/file-store/dist/index.js'
import { Server as TusServer } from '../e2e/node_modules/@tus/server/dist/index.js'
import { picture, Server, sleep } from '../e2e/server.mjs'
import { conform } from './conform.mjs'

const MB = 1 << 20
const PATIENCE = 120000
const md5 = (d) => createHash('md5').update(d).digest('hex')
async function soon(what, is) {
  for (const end = Date.now() + PATIENCE; !await is(); await sleep(20)) assert.ok(Date.now() < end, `never: ${what}`)
}

// The real server. there.secrets: Authorization headers that it saw; there.calls: methods.
async function tusServer(t, letsIn = () => true) {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'workcell-tus-'))
  const server = new TusServer({ path: '/files', datastore: new FileStore({ directory: dir }), relativeLocation: true })
  const there = { dir, calls: [], secrets: [] }
  const web = http.createServer((req, res) => {
    there.calls.push(req.method)
    there.secrets.push(req.headers.authorization)
    if (!letsIn(req)) { res.writeHead(401).end(); return }
    server.handle(req, res)
  })
  await new Promise((r) => web.listen(0, '127.0.0.1', r))
  t.after(() => { web.closeAllConnections(); web.close(); fs.rmSync(dir, { recursive: true, force: true }) })
  there.port = web.address().port
  there.uploads = () => fs.readdirSync(dir).filter((n) => !n.endsWith('.json')).flatMap((id) => {
    try {
      const about = JSON.parse(fs.readFileSync(path.join(dir, `${id}.json`)))
      const { size } = fs.statSync(path.join(dir, id)) // often asked for: all the bytes would hold the server up
      return [{ id, size, about, get bytes() { return fs.readFileSync(path.join(dir, id)) } }]
    } catch { return [] } // it is on its way in or out
  })
  return there
}

// A line to it. cutAt: bytes after which one connection is cut, once; slow: ms a piece waits; sent: bytes altogether.
async function line(t, port, more = {}) {
  const l = { sent: 0, ...more }
  const server = net.createServer((c) => {
    const up = net.connect(port, '127.0.0.1')
    const both = () => { c.destroy(); up.destroy() }
    c.on('error', both).on('close', both)
    up.on('error', both).on('close', both)
    up.pipe(c)
    c.on('data', (d) => {
      l.sent += d.length
      if (l.cutAt && l.sent > l.cutAt) { l.cutAt = 0; setTimeout(both, 50); c.pause(); return }
      if (!up.write(d)) { c.pause(); up.once('drain', () => c.resume()) }
      if (l.slow) { c.pause(); setTimeout(() => c.resume(), l.slow) }
    })
  })
  await new Promise((r) => server.listen(0, '127.0.0.1', r))
  t.after(() => server.close())
  l.url = `http://127.0.0.1:${server.address().port}/files`
  return l
}

const serve = (t, more = {}) =>
  Server.start(t, { args: ['--import-allow', '127.0.0.1'], env: { WORKCELL_TEST_RETRY_MS: '50' }, ...more })
const store = (endpoint, more = {}) => ({ out: { robot: '/tus/store', use: ':original', endpoint, ...more } })
const finish = async (s, a) => s.until(a.assembly_id, undefined, PATIENCE)

test('a file lies at @tus/server with its name, and the Status says where', async (t) => {
  const there = await tusServer(t)
  const s = await serve(t)
  const bytes = fs.readFileSync(picture)
  const a = await s.create(store(`http://u:p@127.0.0.1:${there.port}/files`), { files: { 'a b.png': bytes } })
  const done = await finish(s, a)
  assert.equal(done.ok, 'ASSEMBLY_COMPLETED', done.message)
  const [one, ...others] = there.uploads()
  assert.equal(others.length, 0)
  assert.ok(one.bytes.equals(bytes))
  assert.deepEqual(one.about.metadata, { filename: 'a b.png', basename: 'a b', extension: 'png' })
  assert.equal(done.uploads[0].url, `http://127.0.0.1:${there.port}/files/${one.id}`)
  assert.ok(!done.uploads[0].ssl_url, 'no https there')
  assert.deepEqual(new Set(there.secrets), new Set([`Basic ${Buffer.from('u:p').toString('base64')}`]))
})

test('variables fill the metadata for each file, and an empty file is an upload as well', async (t) => {
  const there = await tusServer(t)
  const s = await serve(t)
  const done = await finish(s, await s.create(
    store(`http://127.0.0.1:${there.port}/files`, { metadata: { title: '${file.name} of ${fields.who}' } }),
    { files: { 'a.txt': 'abc', 'none.txt': '' }, fields: { who: 'ours' } }))
  assert.equal(done.ok, 'ASSEMBLY_COMPLETED', done.message)
  const have = there.uploads().map((u) => [u.about.metadata.title, u.bytes.toString()]).sort()
  assert.deepEqual(have, [['a.txt of ours', 'abc'], ['none.txt of ours', '']])
})

test('after a cut the upload goes on where it was, and only what was on its way is sent again', async (t) => {
  const there = await tusServer(t)
  const l = await line(t, there.port, { cutAt: 18 * MB })
  const s = await serve(t)
  const bytes = randomBytes(20 * MB)
  const done = await finish(s, await s.create(store(l.url), { files: { 'big.bin': bytes } }))
  assert.equal(done.ok, 'ASSEMBLY_COMPLETED', done.message)
  assert.equal(l.cutAt, 0, 'it was cut')
  const all = there.uploads()
  assert.deepEqual(all.map((u) => md5(u.bytes)), [md5(bytes)])
  assert.ok(l.sent < 20 * MB + 4 * MB, `${l.sent} bytes went over the line`)
  assert.ok(there.calls.includes('HEAD'))
})

test('a cancel in the middle takes the upload back', async (t) => {
  const there = await tusServer(t)
  const l = await line(t, there.port, { slow: 20 })
  const s = await serve(t)
  const a = await s.create(store(l.url), { files: { 'big.bin': randomBytes(20 * MB) } })
  await soon('bytes arrive', () => l.sent > 2 * MB)
  assert.equal((await s.cancel(a.assembly_id)).ok, 'ASSEMBLY_CANCELED')
  l.slow = 0
  await soon('nothing is left', () => fs.readdirSync(there.dir).length === 0)
})

test('a worker that is killed in the middle is followed by another, and there is one upload', async (t) => {
  const there = await tusServer(t)
  const l = await line(t, there.port, { slow: 20 })
  const s = await serve(t, { allow: [/worker/] })
  const bytes = randomBytes(20 * MB)
  const a = await s.create(store(l.url), { files: { 'big.bin': bytes } })
  await soon('bytes arrive', () => l.sent > 2 * MB)
  process.kill(s.busyWorkers()[0], 'SIGKILL')
  l.slow = 0
  const done = await finish(s, a)
  assert.equal(done.ok, 'ASSEMBLY_COMPLETED', done.message)
  assert.deepEqual(there.uploads().map((u) => md5(u.bytes)), [md5(bytes)])
})

test('twice the same job makes two uploads, as tus has no names', async (t) => {
  const there = await tusServer(t)
  const s = await serve(t)
  for (let i = 0; i < 2; i++) {
    const a = await s.create(store(`http://127.0.0.1:${there.port}/files`), { files: { 'a.txt': 'abc' } })
    assert.equal((await finish(s, a)).ok, 'ASSEMBLY_COMPLETED')
  }
  assert.equal(there.uploads().length, 2)
})

test('Workcell is a tus server to store at, checksums and all', async (t) => {
  const target = await Server.start(t)
  const s = await serve(t)
  const bytes = randomBytes(3 * MB)
  const steps = { h: { robot: '/file/hash', use: ':original', algorithm: 'md5', result: true } }
  const waits = await target.create(steps, { expected: 1 })
  const metadata = { assembly_url: waits.assembly_ssl_url, fieldname: 'file', filename: '${file.name}' }
  const a = await s.create(store(`${target.url}/resumable/files/`, { metadata }), { files: { 'x y.bin': bytes } })
  const done = await finish(s, a)
  assert.equal(done.ok, 'ASSEMBLY_COMPLETED', done.message)
  const there = await finish(target, waits)
  assert.equal(there.ok, 'ASSEMBLY_COMPLETED', there.message)
  assert.deepEqual([there.uploads[0].name, there.uploads[0].md5hash], ['x y.bin', md5(bytes)])
})

test('who is not let in, and a network that nobody allowed, is said', async (t) => {
  const web = http.createServer((req, res) => {
    res.writeHead(req.method === 'OPTIONS' ? 204 : 401, { 'Content-Type': 'text/plain' }).end('who are you?')
  })
  await new Promise((r) => web.listen(0, '127.0.0.1', r))
  t.after(() => { web.closeAllConnections(); web.close() })
  const endpoint = `http://127.0.0.1:${web.address().port}/`
  const refused = await serve(t)
  const done = await finish(refused, await refused.create(store(endpoint), { files: { 'a.txt': 'abc' } }))
  assert.equal(done.error, 'WORKER_JOB_ERROR')
  assert.match(done.message, /status 401: who are you\?/)
  const closed = await Server.start(t)
  const far = await finish(closed, await closed.create(store(endpoint), { files: { 'a.txt': 'abc' } }))
  assert.equal(far.is_private_address, true)
})

// A file is found by what its metadata say, as tus has no names.
conform({
  name: 'tus',
  store: true,
  imports: 'tus has no way to fetch; /http/import has',
  codes: { denied: 'WORKER_JOB_ERROR', failed: 'WORKER_JOB_ERROR' },
  cannot: {
    'names are kept as they are, or refused in words': 'tus has no names',
    'what is there is replaced, by less as by more': 'each job makes an upload of its own',
    'the same job twice gives one object': 'each job makes an upload of its own',
    'a target that is full is said, and nothing is left on it': 'the server would not say so',
    'a target that is read-only is said, and nothing lands': 'there is no such tus server',
  },
  async start(t) {
    const there = await tusServer(t, (req) => req.headers['x-password'] === 'right')
    const whole = (u) => u.size === u.about.size
    return {
      host: '127.0.0.1', port: there.port,
      store: (to, line) => ({
        robot: '/tus/store', endpoint: `${line.url}/files`, headers: { 'X-Password': 'right' }, metadata: { path: to },
      }),
      wrong: { headers: { 'X-Password': 'wrong' } },
      list: (prefix) => there.uploads().filter(whole).map((u) => u.about.metadata.path)
        .filter((p) => p.startsWith(prefix)),
      // one that was made in the moment of a death is empty, and nobody knows of it
      open: (prefix) => there.uploads().filter((u) => !whole(u) && u.size && u.about.metadata.path.startsWith(prefix))
        .map((u) => u.id),
      read: (at) => there.uploads().find((u) => whole(u) && u.about.metadata.path === at).bytes,
    }
  },
})

// Connections are kept from one job to the next: counted at the other side, by a real sshd's log and by a web server.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import http from 'node:http'
import net from 'node:net'
import path from 'node:path'
import { test } from 'node:test'
import { binary, Server, sleep } from '../e2e/server.mjs'
import { Sshd } from '../e2e/sshd.mjs'
import { connected } from './line.mjs'

const PATIENCE = 180000
const MANY = process.env.FULL === '1' ? 1000 : 200
const WORKERS = 2
// a worker is replaced after 100 jobs (worker_jobs), and makes a new connection then; some more for a slow machine, on
// which one may rest for longer than a connection is kept
const most = (jobs) => 2 * (WORKERS + Math.ceil(jobs / 100))
const soon = async (what, is) => {
  for (const end = Date.now() + PATIENCE; !await is(); await sleep(20))
    assert.ok(Date.now() < end, `not in time: ${what}`)
}
const serve = (t, args = [], workers = WORKERS) => Server.start(t,
  { args: ['--import-allow', '127.0.0.1', '--workers-transfer', String(workers), ...args] })
const small = (n) => Object.fromEntries(Array.from({ length: n }, (_, i) => [`f${i}.txt`, `file ${i}`]))
const good = (st) => assert.equal(st.ok, 'ASSEMBLY_COMPLETED', `${st.error}: ${st.message}`)

async function bed(t, more = {}) {
  const sshd = await Sshd.start({ level: 'VERBOSE', ...more })
  t.after(() => sshd.stop())
  const to = sshd.at('to')
  fs.mkdirSync(to)
  const step = (more = {}) => ({ out: { robot: '/sftp/store', use: ':original', host: '127.0.0.1', port: sshd.port,
    user: sshd.user, private_key: sshd.text('own'), path: `${to}/\${file.url_name}`, ...more } })
  const send = async (s, files, more) => {
    const a = await s.create(step(more), { files })
    return s.until(a.assembly_id, undefined, PATIENCE)
  }
  return { sshd, to, send }
}

// Hands on to a port, and counts how many are connected at once. One that its worker has closed before another came may
// be told to us after that one, so the count is taken a moment later.
async function door(t, port) {
  const it = { now: 0, most: 0, made: 0 }
  const server = net.createServer({ allowHalfOpen: true }, (c) => {
    const up = net.connect({ port, host: '127.0.0.1', allowHalfOpen: true })
    let gone = false
    const leave = () => { it.now -= gone ? 0 : 1; gone = true }
    it.made++
    it.now++
    setTimeout(() => { it.most = Math.max(it.most, it.now) }, 20)
    c.on('end', leave).on('close', leave).on('error', () => up.destroy())
    up.on('error', () => c.destroy())
    c.pipe(up).pipe(c)
  })
  await new Promise((r) => server.listen(0, '127.0.0.1', r))
  t.after(() => server.close())
  it.port = server.address().port
  return it
}

test(`${MANY} small files by as many jobs are a handful of logins, and nothing stays open after them`, async (t) => {
  const { sshd, to, send } = await bed(t)
  const s = await serve(t)
  const many = MANY > 200 ? 200 : MANY
  for (let done = 0; done < MANY; done += many) good(await send(s, small(many)))
  assert.equal(fs.readdirSync(to).length >= many, true)
  const logins = sshd.logins()
  t.diagnostic(`${logins} logins for ${MANY} jobs`)
  assert.ok(logins >= 1 && logins <= most(MANY), `${logins} logins for ${MANY} jobs`)
  await soon('the sessions at rest are closed', () => connected(s, sshd.port).length === 0)
})

test('a host sees no more sessions than are allowed, those at rest among them', async (t) => {
  const { sshd, send } = await bed(t)
  const line = await door(t, sshd.port)
  const s = await serve(t, ['--transfer-connections', '1'])
  good(await send(s, small(30), { port: line.port }))
  assert.ok(line.made >= 1)
  assert.equal(line.most, 1)
})

test('a session is never another workspace\'s, though host, user and key are the same', async (t) => {
  const { sshd, send } = await bed(t)
  const s = await serve(t, [], 1)
  await s.stop()
  const env = { ...process.env, TRANSLOADIT_KEY: '', TRANSLOADIT_SECRET: '' }
  const text = execFileSync(binary, ['workspace', 'add', 'second', '--data', s.dir], { encoding: 'utf8', env })
  const key = text.match(/TRANSLOADIT_KEY=(\w+)/)[1]
  await s.boot()
  const auth = { auth: { key, expires: '2099-01-01T00:00:00Z' } }
  good(await send(s, { 'a.txt': 'a' }))
  good(await send(s, { 'b.txt': 'b' }))
  assert.equal(sshd.logins(), 1, 'the same workspace goes on')
  const a = await s.create({ out: { robot: '/sftp/store', use: ':original', host: '127.0.0.1', port: sshd.port,
    user: sshd.user, private_key: sshd.text('own'), path: `${sshd.at('to')}/c.txt` } },
  { files: { 'c.txt': 'c' }, params: auth })
  good(await s.until(a.assembly_id, undefined, PATIENCE))
  assert.equal(sshd.logins(), 2, 'the other one logs in for itself')
})

test('another key, and a server that was started anew, are logged in to anew', async (t) => {
  const { sshd, to, send } = await bed(t, { forced: { turned: 'internal-sftp' } })
  const s = await serve(t, [], 1)
  const by = (key) => ({ private_key: sshd.text(key) })
  good(await send(s, { 'a.txt': 'a' }, by('own')))
  good(await send(s, { 'b.txt': 'b' }, by('turned')))
  assert.equal(sshd.logins(), 2)
  assert.match((await send(s, { 'c.txt': 'c' }, by('other'))).message, /does not let/)
  good(await send(s, { 'd.txt': 'd' }, by('own')))
  const before = sshd.logins(), sessions = sshd.sessions()
  assert.ok(sessions.length > 0, 'a session is kept')
  await sshd.again('host')
  for (const pid of sessions) process.kill(pid)
  good(await send(s, { 'e.txt': 'e' }, by('own')))
  assert.ok(sshd.logins() > before)
  assert.deepEqual(fs.readdirSync(to).sort(), ['a.txt', 'b.txt', 'd.txt', 'e.txt'])
})

// What an import fetches from and a store sends to; it counts connections.
async function web(t) {
  const it = { made: 0, asked: 0 }
  const server = http.createServer((req, res) => {
    it.asked++
    req.resume().on('end', () => res.writeHead(200, { 'Content-Type': 'application/octet-stream', ETag: '"x"' })
      .end(req.method === 'GET' ? 'abc' : ''))
  })
  server.keepAliveTimeout = 120000
  server.on('connection', () => { it.made++ })
  await new Promise((r) => server.listen(0, '127.0.0.1', r))
  t.after(() => { server.closeAllConnections(); server.close() })
  it.port = server.address().port
  it.url = `http://127.0.0.1:${it.port}`
  return it
}

test('200 jobs by HTTP are a handful of connections, exports as well as imports', async (t) => {
  const s = await serve(t)
  const there = await web(t)
  const at = { bucket: 'b', key: 'k', secret: 's', bucket_region: 'us-east-1', host: there.url, no_vhost: true }
  const out = { robot: '/s3/store', use: ':original', ...at, path: '${file.url_name}' }
  const a = await s.create({ out }, { files: small(100) })
  good(await s.until(a.assembly_id, undefined, PATIENCE))
  const [stores, asked] = [there.made, there.asked]
  assert.ok(asked >= 100 && stores <= most(100), `${stores} connections for ${asked} requests of 100 exports`)
  const steps = Object.fromEntries(Array.from({ length: 5 }, (_, i) =>
    [`i${i}`, { robot: '/http/import', url: `${there.url}/${i}`, result: true }]))
  const all = await Promise.all(Array.from({ length: 20 }, () => s.create(steps)))
  for (const b of all) good(await s.until(b.assembly_id, undefined, PATIENCE))
  const imports = there.made - stores
  t.diagnostic(`${stores} connections for 100 exports, ${imports} for 100 imports`)
  assert.ok(imports <= most(100), `${imports} connections for 100 imports`)
  await soon('connections at rest are closed', () => connected(s, there.port).length === 0)
})

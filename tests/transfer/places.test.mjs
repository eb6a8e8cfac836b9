// Polite to the other side: how many connections a host sees at once, and how fast bytes come and go.
import assert from 'node:assert/strict'
import http from 'node:http'
import { test } from 'node:test'
import { Server, sleep } from '../e2e/server.mjs'
import { connected } from './line.mjs'

const PATIENCE = 180000
const soon = async (what, is) => {
  for (const end = Date.now() + PATIENCE; !await is(); await sleep(20))
    assert.ok(Date.now() < end, `not in time: ${what}`)
}

// A server that counts its connections. What it is asked for waits until go(), and is sent then.
async function stand(t, { size = 1000, held = true } = {}) {
  const it = { now: 0, most: 0, asked: 0, held, waiting: [], taken: 0 }
  const server = http.createServer((req, res) => {
    it.asked++
    req.on('data', (d) => { it.taken += d.length })
    const answer = () => res.writeHead(200, { 'Content-Type': 'application/octet-stream' }).end(Buffer.alloc(size, 'x'))
    req.on('end', () => (it.held ? it.waiting.push(answer) : answer()))
  })
  server.keepAliveTimeout = 120000
  server.on('connection', (c) => {
    it.most = Math.max(it.most, ++it.now)
    // the other side has closed it: what is left of it here, a tick or two, is not its doing
    let gone = false
    const leave = () => { it.now -= gone ? 0 : 1; gone = true }
    c.on('error', () => {}).on('end', leave).on('close', leave)
  })
  await new Promise((r) => server.listen(0, '127.0.0.1', r))
  it.go = (n = Infinity) => { for (let i = 0; i < n && it.waiting.length; i++) it.waiting.shift()() }
  it.open = () => { it.held = false; it.go() }
  it.url = `http://127.0.0.1:${server.address().port}`
  t.after(() => { server.closeAllConnections(); server.close() })
  return it
}

const serve = (t, args = [], { workers = 6, ...more } = {}) =>
  Server.start(t, { args: ['--import-allow', '127.0.0.1', '--workers-transfer', String(workers), ...args], ...more })
const begin = async (s, url) => (await s.create({ i: { robot: '/http/import', url, result: true } })).assembly_id
const ended = (s, id) => s.until(id, undefined, PATIENCE)

test('a host sees no more connections at once than are allowed, whoever asks, and another host as many', async (t) => {
  const s = await serve(t, ['--transfer-connections', '2'])
  const [a, b] = [await stand(t), await stand(t)]
  const ids = []
  for (let i = 0; i < 5; i++) ids.push(await begin(s, `${a.url}/${i}`))
  await soon('two are connected', () => a.waiting.length === 2)
  const other = await begin(s, `${b.url}/0`)
  await soon('the other host is asked meanwhile', () => b.waiting.length === 1)
  assert.deepEqual([a.now, a.most], [2, 2])
  b.open()
  assert.equal((await ended(s, other)).ok, 'ASSEMBLY_COMPLETED')
  // one by one: each that ends makes room for one
  for (let n = 0; n < 5; n++) {
    await soon('somebody asks', () => a.waiting.length > 0)
    a.go(1)
  }
  for (const id of ids) assert.equal((await ended(s, id)).ok, 'ASSEMBLY_COMPLETED')
  assert.equal(a.most, 2)
})

test('without a limit all are connected at once', async (t) => {
  const s = await serve(t, ['--transfer-connections', '0'])
  const a = await stand(t)
  const ids = []
  for (let i = 0; i < 5; i++) ids.push(await begin(s, `${a.url}/${i}`))
  await soon('all five are connected', () => a.waiting.length === 5)
  a.open()
  for (const id of ids) assert.equal((await ended(s, id)).ok, 'ASSEMBLY_COMPLETED')
})

test('a killed worker gives its place back, and a cancel of one that waits is at once', async (t) => {
  const s = await serve(t, ['--transfer-connections', '1'], { allow: [/worker/] })
  const a = await stand(t)
  const first = await begin(s, `${a.url}/first`)
  await soon('it is connected', () => a.waiting.length === 1)
  const waits = await begin(s, `${a.url}/waits`)
  await soon('it has begun', async () => (await s.get(waits)).started_jobs?.length > 0)
  await sleep(300) // it asks in vain
  assert.deepEqual([a.most, a.asked], [1, 1])
  const got = await s.cancel(waits)
  assert.equal(got.ok, 'ASSEMBLY_CANCELED')
  await s.until(waits, (st) => st.cancel?.settled, PATIENCE)

  const second = await begin(s, `${a.url}/second`)
  await sleep(300)
  assert.equal(a.asked, 1)
  const holder = connected(s, new URL(a.url).port)
  assert.equal(holder.length, 1)
  process.kill(holder[0], 'SIGKILL')
  await soon('somebody else is connected', () => a.asked === 2)
  a.open()
  for (const id of [first, second]) assert.equal((await ended(s, id)).ok, 'ASSEMBLY_COMPLETED')
  assert.equal(a.most, 1)
})

test('who waits in vain fails in words, and the others do not', async (t) => {
  const env = { WORKCELL_TEST_PLACE_WAIT_S: '1' }
  const s = await serve(t, ['--transfer-connections', '1', '--job-attempts', '1'], { env })
  const a = await stand(t)
  const first = await begin(s, `${a.url}/first`)
  await soon('it is connected', () => a.waiting.length === 1)
  const st = await ended(s, await begin(s, `${a.url}/second`))
  assert.equal(st.error, 'WORKER_JOB_ERROR', JSON.stringify(st).slice(0, 300))
  assert.match(st.message, /transfer_connections.* none became free in 1 seconds/)
  a.open()
  assert.equal((await ended(s, first)).ok, 'ASSEMBLY_COMPLETED')
})

test('bytes come and go no faster than the bandwidth allows', async (t) => {
  // four workers share 4 MB a second, so each has one
  const s = await serve(t, ['--transfer-bandwidth', '4M'], { workers: 4 })
  const a = await stand(t, { size: 3e6, held: false })
  let start = performance.now()
  assert.equal((await ended(s, await begin(s, `${a.url}/big`))).ok, 'ASSEMBLY_COMPLETED')
  assert.ok(performance.now() - start > 1500, `3 MB were read in ${performance.now() - start} ms`)
  const b = await stand(t, { size: 0, held: false })
  start = performance.now()
  const there = { bucket: 'b', key: 'k', secret: 's', bucket_region: 'us-east-1', host: b.url, no_vhost: true }
  const out = { robot: '/s3/store', use: ':original', ...there, path: 'a' }
  const made = await s.create({ out }, { files: { f: Buffer.alloc(3e6, 'x') } })
  assert.equal((await ended(s, made.assembly_id)).ok, 'ASSEMBLY_COMPLETED')
  assert.ok(b.taken >= 3e6)
  assert.ok(performance.now() - start > 1500, `3 MB were sent in ${performance.now() - start} ms`)
})

// DELETE in every phase: when the answer is there, the work is gone, and the receipt says what was stopped.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import fs from 'node:fs'
import http from 'node:http'
import { test } from 'node:test'
import { alive, KEY, picture, Server, sleep } from './server.mjs'

const huge = { huge: { robot: '/image/resize', use: ':original', width: 9000, format: 'avif', result: true } }

async function gone(s, id, got) {
  assert.equal(got.http, 200)
  assert.equal(got.ok, 'ASSEMBLY_CANCELED')
  assert.equal(got.cancel.settled, true)
  assert.deepEqual(got.running_jobs, [])
  assert.deepEqual(s.scratchFiles(), [])
  const later = await s.get(id)
  assert.equal(later.ok, 'ASSEMBLY_CANCELED')
  assert.deepEqual(later.cancel, got.cancel)
  assert.equal(later.error, undefined)
}

test('while libvips works: the process is gone when the answer comes', async (t) => {
  const s = await Server.start(t)
  const a = await s.create(huge, { files: { 'a.png': fs.readFileSync(picture) } })
  await s.until(a.assembly_id, (st) => st.running_jobs.includes('huge:::original'))
  await sleep(300)
  for (let i = 0; i < 100 && !s.busyWorkers().length; i++) await sleep(50) // it is being made on a busy machine
  const busy = s.busyWorkers()
  assert.equal(busy.length, 1)
  const got = await s.cancel(a.assembly_id)
  const left = busy.filter(alive)
  await gone(s, a.assembly_id, got)
  assert.equal(got.cancel.jobs_stopped, 1)
  assert.equal(got.cancel.processes_killed, 1)
  assert.deepEqual(left, [], 'the busy worker is gone')
  assert.equal(got.results.huge, undefined)
  assert.equal(got.uploads.length, 1, 'what was gathered stays visible')
})

test('while jobs wait in the queue: they are dropped and counted', async (t) => {
  const s = await Server.start(t, { args: ['--workers-media', '1'] })
  const data = fs.readFileSync(picture)
  const a = await s.create(huge, { files: { 'a.png': data, 'b.png': data, 'c.png': data } })
  await s.until(a.assembly_id, (st) => st.running_jobs.some((j) => j.startsWith('huge')))
  const got = await s.cancel(a.assembly_id)
  await gone(s, a.assembly_id, got)
  assert.equal(got.cancel.jobs_stopped, 1)
  assert.equal(got.cancel.jobs_dropped, 2)
})

test('while tus sends, and while it stalls: 410, and the bytes are gone and counted', async (t) => {
  const s = await Server.start(t)
  const a = await s.create(huge, { expected: 2 })
  const loc = await s.tusCreate(a, 1 << 20)
  const stalled = s.raw()
  stalled.write(`PATCH ${new URL(loc).pathname} HTTP/1.1\r\nHost: x\r\nTus-Resumable: 1.0.0\r\nUpload-Offset: 0\r\nContent-Type: application/offset+octet-stream\r\nContent-Length: ${1 << 20}\r\n\r\n`)
  stalled.write(randomBytes(50000))
  await s.until(a.assembly_id, (st) => st.bytes_received > 50000)
  const got = await s.cancel(a.assembly_id)
  await gone(s, a.assembly_id, got)
  assert.equal(got.cancel.uploads_stopped, 1)
  assert.equal(got.cancel.bytes_freed, 50000)
  assert.deepEqual(s.partialUploads(), [])
  await stalled.ended
  assert.match(stalled.text, /^HTTP\/1\.1 410/)
  assert.equal((await s.tus('HEAD', loc)).status, 410)
  assert.equal((await s.patch(loc, 0, 'x')).status, 410)
  const more = await s.tus('POST', `${s.url}/resumable/files/`, { 'Upload-Length': '1', 'Upload-Metadata': s.tusMeta(a) })
  assert.equal(more.status, 400)
  assert.equal((await more.json()).error, 'ASSEMBLY_CANCELED')
})

test('while a multipart body arrives: the create request is answered with the canceled status', async (t) => {
  const s = await Server.start(t)
  const id = randomBytes(16).toString('hex')
  const c = s.raw()
  c.write(`POST /assemblies/${id} HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: 1000000\r\n\r\n` +
    `--b\r\nContent-Disposition: form-data; name="params"\r\n\r\n${JSON.stringify({ auth: { key: KEY }, steps: huge })}\r\n` +
    `--b\r\nContent-Disposition: form-data; name="f"; filename="f"\r\n\r\n`)
  c.write(randomBytes(20000).toString('hex'))
  await s.until(id, (st) => st.ok === 'ASSEMBLY_UPLOADING' && st.bytes_received > 40000) // it is told how far it is
  const got = await s.cancel(id)
  await gone(s, id, got)
  assert.equal(got.cancel.uploads_stopped, 1)
  assert.ok(got.cancel.bytes_freed > 30000)
  await c.ended
  assert.match(c.text, /^HTTP\/1\.1 200[\s\S]*ASSEMBLY_CANCELED/)
  assert.deepEqual(s.partialUploads(), [])
})

test('while an import waits for a server that never answers', async (t) => {
  const s = await Server.start(t, { args: ['--import-allow', '127.0.0.1'] })
  const sockets = new Set()
  const server = http.createServer(() => {}).listen(0, '127.0.0.1')
  server.on('connection', (c) => { sockets.add(c); c.on('close', () => sockets.delete(c)) })
  await new Promise((r) => server.on('listening', r))
  t.after(() => { for (const c of sockets) c.destroy(); server.close() })
  const a = await s.create({ i: { robot: '/http/import', url: `http://127.0.0.1:${server.address().port}/x` } })
  await s.until(a.assembly_id, (st) => st.running_jobs.length === 1)
  for (let i = 0; i < 100 && !sockets.size; i++) await sleep(20)
  assert.equal(sockets.size, 1)
  const got = await s.cancel(a.assembly_id)
  await gone(s, a.assembly_id, got)
  assert.equal(got.cancel.processes_killed, 1)
  for (let i = 0; i < 50 && sockets.size; i++) await sleep(10)
  assert.equal(sockets.size, 0, 'its connection is closed')
})

test('a finished, failed or canceled Assembly stays what it is; unknown ones are not found', async (t) => {
  const s = await Server.start(t)
  const a = await s.create({ ':original': { robot: '/upload/handle', result: true } }, { files: { x: 'abc' } })
  const done = await s.until(a.assembly_id)
  const got = await s.cancel(a.assembly_id)
  assert.equal(got.ok, 'ASSEMBLY_COMPLETED')
  assert.equal(got.cancel, undefined)
  assert.deepEqual(got.results, done.results)
  const f = await s.create({ i: { robot: '/http/import', url: 'http://127.0.0.1:1/' } })
  await s.until(f.assembly_id)
  assert.equal((await s.cancel(f.assembly_id)).error, 'HTTP_IMPORT_ACCESS_DENIED')
  const b = await s.create(huge, { expected: 1 })
  const [one, two] = await Promise.all([s.cancel(b.assembly_id), s.cancel(b.assembly_id)])
  assert.equal(one.ok, 'ASSEMBLY_CANCELED')
  assert.equal(two.ok, 'ASSEMBLY_CANCELED')
  assert.deepEqual((await s.cancel(b.assembly_id)).cancel, (await s.get(b.assembly_id)).cancel)
  const unknown = await s.cancel('0'.repeat(32))
  assert.equal(unknown.http, 404)
  assert.equal(unknown.error, 'ASSEMBLY_NOT_FOUND')
  const bad = await fetch(`${s.url}/assemblies/zzz`, { method: 'DELETE' })
  assert.equal((await bad.json()).error, 'SERVER_404')
})

test('foreign, expired or broken auth in the body of a DELETE does not matter; method override works', async (t) => {
  const s = await Server.start(t)
  for (const body of [
    new URLSearchParams({ params: '{"auth":{"key":"other"}}', signature: 'sha384:00' }),
    new URLSearchParams({ params: 'not json' }),
    new URLSearchParams({ params: '{"auth":{"key":null}}' }),
  ]) {
    const a = await s.create(huge, { expected: 1 })
    const res = await fetch(`${s.url}/assemblies/${a.assembly_id}`, { method: 'DELETE', body })
    assert.equal((await res.json()).ok, 'ASSEMBLY_CANCELED')
  }
  const a = await s.create(huge, { expected: 1 })
  const res = await fetch(`${s.url}/assemblies/${a.assembly_id}`, { method: 'POST', headers: { 'X-HTTP-Method-Override': 'DELETE' } })
  assert.equal((await res.json()).ok, 'ASSEMBLY_CANCELED')
})

test('the stream of a canceled Assembly ends with assembly_finished, not with an error', async (t) => {
  const s = await Server.start(t)
  const a = await s.create(huge, { expected: 1 })
  const text = fetch(a.update_stream_url).then((r) => r.text())
  await sleep(100)
  await s.cancel(a.assembly_id)
  const all = await text
  assert.match(all, /data: assembly_finished\n\n$/)
  assert.ok(!all.includes('assembly_error'))
})

test('a cancel survives the death of the server', async (t) => {
  const s = await Server.start(t)
  const a = await s.create(huge, { files: { 'a.png': fs.readFileSync(picture) } })
  await s.until(a.assembly_id, (st) => st.running_jobs.includes('huge:::original'))
  await s.cancel(a.assembly_id)
  await s.kill9()
  await s.boot()
  const st = await s.get(a.assembly_id)
  assert.equal(st.ok, 'ASSEMBLY_CANCELED')
  assert.equal(st.cancel.settled, true)
})

test('what is not counted yet is not shown as 0', async (t) => {
  const s = await Server.start(t, { args: ['--cancel-wait-ms', '0', '--workers-media', '1'] })
  const counted = ['duration', 'processes_killed', 'uploads_stopped', 'bytes_freed']
  const look = (c) => { for (const id of counted) assert.equal(typeof c[id], c.settled ? 'number' : 'object', JSON.stringify(c)) }
  let unsettled = 0
  for (let i = 0; i < 10 && !unsettled; i++) {
    const a = await s.create(huge, { files: { 'a.png': fs.readFileSync(picture) } })
    await s.until(a.assembly_id, (st) => st.running_jobs.includes('huge:::original'))
    const got = await s.cancel(a.assembly_id) // answered before the worker can be gone
    look(got.cancel)
    unsettled += !got.cancel.settled
    assert.equal(got.cancel.jobs_stopped, 1)
    const st = await s.until(a.assembly_id, (x) => { look(x.cancel); return x.cancel.settled })
    assert.equal(st.cancel.processes_killed, 1)
  }
  assert.ok(unsettled > 0)
})

// kill -9 at awkward moments: nothing that was acknowledged is lost, and work goes on.
import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import fs from 'node:fs'
import { test } from 'node:test'
import { multiply } from './copies.mjs'
import { alive, picture, Server, sleep } from './server.mjs'

const original = { ':original': { robot: '/upload/handle', result: true } }

test('a worker that is killed while it is handed a job is a dead worker, not a broken server', async (t) => {
  const s = await Server.start(t, { args: ['--job-attempts', '1', '--workers-media', '1'] })
  const data = fs.readFileSync(picture)
  const ends = {}
  for (let i = 0; i < 60; i++) {
    const a = await s.create(original, { expected: 1 })
    const loc = await s.tusCreate(a, data.length, { filename: 'a.png' })
    const places = s.processes().map(({ pid }) => { try { return { pid, dir: `${fs.readlinkSync(`/proc/${pid}/cwd`)}/in` } } catch { return { dir: '/' } } }).filter((p) => p.dir.includes('/scratch/media'))
    let on = true
    const killer = (async () => {
      for (; on; await new Promise(setImmediate)) for (const { pid, dir } of places) try { if (fs.readdirSync(dir).length) { process.kill(pid, 'SIGKILL'); on = false } } catch { /* it ended */ }
    })()
    await s.patch(loc, 0, data)
    const end = await s.until(a.assembly_id)
    on = false
    await killer
    ends[end.error || end.ok] = (ends[end.error || end.ok] || 0) + 1
  }
  assert.ok(ends.WORKER_JOB_ERROR >= 20, JSON.stringify(ends))
  assert.equal(ends.WORKER_JOB_ERROR + (ends.ASSEMBLY_COMPLETED || 0), 60, JSON.stringify(ends))
})

test('a running Assembly goes on after the server was killed', async (t) => {
  const s = await Server.start(t)
  const a = await s.create({ big: { robot: '/image/resize', use: ':original', width: 3000, format: 'webp', result: true } }, { files: { 'a.png': fs.readFileSync(picture) } })
  await s.until(a.assembly_id, (st) => st.running_jobs.includes('big:::original'))
  const workers = s.processes().map((p) => p.pid)
  await s.kill9()
  await sleep(200)
  for (const pid of workers) assert.ok(!alive(pid), `process ${pid} outlived the server`)
  await s.boot()
  const done = await s.until(a.assembly_id)
  assert.equal(done.ok, 'ASSEMBLY_COMPLETED')
  assert.equal(done.results.big.length, 1)
  assert.deepEqual(done.started_jobs, [':original:::original', 'big:::original'], 'one entry a job, however often it ran')
  assert.equal((await fetch(done.results.big[0].url)).status, 200)
})

test('a tus upload resumes at the offset that was acknowledged', async (t) => {
  const s = await Server.start(t)
  const a = await s.create(original, { expected: 1 })
  const data = randomBytes(300000)
  const loc = await s.tusCreate(a, data.length)
  assert.equal((await s.patch(loc, 0, data.subarray(0, 123456))).status, 204)
  await s.kill9()
  await s.boot()
  const head = await s.tus('HEAD', loc)
  assert.equal(head.headers.get('upload-offset'), '123456')
  assert.equal((await s.patch(loc, 123456, data.subarray(123456))).status, 204)
  const done = await s.until(a.assembly_id)
  assert.equal(done.uploads[0].md5hash, createHash('md5').update(data).digest('hex'))
})

// The first bytes of a body that brings all, as its head says.
async function beginning(s, loc, length, bytes, wait = 300) {
  const c = s.raw()
  c.write(`PATCH ${new URL(loc).pathname} HTTP/1.1\r\nHost: x\r\nTus-Resumable: 1.0.0\r\nUpload-Offset: 0\r\n` +
    `Content-Type: application/offset+octet-stream\r\nContent-Length: ${length}\r\n\r\n`)
  c.write(bytes)
  await sleep(wait)
  return c
}

test('what of a small upload was told of is there after kill -9, and what was not begins anew', async (t) => {
  const s = await Server.start(t)
  const a = await s.create(original, { expected: 3 })
  const data = randomBytes(200000), half = data.subarray(0, 77777)
  const untold = await s.tusCreate(a, data.length), told = await s.tusCreate(a, data.length)
  const empty = await s.tusCreate(a, data.length)
  await beginning(s, told, data.length, half)
  const kept = Number((await s.tus('HEAD', told)).headers.get('upload-offset'))
  assert.equal(kept, half.length)
  await beginning(s, untold, data.length, half, 30)
  await s.kill9()
  await s.boot()
  const from = {}
  for (const loc of [untold, told, empty]) {
    const head = await s.tus('HEAD', loc)
    assert.equal(head.status, 200)
    from[loc] = Number(head.headers.get('upload-offset'))
  }
  assert.deepEqual([from[told], from[empty]], [kept, 0])
  assert.ok([0, half.length].includes(from[untold]), 'nothing, unless the status had told of it by then')
  for (const [loc, offset] of Object.entries(from))
    assert.equal((await s.patch(loc, offset, data.subarray(offset))).status, 204)
  const done = await s.until(a.assembly_id)
  const md5 = createHash('md5').update(data).digest('hex')
  assert.deepEqual(done.uploads.map((u) => u.md5hash), [md5, md5, md5])
})

test('a small upload whose client goes away in the middle goes on where it was', async (t) => {
  const s = await Server.start(t)
  const a = await s.create(original, { expected: 1 })
  const data = randomBytes(200000), loc = await s.tusCreate(a, data.length)
  const c = await beginning(s, loc, data.length, data.subarray(0, 50000))
  c.destroy()
  await s.until(a.assembly_id, (st) => st.tus_uploads[0].offset === 50000)
  await s.kill9()
  await s.boot()
  assert.equal((await s.tus('HEAD', loc)).headers.get('upload-offset'), '50000')
  assert.equal((await s.patch(loc, 50000, data.subarray(50000))).status, 204)
  const done = await s.until(a.assembly_id)
  assert.equal(done.uploads[0].md5hash, createHash('md5').update(data).digest('hex'))
})

// All bytes, but not the end of the request.
async function allButTheEnd(s, loc, data) {
  const c = s.raw()
  c.write(`PATCH ${new URL(loc).pathname} HTTP/1.1\r\nHost: x\r\nTus-Resumable: 1.0.0\r\nUpload-Offset: 0\r\nContent-Type: application/offset+octet-stream\r\nTransfer-Encoding: chunked\r\n\r\n${data.length.toString(16)}\r\n`)
  c.write(data)
  c.write('\r\n')
  await sleep(200)
}

test('an upload that was complete when the server was killed is handed over without its client', async (t) => {
  const s = await Server.start(t)
  const a = await s.create(original, { expected: 1 })
  const data = randomBytes(3000)
  await allButTheEnd(s, await s.tusCreate(a, data.length), data)
  await s.kill9()
  await s.boot()
  const done = await s.until(a.assembly_id)
  assert.equal(done.ok, 'ASSEMBLY_COMPLETED')
  assert.equal(done.uploads[0].md5hash, createHash('md5').update(data).digest('hex'))
})

test('who is told that all bytes are there need not come again', async (t) => {
  const s = await Server.start(t)
  const a = await s.create(original, { expected: 1 })
  const data = randomBytes(3000)
  const loc = await s.tusCreate(a, data.length)
  await allButTheEnd(s, loc, data)
  const head = await s.tus('HEAD', loc)
  assert.equal(head.headers.get('upload-offset'), '3000')
  const done = await s.until(a.assembly_id)
  assert.equal(done.ok, 'ASSEMBLY_COMPLETED')
  assert.equal(done.uploads[0].md5hash, createHash('md5').update(data).digest('hex'))
  assert.equal((await s.tus('HEAD', loc)).headers.get('upload-offset'), '3000', 'and whoever asks later is told the same')
})

test('what was acknowledged is there after kill -9 at once', async (t) => {
  const s = await Server.start(t)
  const made = []
  for (let round = 0; round < 5; round++) {
    const a = await s.create(original, { expected: 1 })
    const loc = await s.tusCreate(a, 5)
    const res = await s.patch(loc, 0, 'hello')
    assert.equal(res.status, 204)
    await s.kill9()
    await s.boot()
    made.push(a.assembly_id)
  }
  for (const id of made) {
    const st = await s.until(id)
    assert.equal(st.ok, 'ASSEMBLY_COMPLETED')
    assert.equal(st.uploads[0].size, 5)
  }
})

test('a create request that died with the server is aborted', async (t) => {
  const s = await Server.start(t)
  const id = randomBytes(16).toString('hex')
  const c = s.raw()
  c.write(`POST /assemblies/${id} HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: 100000\r\n\r\n` +
    `--b\r\nContent-Disposition: form-data; name="params"\r\n\r\n${JSON.stringify({ auth: { key: 'test-key' }, steps: original })}\r\n` +
    '--b\r\nContent-Disposition: form-data; name="f"; filename="f"\r\n\r\nsome bytes')
  await s.until(id, (st) => st.ok === 'ASSEMBLY_UPLOADING')
  await s.kill9()
  await s.boot()
  assert.equal((await s.get(id)).ok, 'REQUEST_ABORTED')
  assert.deepEqual(s.partialUploads(), [])
})

test('a worker that is killed from outside fails nothing: its job runs again', async (t) => {
  const s = await Server.start(t)
  const a = await s.create({ big: { robot: '/image/resize', use: ':original', width: 3000, format: 'webp', result: true } }, { files: { 'a.png': fs.readFileSync(picture) } })
  await s.until(a.assembly_id, (st) => st.running_jobs.includes('big:::original'))
  await sleep(200)
  const [busy] = s.busyWorkers()
  process.kill(busy, 'SIGKILL')
  const done = await s.until(a.assembly_id)
  assert.equal(done.ok, 'ASSEMBLY_COMPLETED')
})

test('a job that takes too long fails with the contract\'s code, and its worker is gone', async (t) => {
  const s = await Server.start(t, { args: ['--job-timeout-s', '1'] })
  const a = await s.create({ huge: { robot: '/image/resize', use: ':original', width: 9000, format: 'avif' } }, { files: { 'a.png': fs.readFileSync(picture) } })
  const done = await s.until(a.assembly_id)
  assert.equal(done.error, 'INTERNAL_COMMAND_TIMEOUT')
  assert.equal(done.step, 'huge')
  await s.scratchEmpty()
})

test('an Assembly that was open is never "not found" while it is read again', async (t) => {
  const steps = { ':original': { robot: '/upload/handle' } }
  const s = await Server.start(t, { args: ['--workers-media', '1', '--max-assemblies', '0', '--start-wait-ms', '0'], allow: [/belongs to another Assembly/] })
  const a = await s.create(steps, { files: { 'a.bin': 'some bytes' } })
  const partial = await s.create(steps, { expected: 1 })
  const loc = await s.tusCreate(partial, 10)
  await s.patch(loc, 0, 'half')
  await s.until(a.assembly_id)
  await s.kill9()
  // that all have the same file is a damaged database: it refuses what each of their jobs makes, and takes turns with it
  const ids = multiply(s, a.assembly_id, steps, 6000, { sameFile: true })
  await s.boot()
  const seen = {}
  const left = ids.slice()
  await Promise.all(Array.from({ length: 16 }, async () => {
    for (let id; (id = left.pop());) {
      const { ok, error } = await s.get(id)
      seen[ok || error] = (seen[ok || error] || 0) + 1
    }
  }))
  assert.deepEqual(Object.keys(seen).filter((k) => !/^(ASSEMBLY_EXECUTING|ASSEMBLY_COMPLETED|SERVER_500|CANNOT_ACCEPT_NEW_ASSEMBLIES)$/.test(k)), [], JSON.stringify(seen))
  assert.match(s.log, /a turn was lost/, 'turns were lost meanwhile')
  assert.equal((await s.tus('HEAD', loc)).headers.get('upload-offset'), '4', 'and no upload was thrown away')
})

test('an Assembly whose work the database will never take fails, says why, and disturbs nobody', async (t) => {
  const steps = { ':original': { robot: '/upload/handle' } }
  const s = await Server.start(t, { allow: [/belongs to another Assembly/] })
  const a = await s.create(steps, { files: { 'a.bin': 'some bytes' } })
  await s.until(a.assembly_id)
  await s.kill9()
  const ids = multiply(s, a.assembly_id, steps, 5, { sameFile: true }).concat(multiply(s, a.assembly_id, steps, 5))
  await s.boot()
  const ends = []
  for (const id of ids) ends.push(await s.until(id))
  assert.deepEqual(ends.map((e) => e.ok || e.error), [...Array(5).fill('SERVER_500'), ...Array(5).fill('ASSEMBLY_COMPLETED')])
  for (const e of ends.slice(0, 5)) assert.match(e.message, /belongs to another Assembly/)
  const log = s.log.length
  assert.equal((await s.until((await s.create(steps, { files: { 'b.bin': 'other' } })).assembly_id)).ok, 'ASSEMBLY_COMPLETED')
  await sleep(2500)
  assert.doesNotMatch(s.log.slice(log), /a turn was lost/)
})

// A worker that a file has taken over (tests/hostile), in the real jail under the real daemon: it hurts its own job alone, which
// fails by name, and nothing of what it says is believed.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { test } from 'node:test'
import { binary, picture, Server, sleep } from './server.mjs'

const build = path.dirname(binary)
const hostileWorker = path.join(build, 'tests/hostile/workcell-media')
const resize = { small: { robot: '/image/resize', use: ':original', width: 50, result: true } }
const data = fs.readFileSync(picture)

// The daemon finds its workers beside itself.
function programs(t) {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'workcell-hostile-'))
  fs.copyFileSync(binary, path.join(dir, 'workcell'))
  fs.copyFileSync(hostileWorker, path.join(dir, 'workcell-media'))
  for (const p of ['transfer', 'office', 'browser', 'script'].map((n) => `workcell-${n}`))
    fs.copyFileSync(path.join(build, p), path.join(dir, p))
  fs.chmodSync(dir, 0o755) // workers are other users
  t.after(() => fs.rmSync(dir, { recursive: true, force: true }))
  return path.join(dir, 'workcell')
}

const run = async (s, name) => s.until((await s.create(resize, { files: { [name]: data } })).assembly_id)

test('what a worker may not say ends it, and its job fails by that name; others go on', async (t) => {
  const s = await Server.start(t, { program: programs(t), args: ['--job-attempts', '2', '--workers-media', '2'] })
  const expected = {
    shrink: /no sealed memory file/,
    values: /more than \d+ values/,
    undo: /undo comes before the one before it was confirmed/,
    same: /what only a probe finds/,
    noid: /output\.clone is no object/,
    script: /output\.stored\.url is no web address/,
    flood: /progress comes too often/,
    lie: /took longer than the job was there/,
    log: /failed\.msg holds control characters/,
  }
  const before = s.rss()
  for (const [name, why] of Object.entries(expected)) {
    const end = await run(s, `hostile-${name}.png`)
    assert.equal(end.error, 'WORKER_JOB_ERROR', name)
    assert.match(end.message, why)
    assert.match(end.message, new RegExp(`the file was 'hostile-${name}\\.png', tried 2 times`))
    assert.ok(!JSON.stringify(end).includes(s.dir), 'a path of the server')
    assert.equal((await run(s, 'good.png')).ok, 'ASSEMBLY_COMPLETED')
  }
  assert.ok(s.rss() - before < 60e6, `the daemon grew by ${s.rss() - before} bytes`)
  assert.doesNotMatch(s.log, /^\S+ error forged/m)
})

test('a result stays what was measured when it was taken, whatever its maker still has open', async (t) => {
  const s = await Server.start(t, { program: programs(t), args: ['--workers-media', '1'] })
  const end = await run(s, 'hostile-change.png')
  const [result] = end.results.small
  const get = async () => Buffer.from(await (await fetch(result.url)).arrayBuffer())
  const first = await get()
  await sleep(1500)
  assert.deepEqual(await get(), first)
  assert.equal(result.size, first.length)
  assert.equal(result.md5hash, createHash('md5').update(first).digest('hex'))
  const blob = fs.statSync(path.join(s.dir, 'blobs', result.id.slice(0, 2), result.id))
  assert.equal(blob.mode & 0o777, 0o444)
  assert.equal(blob.uid, process.getuid())
})

test('a worker that does not read any more is not given the next job to keep', async (t) => {
  const s = await Server.start(t, { program: programs(t), args: ['--workers-media', '1', '--job-attempts', '1'] })
  assert.equal((await run(s, 'hostile-deaf.png')).ok, 'ASSEMBLY_COMPLETED')
  const next = await run(s, 'good.png')
  assert.equal(next.ok, 'ASSEMBLY_COMPLETED', 'and no try is lost: it has one')
  assert.match(s.log, /did not take its job/)
})

test('a job that runs whenever the daemon dies is failed by name; one that ran twice is not', async (t) => {
  const s = await Server.start(t, { program: programs(t), args: ['--job-attempts', '1', '--workers-media', '4'] })
  const poison = (await s.create(resize, { files: { 'hostile-hang.png': data } })).assembly_id
  const runs = (id) => s.until(id, (a) => a.error || a.ok === 'ASSEMBLY_COMPLETED' || a.running_jobs.includes('small:::original'))
  const innocent = (await s.create(resize, { files: { 'slow-a.png': data } })).assembly_id
  for (let death = 1; death <= 3; death++) {
    assert.equal((await runs(poison)).ok, 'ASSEMBLY_EXECUTING', `after ${death - 1} deaths`)
    if (death < 3) await runs(innocent)
    else assert.equal((await s.until(innocent)).ok, 'ASSEMBLY_COMPLETED')
    await s.kill9()
    await s.boot()
  }
  const end = await s.until(poison)
  assert.equal(end.error, 'ASSEMBLY_CRASHED')
  assert.match(end.message, /the server ended 3 times while this job ran; the file was 'hostile-hang\.png'/)
  assert.equal((await run(s, 'good.png')).ok, 'ASSEMBLY_COMPLETED')
})

test('a stop in good order is no death', async (t) => {
  const s = await Server.start(t, { program: programs(t), args: ['--job-attempts', '1', '--workers-media', '4', '--drain-timeout-s', '0'] })
  const a = (await s.create(resize, { files: { 'hostile-hang.png': data } })).assembly_id
  for (let i = 0; i < 4; i++) {
    assert.equal((await s.until(a, (st) => st.error || st.running_jobs.includes('small:::original'))).ok, 'ASSEMBLY_EXECUTING')
    await s.stop()
    await s.boot()
  }
  assert.equal((await s.until(a, (st) => st.error || st.running_jobs.includes('small:::original'))).ok, 'ASSEMBLY_EXECUTING')
  await fetch(`${s.url}/assemblies/${a}`, { method: 'DELETE' })
})

// Several /video/encode Steps over one film: one ffmpeg reads it once, and each is a job of its own all the same.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { test } from 'node:test'
import { alive, Server, sleep } from './server.mjs'

const drawn = (source, ...more) => {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'workcell-film-'))
  const file = path.join(dir, 'a.mp4')
  const x264 = ['-c:v', 'libx264', '-preset', 'ultrafast', '-pix_fmt', 'yuv420p']
  execFileSync('ffmpeg', ['-v', 'error', '-nostdin', '-y', '-f', 'lavfi', '-i', source, ...more, ...x264, file])
  const data = fs.readFileSync(file)
  fs.rmSync(dir, { recursive: true })
  return { 'a.mp4': data }
}
let known
const long = () => known ??= drawn('testsrc2=s=1280x720:r=25:d=6')
const encode = (more) => ({ robot: '/video/encode', use: ':original', result: true, ...more })
const slow = encode({ ffmpeg: { 'c:v': 'libx264', f: 'mp4', preset: 'veryslow' } })
const quick = encode({ width: 64, height: 48, ffmpeg: { 'c:v': 'libx264', f: 'mp4', preset: 'ultrafast' } })
const wrong = encode({ ffmpeg: { 'c:v': 'libx264', f: 'mp4', 'profile:v': 'none-such' } })
// few threads, so that they are done together on any machine
const start = (t, ...args) => Server.start(t, { args: ['--encode-threads', '1', '--workers-media', '3', ...args] })

// The ffmpeg programs below the server, each with the files that it makes.
const encoders = (s) => s.processes().flatMap(({ pid }) => {
  try {
    const words = fs.readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')
    return words[0] === 'ffmpeg' ? [{ pid, makes: words.filter((w) => w.startsWith('file:out/')) }] : []
  } catch { return [] }
})
const running = async (s) => {
  for (const end = Date.now() + 120000; Date.now() < end; await sleep(20)) {
    const all = encoders(s)
    if (all.length) return all
  }
  throw new Error(`no encoder started\n${s.log}`)
}

test('three sizes and the stream of them are what each gives alone, and one program makes the sizes', async (t) => {
  const s = await start(t)
  const film = drawn('testsrc2=s=320x180:r=25:d=3', '-f', 'lavfi', '-i', 'sine=d=3', '-c:a', 'aac')
  const sizes = { '270p': {}, '360p': {}, '540p': {} }
  for (const name of Object.keys(sizes)) sizes[name] = encode({ preset: `hls/${name}` })
  const use = { steps: Object.keys(sizes), bundle_steps: true }
  const steps = { ...sizes, stream: { robot: '/video/adaptive', use, technique: 'hls', result: true } }
  const a = await s.create(steps, { files: film })
  const all = await running(s)
  assert.deepEqual(all.map((e) => e.makes.length), [3])
  const together = await s.until(a.assembly_id, undefined, 120000)
  assert.equal(together.ok, 'ASSEMBLY_COMPLETED', JSON.stringify(together))
  assert.equal(together.results.stream.filter((f) => f.name.endsWith('.m3u8')).length, 4)
  for (const [name, step] of Object.entries(sizes)) {
    const b = await s.create({ [name]: step }, { files: film })
    const alone = await s.until(b.assembly_id, undefined, 120000)
    const undated = ({ date_file_modified: m, date_file_created: c, ...meta }) => meta
    const told = ({ results }) => results[name].map((f) => [f.name, f.size, f.md5hash, f.mime, undated(f.meta)])
    assert.deepEqual(told(together), told(alone))
  }
  await s.scratchEmpty()
})

test('a cancel ends all of them at once', async (t) => {
  const s = await start(t)
  const a = await s.create({ a: slow, b: slow, c: slow }, { files: long() })
  const all = await running(s)
  assert.deepEqual(all.map((e) => e.makes.length), [3])
  assert.equal((await s.get(a.assembly_id)).running_jobs.length, 3)
  const got = await s.cancel(a.assembly_id)
  assert.deepEqual(all.filter((e) => alive(e.pid)), [], 'ffmpeg ends with the Assembly')
  assert.equal(got.ok, 'ASSEMBLY_CANCELED')
  assert.equal(got.cancel.settled, true)
  assert.equal(got.cancel.jobs_stopped, 3)
  assert.ok(got.cancel.processes_killed >= 2, JSON.stringify(got.cancel))
  assert.deepEqual(s.scratchFiles(), [])
})

test('after a worker\'s death each is run again, alone', async (t) => {
  const s = await start(t)
  const step = encode({ ffmpeg: { 'c:v': 'libx264', f: 'mp4', preset: 'veryslow' } })
  const a = await s.create({ a: step, b: step }, { files: drawn('testsrc2=s=320x180:r=25:d=4') })
  assert.deepEqual((await running(s)).map((e) => e.makes.length), [2])
  const [worker] = s.busyWorkers()
  process.kill(worker, 'SIGKILL')
  const done = await s.until(a.assembly_id, undefined, 240000)
  assert.equal(done.ok, 'ASSEMBLY_COMPLETED', JSON.stringify(done))
  assert.deepEqual([done.results.a.length, done.results.b.length], [1, 1])
  assert.equal(s.log.match(/is run again alone/g).length, 2, s.log)
  await s.scratchEmpty()
})

test('one that fails fails by itself, and may be ignored', async (t) => {
  const s = await start(t)
  const film = drawn('testsrc2=s=64x48:r=25:d=1')
  const bad = await s.create({ a: quick, b: wrong, c: quick }, { files: film })
  const failed = await s.until(bad.assembly_id, undefined, 120000)
  assert.equal(failed.error, 'USER_COMMAND_ERROR', JSON.stringify(failed))
  assert.equal(failed.step, 'b')
  const steps = { a: quick, b: { ...wrong, ignore_errors: true }, c: quick }
  const good = await s.create(steps, { files: film })
  const done = await s.until(good.assembly_id, undefined, 120000)
  assert.equal(done.ok, 'ASSEMBLY_COMPLETED', JSON.stringify(done))
  assert.deepEqual([done.results.a.length, done.results.b?.length ?? 0, done.results.c.length], [1, 0, 1])
  await s.scratchEmpty()
})

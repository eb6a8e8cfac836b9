// /video/encode in the real jail: its share of the machine, progress, a watermark of either origin, and nothing left of
// what is stopped.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import http from 'node:http'
import os from 'node:os'
import path from 'node:path'
import { test } from 'node:test'
import { alive, Server, sleep } from './server.mjs'

const cores = os.cpus().length
const film = (t, name, ...args) => {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'workcell-film-'))
  t.after(() => fs.rmSync(dir, { recursive: true }))
  const file = path.join(dir, name)
  execFileSync('ffmpeg', ['-v', 'error', '-nostdin', '-y', ...args, file])
  return file
}
let known
const x264 = ['-c:v', 'libx264', '-preset', 'ultrafast', '-pix_fmt', 'yuv420p']
const drawn = (t, name, source, ...more) => fs.readFileSync(film(t, name, '-f', 'lavfi', '-i', source, ...more))
const long = (t) => known ??= drawn(t, 'long.mp4', 'testsrc2=s=1280x720:r=25:d=15', ...x264)
const encode = (more) => ({ robot: '/video/encode', use: ':original', result: true, ...more })
const slow = encode({ ffmpeg: { 'c:v': 'libx264', f: 'mp4', preset: 'veryslow' } })

// The ffmpeg programs below the server, each with how many threads its encoder was given.
const encoders = (s) => s.processes().flatMap(({ pid }) => {
  try {
    const words = fs.readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')
    return words[0] === 'ffmpeg' ? [{ pid, threads: Number(words[words.lastIndexOf('-threads') + 1]) }] : []
  } catch { return [] }
})
const running = async (s, n) => {
  for (const end = Date.now() + 20000; Date.now() < end; await sleep(20)) {
    if (encoders(s).length >= n) return encoders(s)
  }
  throw new Error(`${n} encoders did not start\n${s.log}`)
}

test('an encode that is alone has all cores, and two that begin at once have twice their half, behind all else', async (t) => {
  const s = await Server.start(t, { args: ['--workers-media', '4'] })
  const body = long(t)
  const alone = await s.create({ a: slow }, { files: { 'a.mp4': body } })
  assert.deepEqual((await running(s, 1)).map((e) => e.threads), [cores])
  await s.cancel(alone.assembly_id)
  assert.deepEqual(encoders(s), [])
  const own = { ...slow, rotate: false } // which is not done together with others
  const both = await s.create({ a: own, b: own }, { files: { 'a.mp4': body } })
  const most = Math.min(cores, 2 * Math.max(1, Math.floor(cores / 2)))
  assert.deepEqual((await running(s, 2)).map((e) => e.threads), [most, most])
  const pids = encoders(s).map((e) => e.pid)
  assert.deepEqual(pids.map((pid) => os.getPriority(pid)), [15, 15], 'a short job does not wait for them')
  const got = await s.cancel(both.assembly_id)
  assert.deepEqual(pids.filter(alive), [], 'ffmpeg ends with the Assembly')
  assert.equal(got.ok, 'ASSEMBLY_CANCELED')
  assert.equal(got.cancel.jobs_stopped, 2)
  assert.deepEqual(s.scratchFiles(), [])
})

test('the operator says how many threads and how long', async (t) => {
  const s = await Server.start(t, { args: ['--encode-threads', '3', '--encode-timeout-s', '2'] })
  const a = await s.create({ a: slow }, { files: { 'a.mp4': long(t) } })
  const [one] = await running(s, 1)
  assert.equal(one.threads, 3)
  const done = await s.until(a.assembly_id)
  assert.equal(done.error, 'INTERNAL_COMMAND_TIMEOUT', JSON.stringify(done))
  assert.equal(alive(one.pid), false)
})

test('progress only grows, and a watermark comes by `as` or by its address', async (t) => {
  const s = await Server.start(t, { args: ['--import-allow', '127.0.0.0/8'] })
  const mark = drawn(t, 'mark.png', 'color=red:s=64x64', '-frames:v', '1')
  const blue = drawn(t, 'blue.mp4', 'color=blue:s=640x360:r=25:d=20', ...x264)
  const web = http.createServer((req, res) => res.end(mark)).listen(0, '127.0.0.1')
  t.after(() => web.close())
  await new Promise((r) => web.on('listening', r))
  const quick = { 'c:v': 'libx264', f: 'mp4', preset: 'ultrafast' }
  const more = { ffmpeg: quick, watermark_size: '100%', watermark_resize_strategy: 'stretch' }
  const field = (n, as) => ({ name: ':original', fields: `file_${n}`, as })
  const by = {
    label: {
      files: { 'a.mp4': blue, 'mark.png': mark },
      step: encode({ ...more, use: { steps: [field(0, 'video'), field(1, 'watermark')] } }),
    },
    address: {
      files: { 'a.mp4': blue },
      step: encode({ ...more, watermark_url: `http://127.0.0.1:${web.address().port}/mark.png` }),
    },
  }
  for (const [how, { files, step }] of Object.entries(by)) {
    const form = new FormData()
    const auth = { key: 'test-key', expires: '2099-01-01T00:00:00Z' }
    form.set('params', JSON.stringify({ auth, steps: { a: step } }))
    Object.entries(files).forEach(([name, data], i) => form.append(`file_${i}`, new Blob([data]), name))
    const a = await (await fetch(`${s.url}/assemblies`, { method: 'POST', body: form })).json()
    let last = 0
    const done = await s.until(a.assembly_id, (st) => {
      assert.ok((st.execution_progress ?? last) >= last, `progress went back from ${last} to ${st.execution_progress}`)
      last = st.execution_progress ?? last
      return !['ASSEMBLY_UPLOADING', 'ASSEMBLY_EXECUTING'].includes(st.ok)
    })
    assert.equal(done.ok, 'ASSEMBLY_COMPLETED', `${how}: ${JSON.stringify(done)}`)
    assert.equal(done.results.a.length, 1, how)
    const [r] = done.results.a
    const told = [r.name, r.mime, r.meta.width, r.meta.height, r.meta.video_codec]
    assert.deepEqual(told, ['a.mp4', 'video/mp4', 640, 360, 'h264'])
    const file = path.join(s.dir, 'made.mp4')
    fs.writeFileSync(file, Buffer.from(await (await fetch(r.ssl_url)).arrayBuffer()))
    const one = ['-frames:v', '1', '-vf', 'scale=1:1', '-f', 'rawvideo', '-pix_fmt', 'rgb24', '-']
    const [red, , b] = execFileSync('ffmpeg', ['-v', 'error', '-ss', '10', '-i', file, ...one])
    assert.ok(red > 240 && b < 15, `${how}: ${red} ${b}`)
    fs.rmSync(file)
  }
})

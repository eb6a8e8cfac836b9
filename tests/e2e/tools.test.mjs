// Programs that the server starts for a job: how one ended is told to the client, and nothing of this machine.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { test } from 'node:test'
import { alive, Server } from './server.mjs'

// PNG, so noisy that a thorough search for a smaller file takes long.
const noise = (size) => execFileSync('ffmpeg', ['-v', 'error', '-f', 'lavfi', '-i', `nullsrc=s=${size},geq=random(1)*255:128:128`,
  '-frames:v', '1', '-c:v', 'png', '-f', 'image2pipe', '-'], { maxBuffer: 1 << 28 })

test('a tool that fails: its status, and what it said without a path of the server', async (t) => {
  const s = await Server.start(t)
  const a = await s.create({ same: { robot: '/image/resize', use: ':original' } }, { files: { 'a.pdf': '%PDF-1.4\nnothing more\n' } })
  const done = await s.until(a.assembly_id)
  assert.equal(done.error, 'FILE_META_DATA_ERROR')
  assert.equal(done.exitCode, 1)
  assert.equal(done.exitSignal, undefined)
  assert.match(done.stderr, /Syntax Error/)
  assert.ok(!JSON.stringify(done).includes(s.dir))
})

test('a cancel while a tool computes: worker and tool are gone, and so is what they made', async (t) => {
  const s = await Server.start(t)
  const steps = { small: { robot: '/image/optimize', use: ':original', priority: 'compression-ratio', result: true } }
  const a = await s.create(steps, { files: { 'a.png': noise('1600x1200') } })
  await s.until(a.assembly_id, (st) => st.running_jobs.includes('small:::original') || st.error)
  await s.computing('optipng')
  const busy = s.busyWorkers()
  assert.ok(busy.length >= 1)
  const got = await s.cancel(a.assembly_id)
  assert.deepEqual(busy.filter(alive), [])
  assert.equal(got.ok, 'ASSEMBLY_CANCELED')
  assert.equal(got.cancel.settled, true)
  assert.equal(got.cancel.jobs_stopped, 1)
  assert.ok(got.cancel.processes_killed >= 2, 'the worker and optipng')
  assert.deepEqual(s.scratchFiles(), [])
  assert.equal(got.results.small, undefined)
})

test('programs for drawing tools, called pictures: passed by, whatever their name', async (t) => {
  const s = await Server.start(t)
  const steps = { small: { robot: '/image/resize', use: ':original', width: 9, result: true } }
  const files = {
    'a.bmp': "push graphic-context\nimage over 0,0 0,0 'label:@/etc/passwd'\npop graphic-context\n",
    'b.psd': '<?xml version="1.0"?><image><read filename="/etc/passwd"/><write filename="/tmp/x.png"/></image>',
    'c.ico': '%!PS-Adobe-3.0 EPSF-3.0\n(/etc/passwd) (r) file\nshowpage\n',
  }
  const done = await s.until((await s.create(steps, { files })).assembly_id)
  assert.equal(done.ok, 'ASSEMBLY_COMPLETED', done.error)
  assert.deepEqual(done.results, {})
  assert.ok(!JSON.stringify(done).includes('root:'))
})

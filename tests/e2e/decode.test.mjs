// A picture that a Step resizes is decoded once: by that job, which tells the probe what it waits for. Each is a job of
// its own all the same, whatever becomes of the other.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { test } from 'node:test'
import { binary, picture, Server } from './server.mjs'

const drawn = (name, size) => {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'workcell-picture-'))
  const args = ['-vf', `scale=${size}:flags=lanczos,noise=alls=12:allf=t`, '-q:v', '5', '-frames:v', '1']
  execFileSync('ffmpeg', ['-v', 'error', '-y', '-i', picture, ...args, path.join(dir, name)])
  const data = fs.readFileSync(path.join(dir, name))
  fs.rmSync(dir, { recursive: true })
  return { [name]: data }
}
const known = {}
const photo = () => known.photo ??= drawn('a.jpg', '1600:1600')
const huge = () => known.huge ??= drawn('a.jpg', '6000:6000')
const resize = (more) => ({ robot: '/image/resize', use: ':original', width: 300, result: true, ...more })
const one = (s, ...args) => Server.start(s, { args: ['--workers-media', '1', ...args] })

// What the store keeps of an Assembly.
const events = (s, id) => {
  const query = `select body from event where assembly_id = '${id}' order by seq`
  const rows = execFileSync('sqlite3', [`${s.dir}/workcell.db`, query], { encoding: 'utf8' }).trim()
  return rows.split('\n').map((l) => JSON.parse(l))
}
const undated = ({ date_file_modified: m, date_file_created: c, ...meta }) => meta
const heard = async (a) => (await fetch(a.update_stream_url).then((r) => r.text())).split('\n')
  .filter((l) => /^(event|data): /.test(l)).map((l) => l.replace(/^\w+: /, '')).filter((l) => /^[a-z_]+$/.test(l))
const channel = (color, i) => parseInt(color.slice(i, i + 2), 16)
const near = (a, b) => [1, 3, 5].every((i) => Math.abs(channel(a, i) - channel(b, i)) <= 1)
const hash = { robot: '/file/hash', use: ':original', result: true }

test('one worker does both, and the metadata is what the probe alone would find', async (t) => {
  const s = await one(t)
  const a = await s.create({ small: resize() }, { files: photo() })
  const told = await heard(a)
  const got = await s.until(a.assembly_id)
  assert.equal(got.ok, 'ASSEMBLY_COMPLETED', JSON.stringify(got))
  const at = (name) => { assert.ok(told.includes(name), told.join(' ')); return told.indexOf(name) }
  assert.ok(at('assembly_uploading_finished') < at('assembly_upload_meta_data_extracted'))
  assert.ok(at('assembly_upload_meta_data_extracted') < at('assembly_finished'))
  const b = await s.until((await s.create({ hash }, { files: photo() })).assembly_id)
  const [mine, alone] = [got, b].map((x) => undated(x.uploads[0].meta))
  assert.ok(near(mine.average_color, alone.average_color), `${mine.average_color} ${alone.average_color}`)
  assert.deepEqual({ ...mine, average_color: '' }, { ...alone, average_color: '' })
  // the job began before the probe's last word, and with one worker it could only do so in the probe's
  const order = events(s, a.assembly_id).map((e) => `${e.e} ${e.d?.job ?? ''}`)
  const probed = order.indexOf('job_done 0')
  assert.ok(order.indexOf('job_started 1') < probed && probed < order.indexOf('job_done 1'), order.join(', '))
  assert.ok(!JSON.stringify(events(s, a.assembly_id)).includes('asks'))
  await s.scratchEmpty()
})

test('Steps of which none or another decodes, and several', async (t) => {
  const s = await one(t)
  const filter = { robot: '/file/filter', use: ':original' }
  const meta = resize({ width: '${file.meta.width}' })
  const all = {
    meta: { m: meta },
    two: { a: resize(), b: resize({ width: 20, format: 'png' }) },
    hash: { hash },
    chain: { filter: { ...filter, accepts: [['${file.meta.width}', '>', 5]] }, small: resize({ use: 'filter' }) },
    expression: { e: resize({ width: '${100 + 20}' }) },
    turned: { r: resize({ rotation: 90 }) },
    frame: { f: resize({ frame: 1 }) },
  }
  for (const [name, steps] of Object.entries(all)) {
    const got = await s.until((await s.create(steps, { files: photo() })).assembly_id)
    assert.equal(got.ok, 'ASSEMBLY_COMPLETED', `${name}: ${JSON.stringify(got)}`)
    assert.match(got.uploads[0].meta.average_color, /^#[0-9a-f]{6}$/, name)
    assert.equal(got.uploads[0].meta.has_transparency, false, name)
  }
})

test('what is broken fails as it does without, and may be ignored', async (t) => {
  const s = await one(t)
  const cut = { 'a.jpg': photo()['a.jpg'].subarray(0, 50000) }
  const failed = await s.until((await s.create({ small: resize() }, { files: cut })).assembly_id)
  assert.equal(failed.error, 'INTERNAL_COMMAND_ERROR', JSON.stringify(failed))
  const small = resize({ ignore_errors: ['execute'] })
  const ignored = await s.until((await s.create({ small }, { files: cut })).assembly_id)
  assert.equal(ignored.ok, 'ASSEMBLY_COMPLETED', JSON.stringify(ignored))
  assert.match(ignored.uploads[0].meta.average_color, /^#/)
  assert.equal(ignored.uploads[0].meta.width, 1600)
  await s.scratchEmpty()
})

test('a cancel while both are at it leaves nothing', async (t) => {
  const s = await one(t)
  const a = await s.create({ small: resize({ width: 5000, format: 'png' }) }, { files: huge() })
  await s.until(a.assembly_id, (x) => x.started_jobs?.length > 1)
  assert.equal(s.busyWorkers().length, 1)
  const got = await s.cancel(a.assembly_id)
  assert.equal(got.ok, 'ASSEMBLY_CANCELED')
  assert.equal(got.cancel.settled, true)
  assert.ok(got.cancel.jobs_stopped >= 1 && got.cancel.processes_killed >= 1, JSON.stringify(got.cancel))
  assert.deepEqual(s.scratchFiles(), [])
})

for (const whom of ['its worker', 'the server']) {
  test(`${whom} dies while both are at it: they run again, and lose no try`, async (t) => {
    const s = await one(t, '--job-attempts', '1')
    const a = await s.create({ small: resize({ width: 4000 }) }, { files: huge() })
    await s.until(a.assembly_id, (x) => x.started_jobs?.length > 1)
    if (whom === 'the server') {
      await s.kill9()
      await s.boot()
    } else {
      for (const pid of s.busyWorkers()) process.kill(pid, 'SIGKILL')
    }
    const got = await s.until(a.assembly_id, undefined, 60000)
    assert.equal(got.ok, 'ASSEMBLY_COMPLETED', JSON.stringify(got))
    assert.equal(got.results.small[0].meta.width, 4000)
    assert.match(got.uploads[0].meta.average_color, /^#[0-9a-f]{6}$/)
    await s.scratchEmpty()
  })
}

test('a job that finds no worker does not keep the metadata', async (t) => {
  const s = await one(t)
  // the one worker is long at work, and the others wait: the probe first, and its job with it
  const long = await s.create({ big: resize({ width: 5000, format: 'png' }) }, { files: huge() })
  await s.until(long.assembly_id, (x) => x.started_jobs?.length > 1)
  const ids = [], steps = { a: resize(), b: resize({ width: 30 }) }
  for (let i = 0; i < 3; i++) ids.push((await s.create(steps, { files: photo() })).assembly_id)
  for (const id of ids) {
    const got = await s.until(id, undefined, 60000)
    assert.equal(got.ok, 'ASSEMBLY_COMPLETED', JSON.stringify(got))
    const order = events(s, id).map((e) => `${e.e} ${e.d?.job ?? ''}`)
    assert.ok(order.indexOf('job_done 0') < order.indexOf('job_done 1'), order.join(', '))
  }
  await s.cancel(long.assembly_id)
})

test('workcell run', async () => {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'workcell-run-'))
  fs.writeFileSync(path.join(dir, 'a.json'), JSON.stringify({ steps: { small: resize() } }))
  fs.writeFileSync(path.join(dir, 'a.jpg'), photo()['a.jpg'])
  const [json, jpg, out] = ['a.json', 'a.jpg', 'out'].map((f) => path.join(dir, f))
  execFileSync(binary, ['run', json, jpg, '-o', out], { stdio: 'pipe' })
  assert.equal(fs.readdirSync(out, { recursive: true }).filter((f) => f.endsWith('.jpg')).length, 1)
  fs.rmSync(dir, { recursive: true })
})

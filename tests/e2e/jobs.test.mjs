// What the console asks for beyond the contract: the jobs of an Assembly, workers and queues, a check of instructions.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import { createHmac } from 'node:crypto'
import { test } from 'node:test'
import { binary, KEY, picture, SECRET, Server, sleep } from './server.mjs'

async function ask(s, method, path, params = {}, { key = KEY, secret = SECRET } = {}) {
  const text = JSON.stringify({ auth: { key, expires: '2099-01-01T00:00:00Z' }, ...params })
  const q = new URLSearchParams({ params: text, signature: `sha384:${createHmac('sha384', secret).update(text).digest('hex')}` })
  const res = method === 'GET' ? await fetch(`${s.url}${path}?${q}`) : await fetch(`${s.url}${path}`, { method, body: q })
  return { http: res.status, ...(await res.json()) }
}
const huge = { huge: { robot: '/image/resize', use: ':original', width: 9000, format: 'avif', result: true } }

test('jobs: each with its step, when it waited and ran, and what became of it', async (t) => {
  const s = await Server.start(t)
  const a = await s.create({ small: { robot: '/image/resize', use: ':original', width: 64 }, tiny: { robot: '/image/resize', use: 'small', width: 8, result: true } }, { files: { 'a.png': fs.readFileSync(picture) } })
  await s.until(a.assembly_id)
  const got = await ask(s, 'GET', `/assemblies/${a.assembly_id}/jobs`)
  assert.equal(got.ok, 'ASSEMBLY_JOBS_FOUND')
  assert.deepEqual(got.steps.map((x) => [x.name, x.robot, x.use, x.jobs]), [[':original', '/upload/handle', [], { done: 1 }], ['small', '/image/resize', [':original'], { done: 1 }], ['tiny', '/image/resize', ['small'], { done: 1 }]])
  const work = got.jobs.filter((j) => j.kind === 'work')
  assert.deepEqual(work.map((j) => [j.step, j.source, j.file, j.state, j.runs.length]), [['small', ':original', 'a.png', 'done', 1], ['tiny', 'small', 'a.png', 'done', 1]])
  for (const j of work) assert.ok(got.created <= j.queued && j.queued <= j.runs[0].started && j.runs[0].started <= j.runs[0].ended && j.runs[0].ended <= got.ended)
  assert.ok(work[0].runs[0].started <= work[1].queued, "its output comes before its end")
  assert.equal((await ask(s, 'GET', `/assemblies/${a.assembly_id}/jobs`, { limit: 1 })).jobs.length, 1)
  const bare = await fetch(`${s.url}/assemblies/${a.assembly_id}/jobs?params={}`)
  assert.equal((await bare.json()).error, 'NO_AUTH_PARAMETER')
  assert.equal((await ask(s, 'GET', `/assemblies/${'0'.repeat(32)}/jobs`)).error, 'ASSEMBLY_NOT_FOUND')
})

test('jobs of a canceled one: those that ran were stopped, the others dropped', async (t) => {
  const s = await Server.start(t, { args: ['--workers-media', '1'] })
  const data = fs.readFileSync(picture)
  const a = await s.create(huge, { files: { 'a.png': data, 'b.png': data } })
  await s.until(a.assembly_id, (st) => st.running_jobs.some((j) => j.startsWith('huge')))
  const before = await ask(s, 'GET', `/assemblies/${a.assembly_id}/jobs`)
  assert.deepEqual(before.steps.find((x) => x.name === 'huge').jobs, { running: 1, queued: 1 })
  await s.cancel(a.assembly_id)
  const got = await ask(s, 'GET', `/assemblies/${a.assembly_id}/jobs`)
  assert.deepEqual(got.jobs.filter((j) => j.step === 'huge').map((j) => [j.state, j.runs.length]), [['stopped', 1], ['dropped', 0]])
  const run = got.jobs.find((j) => j.state === 'stopped').runs[0]
  assert.ok(Math.abs(run.ended - got.ended) < 0.002)
})

test('another workspace sees neither the jobs nor what its workers do; a key needs the scope', async (t) => {
  const s = await Server.start(t)
  await s.stop()
  const out = execFileSync(binary, ['workspace', 'add', 'others', '--data', s.dir], { encoding: 'utf8' })
  const narrow = execFileSync(binary, ['key', 'add', 'templates:read', '--data', s.dir], { encoding: 'utf8' })
  await s.boot()
  const pair = (text) => ({ key: text.match(/key[=:\s]+(\S+)/i)[1], secret: text.match(/secret[=:\s]+(\S+)/i)[1] })
  const a = await s.create(huge, { files: { 'a.png': fs.readFileSync(picture) } })
  await s.until(a.assembly_id, (st) => st.running_jobs.some((j) => j.startsWith('huge')))
  assert.equal((await ask(s, 'GET', `/assemblies/${a.assembly_id}/jobs`, {}, pair(out))).error, 'ASSEMBLY_ACCOUNT_MISMATCH')
  const busy = (w) => w.state === 'busy' && !w.own
  let theirs = await ask(s, 'GET', '/queues/work', {}, pair(out))
  for (let i = 0; i < 200 && !theirs.workers.some(busy); i++) { // the job is handed out, its worker may still be starting
    await sleep(25)
    theirs = await ask(s, 'GET', '/queues/work', {}, pair(out))
  }
  assert.equal(theirs.open_assemblies, 0)
  assert.ok(theirs.workers.some(busy), JSON.stringify(theirs))
  assert.ok(!JSON.stringify(theirs).includes(a.assembly_id) && !JSON.stringify(theirs).includes('huge'))
  assert.equal((await ask(s, 'GET', '/queues/work', {}, pair(narrow))).error, 'INSUFFICIENT_AUTH_SCOPE')
  assert.equal((await ask(s, 'GET', `/assemblies/${a.assembly_id}/jobs`, {}, pair(narrow))).error, 'INSUFFICIENT_AUTH_SCOPE')
  await s.cancel(a.assembly_id)
})

test('work: what each worker does, and how much waits', async (t) => {
  const s = await Server.start(t, { args: ['--workers-media', '1'] })
  const data = fs.readFileSync(picture)
  const a = await s.create(huge, { files: { 'a.png': data, 'b.png': data, 'c.png': data } })
  await s.until(a.assembly_id, (st) => st.running_jobs.some((j) => j.startsWith('huge')))
  const got = await ask(s, 'GET', '/queues/work')
  assert.equal(got.ok, 'WORK_FOUND')
  assert.equal(got.open_assemblies, 1)
  assert.deepEqual(got.queues.media, { live: 2, batch: 0, workers: 1 })
  const busy = got.workers.filter((w) => w.assembly_id)
  assert.deepEqual(busy.map((w) => [w.role, w.assembly_id, w.step, w.robot, w.own]), [['media', a.assembly_id, 'huge', '/image/resize', true]])
  assert.ok(busy[0].seconds > 0 && busy[0].seconds < 30)
  await s.cancel(a.assembly_id)
  let after = {}
  for (let i = 0; i < 100 && after.queues?.media.live !== 0; i++) { await sleep(20); after = await ask(s, 'GET', '/queues/work') }
  assert.equal(after.queues.media.live, 0)
  assert.ok(!after.workers.some((w) => w.assembly_id))
})

test('a check of instructions finds every fault and makes nothing', async (t) => {
  const s = await Server.start(t)
  const check = (params) => ask(s, 'POST', '/instructions/check', params)
  const bad = await check({ steps: { a: { robot: '/image/resize', use: ':original', width: 0 }, b: { robot: '/none' }, c: { robot: '/image/resize', use: 'a', quality: 500 }, d: 7 } })
  assert.equal(bad.ok, 'INSTRUCTIONS_CHECKED')
  assert.deepEqual(bad.problems.map((p) => [p.step, p.error]).sort(), [['a', 'IMAGE_RESIZE_VALIDATION'], ['b', 'ASSEMBLY_STEP_UNKNOWN_ROBOT'], ['c', 'IMAGE_RESIZE_VALIDATION']].sort())
  assert.equal((await check({})).problems[0].error, 'ASSEMBLY_NO_STEPS')
  assert.equal((await check({ template_id: 'nowhere' })).problems[0].error, 'TEMPLATE_NOT_FOUND')
  assert.equal((await check({ steps: huge, notify_url: 'ftp://x' })).problems[0].error, 'ASSEMBLY_INVALID_NOTIFY_URL')
  const good = await check({ steps: huge })
  assert.deepEqual(good.problems, [])
  assert.deepEqual(good.steps.map((x) => [x.name, x.use]), [[':original', []], ['huge', [':original']]])
  // what somebody types, JSON or not: all of it with its place, and the same Steps
  const typed = await check({
    text: '{"steps": {\n  "a": {"robot": "/image/resize", use: ":original", "widht": 3,},\n  ' +
      '"b": {"robot": "/image/facedetect", "use": "a", "provider": "aws"}}}',
  })
  assert.deepEqual(typed.findings.map((f) => [f.kind, f.line, f.column, f.step, f.error]), [
    ['refused', 2, 35, null, 'INVALID_PARAMS_FIELD'], ['refused', 2, 53, 'a', 'IMAGE_RESIZE_VALIDATION'],
    ['refused', 2, 63, null, 'INVALID_PARAMS_FIELD'], ['differs', 3, 51, 'b', undefined]])
  assert.deepEqual(typed.problems.map((p) => p.line), [2, 2, 2])
  const fine = await check({ text: JSON.stringify({ steps: huge }) })
  assert.deepEqual([fine.findings, fine.problems, fine.more], [[], [], false])
  assert.deepEqual(fine.steps.map((x) => x.name), [':original', 'huge'])
  assert.equal((await check({ text: '{"template_id": "nowhere"}' })).findings[0].error, 'TEMPLATE_NOT_FOUND')
  assert.match((await check({ text: 'steps:\n  a: 1\n' })).findings[0].message, /YAML/)
  assert.equal((await check({ text: '[' .repeat(5000) })).findings.length > 0, true)
  assert.equal((await ask(s, 'GET', '/assemblies')).count, 0)
})

// The thin line through every room, and the status it gives.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { picture, root, Server, sign } from './server.mjs'

const faces = { robot: '/image/facedetect', use: ':original', crop: true, faces: 'max-confidence', format: 'preserve', crop_padding: '10%' }

test('a photograph goes through the whole line, is served, and is still there after a restart', async (t) => {
  const s = await Server.start(t)
  const data = fs.readFileSync(picture)
  const a = await s.create({ ':original': { robot: '/upload/handle' }, faces_detected: faces }, { expected: 1, signature: true })
  assert.equal(a.http, 200)
  assert.equal(a.ok, 'ASSEMBLY_UPLOADING')
  const location = await s.tusCreate(a, data.length, { filename: 'astro.png' })
  assert.equal((await s.patch(location, 0, data)).status, 204)
  const done = await s.until(a.assembly_id)
  assert.equal(done.ok, 'ASSEMBLY_COMPLETED')
  assert.deepEqual(done.started_jobs, [':original:::original', 'faces_detected:::original'])
  assert.equal(done.uploads[0].md5hash, createHash('md5').update(data).digest('hex'))
  assert.equal(done.uploads[0].tus_upload_url, location)
  const [face] = done.results.faces_detected
  const f = face.meta.faces[0]
  assert.equal(face.meta.width, f.width)
  assert.equal(face.meta.height, f.height)
  assert.equal(f.width - (f.x2 - f.x1), Math.round((f.x2 - f.x1 - (f.width - (f.x2 - f.x1))) * 0.1), 'one padding is ten percent of the bare face')
  const body = Buffer.from(await (await fetch(face.url)).arrayBuffer())
  assert.equal(createHash('md5').update(body).digest('hex'), face.md5hash)
  await s.scratchEmpty()
  assert.deepEqual(s.partialUploads(), [])

  await s.stop()
  await s.boot()
  const again = await s.get(a.assembly_id)
  assert.equal(again.ok, 'ASSEMBLY_COMPLETED')
  assert.deepEqual(again.results, done.results)
  assert.equal((await fetch(face.url)).status, 200)
})

function compare(want, have, where, problems) {
  const kind = (v) => (v === null ? 'null' : Array.isArray(v) ? 'array' : typeof v)
  if (have === undefined) { problems.push(`${where} is missing`); return }
  // null stands for "not yet" in both documents
  if (kind(want) !== kind(have) && kind(want) !== 'null' && kind(have) !== 'null') problems.push(`${where}: ${kind(want)} expected, ${kind(have)} found`)
  if (kind(want) === 'object' && kind(have) === 'object') for (const k of Object.keys(want)) compare(want[k], have[k], `${where}.${k}`, problems)
  if (kind(want) === 'array' && kind(have) === 'array' && want.length) {
    if (!have.length) problems.push(`${where} is empty`)
    else compare(want[0], have[0], `${where}[0]`, problems)
  }
}

test('every key of the example status appears with the same type', async (t) => {
  const s = await Server.start(t)
  const want = JSON.parse(fs.readFileSync(path.join(root, 'tests/data/example-status.json')))
  const data = fs.readFileSync(picture)
  // without the export, so :original is asked for: the export is tested against a real gateway in s3.test.mjs
  const a = await s.create({ ':original': { robot: '/upload/handle', result: true }, faces_detected: faces }, { expected: 1 })
  const location = await s.tusCreate(a, data.length, { filename: 'astro.png' })
  await s.patch(location, 0, data)
  const have = await s.until(a.assembly_id)
  const problems = []
  compare(want, have, 'status', problems)
  assert.deepEqual(problems, [])
})

test('workcell run gives the results of the same instructions without a daemon', async (t) => {
  const { execFileSync } = await import('node:child_process')
  const dir = fs.mkdtempSync(path.join(root, 'build', 'run-'))
  t.after(() => fs.rmSync(dir, { recursive: true, force: true }))
  fs.writeFileSync(path.join(dir, 'i.json'), JSON.stringify({ steps: { small: { robot: '/image/resize', use: ':original', width: 64 } } }))
  execFileSync(process.env.WORKCELL || path.join(root, 'build/workcell'), ['run', path.join(dir, 'i.json'), picture, '-o', path.join(dir, 'out')], { stdio: 'pipe' })
  const status = JSON.parse(fs.readFileSync(path.join(dir, 'out/status.json')))
  assert.equal(status.ok, 'ASSEMBLY_COMPLETED')
  assert.equal(status.results.small[0].meta.width, 64)
  assert.equal(fs.statSync(path.join(dir, 'out/small/astronaut.png')).size, status.results.small[0].size)
})

test('a step streams: each file is worked on when it is there, bundles wait for all', async (t) => {
  const s = await Server.start(t)
  const data = fs.readFileSync(picture)
  const a = await s.create({
    a: { robot: '/image/resize', use: ':original', width: '${fields.w}', format: 'jpg', result: true },
    b: { robot: '/image/resize', use: { steps: ['a', ':original'], bundle_steps: true }, width: 32, result: true },
  }, { files: { 'x.png': data, 'y.png': data }, fields: { w: '77' } })
  const done = await s.until(a.assembly_id)
  assert.equal(done.ok, 'ASSEMBLY_COMPLETED')
  assert.deepEqual(done.results.a.map((f) => f.meta.width), [77, 77])
  assert.deepEqual(done.results.a.map((f) => f.name).sort(), ['x.jpg', 'y.jpg'])
  // one job for all four: both of `a`, and both originals
  assert.deepEqual(done.results.b.map((f) => f.name).sort(), ['x.jpg', 'x.png', 'y.jpg', 'y.png'])
  assert.equal(done.started_jobs.filter((j) => /b/.test(j)).length, 1)
})

test('an expression that is wrong fails its Step with a message that names it', async (t) => {
  const s = await Server.start(t)
  const a = await s.create({ a: { robot: '/image/resize', use: ':original', width: '${Math.maximum(1, 2)}' } }, { files: { 'x.png': fs.readFileSync(picture) } })
  const done = await s.until(a.assembly_id)
  assert.equal(done.error, 'IMAGE_RESIZE_VALIDATION')
  assert.match(done.message, /the expression \$\{Math\.maximum\(1, 2\)\} can't be used: TypeError/)
  assert.equal(done.step, 'a')
})

test('ignore_errors lets the Assembly complete and lists the error', async (t) => {
  const s = await Server.start(t)
  const a = await s.create({ a: { robot: '/image/resize', use: ':original', width: 10, ignore_errors: ['execute'] } }, { files: { 'x.jpg': '' } })
  const b = await s.create({ a: { robot: '/image/resize', use: ':original', shave: '400x400', ignore_errors: true } }, { files: { 'x.png': fs.readFileSync(picture) } })
  const done = await s.until(b.assembly_id)
  assert.equal(done.ok, 'ASSEMBLY_COMPLETED')
  assert.equal(done.ignored_error_count, 1)
  assert.equal(done.ignored_errors[0].error, 'IMAGE_RESIZE_VALIDATION')
  assert.equal(done.ignored_errors[0].step, 'a')
  assert.equal((await s.until(a.assembly_id)).error, undefined)
})

test('signatures of every kind are checked over the exact bytes', async (t) => {
  const s = await Server.start(t, { args: ['--require-signature'] })
  const text = '{"auth":{"key":"test-key","expires":"2099-01-01T00:00:00Z"},"steps":{":original":{"robot":"/upload/handle"}}}'
  const post = async (params, signature) => {
    const body = new URLSearchParams({ params, ...(signature ? { signature } : {}) })
    const res = await fetch(`${s.url}/assemblies`, { method: 'POST', body })
    return { status: res.status, ...(await res.json()) }
  }
  for (const alg of ['sha1', 'sha256', 'sha384']) assert.equal((await post(text, sign(text, alg))).ok, 'ASSEMBLY_COMPLETED')
  assert.equal((await post(text, sign(text, 'sha1').slice(5))).ok, 'ASSEMBLY_COMPLETED')
  assert.equal((await post(text, sign(`${text} `))).error, 'INVALID_SIGNATURE')
  assert.equal((await post(text)).error, 'NO_SIGNATURE_FIELD')
  assert.equal((await post('{"auth":{"key":"test-key"},"steps":{}}')).error, 'NO_AUTH_EXPIRES_PARAMETER')
})

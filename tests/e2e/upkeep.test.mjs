// What an operator runs: fsck and doctor.
import assert from 'node:assert/strict'
import { execFile, execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { picture, root, Server, sleep } from './server.mjs'

const bin = process.env.WORKCELL || path.join(root, 'build/workcell')
const run = async (...args) => {
  try {
    return { rc: 0, ...(await promisify(execFile)(bin, args)) }
  } catch (e) { return { rc: e.code, stdout: e.stdout, stderr: e.stderr } }
}
const fsck = async (dir, ...args) => {
  const r = await run('fsck', '--data', dir, '--json', ...args)
  return { rc: r.rc, stderr: r.stderr, ...(r.stdout ? JSON.parse(r.stdout) : {}) }
}
const sql = (dir, text) => execFileSync('sqlite3', [path.join(dir, 'workcell.db'), text]).toString().trim()
const id = () => randomBytes(16).toString('hex')

test('after work of every outcome, and after kill -9, fsck finds what it should and --repair makes it clean', async (t) => {
  const s = await Server.start(t)
  const steps = { small: { robot: '/image/resize', use: ':original', width: 50, result: true } }
  const done = await s.create(steps, { files: { 'a.png': fs.readFileSync(picture) } })
  await s.until(done.assembly_id)
  const failed = await s.create(steps, { files: { 'a.png': 'this is no picture' } })
  await s.until(failed.assembly_id)
  const canceled = await s.create(steps, { expected: 1 })
  await s.tusCreate(canceled, 10)
  await s.cancel(canceled.assembly_id)
  const open = await s.create(steps, { expected: 1 })
  const loc = await s.tusCreate(open, 10, undefined, { 'Upload-Concat': 'partial' })
  await s.patch(loc, 0, 'half')
  await s.tusCreate(open, 10) // no file before its first byte, which is as it should be
  assert.match((await fsck(s.dir)).stderr, /a server uses/)
  assert.equal((await fsck(s.dir)).rc, 2)
  await s.stop()
  const clean = await fsck(s.dir)
  assert.deepEqual([clean.rc, clean.findings], [0, []])
  assert.ok(clean.assemblies === 4 && clean.blobs >= 3 && clean.events > 10, JSON.stringify(clean))

  // one of each kind
  const blobs = sql(s.dir, "select blob_id from file where assembly_id = '" + done.assembly_id + "' order by size").split('\n')
  const at = (b) => path.join(s.dir, 'blobs', b.slice(0, 2), b)
  fs.unlinkSync(at(blobs[0]))
  fs.chmodSync(at(blobs[1]), 0o600)
  fs.appendFileSync(at(blobs[1]), 'more')
  const orphan = id()
  fs.writeFileSync(at(orphan), 'orphan')
  fs.writeFileSync(path.join(s.dir, 'blobs/00/README'), 'x')
  fs.writeFileSync(path.join(s.dir, 'blobs/tmp', id()), 'x')
  fs.writeFileSync(path.join(s.dir, 'uploads', id()), 'never acknowledged')
  fs.unlinkSync(path.join(s.dir, 'uploads', path.basename(loc)))
  fs.mkdirSync(path.join(s.dir, 'scratch/media-99/out'), { recursive: true })
  fs.writeFileSync(path.join(s.dir, 'scratch/media-99/out/0.png'), 'half a picture')
  const lost = sql(s.dir, "select blob_id from file where assembly_id = '" + failed.assembly_id + "'")
  sql(s.dir, `delete from file where blob_id = '${lost}'`)
  sql(s.dir, `delete from event where assembly_id = '${canceled.assembly_id}' and seq = (select max(seq) - 1 from event where assembly_id = '${canceled.assembly_id}')`)
  sql(s.dir, `insert into event values('${id()}', 1, 1, '{}')`)
  const kinds = (r) => [...new Set(r.findings.map((f) => f.kind))].sort()
  const all = ['blob_without_row', 'events_disagree', 'events_without_assembly', 'file_without_row', 'foreign', 'leftover',
    'row_without_blob', 'row_without_upload', 'size_mismatch', 'upload_without_row']
  const found = await fsck(s.dir)
  assert.equal(found.rc, 1)
  assert.deepEqual(kinds(found), all)
  assert.deepEqual(kinds(await fsck(s.dir)), all, 'without --repair nothing changes')
  assert.ok(fs.existsSync(at(orphan)))
  assert.match((await run('fsck', '--data', s.dir)).stdout, /blob_without_row +[0-9a-f]{32}: 6 bytes/)

  const repaired = await fsck(s.dir, '--repair')
  assert.equal(repaired.rc, 1)
  assert.deepEqual(repaired.findings.filter((f) => f.repaired !== (f.repair !== null)), [], 'repaired is what can be')
  assert.deepEqual(kinds(await fsck(s.dir)), ['events_disagree', 'events_without_assembly', 'foreign', 'row_without_blob', 'size_mismatch'], 'what a person must decide')
  assert.ok(!fs.existsSync(at(orphan)) && fs.existsSync(at(lost)))
  assert.equal(sql(s.dir, `select count(*) from file where blob_id = '${lost}'`), '1')
  await s.boot()
  assert.equal((await s.get(done.assembly_id)).ok, 'ASSEMBLY_COMPLETED')
})

test('fsck says that it could not look', async () => {
  const r = await run('fsck', '--data', '/nonexistent')
  assert.equal(r.rc, 2)
  assert.match(r.stderr, /could not look/)
})

test('doctor tries the jail and every codec, and says what to do about what is wrong', async (t) => {
  const s = await Server.start(t)
  await s.create({ ':original': { robot: '/upload/handle' } })
  const r = await run('doctor', '--json', '--data', s.dir)
  const all = JSON.parse(r.stdout)
  const by = Object.fromEntries(all.checks.map((c) => [c.check, c]))
  assert.equal(r.rc, all.verdict === 'fail' ? 1 : 0)
  for (const check of ['jail.media', 'jail.transfer', 'ffprobe', 'pdfinfo', 'libvips', 'libvips.reads', 'faces', 'fonts', 'tls', 'data', 'disk', 'database', 'clock', 'limits.files']) assert.ok(by[check], check)
  const optimizers = ['optipng', 'pngquant', 'gifsicle', 'cwebp', 'scour', '7zz']
  const fine = [...optimizers, 'ffprobe', 'pdfinfo', 'libvips', 'libvips.reads', 'faces', 'data', 'database']
  for (const check of fine) assert.equal(by[check].verdict, 'ok', JSON.stringify(by[check]))
  assert.match(by.database.found, /write-ahead log/)
  for (const c of all.checks) assert.equal(c.verdict === 'ok', c.advice === null, JSON.stringify(c))
  assert.match((await run('doctor', '--data', s.dir)).stdout, /^ok +ffprobe +ffprobe version/m)
  // few descriptors, a database from the future, credentials that are not there
  sql(s.dir, "update assembly set created_us = created_us + 100000000000")
  const bad = JSON.parse((await run('doctor', '--json', '--data', s.dir, '--max-connections', '900000', '--s3', 'nobody')).stdout)
  const of = (name) => bad.checks.find((c) => c.check === name)
  assert.equal(bad.verdict, 'fail')
  assert.match(of('clock').found, /before the newest Assembly/)
  assert.equal(of('limits.files').verdict, 'warn')
  assert.equal(of('s3').verdict, 'fail')
  assert.equal((await run('doctor', '--nonsense')).rc, 2)
})

const blobPath = (dir, b) => path.join(dir, 'blobs', b.slice(0, 2), b)
const soon = async (what, done, ms = 15000) => {
  for (const end = Date.now() + ms; !await done(); await sleep(50)) assert.ok(Date.now() < end, `not within ${ms} ms: ${what}`)
}
const original = { ':original': { robot: '/upload/handle', result: true } }

test('results expire, then the status; the id stays used, and nothing is left behind', async (t) => {
  const s = await Server.start(t, { args: ['--result-expiry-s', '2', '--status-expiry-s', '6', '--sweep-interval-s', '1', '--memory-keep-s', '1'] })
  const a = await s.create(original, { id: id(), files: { 'a.txt': 'twelve bytes' } })
  const done = await s.until(a.assembly_id)
  const file = done.results[':original'][0]
  assert.equal((await fetch(file.url)).status, 200)
  await soon('the result', async () => (await fetch(file.url)).status === 404)
  await soon('its contents', () => !fs.existsSync(blobPath(s.dir, file.id)))
  assert.equal((await s.get(a.assembly_id)).ok, 'ASSEMBLY_COMPLETED', 'the status is kept longer')
  await soon('the status', async () => (await s.get(a.assembly_id)).error === 'ASSEMBLY_NOT_FOUND')
  assert.equal((await s.create(original, { id: a.assembly_id })).error, 'DO_NOT_REUSE_ASSEMBLY_IDS')
  for (const table of ['event', 'file', 'upload']) assert.equal(sql(s.dir, `select count(*) from ${table} where assembly_id = '${a.assembly_id}'`), '0', table)
  await sleep(2500) // the sweep comes again and finds nothing to do
  await s.stop()
  assert.deepEqual((await fsck(s.dir)).findings, [])
})

test('an upload that nobody goes on with expires with its Assembly, and its bytes go', async (t) => {
  const s = await Server.start(t, { args: ['--upload-expiry-s', '2', '--sweep-interval-s', '1'] })
  const a = await s.create(original, { expected: 1 })
  const loc = await s.tusCreate(a, 10)
  await s.patch(loc, 0, 'half')
  assert.equal(s.partialUploads().length, 1)
  await soon('the upload', async () => [404, 410].includes((await s.tus('HEAD', loc)).status))
  await soon('its bytes', () => s.partialUploads().length === 0)
  assert.equal((await s.until(a.assembly_id)).error, 'ASSEMBLY_EXPIRED')
  await soon('its row', () => sql(s.dir, 'select count(*) from upload') === '0')
})

test('the scrub removes what nothing refers to, and never what is on its way', async (t) => {
  const s = await Server.start(t, { args: ['--scrub-interval-s', '1', '--scrub-grace-s', '1'] })
  // a finished result, an upload that became a blob before the end of the process, a create request whose file is in
  const done = await s.until((await s.create(original, { files: { 'a.txt': 'kept' } })).assembly_id)
  const a = await s.create(original, { expected: 1 })
  const loc = await s.tusCreate(a, 9)
  const stalled = s.raw()
  const form = (name, more, text) => `--b\r\nContent-Disposition: form-data; name="${name}"${more}\r\n\r\n${text}\r\n`
  const rest = form('params', '', JSON.stringify({ auth: { key: 'test-key' }, steps: original })) + '--b--\r\n'
  const first = form('f', '; filename="early.txt"', 'came before the params') + '--b\r\n'
  const body = first + rest.slice('--b\r\n'.length)
  const early = id()
  const begin = async () => {
    stalled.write(`POST /assemblies/${early} HTTP/1.1\r\nHost: 127.0.0.1:${s.port}\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: ${body.length}\r\n\r\n${first}`)
  }
  await s.kill9()
  const upload = path.basename(loc)
  const becoming = JSON.parse(sql(s.dir, `select meta from upload where id = '${upload}'`)).file_id
  fs.writeFileSync(blobPath(s.dir, becoming), 'nine byte')
  assert.ok(!fs.existsSync(path.join(s.dir, 'uploads', upload)), 'no byte has come, so there is no file')
  const orphan = id()
  fs.writeFileSync(blobPath(s.dir, orphan), 'orphan')
  await sleep(1100)
  await s.boot()
  await new Promise((resolve) => stalled.connect(s.port, '127.0.0.1', resolve))
  await begin()
  fs.mkdirSync(path.join(s.dir, 'scratch/media-999/out'), { recursive: true })
  fs.writeFileSync(path.join(s.dir, 'scratch/media-999/out/left.png'), 'left')
  await soon('the orphan', () => !fs.existsSync(blobPath(s.dir, orphan)))
  await soon('the directory of no worker', () => !fs.existsSync(path.join(s.dir, 'scratch/media-999')))
  await sleep(3500) // three more passes over what is on its way
  stalled.write(body.slice(first.length))
  const late = await s.until(early, (st) => st.ok === 'ASSEMBLY_COMPLETED' || (st.error && st.error !== 'ASSEMBLY_NOT_FOUND'))
  assert.equal(late.ok, 'ASSEMBLY_COMPLETED')
  assert.equal(await (await fetch(late.results[':original'][0].url)).text(), 'came before the params')
  assert.equal((await s.tus('HEAD', loc)).headers.get('upload-offset'), '9')
  assert.equal((await s.patch(loc, 9, '')).status, 204)
  const became = await s.until(a.assembly_id)
  assert.equal(await (await fetch(became.results[':original'][0].url)).text(), 'nine byte')
  assert.equal(await (await fetch(done.results[':original'][0].url)).text(), 'kept')
  assert.match(s.log, /scrub: removed 1 files that nothing referred to, 6 bytes/)
})

test('an upload whose bytes are lost begins anew, and does not pretend to have them', async (t) => {
  const s = await Server.start(t)
  const a = await s.create(original, { expected: 1 })
  const loc = await s.tusCreate(a, 10)
  await s.patch(loc, 0, 'half')
  await s.kill9()
  fs.unlinkSync(path.join(s.dir, 'uploads', path.basename(loc)))
  await s.boot()
  const head = await s.tus('HEAD', loc)
  assert.equal(head.status, 200)
  assert.equal(head.headers.get('upload-offset'), '0')
  assert.equal((await s.patch(loc, 4, 'behind')).status, 409)
  assert.equal((await s.patch(loc, 0, 'all of it!')).status, 204)
  const done = await s.until(a.assembly_id)
  assert.equal(await (await fetch(done.results[':original'][0].url)).text(), 'all of it!')
})

test('of an upload that the power left with a name and no bytes nothing is taken', async (t) => {
  const s = await Server.start(t)
  const a = await s.create(original, { expected: 1 })
  const loc = await s.tusCreate(a, 10)
  await s.kill9()
  const { file_id } = JSON.parse(sql(s.dir, `select meta from upload where id = '${path.basename(loc)}'`))
  const at = blobPath(s.dir, file_id)
  fs.writeFileSync(at, Buffer.alloc(10))
  fs.chmodSync(at, 0o1444) // as blob_finish() makes them
  await s.boot()
  assert.equal((await s.tus('HEAD', loc)).headers.get('upload-offset'), '0')
  assert.equal((await s.patch(loc, 0, 'all of it!')).status, 204)
  const done = await s.until(a.assembly_id)
  assert.equal(await (await fetch(done.results[':original'][0].url)).text(), 'all of it!')
  assert.equal(fs.statSync(at).mode & 0o7777, 0o1444)
})

test('one of unknown length whose bytes are lost is gone', async (t) => {
  const s = await Server.start(t)
  const a = await s.create(original, { expected: 1 })
  const headers = { 'Upload-Defer-Length': '1', 'Upload-Metadata': s.tusMeta(a) }
  const loc = (await s.tus('POST', `${s.url}/resumable/files/`, headers)).headers.get('location')
  await s.patch(loc, 0, 'half')
  await s.kill9()
  fs.unlinkSync(path.join(s.dir, 'uploads', path.basename(loc)))
  await s.boot()
  assert.equal((await s.tus('HEAD', loc)).status, 410)
})

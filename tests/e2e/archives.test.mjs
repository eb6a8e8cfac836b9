// Archives and filters in the real jail: packed and unpacked by real clients, bombs refused by their limit's name,
// files that are turned away, and nothing left of jobs that are stopped.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { test } from 'node:test'
import { Transloadit } from 'transloadit'
import { alive, KEY, picture, SECRET, Server, sleep } from './server.mjs'

const client = (s) => new Transloadit({ authKey: KEY, authSecret: SECRET, endpoint: s.url, validateResponses: true })
const helpers = `def zip(*all):
 z=zipfile.ZipFile(p,'w',zipfile.ZIP_DEFLATED,compresslevel=1)
 for i in range(0,len(all),2): z.writestr(all[i],all[i+1])
 z.close()`
// What a Python program writes to the file p.
const python = (program) => {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'workcell-archive-'))
  try {
    const all = `import sys,io,os,zipfile,tarfile\np=sys.argv[1]\n${helpers}\n${program}`
    execFileSync('python3', ['-IS', '-c', all, path.join(dir, 'x')])
    return fs.readFileSync(path.join(dir, 'x'))
  } finally {
    fs.rmSync(dir, { recursive: true })
  }
}
const text = async (file) => (await fetch(file.ssl_url)).text()
const run = async (s, steps, files) => s.until((await s.create(steps, { files })).assembly_id)
// A job that has failed is over before its worker is, and new ones warm up.
const nothingLeft = async (s) => {
  await s.scratchEmpty()
}
const unpack = (more) => ({ out: { robot: '/file/decompress', use: ':original', result: true, ...more } })

test('the Node SDK packs files into one archive and gets them back, names and folders kept', async (t) => {
  const s = await Server.start(t)
  const bundled = { robot: '/file/compress', use: { steps: [':original'], bundle_steps: true }, format: 'zip', archive_name: 'all', result: true }
  const names = ['a.txt', 'Straße 漢😀.txt']
  const packed = await client(s).createAssembly({
    params: { steps: { zip: { ...bundled, path: '${file.ext}/${file.name}', password: 'opensesame' } } },
    uploads: Object.fromEntries(names.map((n) => [n, Buffer.from(`I am ${n}`)])),
    waitForCompletion: true,
  })
  assert.equal(packed.ok, 'ASSEMBLY_COMPLETED', JSON.stringify(packed))
  const [zip] = packed.results.zip
  assert.deepEqual([zip.name, zip.mime], ['all.zip', 'application/zip'])
  assert.deepEqual([packed.results.zip.length, zip.original_id.length], [1, 2])
  assert.ok(!JSON.stringify(packed).includes('opensesame'))

  const bytes = Buffer.from(await (await fetch(zip.ssl_url)).arrayBuffer())
  const open = { robot: '/file/decompress', use: ':original', password: 'opensesame', result: true }
  const uploads = { 'all.zip': bytes }
  const out = await client(s).createAssembly({ params: { steps: { out: open } }, uploads, waitForCompletion: true })
  assert.equal(out.ok, 'ASSEMBLY_COMPLETED', JSON.stringify(out))
  const got = out.results.out
  assert.deepEqual(got.map((f) => f.meta.relative_path).sort(), names.map((n) => `txt/${n}`).sort())
  for (const f of got) {
    assert.deepEqual([await text(f), f.meta.archive_directory], [`I am ${f.name}`, 'txt'])
    assert.deepEqual([f.original_name, f.original_id], ['all.zip', out.uploads[0].id])
    assert.ok(names.includes(f.name))
  }
  const refused = await run(s, { out: { ...open, password: 'sesame' } }, { 'all.zip': bytes })
  assert.equal(refused.error, 'FILE_DECOMPRESS_PASSWORD_INCORRECT')
  assert.ok(!s.log.includes('opensesame'))
  await nothingLeft(s)
})

test('hostile archives are refused as a whole, by the name of the limit or of what they are', async (t) => {
  const s = await Server.start(t, { args: ['--max-archive-files', '20'] })
  const cases = [
    ["zip('a',bytes(70<<20))", 'FILE_DECOMPRESS_INVALID_INPUT', /max_archive_ratio/],
    ["zip(*'abcdefghijklmnopqrstuvwxyz'*2)", 'FILE_DECOMPRESS_INVALID_INPUT', /max_archive_files/],
    ["zip('../../etc/cron.d/x','x')", 'POSSIBLY_MALICIOUS_FILE_FOUND', /"\.\."/],
    ["open(p,'w').write('no archive')", 'FILE_DECOMPRESS_INVALID_INPUT', /no archive/],
  ]
  for (const [program, code, says] of cases) { // ignore_errors means the metadata here
    const done = await run(s, unpack({ ignore_errors: true, turbo: false }), { 'x.zip': python(program) })
    assert.equal(done.error, code, JSON.stringify(done))
    assert.match(done.message, says)
  }
  // one picture that is cut off fails the archive, or is handed on without what is not known
  const broken = python("zip('a.png',bytes([137,80,78,71,13,10,26,10])+b'broken','b.txt','some words')")
  assert.equal((await run(s, unpack(), { 'x.zip': broken })).error, 'FILE_META_DATA_ERROR')
  const done = await run(s, unpack({ ignore_errors: ['meta'] }), { 'x.zip': broken })
  assert.equal(done.ok, 'ASSEMBLY_COMPLETED', JSON.stringify(done))
  assert.deepEqual(done.results.out.map((f) => [f.name, f.mime]), [['a.png', 'image/png'], ['b.txt', 'text/plain']])
  const ignored = done.ignored_errors.map((e) => [e.step, e.phase, e.error])
  assert.deepEqual(ignored, [['out', 'meta', 'FILE_META_DATA_ERROR']])
  await nothingLeft(s)
})

test('a filter lets the same file go on, and tells who is turned away', async (t) => {
  const s = await Server.start(t)
  const files = { 'a.txt': 'some words', 'b.png': fs.readFileSync(picture) }
  const filter = { robot: '/file/filter', use: ':original', result: true }
  const steps = {
    pictures: {
      ...filter,
      accepts: [['${file.mime}', 'regex', '^IMAGE/'], ['${file.meta.nothing}', '=', 'x']],
      declines: [['${file.size}', '>', '20mb']],
    },
    small: { robot: '/image/resize', use: 'pictures', width: 20, result: true },
    checked: { robot: '/file/verify', use: ':original', verify_to_be: 'png', result: true },
    bundle: { ...filter, use: { steps: [':original'], bundle_steps: true }, accepts: [['${file.name}', '=', 'a.txt']] },
    unknown: { ...filter, accepts: '${file.meta.nothing}' },
  }
  const done = await run(s, steps, files)
  assert.equal(done.ok, 'ASSEMBLY_COMPLETED', JSON.stringify(done))
  const upload = done.uploads.find((f) => f.name === 'b.png')
  assert.deepEqual(done.results.pictures.map((f) => [f.id, f.ssl_url]), [[upload.id, upload.ssl_url]])
  assert.deepEqual(done.results.small.map((f) => [f.original_id, f.meta.width]), [[upload.id, 20]])
  const checked = done.results.checked.map((f) => [f.name, f.md5hash, f.id === upload.id])
  assert.deepEqual(checked, [['b.png', upload.md5hash, false]])
  assert.deepEqual(done.results.bundle.map((f) => f.name), ['a.txt'])
  assert.equal(done.results.unknown, undefined)

  const declines = [['${file.ext}', '=', 'txt']]
  const declined = await run(s, { f: { ...filter, declines, error_on_decline: true, error_msg: 'No texts' } }, files)
  assert.deepEqual([declined.error, declined.message, declined.step], ['FILE_FILTER_DECLINED_FILE', 'No texts', 'f'])
  const verify = { robot: '/file/verify', use: ':original', error_on_decline: true }
  const verified = await run(s, { v: verify }, { 'invoice.pdf': 'MZ no pdf' })
  assert.deepEqual([verified.error, verified.message], ['FILE_VERIFY_INVALID_FILE', 'One of your files was declined'])
  const wrong = [
    [[['${file.ext}', 'like', 'txt']], 'FILE_FILTER_INVALID_OPERATOR'],
    [[['${file.ext}', 'regex', '(']], 'FILE_FILTER_VALIDATION'],
    ['true', 'FILE_FILTER_VALIDATION'],
  ]
  for (const [accepts, code] of wrong)
    assert.equal((await s.create({ f: { ...filter, accepts } }, { files })).error, code)
})

test('a cancel in the middle of packing and unpacking: the worker is gone, and so is what it made', async (t) => {
  const s = await Server.start(t)
  const noise = randomBytes(16 << 20)
  const tar = python(`t=tarfile.open(p,'w:gz',compresslevel=1)
for k in range(24):
 i=tarfile.TarInfo('%d'%k); i.size=1<<20
 t.addfile(i,io.BytesIO(os.urandom(1<<20)))
t.close()`)
  const pack = { robot: '/file/compress', use: ':original', gzip: true, compression_level: -9, result: true }
  for (const [steps, files] of [[{ out: pack }, { 'a.bin': noise }], [unpack(), { 'x.tar.gz': tar }]]) {
    const a = await s.create(steps, { files })
    const begun = (st) => st.running_jobs?.some((j) => j.startsWith('out')) || st.error || st.results?.out
    await s.until(a.assembly_id, begun)
    let busy = [], before
    // who looked at the file first is soon done
    for (let i = 0; i < 100 && (!busy.length || `${busy}` !== `${before}`); i++) {
      await sleep(30)
      before = busy
      busy = s.busyWorkers()
    }
    const got = await s.cancel(a.assembly_id)
    assert.deepEqual([got.ok, got.cancel.settled, got.cancel.jobs_stopped], ['ASSEMBLY_CANCELED', true, 1])
    assert.equal(busy.length, 1)
    assert.deepEqual(busy.filter(alive), [])
    assert.deepEqual(s.scratchFiles(), [])
  }
})

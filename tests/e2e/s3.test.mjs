// The Robots that speak like S3 against Ceph radosgw, which checks every signature.
import assert from 'node:assert/strict'
import { execFile, execFileSync } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import fs from 'node:fs'
import http from 'node:http'
import net from 'node:net'
import os from 'node:os'
import path from 'node:path'
import { after, before, test } from 'node:test'
import { promisify } from 'node:util'
import {
  CreateBucketCommand, GetObjectAclCommand, GetObjectCommand, GetObjectTaggingCommand, HeadObjectCommand,
  ListMultipartUploadsCommand, PutBucketVersioningCommand, PutObjectCommand,
} from '@aws-sdk/client-s3'
import { Radosgw } from './radosgw.mjs'
import { picture, root, Server, sleep } from './server.mjs'

let gate, s3
before(() => { gate = Radosgw.start(); s3 = gate.s3 }, { timeout: 180000 })
after(() => gate.stop())

const store = (more = {}) => ({ robot: '/s3/store', use: ':original', bucket: gate.bucket, bucket_region: 'us-east-1', key: gate.access, secret: gate.secret, host: gate.endpoint, no_vhost: true, ...more })
const serve = (t, env = {}) => Server.start(t, { args: ['--import-allow', '127.0.0.1'], env })
const body = async (Bucket, Key) => Buffer.from(await (await s3.send(new GetObjectCommand({ Bucket, Key }))).Body.transformToByteArray())

test('the example of the contract: faces and original exported with stored credentials, every key of its status there', async (t) => {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'workcell-e2e-'))
  const bin = process.env.WORKCELL || path.join(root, 'build/workcell')
  execFileSync(bin, ['credential', 'add', 'demo_s3_credentials', 's3', `bucket=${gate.dots_bucket}`, `key=${gate.access}`, `secret=${gate.secret}`, `host=${gate.endpoint}`, 'no_vhost=true', 'bucket_region=us-east-1', '--data', dir])
  assert.ok(!fs.readFileSync(path.join(dir, 'workcell.db')).includes(gate.secret), 'kept encrypted')
  const s = await Server.start(t, { args: ['--import-allow', '127.0.0.1'], dir })
  const data = fs.readFileSync(picture)
  const a = await s.create({
    ':original': { robot: '/upload/handle' },
    faces_detected: { use: ':original', robot: '/image/facedetect', crop: true, faces: 'max-confidence', format: 'preserve', crop_padding: '10%' },
    exported: { use: ['faces_detected', ':original'], robot: '/s3/store', credentials: 'demo_s3_credentials' },
  }, { expected: 1 })
  await s.patch(await s.tusCreate(a, data.length, { filename: 'astro naut.png' }), 0, data)
  const have = await s.until(a.assembly_id)
  assert.equal(have.ok, 'ASSEMBLY_COMPLETED', have.message)
  const want = JSON.parse(fs.readFileSync(path.join(root, 'tests/data/example-status.json')))
  const kind = (v) => (v === null ? 'null' : Array.isArray(v) ? 'array' : typeof v)
  const problems = []
  const compare = (w, h, where) => {
    if (h === undefined) problems.push(`${where} is missing`)
    else if (kind(w) !== kind(h) && kind(w) !== 'null' && kind(h) !== 'null') problems.push(`${where}: ${kind(w)} / ${kind(h)}`)
    else if (kind(w) === 'object') for (const k of Object.keys(w)) compare(w[k], h?.[k], `${where}.${k}`)
    else if (kind(w) === 'array' && w.length) compare(w[0], h[0], `${where}[0]`)
  }
  compare(want, have, 'status')
  assert.deepEqual(problems, [])
  assert.deepEqual(have.started_jobs, want.started_jobs)
  assert.deepEqual(Object.keys(have.results).sort(), [':original', 'faces_detected'])
  const { id } = have.uploads[0]
  const key = `${id.slice(0, 2)}/${id.slice(2)}/astro-naut.png`
  assert.ok(have.uploads[0].url.endsWith(key), have.uploads[0].url)
  assert.equal(have.results[':original'][0].url, have.uploads[0].url)
  assert.deepEqual(await body(gate.dots_bucket, key), data)
  assert.ok(!JSON.stringify(have).includes(gate.secret) && !s.log.includes(gate.secret))
})

test('keys, headers, tags, integrity and signed URLs', async (t) => {
  const s = await serve(t)
  const data = randomBytes(5000)
  const key = 'odd/\u00e9 =+(1)&%25 \u65e5.bin'
  const a = await s.create({ out: store({ path: key, acl: 'private', headers: { 'Content-Type': 'x/y', 'x-amz-meta-a': 'b' }, tags: { one: 'two' }, check_integrity: true, sign_urls_for: 60, result: true }) }, { files: { f: data } })
  const done = await s.until(a.assembly_id)
  assert.equal(done.ok, 'ASSEMBLY_COMPLETED', done.message)
  assert.deepEqual(await body(gate.bucket, key), data)
  const head = await s3.send(new HeadObjectCommand({ Bucket: gate.bucket, Key: key }))
  assert.equal(head.ContentType, 'x/y')
  assert.equal(head.Metadata.a, 'b')
  assert.deepEqual((await s3.send(new GetObjectTaggingCommand({ Bucket: gate.bucket, Key: key }))).TagSet, [{ Key: 'one', Value: 'two' }])
  const [f] = done.results.out
  assert.equal((await fetch(f.url)).status, 403, 'private')
  const signed = await fetch(f.signed_url)
  assert.equal(signed.status, 200)
  assert.deepEqual(Buffer.from(await signed.arrayBuffer()), data)
})

test('a wrong secret, a missing bucket, and endpoints that deny, reset or hang give the contract\'s codes', async (t) => {
  const s = await serve(t)
  const run = async (more) => s.until((await s.create({ out: store(more) }, { files: { f: 'abc' } })).assembly_id, undefined, 60000)
  assert.equal((await run({ secret: 'wrong' })).error, 'S3_STORE_ACCESS_DENIED')
  assert.equal((await run({ bucket: 'no-such-bucket' })).error, 'S3_STORE_FAILURE')
  const deny = http.createServer((req, res) => { req.resume(); res.writeHead(403).end('<Error><Code>AccessDenied</Code></Error>') }).listen(0, '127.0.0.1')
  const reset = net.createServer((c) => { c.on('error', () => {}); c.once('data', () => c.resetAndDestroy()) }).listen(0, '127.0.0.1')
  await sleep(100)
  t.after(() => { deny.close(); reset.close() })
  assert.equal((await run({ host: `http://127.0.0.1:${deny.address().port}` })).error, 'S3_STORE_ACCESS_DENIED')
  assert.equal((await run({ host: `http://127.0.0.1:${reset.address().port}` })).error, 'S3_STORE_FAILURE')
})

// Where each service finds the gateway. Two have no `host`: the server is told of another endpoint.
const services = () => {
  const plain = { bucket: gate.bucket, host: gate.endpoint, key: gate.access, secret: gate.secret }
  const regional = { ...plain, bucket_region: 'us-east-1' }
  return {
    backblaze: { bucket: gate.bucket, app_key_id: gate.access, app_key: gate.secret },
    cloudflare: plain,
    digitalocean: { space: gate.bucket, region: 'us-east-1', key: gate.access, secret: gate.secret },
    mega: regional,
    minio: plain,
    s3: { ...regional, no_vhost: true },
    supabase: plain, // below /storage/v1/s3: for the gateway that is a bucket called storage
    swift: plain,
    tigris: regional,
    wasabi: regional,
  }
}

test('each service stores and imports, and doctor tries its credentials', async (t) => {
  // what Backblaze says of an account: where its S3 interface is
  const wrong = []
  const b2 = http.createServer((req, res) => {
    const basic = `Basic ${Buffer.from(`${gate.access}:${gate.secret}`).toString('base64')}`
    const asked = `${req.method} ${req.url}`
    if (asked !== 'GET /b2api/v3/b2_authorize_account' || req.headers.authorization !== basic) wrong.push(asked)
    res.end(JSON.stringify({ apiInfo: { storageApi: { s3ApiUrl: gate.endpoint } } }))
  }).listen(0, '127.0.0.1')
  await new Promise((resolve) => b2.on('listening', resolve))
  t.after(() => b2.close())
  const endpoint = `backblaze=http://127.0.0.1:${b2.address().port},digitalocean=${gate.endpoint}`
  const s = await Server.start(t, { args: ['--import-allow', '127.0.0.1', '--endpoint', endpoint] })
  await s3.send(new CreateBucketCommand({ Bucket: 'storage' }))
  const names = Object.keys(services())
  const data = randomBytes(3000)
  const each = (step) => Object.fromEntries(names.map((n) => [n, { ...services()[n], ...step(n) }]))
  const stores = each((n) => ({ robot: `/${n}/store`, use: ':original', path: `by-${n}/a b.bin` }))
  const put = await s.until((await s.create(stores, { files: { f: data } })).assembly_id, undefined, 120000)
  assert.equal(put.ok, 'ASSEMBLY_COMPLETED', put.message)
  for (const n of names) {
    const at = `by-${n}/a b.bin`
    const [Bucket, Key] = n === 'supabase' ? ['storage', `v1/s3/${gate.bucket}/${at}`] : [gate.bucket, at]
    assert.deepEqual(await body(Bucket, Key), data, n)
    const { Grants } = await s3.send(new GetObjectAclCommand({ Bucket, Key }))
    const open = Grants.some((g) => g.Grantee.URI?.endsWith('AllUsers'))
    assert.equal(open, !['backblaze', 'cloudflare', 'supabase', 'wasabi'].includes(n), n)
  }
  const from = (n) => n === 'supabase' ? `by-${n}/a b.bin` : `by-${n}/`
  const imports = each((n) => ({ robot: `/${n}/import`, path: from(n), result: true }))
  const got = await s.until((await s.create(imports)).assembly_id, undefined, 120000)
  assert.equal(got.ok, 'ASSEMBLY_COMPLETED', got.message)
  for (const n of names) {
    const [f, ...more] = got.results[n]
    assert.equal(more.length, 0, n)
    assert.equal(f.name, 'a b.bin')
    assert.equal(f.original_path, `/by-${n}/`)
    assert.equal(f.md5hash, createHash('md5').update(data).digest('hex'), n)
    assert.equal(f.from_batch_import, n !== 'supabase', n)
  }
  const stubbed = names.filter((n) => n !== 'backblaze') // the contract gives it none
  const stubs = Object.fromEntries(stubbed.map((n) => [n, { ...imports[n], return_file_stubs: true }]))
  const told = await s.until((await s.create(stubs)).assembly_id, undefined, 120000)
  assert.equal(told.ok, 'ASSEMBLY_COMPLETED', told.message)
  for (const n of stubbed) {
    const [f] = told.results[n]
    assert.deepEqual([f.name, f.size, f.is_temp_url, f.original_path], ['a b.bin', 0, false, `/by-${n}/`], n)
    assert.ok(Math.abs(f.meta.stub_expires - Date.now() / 1000 - 86400) < 600, n)
    const there = await fetch(f.url)
    assert.equal(there.status, 200, `${n}: ${f.url}`)
    assert.deepEqual(Buffer.from(await there.arrayBuffer()), data, n)
    assert.notEqual((await fetch(f.url.replace(/Expires=86400/, 'Expires=86401'))).status, 200, n)
  }
  const bin = process.env.WORKCELL || path.join(root, 'build/workcell')
  const run = promisify(execFile) // not in our way: the stand-in answers from here
  for (const n of ['backblaze', 'digitalocean']) {
    const content = Object.entries(services()[n]).map(([k, v]) => `${k}=${v}`)
    const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'workcell-e2e-'))
    await run(bin, ['credential', 'add', `my_${n}`, n, ...content, '--data', dir])
    const more = ['--data', dir, '--import-allow', '127.0.0.1', '--endpoint', endpoint]
    const { stdout } = await run(bin, ['doctor', '--json', '--s3', `my_${n}`, ...more])
    const check = JSON.parse(stdout).checks.find((c) => c.check === 's3')
    assert.equal(check.verdict, 'ok', `${n}: ${check.found}`)
    fs.rmSync(dir, { recursive: true })
  }
  assert.deepEqual(wrong, [])
  const refused = { ...services().minio, secret: 'wrong', robot: '/minio/import', path: 'x' }
  assert.equal((await s.until((await s.create({ a: refused })).assembly_id)).error, 'MINIO_IMPORT_ACCESS_DENIED')
  const missing = { ...services().minio, robot: '/minio/import', path: 'x' }
  assert.equal((await s.until((await s.create({ a: missing })).assembly_id)).error, 'MINIO_IMPORT_NOT_FOUND')
})

test('an import of odd keys, of pages, of ranges, and of what breaks off', async (t) => {
  const Bucket = 'imports'
  await s3.send(new CreateBucketCommand({ Bucket }))
  const odd = ['d/\\back', 'd/a+b c&d', 'd/50%', 'd/l\nf', 'd/q?#<>"', 'd/\u00e9 \u65e5', 'd/~!*\'()']
  const keys = [...odd, 'd/', 'd/e/f', 'd/e/../g', 'top']
  for (const Key of keys) await s3.send(new PutObjectCommand({ Bucket, Key, Body: Key.endsWith('/') ? '' : Key }))
  const big = randomBytes(9e6)
  await s3.send(new PutObjectCommand({ Bucket, Key: 'big.bin', Body: big }))
  // a proxy that cuts the first answers with an object after some megabytes
  let cuts = 2
  const target = new URL(gate.endpoint)
  const proxy = net.createServer((c) => {
    const up = net.connect(target.port, target.hostname)
    let seen = 0
    for (const one of [c, up]) one.on('error', () => { c.destroy(); up.destroy() })
    c.pipe(up)
    up.on('data', (d) => {
      c.write(d)
      seen += d.length
      if (seen < 3e6 || !cuts) return
      cuts--
      up.destroy()
      c.end()
    })
    up.on('close', () => c.end())
  }).listen(0, '127.0.0.1')
  await new Promise((resolve) => proxy.on('listening', resolve))
  t.after(() => proxy.close())
  const s = await serve(t)
  const place = { ...services().s3, bucket: Bucket }
  const from = (more) => ({ robot: '/s3/import', ...place, result: true, ...more })
  const a = await s.create({
    flat: from({ path: 'd/' }),
    deep: from({ path: 'd/', recursive: true, files_per_page: 4, page_number: 3 }),
    root: from({ path: '/' }),
    part: from({ path: 'big.bin', range: ['10-19', '-5'], force_name: 'part.bin' }),
    cut: from({ path: '/big.bin', host: `http://127.0.0.1:${proxy.address().port}` }),
  })
  const done = await s.until(a.assembly_id, undefined, 120000)
  assert.equal(done.ok, 'ASSEMBLY_COMPLETED', done.message)
  const md5 = (d) => createHash('md5').update(d).digest('hex')
  assert.deepEqual(done.results.flat.map((f) => f.md5hash).sort(), odd.map(md5).sort())
  assert.ok(done.results.flat.every((f) => f.original_path === '/d/' && !/[/\\\n]/.test(f.name)))
  const order = (x, y) => Buffer.compare(Buffer.from(x), Buffer.from(y))
  const below = keys.filter((k) => k.startsWith('d/') && k !== 'd/').sort(order)
  assert.deepEqual(done.results.deep.map((f) => f.md5hash), below.slice(8, 12).map(md5))
  assert.deepEqual(done.results.root.map((f) => f.name).sort(), ['big.bin', 'top'])
  const [part] = done.results.part
  assert.equal(part.name, 'part.bin')
  assert.equal(part.size, big.length)
  const holes = Buffer.alloc(big.length)
  big.copy(holes, 10, 10, 20)
  big.copy(holes, big.length - 5, big.length - 5)
  assert.equal(part.md5hash, md5(holes))
  assert.equal(cuts, 0)
  assert.equal(done.results.cut[0].md5hash, md5(big))
})

test('in a bucket with versions the one that was stored is named', async (t) => {
  const Bucket = 'versions'
  await s3.send(new CreateBucketCommand({ Bucket }))
  await s3.send(new PutBucketVersioningCommand({ Bucket, VersioningConfiguration: { Status: 'Enabled' } }))
  const s = await serve(t)
  const out = { robot: '/minio/store', use: ':original', ...services().minio, bucket: Bucket, path: 'v' }
  const done = await s.until((await s.create({ out }, { files: { f: 'one' } })).assembly_id)
  assert.equal(done.ok, 'ASSEMBLY_COMPLETED', done.message)
  const { VersionId } = await s3.send(new HeadObjectCommand({ Bucket, Key: 'v' }))
  assert.equal(done.uploads[0].meta.version_id, VersionId)
})

test('a multipart upload is aborted by a cancel: no open part is left', async (t) => {
  // a slow proxy in front of the gateway, so that the cancel falls between two parts
  const target = new URL(gate.endpoint)
  const proxy = net.createServer((c) => {
    const up = net.connect(target.port, target.hostname)
    c.on('error', () => up.destroy())
    up.on('error', () => c.destroy())
    up.pipe(c)
    c.on('data', (d) => { up.write(d); c.pause(); setTimeout(() => c.resume(), 20) })
    c.on('close', () => up.end())
  }).listen(0, '127.0.0.1')
  await sleep(100)
  t.after(() => proxy.close())
  const s = await serve(t, { WORKCELL_TEST_S3_MULTIPART_THRESHOLD: '1000000' })
  const data = randomBytes(40e6)
  const a = await s.create({ out: store({ host: `http://127.0.0.1:${proxy.address().port}`, path: 'big.bin' }) }, { files: { big: data } })
  const open = async () => (await s3.send(new ListMultipartUploadsCommand({ Bucket: gate.bucket }))).Uploads?.length ?? 0
  for (let i = 0; i < 200 && !(await open()); i++) await sleep(50)
  assert.equal(await open(), 1)
  const got = await s.cancel(a.assembly_id)
  assert.equal(got.ok, 'ASSEMBLY_CANCELED')
  assert.equal(got.cancel.jobs_stopped, 1)
  for (let i = 0; i < 60 && (await open()); i++) await sleep(50)
  assert.equal(await open(), 0)
  await s.until(a.assembly_id, (st) => st.cancel.settled)

  const b = await s.create({ out: store({ path: 'whole.bin' }) }, { files: { big: data } })
  const done = await s.until(b.assembly_id, undefined, 60000)
  assert.equal(done.ok, 'ASSEMBLY_COMPLETED', done.message)
  const md5 = (d) => createHash('md5').update(d).digest('hex')
  assert.equal(md5(await body(gate.bucket, 'whole.bin')), md5(data))
})

test('doctor --s3 puts, gets and deletes with stored credentials, and says when they are wrong', async () => {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'workcell-e2e-'))
  const bin = process.env.WORKCELL || path.join(root, 'build/workcell')
  const doctor = (name, ...more) => {
    try {
      return JSON.parse(execFileSync(bin, ['doctor', '--json', '--s3', name, '--data', dir, ...more], { stdio: ['ignore', 'pipe', 'pipe'] }))
    } catch (e) { return { rc: e.status, ...JSON.parse(e.stdout) } }
  }
  const add = (name, secret) => execFileSync(bin, ['credential', 'add', name, 's3', `bucket=${gate.bucket}`, `key=${gate.access}`, `secret=${secret}`, `host=${gate.endpoint}`, 'no_vhost=true', 'bucket_region=us-east-1', '--data', dir])
  add('good', gate.secret)
  add('bad', 'not-the-secret')
  const good = doctor('good', '--import-allow', '127.0.0.1').checks.find((c) => c.check === 's3')
  assert.equal(good.verdict, 'ok', good.found)
  const bad = doctor('bad', '--import-allow', '127.0.0.1')
  assert.equal(bad.rc, 1)
  assert.match(bad.checks.find((c) => c.check === 's3').found, /SignatureDoesNotMatch|denied/i)
  assert.match(doctor('good').checks.find((c) => c.check === 's3').found, /private|127\.0\.0\.1|allowed/)
  assert.deepEqual(await gate.keys('workcell-probe-'), [], 'nothing is left behind')
  fs.rmSync(dir, { recursive: true })
})

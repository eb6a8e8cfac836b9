// /s3/store against Ceph radosgw, which checks every signature.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import fs from 'node:fs'
import http from 'node:http'
import net from 'node:net'
import os from 'node:os'
import path from 'node:path'
import { after, before, test } from 'node:test'
import { GetObjectCommand, GetObjectTaggingCommand, HeadObjectCommand, ListMultipartUploadsCommand } from '@aws-sdk/client-s3'
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
  const left = await s3.send(new (await import('@aws-sdk/client-s3')).ListObjectsV2Command({ Bucket: gate.bucket, Prefix: 'workcell-probe-' }))
  assert.equal(left.KeyCount, 0, 'nothing is left behind')
  fs.rmSync(dir, { recursive: true })
})

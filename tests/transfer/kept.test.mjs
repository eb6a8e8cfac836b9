// A cancel in the moment in which the other side makes the file: it is there, whole, and the receipt names it. The
// answer that would have told the worker so is on a slow line, and never arrives.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import fs from 'node:fs'
import { test } from 'node:test'
import { Bucket } from '../chaos/bucket.mjs'
import { Sshd } from '../e2e/sshd.mjs'
import { Server, sleep } from '../e2e/server.mjs'
import { Azurite } from './azurite.mjs'
import { Line } from './line.mjs'

const THRESHOLD = 6 << 20
const small = randomBytes(5000), large = randomBytes(THRESHOLD + 1000)

const soon = async (what, is) => {
  for (const end = Date.now() + 120000; !await is(); await sleep(5)) assert.ok(Date.now() < end, `not in time: ${what}`)
}

// line: between worker and target; is(): the file is there; slow_ms: of each answer from the moment on that begun()
// says; first_ms: before that, so that what is looked for every 5 ms lasts longer than that.
async function canceledWhenMade(t, { args = [], line, store, is, data, slow_ms, first_ms = 0, begun = () => true }) {
  t.after(() => line.stop())
  const s = await Server.start(t, {
    args: ['--import-allow', '127.0.0.1', ...args],
    env: { WORKCELL_TEST_S3_MULTIPART_THRESHOLD: String(THRESHOLD), WORKCELL_TEST_RETRY_MS: '50' },
  })
  line.answer_ms = first_ms
  const a = await s.create({ out: store }, { files: { 'a.bin': data } })
  await soon('it has begun', begun)
  line.answer_ms = slow_ms
  await soon('the file is there', is)
  const canceled = s.cancel(a.assembly_id)
  line.answer_ms = 0
  await canceled
  const st = await s.until(a.assembly_id, (st) => st.cancel?.settled, 60000)
  assert.equal(st.ok, 'ASSEMBLY_CANCELED')
  assert.equal(st.cancel.jobs_stopped, 1)
  assert.equal(st.uploads[0].is_temp_url, true, 'the job had not heard of it')
  return { s, st }
}

for (const [what, data] of [['in one request', small], ['in parts', large]])
  test(`S3, ${what}: the receipt names an object that was made before its worker heard so`, async (t) => {
    const bucket = await Bucket.start(t)
    const line = await Line.start('127.0.0.1', bucket.port)
    const store = {
      robot: '/s3/store', use: ':original', bucket: bucket.name, key: bucket.key, secret: bucket.secret,
      bucket_region: 'us-east-1', no_vhost: true, host: line.url, path: 'to/a.bin',
    }
    const { s, st } = await canceledWhenMade(t, { line, store, data, slow_ms: 1500,
      begun: () => data === small || bucket.uploads.size, is: () => bucket.objects.size })
    assert.ok(bucket.objects.get('to/a.bin').data.equals(data))
    assert.equal(st.cancel.exports_kept.length, 1)
    assert.match(st.cancel.exports_kept[0], /\/chaos\/to\/a\.bin$/)
    assert.equal(bucket.uploads.size, 0)
    bucket.quiet()
    await s.kill9()
    await s.boot()
    assert.deepEqual((await s.get(st.assembly_id)).cancel, st.cancel, 'the receipt outlives a kill -9')
  })

test('S3: what was not made is not named, whatever lies there from before', async (t) => {
  const bucket = await Bucket.start(t)
  bucket.objects.set('to/a.bin', { data: small, etag: '"old"', at: Date.now() - 3600 * 1000 })
  let held = 0
  const handle = bucket.handle.bind(bucket)
  bucket.handle = (q) => {
    if (q.method !== 'PUT') return handle(q)
    held++
    return undefined // read to the end, and neither kept nor answered
  }
  const s = await Server.start(t, { args: ['--import-allow', '127.0.0.1'], env: { WORKCELL_TEST_RETRY_MS: '50' } })
  const a = await s.create({ out: {
    robot: '/s3/store', use: ':original', bucket: bucket.name, key: bucket.key, secret: bucket.secret,
    bucket_region: 'us-east-1', no_vhost: true, host: bucket.url, path: 'to/a.bin',
  } }, { files: { 'a.bin': small } })
  await soon('all of it was sent', () => held)
  await s.cancel(a.assembly_id)
  const st = await s.until(a.assembly_id, (st) => st.cancel?.settled, 60000)
  assert.deepEqual(st.cancel.exports_kept, [])
  assert.ok(bucket.seen.includes('HEAD /chaos/to/a.bin'), 'somebody has looked')
  bucket.quiet()
})

for (const there of [false, true])
  test(`SFTP: the receipt names a file whose rename went through${there ? ', over an older one' : ''}`, async (t) => {
    const sshd = await Sshd.start()
    const line = await Line.start('127.0.0.1', sshd.port)
    t.after(() => sshd.stop())
    const to = sshd.at('a.bin')
    if (there) fs.writeFileSync(to, 'old')
    const place = { host: line.host, port: line.port, user: sshd.user, path: to }
    const store = { robot: '/sftp/store', use: ':original', ...place }
    const parts = () => fs.readdirSync(sshd.dir).filter((n) => n.endsWith('.part'))
    const { st } = await canceledWhenMade(t, {
      args: ['--sftp-key', sshd.at('own')], line, store, data: small, slow_ms: 600, first_ms: 40,
      begun: () => parts().length, is: () => fs.existsSync(to) && fs.statSync(to).size === small.length,
    })
    assert.ok(fs.readFileSync(to).equals(small))
    assert.deepEqual(parts(), [])
    assert.deepEqual(fs.readdirSync(sshd.dir).filter((n) => n.endsWith('.old')), [])
    assert.deepEqual(st.cancel.exports_kept, [`https://127.0.0.1${to}`])
  })

test('Azure: the receipt names a blob that was made before its worker heard so', async (t) => {
  const azure = await Azurite.start(t)
  await azure.makeContainer('tests')
  for (const [what, data] of [['in one request', small], ['in blocks', large]])
    await t.test(what, async (t) => {
      const line = await Line.start('127.0.0.1', azure.port)
      const path = `to/${data.length}/a.bin`
      const store = {
        robot: '/azure/store', use: ':original', account: Azurite.account, key: Azurite.key, container: 'tests', path,
      }
      const { st } = await canceledWhenMade(t, {
        args: ['--endpoint', `azure=${line.url}`], line, store, data, slow_ms: 2500,
        is: async () => (await azure.list('tests', path)).length,
      })
      assert.ok((await azure.read('tests', path)).equals(data))
      assert.equal(st.cancel.exports_kept.length, 1)
      assert.ok(st.cancel.exports_kept[0].endsWith(`/tests/${path}`), st.cancel.exports_kept[0])
    })
})

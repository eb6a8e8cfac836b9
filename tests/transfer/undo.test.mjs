// What a killed run left at the other side is taken back before the next run of its job begins, however many workers
// are free: by key and time both look the same, and the one would take away what the other has just begun.
import assert from 'node:assert/strict'
import http from 'node:http'
import { test } from 'node:test'
import { Server, sleep } from '../e2e/server.mjs'
import { connected } from './line.mjs'

const soon = async (what, is) => {
  for (const end = Date.now() + 180000; !await is(); await sleep(20))
    assert.ok(Date.now() < end, `not in time: ${what}`)
}

const none = '<ListMultipartUploadsResult><IsTruncated>false</IsTruncated></ListMultipartUploadsResult>'
const opened = '<InitiateMultipartUploadResult><UploadId>two</UploadId></InitiateMultipartUploadResult>'

// As much of S3 as one multipart upload needs. The first that is opened gets no answer; the list of open ones waits.
async function bucket(t) {
  const it = { seen: [], list: null }
  const server = http.createServer((req, res) => {
    const what = `${req.method} ${new URL(req.url, 'http://x').searchParams.has('uploads') ? 'uploads' : 'other'}`
    req.resume().on('end', () => {
      it.seen.push(what)
      if (what === 'POST uploads' && it.seen.filter((w) => w === what).length === 1) return
      if (what === 'GET uploads' && it.list === null) { it.list = res; return }
      if (what === 'GET uploads') res.end(none)
      else if (what === 'POST uploads') res.end(opened)
      else if (req.method === 'PUT') res.writeHead(200, { ETag: '"e"' }).end()
      else res.end('<CompleteMultipartUploadResult><ETag>"e-1"</ETag></CompleteMultipartUploadResult>')
    })
  })
  await new Promise((r) => server.listen(0, '127.0.0.1', r))
  t.after(() => { server.closeAllConnections(); server.close() })
  it.port = server.address().port
  it.answer = () => it.list.end(none)
  return it
}

test('the next run of a job whose worker was killed waits until what that one left is taken back', async (t) => {
  const there = await bucket(t)
  const s = await Server.start(t, {
    args: ['--import-allow', '127.0.0.1', '--workers-transfer', '4'], allow: [/worker/],
    env: { WORKCELL_TEST_S3_MULTIPART_THRESHOLD: '1000' },
  })
  const out = {
    robot: '/s3/store', use: ':original', bucket: 'b', key: 'k', secret: 's', bucket_region: 'us-east-1',
    no_vhost: true, host: `http://127.0.0.1:${there.port}`, path: 'a',
  }
  const a = await s.create({ out }, { files: { f: Buffer.alloc(5000, 'x') } })
  await soon('an upload is opened', () => there.seen.includes('POST uploads'))
  process.kill(connected(s, there.port)[0], 'SIGKILL')
  await soon('somebody looks for what was left', () => there.list)
  await sleep(1500) // others are free, and may not begin
  assert.deepEqual(there.seen, ['POST uploads', 'GET uploads'])
  there.answer()
  const done = await s.until(a.assembly_id, undefined, 180000)
  assert.equal(done.ok, 'ASSEMBLY_COMPLETED', done.message)
  assert.equal(there.seen.filter((w) => w === 'POST uploads').length, 2)
})

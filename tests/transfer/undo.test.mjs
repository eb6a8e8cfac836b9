// What a killed run left at the other side is taken back before the next run of its job begins, however many workers
// are free: by key and time both look the same, and the one would take away what the other has just begun.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import http from 'node:http'
import path from 'node:path'
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

// As much of S3 as an upload needs that never gets further than its first part. While it is down all connections are
// reset. open: ids of uploads that nobody has aborted.
async function stuck(t) {
  const it = { open: new Set(), down: false, parts: 0, aborts: 0 }
  const server = http.createServer((req, res) => {
    const query = new URL(req.url, 'http://x').searchParams, id = query.get('uploadId')
    if (it.down) { it.aborts += req.method === 'DELETE'; req.socket.destroy(); return }
    if (req.method === 'PUT') { it.parts++; req.resume(); return }
    req.resume().on('end', () => {
      if (req.method === 'POST') { it.open.add('two'); res.end(opened) }
      else if (req.method === 'DELETE') { it.open.delete(id); res.writeHead(204).end() }
      else res.writeHead(404).end('<Error><Code>NoSuchUpload</Code></Error>')
    })
  })
  await new Promise((r) => server.listen(0, '127.0.0.1', r))
  t.after(() => { server.closeAllConnections(); server.close() })
  it.port = server.address().port
  return it
}

const into = (there) => ({
  out: {
    robot: '/s3/store', use: ':original', bucket: 'b', key: 'k', secret: 's', bucket_region: 'us-east-1',
    no_vhost: true, host: `http://127.0.0.1:${there.port}`, path: 'a',
  },
})
const begin = (t, env = {}) => Server.start(t, {
  args: ['--import-allow', '127.0.0.1'], allow: [/worker/],
  env: { WORKCELL_TEST_S3_MULTIPART_THRESHOLD: '1000', WORKCELL_TEST_RETRY_MS: '20', ...env },
})

test('what could not be taken back is said, and is taken back when the server is there again', async (t) => {
  const there = await stuck(t)
  const s = await begin(t)
  const a = await s.create(into(there), { files: { f: Buffer.alloc(5000, 'x') } })
  await soon('a part is on its way', () => there.parts > 0)
  there.down = true
  await s.cancel(a.assembly_id)
  await soon('an abort fails', () => there.aborts > 3)
  const told = await s.until(a.assembly_id, (st) => st.cancel.processes_killed !== null, 180000)
  assert.ok(told.cancel.processes_killed > 0)
  assert.equal(told.cancel.settled, false, 'not all is gone, and it says so')
  await s.kill9() // and is not forgotten with the process
  await s.boot()
  await soon('it is tried again', () => there.aborts > 8)
  assert.deepEqual([...there.open], ['two'])
  there.down = false
  const done = await s.until(a.assembly_id, (st) => st.cancel.settled, 180000)
  assert.equal(there.open.size, 0)
  assert.deepEqual({ ...done.cancel, settled: false }, told.cancel, 'the figures stand')
})

test('what a job left that failed for good is taken back after a kill -9 of the server as well', async (t) => {
  const there = await stuck(t)
  const s = await begin(t, { WORKCELL_TEST_IDLE_S: '1' })
  const a = await s.create(into(there), { files: { f: Buffer.alloc(5000, 'x') } })
  await soon('a part is on its way', () => there.parts > 0)
  there.down = true
  const st = await s.until(a.assembly_id, (st) => st.error, 180000)
  assert.equal(st.error, 'S3_STORE_FAILURE')
  await s.kill9()
  there.down = false
  await s.boot()
  await soon('it is taken back', () => there.open.size === 0)
})

test('a worker that dies while it takes something back is followed by another', async (t) => {
  const there = await stuck(t)
  const s = await begin(t, { WORKCELL_TEST_RETRY_MS: '5000' }) // between tries of one worker
  const a = await s.create(into(there), { files: { f: Buffer.alloc(5000, 'x') } })
  await soon('a part is on its way', () => there.parts > 0)
  const first = connected(s, there.port)
  there.down = true
  await s.cancel(a.assembly_id)
  await soon('an abort fails', () => there.aborts > 0)
  there.down = false
  const kids = s.processes().filter((p) => p.pid === p.pgrp && !first.includes(p.pid)).map((p) => p.pid)
  const busy = () => kids.filter((pid) => {
    try {
      const cwd = fs.readlinkSync(`/proc/${pid}/cwd`)
      return cwd.includes('/scratch/transfer-') && fs.readdirSync(path.join(cwd, 'in')).length > 0
    } catch { return false }
  })
  const at = busy()
  assert.ok(at.length, 'somebody is at it, between two tries')
  for (const pid of at) process.kill(pid, 'SIGKILL')
  await s.until(a.assembly_id, (st) => st.cancel.settled, 180000)
  assert.equal(there.open.size, 0)
})

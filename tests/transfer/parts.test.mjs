// The parts of one upload to S3 are sent several at once, by as many connections as the host may see of us, and come to
// one object all the same. A bucket that holds what it gets until the test lets go.
import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import http from 'node:http'
import { test } from 'node:test'
import { Server, sleep } from '../e2e/server.mjs'

const MB = 1024 * 1024, PATIENCE = 180000
const soon = async (what, is) => {
  for (const end = Date.now() + PATIENCE; !await is(); await sleep(20))
    assert.ok(Date.now() < end, `not in time: ${what}`)
}

// fails(number): is the answer to that part a 400?
async function bucket(t, { held = false, fails = () => false } = {}) {
  const it = { held, waiting: [], most: 0, busyAtAbort: null, parts: new Map(), seen: [] }
  it.connections = new Set()
  it.busy = new Set() // numbers of parts: of one that is tried again only the last request counts
  const answers = {
    'POST uploads': () => '<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>',
    'POST uploadId': () => '<CompleteMultipartUploadResult><ETag>"e-1"</ETag></CompleteMultipartUploadResult>',
  }
  const server = http.createServer((req, res) => {
    const query = new URL(req.url, 'http://x').searchParams, chunks = [], number = Number(query.get('partNumber'))
    const what = `${req.method} ${['partNumber', 'uploads', 'uploadId'].find((k) => query.has(k))}`
    it.connections.add(req.socket)
    if (number) it.most = Math.max(it.most, it.busy.add(number).size)
    res.on('close', () => {
      it.busy.delete(number)
      it.waiting = it.waiting.filter((a) => a.res !== res)
    })
    req.on('data', (d) => chunks.push(d)).on('end', () => {
      const body = Buffer.concat(chunks)
      it.seen.push(what)
      const answer = () => {
        it.busy.delete(number)
        if (fails(number)) return res.writeHead(400).end('<Error><Code>BadPart</Code></Error>')
        it.parts.set(number, body)
        return res.writeHead(200, { ETag: `"e${number}"` }).end()
      }
      if (number) { if (it.held) it.waiting.push(Object.assign(answer, { number, res })); else answer(); return }
      if (what === 'DELETE uploadId') {
        it.busyAtAbort = it.busy.size
        res.writeHead(204).end()
        return
      }
      if (what === 'POST uploadId') it.list = body.toString()
      if (answers[what]) res.end(answers[what]())
      else res.writeHead(404).end('<Error><Code>NoSuchUpload</Code></Error>')
    })
  })
  server.keepAliveTimeout = 120000
  await new Promise((r) => server.listen(0, '127.0.0.1', r))
  t.after(() => { server.closeAllConnections(); server.close() })
  it.step = {
    robot: '/s3/store', use: ':original', bucket: 'b', key: 'k', secret: 's', bucket_region: 'us-east-1',
    no_vhost: true, host: `http://127.0.0.1:${server.address().port}`, path: 'a',
  }
  it.go = () => { it.held = false; while (it.waiting.length) it.waiting.shift()() }
  return it
}
async function begin(t, there, data, args = []) {
  const s = await Server.start(t, {
    args: ['--import-allow', '127.0.0.1', ...args],
    env: { WORKCELL_TEST_S3_MULTIPART_THRESHOLD: '1000', WORKCELL_TEST_RETRY_MS: '20' },
  })
  const { assembly_id } = await s.create({ out: there.step }, { files: { f: data } })
  return { s, id: assembly_id, end: () => s.until(assembly_id, undefined, PATIENCE) }
}
const md5 = (d) => createHash('md5').update(d).digest('hex')
const whole = (there) => Buffer.concat([...there.parts.keys()].sort((a, b) => a - b).map((n) => there.parts.get(n)))

test('four parts are under way at once, and the object is made of them in their order', async (t) => {
  const there = await bucket(t, { held: true }), data = randomBytes(31 * MB + 3)
  const { end } = await begin(t, there, data)
  await soon('four wait for their answers', () => there.waiting.length === 4)
  there.go()
  const done = await end()
  assert.equal(done.ok, 'ASSEMBLY_COMPLETED', done.message)
  assert.equal(there.most, 4)
  assert.equal(there.connections.size, 4, 'each is used again')
  assert.equal(md5(whole(there)), md5(data))
  assert.deepEqual([...there.list.matchAll(/<PartNumber>(\d+)<\/PartNumber><ETag>"e(\d+)"/g)].map((m) => m.slice(1, 3)),
    [...there.parts.keys()].sort((a, b) => a - b).map((n) => [String(n), String(n)]))
})

test('a host that may see one connection, or so many bytes a second, sees one part at a time', async (t) => {
  for (const args of [['--transfer-connections', '1'], ['--transfer-bandwidth', '400M']]) {
    const there = await bucket(t), data = randomBytes(12 * MB)
    const done = await (await begin(t, there, data, args)).end()
    assert.equal(done.ok, 'ASSEMBLY_COMPLETED', done.message)
    assert.deepEqual([there.most, there.connections.size], [1, 1], args[0])
    assert.equal(md5(whole(there)), md5(data))
  }
})

test('three places at a host are three parts, and the next job gets them when they are given back', async (t) => {
  const there = await bucket(t, { held: true }), data = randomBytes(31 * MB)
  const { s, end } = await begin(t, there, data, ['--transfer-connections', '3'])
  await soon('three wait for their answers', () => there.waiting.length === 3)
  const other = await s.create({ out: there.step }, { files: { f: randomBytes(2000) } })
  await sleep(500) // the second job finds no place
  assert.equal(there.seen.filter((w) => w === 'POST uploads').length, 1)
  there.go()
  assert.equal((await end()).ok, 'ASSEMBLY_COMPLETED')
  assert.equal((await s.until(other.assembly_id, undefined, PATIENCE)).ok, 'ASSEMBLY_COMPLETED')
  assert.equal(there.most, 3)
})

test('when one part is refused no other is begun, and the upload is aborted when none is under way', async (t) => {
  const there = await bucket(t, { held: true, fails: (n) => n === 2 }), data = randomBytes(31 * MB)
  const { end } = await begin(t, there, data)
  await soon('four wait for their answers', () => there.waiting.length === 4)
  there.waiting.splice(there.waiting.findIndex((a) => a.number === 2), 1)[0]()
  await sleep(500) // its hand could begin another one
  assert.equal(there.seen.filter((w) => w === 'PUT partNumber').length, 4)
  there.go()
  const done = await end()
  assert.equal(done.error, 'S3_STORE_FAILURE')
  assert.match(done.message, /BadPart/)
  assert.equal(there.busyAtAbort, 0)
  assert.equal(there.seen.filter((w) => w === 'PUT partNumber').length, 4, 'the rest of seven is not sent')
  assert.ok(there.seen.lastIndexOf('PUT partNumber') < there.seen.indexOf('DELETE uploadId'))
})

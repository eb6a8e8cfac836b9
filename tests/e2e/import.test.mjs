// What /http/import makes of servers as they are: coded bodies, redirects that want to know who asks, cookies, lists of
// which some are gone. Each server is the test's own.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import http from 'node:http'
import path from 'node:path'
import { test } from 'node:test'
import zlib from 'node:zlib'
import fs from 'node:fs'
import { picture, Server } from './server.mjs'

const data = fs.readFileSync(picture)

// answer(req) -> [status, headers, body]; seen: every request
async function serve(t, answer) {
  const seen = []
  const server = http.createServer((req, res) => {
    seen.push({ url: req.url, headers: req.headers, raw: req.rawHeaders })
    const [status, headers, body] = answer(req)
    res.writeHead(status, headers)
    res.end(body)
  })
  await new Promise((r) => server.listen(0, '127.0.0.1', r))
  t.after(() => { server.closeAllConnections(); server.close() })
  const host = `127.0.0.1:${server.address().port}`
  return { seen, host, url: `http://${host}` }
}

const start = (t, args = []) => Server.start(t, { args: ['--import-allow', '127.0.0.0/8', ...args] })
const run = async (s, url, more = {}) => s.until((await s.create({ i: { robot: '/http/import', url, result: true, ...more } })).assembly_id)
const fetched = async (status) => Buffer.from(await (await fetch(status.results.i[0].url)).arrayBuffer())

const codings = {
  gzip: zlib.gzipSync(data), 'x-gzip': zlib.gzipSync(data), deflate: zlib.deflateSync(data), br: zlib.brotliCompressSync(data),
  raw: zlib.deflateRawSync(data), twice: zlib.gzipSync(zlib.deflateSync(data)), identity: data,
}
const names = { raw: 'deflate', twice: 'deflate, gzip' }

test('a Content-Encoding is undone, so the file is what it is called, and the next Step reads it', async (t) => {
  const s = await start(t)
  const there = await serve(t, (req) => {
    const kind = req.url.split('/')[1]
    return [200, { 'Content-Type': 'image/png', 'Content-Encoding': names[kind] ?? kind }, codings[kind]]
  })
  for (const kind of Object.keys(codings)) {
    const a = await s.create({
      i: { robot: '/http/import', url: `${there.url}/${kind}/a.png`, result: true },
      r: { robot: '/image/resize', use: 'i', width: 16, result: true },
    })
    const done = await s.until(a.assembly_id)
    assert.equal(done.ok, 'ASSEMBLY_COMPLETED', `${kind}: ${done.message}`)
    assert.deepEqual([done.results.i[0].name, done.results.i[0].mime, done.results.i[0].size], ['a.png', 'image/png', data.length], kind)
    assert.ok((await fetched(done)).equals(data), kind)
    assert.equal(done.results.r.length, 1, kind)
  }
})

test('a compressed file that is also said to be coded stays a compressed file', async (t) => {
  const s = await start(t)
  const tar = zlib.gzipSync(Buffer.alloc(20000, 'tar '))
  const there = await serve(t, (req) => {
    if (req.url === '/type') return [200, { 'Content-Type': 'application/x-gzip', 'Content-Encoding': 'gzip' }, tar]
    if (req.url === '/named') return [200, { 'Content-Type': 'application/octet-stream', 'Content-Encoding': 'gzip', 'Content-Disposition': 'attachment; filename="b.tgz"' }, tar]
    if (req.url === '/twice.tar.gz') return [200, { 'Content-Encoding': 'gzip' }, zlib.gzipSync(tar)]
    return [200, { 'Content-Type': 'application/x-tar', 'Content-Encoding': 'x-gzip' }, tar]
  })
  for (const path of ['/a.tar.gz', '/a.tgz?x=1', '/type', '/named', '/twice.tar.gz']) {
    const done = await run(s, there.url + path)
    assert.equal(done.ok, 'ASSEMBLY_COMPLETED', done.message)
    assert.ok((await fetched(done)).equals(tar), path)
  }
})

test('decoded bytes count, bombs end early, and what cannot be decoded is said', async (t) => {
  const s = await start(t)
  const bomb = zlib.gzipSync(Buffer.alloc(300 << 20), { level: 9 })
  const there = await serve(t, (req) => {
    if (req.url === '/bomb.bin') return [200, { 'Content-Encoding': 'gzip' }, bomb]
    if (req.url === '/zstd') return [200, { 'Content-Encoding': 'zstd' }, data]
    if (req.url === '/lie') return [200, { 'Content-Encoding': 'gzip' }, data]
    if (req.url === '/cut') return [200, { 'Content-Encoding': 'gzip' }, codings.gzip.subarray(0, 1000)]
    if (req.url === '/gone') return [404, { 'Content-Encoding': 'zstd' }, 'what']
    return [200, { 'Content-Encoding': 'gzip' }, codings.gzip]
  })
  const tooLarge = await run(s, `${there.url}/a.png`, { max_file_size: data.length - 1 })
  assert.equal(tooLarge.error, 'HTTP_IMPORT_FAILURE')
  assert.match(tooLarge.message, /max_file_size allows/)
  assert.equal((await run(s, `${there.url}/a.png`, { max_file_size: data.length })).ok, 'ASSEMBLY_COMPLETED')
  const boom = await run(s, `${there.url}/bomb.bin`)
  assert.equal(boom.error, 'HTTP_IMPORT_FAILURE')
  assert.match(boom.message, /unpacks to more than 200 times/)
  assert.match((await run(s, `${there.url}/zstd`)).message, /content coding 'zstd', which is not known/)
  assert.match((await run(s, `${there.url}/lie`)).message, /can't be decoded/)
  assert.match((await run(s, `${there.url}/cut`, { fail_fast: true })).message, /breaks off in the middle/)
  assert.equal((await run(s, `${there.url}/gone`)).error, 'HTTP_IMPORT_NOT_FOUND')
})

test('a range is asked for uncoded and never decoded', async (t) => {
  const s = await start(t)
  const there = await serve(t, (req) => {
    const part = req.headers.range && req.url === '/part'
    const body = codings.gzip
    return part
      ? [206, { 'Content-Encoding': 'gzip', 'Content-Range': `bytes 10-29/${body.length}` }, body.subarray(10, 30)]
      : [200, { 'Content-Encoding': 'gzip' }, body]
  })
  const part = await run(s, `${there.url}/part`, { range: '10-29' })
  assert.ok((await fetched(part)).equals(codings.gzip.subarray(10, 30)))
  assert.equal(there.seen[0].headers['accept-encoding'], 'identity')
  // a server that knows no ranges sends all there is, and all of it can be decoded
  assert.ok((await fetched(await run(s, `${there.url}/all`, { range: '10-29' }))).equals(data))
})

test('user and password of an address go along within its origin, and to no other', async (t) => {
  const s = await start(t)
  const leaked = []
  const other = await serve(t, (req) => {
    leaked.push(req.headers.authorization)
    return req.url === '/back' ? [302, { Location: `${there.url}/open` }] : [200, {}, 'x']
  })
  const there = await serve(t, (req) => {
    if (req.url === '/open') return [200, {}, req.headers.authorization ?? 'nobody']
    if (!req.headers.authorization) return [401, { 'WWW-Authenticate': 'Basic realm="x"' }, '']
    const to = { '/absolute': `${there.url}/file`, '/relative': 'file', '/slashes': `//${there.host}/file`, '/away': `${other.url}/file`,
      '/home': `${other.url}/back`, '/twice': `${there.url}/absolute`, '/otherport': `http://localhost:${there.host.split(':')[1]}/open` }[req.url]
    return to ? [302, { Location: to }] : [200, {}, req.headers.authorization]
  })
  const base = there.url.replace('//', '//user:p%40ss%3A1@')
  const basic = `Basic ${Buffer.from('user:p@ss:1').toString('base64')}`
  for (const path of ['/file', '/relative', '/absolute', '/slashes', '/twice']) {
    const done = await run(s, base + path)
    assert.equal(done.ok, 'ASSEMBLY_COMPLETED', `${path}: ${done.message}`)
    assert.equal((await fetched(done)).toString(), basic, path)
    assert.ok(!JSON.stringify(done.results).includes('p%40ss'), path)
  }
  assert.equal((await run(s, `${base}/away`)).ok, 'ASSEMBLY_COMPLETED')
  assert.equal((await fetched(await run(s, `${base}/home`))).toString(), 'nobody', 'who was away does not get them back')
  assert.equal((await fetched(await run(s, `${base}/otherport`))).toString(), 'nobody', 'another name of the same machine is another origin')
  assert.deepEqual(leaked.filter(Boolean), [])
})

test('cookies last for one download: its gate opens, and nobody else hears of them', async (t) => {
  const s = await start(t)
  const other = await serve(t, (req) => [200, {}, req.headers.cookie ?? 'no cookie'])
  const there = await serve(t, (req) => {
    const cookie = req.headers.cookie ?? ''
    if (req.url === '/shows') return [200, {}, cookie || 'no cookie']
    if (req.url === '/away') return [302, { Location: `${other.url.replace('127.0.0.1', 'localhost')}/`, 'Set-Cookie': 'sid=1; Path=/' }]
    if (req.url.startsWith('/gate')) return [302, { Location: '/file', 'Set-Cookie': ['sid=1; Path=/', 'evil=1; Domain=example.com', 'deep=1; Path=/other'] }]
    return cookie.includes('sid=1') ? [200, {}, cookie] : [302, { Location: '/gate' }]
  })
  const done = await run(s, `${there.url}/file`)
  assert.equal(done.ok, 'ASSEMBLY_COMPLETED', done.message)
  assert.equal((await fetched(done)).toString(), 'sid=1')
  // a list is several downloads, one after the other by the same worker
  const two = await run(s, [`${there.url}/file`, `${there.url}/shows`])
  const texts = await Promise.all(two.results.i.map(async (f) => (await fetch(f.url)).text()))
  assert.deepEqual(texts, ['sid=1', 'no cookie'])
  for (let i = 0; i < 3; i++) assert.equal((await fetched(await run(s, `${there.url}/shows`))).toString(), 'no cookie', 'nor by a worker that had them')
  assert.equal((await fetched(await run(s, `${there.url}/away`))).toString(), 'no cookie')
  // a header of the Step's own and the jar are one line
  const own = await run(s, `${there.url}/file`, { headers: ['Cookie: mine=2'] })
  assert.deepEqual((await fetched(own)).toString().split('; ').sort(), ['mine=2', 'sid=1'])
  assert.ok(there.seen.every((r) => r.raw.filter((h) => h.toLowerCase() === 'cookie').length <= 1))
})

test('with ignore_errors each address of a list stands for itself', async (t) => {
  const s = await start(t)
  const there = await serve(t, (req) => req.url.startsWith('/good') ? [200, {}, req.url] : [404, {}, ''])
  const good = (n) => `${there.url}/good${n}`
  const bad = `${there.url}/bad`
  for (const [urls, left] of [[[bad, good(1)], 1], [[good(1), bad], 1], [[bad, good(1), bad, good(2), 'http://127.0.0.1:1/'], 2], [[bad], 0]]) {
    for (const ignore_errors of [['import'], true]) {
      const done = await run(s, urls, { ignore_errors, fail_fast: true })
      assert.equal(done.ok, 'ASSEMBLY_COMPLETED', done.message)
      // which of them is looked into first is anybody's guess
      assert.deepEqual((done.results.i ?? []).map((f) => f.name).sort(), ['good1', 'good2'].slice(0, left))
      assert.equal(done.ignored_error_count, 1)
      assert.deepEqual([done.ignored_errors[0].phase, done.ignored_errors[0].error, done.ignored_errors[0].step], ['import', 'HTTP_IMPORT_NOT_FOUND', 'i'])
      if (urls.length > 1) assert.match(done.ignored_errors[0].message, new RegExp(`^${urls.length - left} of ${urls.length} addresses failed`))
    }
  }
  for (const ignore_errors of [undefined, ['meta'], false]) {
    const done = await run(s, [good(1), bad, good(2)], { ignore_errors, fail_fast: true })
    assert.equal(done.error, 'HTTP_IMPORT_NOT_FOUND', 'without it the first failure ends the Assembly')
  }
})

test('hundreds of small files are looked at several by one job, each goes on, and a broken one is named', async (t) => {
  const s = await start(t)
  const broken = Buffer.from('\x89PNG\r\n\x1a\nbroken', 'latin1')
  const small = Buffer.from('iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9' +
    'awAAAABJRU5ErkJggg==', 'base64')
  const body = (url) => url.includes('bad') ? broken : small
  const there = await serve(t, (req) => [200, { 'Content-Type': 'image/png' }, body(req.url)])
  const urls = Array.from({ length: 300 }, (_, i) => `${there.url}/${i === 200 ? 'bad' : i}.png`)
  const h = { robot: '/file/hash', use: 'i', result: true }
  const steps = (more) => ({ i: { robot: '/http/import', url: urls, result: true, ...more }, h })
  const done = await s.until((await s.create(steps({ ignore_errors: ['meta'] }))).assembly_id, undefined, 60000)
  assert.equal(done.ok, 'ASSEMBLY_COMPLETED', done.message)
  assert.deepEqual([done.results.i.length, done.results.h.length, done.ignored_errors.length], [300, 300, 1])
  assert.deepEqual(done.results.i.filter((f) => f.meta.width !== 1).map((f) => f.name), ['bad.png'])
  assert.equal(new Set(done.results.h.map((f) => f.id)).size, 300)
  const jobs = Number(execFileSync('sqlite3', [path.join(s.dir, 'workcell.db'),
    `select count(*) from event where assembly_id = '${done.assembly_id}' and body like '%job_started%'`]).toString())
  assert.ok(jobs >= 1 + 300 + 300 / 16 && jobs < 301 + 200, `${jobs} jobs`) // with one for each file there would be 601
  const failed = await s.until((await s.create(steps({}))).assembly_id, undefined, 60000)
  assert.equal(failed.error, 'FILE_META_DATA_ERROR', JSON.stringify(failed).slice(0, 500))
})

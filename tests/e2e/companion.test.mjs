import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import fs from 'node:fs'
import http from 'node:http'
import { describe, test } from 'node:test'
import WebSocket from 'ws'
import { rawStandIn, standIn, withCompanion } from './companion.mjs'
import { freePort, picture, Server, sleep } from './server.mjs'

const MB = 1 << 20
const behind = (t, upstream, args = []) => Server.start(t, { args: ['--companion', upstream.url, ...args] })
const post = (s, path, body, headers = {}) => fetch(`${s.url}/companion${path}`, { method: 'POST', headers: { 'Content-Type': 'application/json', ...headers }, body: JSON.stringify(body) })

async function eventually(what, condition, ms = 15000) {
  for (const end = Date.now() + ms; ; await sleep(20)) {
    const is = await condition()
    if (is) return is
    assert.ok(Date.now() < end, `${what} did not happen`)
  }
}

// A request as it stands, without a library's help: {status, head, body} once the connection is closed.
async function say(s, text) {
  const c = s.raw()
  c.write(text)
  await Promise.race([c.ended, sleep(15000)])
  c.destroy()
  const at = c.text.indexOf('\r\n\r\n')
  return { status: Number(c.text.split(' ')[1] ?? 0), head: c.text.slice(0, at), body: c.text.slice(at + 4), text: c.text }
}

// Files to import: every path has `bytes`, /slow/N sends a piece each N ms.
async function fileServer(t, bytes, name = 'photo.png') {
  const server = http.createServer(async (req, res) => {
    const slow = Number(/slow\/(\d+)/.exec(req.url)?.[1] ?? 0)
    res.writeHead(200, { 'Content-Type': 'image/png', 'Content-Length': bytes.length, 'Content-Disposition': `attachment; filename="${name}"` })
    if (req.method === 'HEAD') return res.end()
    if (!slow) return res.end(bytes)
    for (let at = 0; at < bytes.length && !res.destroyed; at += 256 * 1024, await sleep(slow)) res.write(bytes.subarray(at, at + 256 * 1024))
    res.end()
  }).listen(0, '127.0.0.1')
  await new Promise((r) => server.on('listening', r))
  t.after(() => { server.closeAllConnections(); server.close() })
  return `http://127.0.0.1:${server.address().port}`
}

// What Uppy does for a file from elsewhere. {socket, messages, url()}
async function importFile(s, assembly, url, { name = 'photo.png', type = 'image/png' } = {}) {
  const res = await post(s, '/url/get', {
    fileId: url, url, protocol: 'tus', endpoint: assembly.tus_url, uploadUrl: null, headers: {},
    metadata: { assembly_url: assembly.assembly_url, filename: name, fieldname: 'file', name, type },
  })
  const body = await res.json()
  assert.equal(res.status, 200, JSON.stringify(body))
  const socket = new WebSocket(`${assembly.companion_url.replace(/^http/, 'ws').replace(/\/$/, '')}/api/${body.token}`)
  const messages = []
  socket.on('message', (d) => messages.push(JSON.parse(d)))
  socket.closed = new Promise((r) => socket.on('close', (code) => r(code)))
  await new Promise((resolve, reject) => { socket.on('open', resolve); socket.on('error', reject) })
  socket.on('error', () => {})
  socket.send(JSON.stringify({ action: 'resume', payload: {} }))
  const heard = (action) => eventually(`the message "${action}"`, () => {
    const error = messages.find((m) => m.action === 'error')
    assert.ok(!error || action === 'error', JSON.stringify(error))
    return messages.find((m) => m.action === action)
  }, 30000)
  return { socket, messages, heard }
}

const steps = { ':original': { robot: '/upload/handle' }, small: { robot: '/image/resize', use: ':original', width: 60, result: true } }
const kept = { ':original': { robot: '/upload/handle', result: true } }

describe('the real Companion', () => {
  test('a file comes in by its URL: meta, get, progress on the WebSocket, success, a completed Assembly', async (t) => {
    const { s } = await withCompanion(t)
    const files = await fileServer(t, fs.readFileSync(picture))
    const meta = await post(s, '/url/meta', { url: `${files}/photo.png` }, { Origin: 'http://page.example' })
    assert.equal(meta.headers.get('access-control-allow-origin'), 'http://page.example')
    assert.equal(meta.headers.get('access-control-allow-credentials'), 'true')
    assert.deepEqual(await meta.json(), { name: 'photo.png', type: 'image/png', size: fs.statSync(picture).size })

    const a = await s.create(steps, { expected: 1 })
    assert.equal(a.companion_url, `${s.url}/companion/`)
    assert.equal(a.uppyserver_url, a.companion_url)
    const { heard, socket } = await importFile(s, a, `${files}/photo.png`)
    const success = await heard('success')
    const status = await s.until(a.assembly_id)
    assert.equal(status.ok, 'ASSEMBLY_COMPLETED')
    assert.equal(status.finished_tus_uploads, 1)
    assert.equal(status.uploads[0].is_tus_file, true)
    assert.equal(status.uploads[0].tus_upload_url, success.payload.url)
    assert.equal(status.uploads[0].md5hash, createHash('md5').update(fs.readFileSync(picture)).digest('hex'))
    assert.equal(status.results.small[0].meta.width, 60)
    socket.close(1000)
    assert.equal(await socket.closed, 1000)
  })

  test('progress is told while a slow file comes in, and cancel takes the upload away', async (t) => {
    const { s } = await withCompanion(t, { env: { COMPANION_CHUNK_SIZE: String(MB) } })
    const files = await fileServer(t, randomBytes(40 * MB), 'large.bin')
    const a = await s.create(kept, { expected: 1 })
    const { heard, socket } = await importFile(s, a, `${files}/slow/40`, { name: 'large.bin', type: 'application/octet-stream' })
    const progress = await heard('progress')
    assert.match(progress.payload.progress, /^\d+\.\d\d$/)
    await eventually('an upload', async () => (await s.get(a.assembly_id)).tus_uploads.some((u) => u.offset > 0))
    socket.send(JSON.stringify({ action: 'cancel', payload: {} }))
    await eventually('the end of the upload', () => s.partialUploads().length === 0)
    assert.equal((await s.get(a.assembly_id)).uploads.length, 0)
    socket.close()
  })

  test('its own answers come through: a bad URL, a destination elsewhere, a preflight', async (t) => {
    const { s } = await withCompanion(t)
    const bad = await post(s, '/url/meta', { url: 'nonsense' })
    assert.deepEqual([bad.status, await bad.json()], [400, { error: 'Invalid request body' }])
    const files = await fileServer(t, Buffer.from('x'))
    const elsewhere = await post(s, '/url/get', { url: `${files}/a`, protocol: 'tus', endpoint: 'http://elsewhere.example/files/', metadata: {} })
    assert.equal(elsewhere.status, 400)
    assert.match((await elsewhere.json()).message, /destination/)
    const preflight = await fetch(`${s.url}/companion//url/get`, { method: 'OPTIONS', headers: { Origin: 'http://page.example', 'Access-Control-Request-Method': 'POST' } })
    assert.equal(preflight.status, 204)
    assert.match(preflight.headers.get('access-control-allow-headers'), /uppy-auth-token/)
    assert.equal((await fetch(`${s.url}/companion/metrics`)).status, 404, 'not for everybody')
  })

  test('it dies in the middle and comes back: the client hears of it, and the next request works', async (t) => {
    const { s, companion } = await withCompanion(t, { env: { COMPANION_CHUNK_SIZE: String(MB) } })
    const size = 20 * MB + 7 // tus-js-client never ends a stream of whole chunks
    const files = await fileServer(t, randomBytes(size))
    const a = await s.create(kept, { expected: 1 })
    const { socket, heard } = await importFile(s, a, `${files}/slow/100`)
    await heard('progress')
    await companion.stop('SIGKILL')
    assert.equal(await socket.closed, 1006)
    const res = await post(s, '/url/meta', { url: `${files}/x` })
    assert.equal(res.status, 503)
    assert.equal((await res.json()).error, 'COMPANION_UNAVAILABLE')
    await eventually('the warning', () => / warn /.test(s.log))
    assert.match(s.log, /warn .*Companion at http:\/\/127\.0\.0\.1:\d+: POST \/companion\/url\/meta/)
    await companion.start()
    await (await importFile(s, a, `${files}/x`)).heard('success')
    assert.equal((await s.until(a.assembly_id, (st) => st.finished_tus_uploads === 1)).uploads[0].size, size)
  })

  test('SIGTERM closes its WebSockets and ends with 0', async (t) => {
    const { s } = await withCompanion(t, { env: { COMPANION_CHUNK_SIZE: String(MB) } })
    const files = await fileServer(t, randomBytes(20 * MB))
    const a = await s.create(kept, { expected: 1 })
    const { socket, heard } = await importFile(s, a, `${files}/slow/100`)
    await heard('progress')
    const { code } = await s.stop()
    assert.equal(code, 0)
    assert.equal(await socket.closed, 1006)
  })
})

describe('without a Companion', () => {
  test('a 503 says how to get one, and a page may read it', async (t) => {
    const s = await Server.start(t)
    const res = await post(s, '/url/meta', { url: 'http://a.example/' }, { Origin: 'http://page.example' })
    assert.equal(res.status, 503)
    assert.equal(res.headers.get('access-control-allow-origin'), 'http://page.example')
    const body = await res.json()
    assert.equal(body.error, 'COMPANION_UNAVAILABLE')
    assert.match(body.message, /--companion http/)
    const preflight = await fetch(`${s.url}/companion/url/meta`, { method: 'OPTIONS', headers: { Origin: 'http://page.example' } })
    assert.equal(preflight.status, 200)
    assert.equal(preflight.headers.get('access-control-allow-origin'), 'http://page.example')
    assert.match(preflight.headers.get('access-control-allow-headers'), /content-type/)
    assert.equal((await fetch(`${s.url}/companions`)).status, 404)
  })

  test('one that is down is told of at once, to WebSockets as well, and found when it is there', async (t) => {
    const port = await freePort()
    const s = await Server.start(t, { args: ['--companion', `http://127.0.0.1:${port}/`] })
    const start = performance.now()
    const res = await post(s, '/url/get', {}, { Origin: 'http://page.example' })
    assert.ok(performance.now() - start < 2000, 'quick')
    assert.equal(res.status, 503)
    assert.equal(res.headers.get('access-control-allow-origin'), 'http://page.example')
    assert.equal((await fetch(`${s.url}/companion/x`, { method: 'OPTIONS' })).status, 200)
    const status = await new Promise((resolve) => {
      new WebSocket(`${s.url.replace('http', 'ws')}/companion/api/x`).on('unexpected-response', (q, r) => { resolve(r.statusCode); q.destroy() }).on('error', () => {})
    })
    assert.equal(status, 503)
    const late = http.createServer((req, res2) => res2.end('here')).listen(port, '127.0.0.1')
    await new Promise((r) => late.on('listening', r))
    assert.equal(await (await fetch(`${s.url}/companion/x`)).text(), 'here')
    late.closeAllConnections()
    late.close()
  })

  test('a setting that is no such URL is refused at the start', async (t) => {
    for (const url of ['127.0.0.1:3020', 'https://a.example', 'http://a.example/companion', 'http://u:p@a.example', 'http://a.example?x', 'http://']) {
      await assert.rejects(Server.start(t, { args: ['--companion', url] }), /ended with 1: .*companion: '.*' is not of the form http:\/\/HOST:PORT/s, url)
    }
  })
})

describe('what is handed on', () => {
  test('method, path and query as they are, headers but for those of the connection, who asks', async (t) => {
    const up = await standIn(t)
    const s = await behind(t, up)
    const path = '/companion///a%20b/%C3%A4;p=1?x=+%20y&&b&c=%zz&d=a=b'.replace('%zz', '%7B')
    const { status } = await say(s, `PUT ${path} HTTP/1.1\r\nHost: shop.example:81\r\nConnection: X-Mine, close\r\nX-Mine: 1\r\nX-Other: two\r\nX-Other: three\r\n`
      + 'Keep-Alive: 5\r\nTE: trailers\r\nProxy-Authorization: x\r\nX-Forwarded-For: 6.6.6.6\r\nX-Forwarded-Host: evil\r\nX-Forwarded-Proto: https\r\nForwarded: for=6.6.6.6\r\nCookie: a=b\r\n'
      + 'uppy-auth-token: tok\r\nContent-Length: 3\r\n\r\nabc')
    assert.equal(status, 200)
    assert.equal(up.seen.length, 1)
    const { method, url, headers, body, raw } = up.seen[0]
    assert.equal(method, 'PUT')
    assert.equal(url, path.replace('///', '/'))
    assert.equal(body, 'abc')
    assert.deepEqual(headers, {
      host: new URL(up.url).host, 'x-other': 'two, three', cookie: 'a=b', 'uppy-auth-token': 'tok', 'content-length': '3',
      'x-forwarded-for': '127.0.0.1', 'x-forwarded-proto': 'http', 'x-forwarded-host': 'shop.example:81',
    }, raw.join('|'))
  })

  test('behind a proxy that is trusted, its words are passed on', async (t) => {
    const up = await standIn(t)
    const s = await behind(t, up, ['--trust-forwarded'])
    await fetch(`${s.url}/companion/x`, { headers: { 'X-Forwarded-For': '8.8.8.8', 'X-Forwarded-Host': 'shop.example', 'X-Forwarded-Proto': 'https' } })
    const { headers } = up.seen[0]
    assert.equal(headers['x-forwarded-for'], '8.8.8.8, 127.0.0.1')
    assert.equal(headers['x-forwarded-host'], 'shop.example')
    assert.equal(headers['x-forwarded-proto'], 'https')
  })

  test('answers with their status and headers but for those of the connection', async (t) => {
    const up = await rawStandIn(t, (socket) => socket.end('HTTP/1.1 418 Tea\r\nConnection: close, X-Mine\r\nX-Mine: 1\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nKeep-Alive: 9\r\nContent-Type: text/x-tea\r\nI-Am: x\r\n\r\nhot'))
    const s = await behind(t, up)
    const res = await fetch(`${s.url}/companion/x`)
    assert.equal(res.status, 418)
    assert.deepEqual(res.headers.getSetCookie(), ['a=1', 'b=2'])
    assert.equal(res.headers.get('x-mine'), null)
    assert.equal(res.headers.get('keep-alive'), null)
    assert.equal(res.headers.get('i-am'), 'x')
    assert.equal(res.headers.get('content-type'), 'text/x-tea')
    assert.equal(res.headers.get('transfer-encoding'), 'chunked', 'nobody knew its length')
    assert.equal(await res.text(), 'hot')
  })

  test('lengths that are known, no bodies where none belong, redirects untouched', async (t) => {
    const up = await standIn(t, (req, res) => {
      const what = req.url.split('/').pop()
      if (what === 'known') res.writeHead(200, { 'Content-Length': 5 }).end(req.method === 'HEAD' ? undefined : 'known')
      else if (what === 'zero') res.writeHead(200, { 'Content-Length': 0 }).end()
      else if (what === 'moved') res.writeHead(302, { Location: '/companion/elsewhere' }).end('moved')
      else res.writeHead(Number(what), { ETag: 'x' }).end()
    })
    const s = await behind(t, up)
    const get = (what, method = 'GET') => fetch(`${s.url}/companion/${what}`, { method, redirect: 'manual' })
    for (const method of ['GET', 'HEAD']) {
      const res = await get('known', method)
      assert.equal(res.headers.get('content-length'), '5')
      assert.equal(await res.text(), method === 'GET' ? 'known' : '')
    }
    assert.equal((await get('zero')).headers.get('content-length'), '0')
    for (const code of [204, 304]) {
      const res = await get(String(code))
      assert.equal(res.status, code)
      assert.equal(res.headers.get('etag'), 'x')
      assert.equal(await res.text(), '')
    }
    assert.equal((await get('moved')).headers.get('location'), '/companion/elsewhere')
    for (const method of ['DELETE', 'PATCH', 'OPTIONS']) assert.equal((await get('200', method)).status, 200)
    assert.deepEqual(up.seen.slice(-3).map((e) => [e.method, e.body]), [['DELETE', ''], ['PATCH', ''], ['OPTIONS', '']])
    assert.equal((await get('200', 'PROPFIND')).status, 405)
  })

  test('a chunked body arrives whole with a length, one of more than 1 MiB is refused', async (t) => {
    const up = await standIn(t)
    const s = await behind(t, up)
    const send = (size, chunked) => {
      const body = 'x'.repeat(size)
      return fetch(`${s.url}/companion/x`, { method: 'POST', duplex: 'half', body: chunked ? new Blob([body]).stream() : body })
    }
    assert.equal((await send(MB, true)).status, 200)
    assert.equal(up.seen[0].body.length, MB)
    assert.equal(up.seen[0].headers['content-length'], String(MB))
    assert.equal(up.seen[0].headers['transfer-encoding'], undefined)
    assert.equal((await send(MB, false)).status, 200)
    const chunks = `${'x'.repeat(MB / 2)}`
    for (const request of [
      `POST /companion/x HTTP/1.1\r\nHost: x\r\nContent-Length: ${MB + 1}\r\n\r\n`,
      `POST /companion/x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n${`${(MB / 2).toString(16)}\r\n${chunks}\r\n`.repeat(3)}`,
    ]) {
      const { status, body } = await say(s, request)
      assert.equal(status, 413)
      assert.match(JSON.parse(body).message, /at most 1048576 bytes/)
    }
    assert.equal(up.seen.length, 2)
  })
})

describe('requests that try to be two', () => {
  const attacks = {
    'a length and chunks': ['POST /companion/a HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /companion/smuggled HTTP/1.1\r\nHost: x\r\n\r\n', 400],
    'chunks by another name': ['POST /companion/a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\nGET /companion/smuggled HTTP/1.1\r\nHost: x\r\n\r\n', 400],
    'chunks and more': ['POST /companion/a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n', 400],
    'two lengths': ['POST /companion/a HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nContent-Length: 44\r\n\r\nGET /companion/smuggled HTTP/1.1\r\nHost: x\r\n\r\n', 400],
    'two encodings': ['POST /companion/a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n', 400],
    'a length that is none': ['POST /companion/a HTTP/1.1\r\nHost: x\r\nContent-Length: +3\r\n\r\nabc', 400],
    'a space in the target': ['GET /companion/a HTTP/1.1\tHost:y /b HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n', 400],
    'a way out': ['GET /companion/../admin HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n', 400],
    'a way out in escapes': ['GET /companion/%2e%2e/admin HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n', 400],
    'another spelling of the place': ['GET /%63ompanion/a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n', 404],
    'a line break in escapes': ['GET /companion/%0d%0aX:1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n', 200],
    'a request as a method': ['POST /companion/a HTTP/1.1\r\nHost: x\r\nX-HTTP-Method-Override: GET /companion/smuggled HTTP/1.1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n', 405],
    'a request as a body': ['POST /companion/a HTTP/1.1\r\nHost: x\r\nContent-Length: 45\r\nConnection: close\r\n\r\nGET /companion/smuggled HTTP/1.1\r\nHost: x\r\n\r\n', 200],
    'the opening of a WebSocket with a body': ['GET /companion/api/a HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 44\r\n\r\nGET /companion/smuggled HTTP/1.1\r\nHost: x\r\n\r\n', 400],
  }
  for (const [name, [request, status]] of Object.entries(attacks)) {
    test(name, async (t) => {
      const up = await standIn(t)
      const s = await behind(t, up)
      const answer = await say(s, request)
      assert.equal(answer.status, status, answer.text)
      // libmicrohttpd says the head of an error page of its own twice
      assert.equal(answer.text.match(/^HTTP\/1\.1 /gm).length, answer.body.includes('Request malformed') ? 2 : 1, 'one answer')
      assert.equal(up.seen.length, status === 200 ? 1 : 0, JSON.stringify(up.seen))
      assert.ok(!up.seen.some((e) => e.url.includes('smuggled')))
    })
  }

  test('a WebSocket that is refused leaves no road behind it', async (t) => {
    const heads = []
    const up = await rawStandIn(t, (socket, head) => { heads.push(head); socket.write('HTTP/1.1 426 Upgrade Required\r\nX-Why: version\r\nContent-Length: 0\r\n\r\n') })
    const s = await behind(t, up)
    const answer = await say(s, 'GET /companion/api/a HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 777\r\n\r\nGET /companion/smuggled HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')
    assert.equal(answer.status, 426)
    assert.match(answer.head, /X-Why: version/)
    // the second is a request of its own, to us, and handed on as such
    await eventually('the second request', () => heads.length === 2)
    assert.match(heads[0], /^GET \/companion\/api\/a HTTP\/1\.1\r\n/)
    assert.match(heads[1], /^GET \/companion\/smuggled HTTP\/1\.1\r\n/)
    assert.ok(!heads[0].includes('smuggled'))
  })
})

describe('answers that are none', () => {
  const answers = {
    'no HTTP at all': 'SSH-2.0-x\r\n\r\n',
    'nothing': '',
    'two lengths': 'HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 5\r\n\r\nabcde',
    'a length that is none': 'HTTP/1.1 200 OK\r\nContent-Length: abc\r\n\r\nabcde',
    'a WebSocket that nobody wanted': 'HTTP/1.1 101 Switching\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nabc',
    'headers without end': `HTTP/1.1 200 OK\r\n${`X-A: ${'x'.repeat(1000)}\r\n`.repeat(40)}\r\n`,
    'a broken header': 'HTTP/1.1 200 OK\r\nX A: 1\r\n\r\nabc',
  }
  for (const [name, answer] of Object.entries(answers)) {
    test(`${name}: 502`, async (t) => {
      const up = await rawStandIn(t, (socket) => socket.end(answer))
      const s = await behind(t, up)
      const res = await fetch(`${s.url}/companion/x`, { headers: { Origin: 'http://page.example' } })
      assert.equal(res.status, 502)
      assert.equal(res.headers.get('access-control-allow-origin'), 'http://page.example')
      assert.equal((await res.json()).error, 'COMPANION_BAD_ANSWER')
    })
  }

  test('one that breaks off is not taken for a whole one', async (t) => {
    const up = await rawStandIn(t, (socket, head) => {
      socket.write(head.includes('/chunks') ? 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n' : 'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello')
      setTimeout(() => socket.destroy(), 100)
    })
    const s = await behind(t, up)
    for (const path of ['chunks', 'length']) {
      const res = await fetch(`${s.url}/companion/${path}`)
      assert.equal(res.status, 200)
      await assert.rejects(res.text(), path)
    }
  })
})

describe('streams', () => {
  // Sends `total` bytes as fast as they are taken.
  const gush = (total) => (req, res, entry) => {
    entry.sent = 0
    res.writeHead(200, req.url.endsWith('/known') ? { 'Content-Length': total } : {})
    const piece = Buffer.alloc(64 * 1024, 'w')
    const more = () => {
      while (entry.sent < total) {
        entry.sent += piece.length
        if (!res.write(piece)) return res.once('drain', more)
      }
      return res.end()
    }
    more()
  }

  for (const kind of ['known', 'unknown']) {
    test(`a large answer (length ${kind}) passes through without lying in memory`, async (t) => {
      const total = 256 * MB
      const up = await standIn(t, gush(total))
      const s = await behind(t, up)
      const before = s.rss()
      const res = await fetch(`${s.url}/companion/${kind}`)
      let got = 0
      let most = 0
      for await (const d of res.body) {
        got += d.length
        if (got % (16 * MB) < d.length) most = Math.max(most, s.rss())
      }
      assert.equal(got, total)
      assert.equal(res.headers.get('content-length'), kind === 'known' ? String(total) : null)
      assert.ok(most - before < 24 * MB, `grew by ${(most - before) / MB} MB`)
    })
  }

  test('the first piece is there before the second exists', async (t) => {
    let go
    const up = await standIn(t, (req, res) => { res.write('first'); go = () => res.end('second') })
    const s = await behind(t, up)
    const reader = (await fetch(`${s.url}/companion/x`)).body.getReader()
    assert.equal(Buffer.from((await reader.read()).value).toString(), 'first')
    go()
    assert.equal(Buffer.from((await reader.read()).value).toString(), 'second')
    assert.equal((await reader.read()).done, true)
  })

  test('a client that does not read holds the other server back, and gets all in the end', async (t) => {
    const total = 64 * MB
    const up = await standIn(t, gush(total))
    const s = await behind(t, up)
    const before = s.rss()
    const c = s.raw()
    c.pause()
    let got = 0
    c.removeAllListeners('data')
    c.on('data', (d) => { got += d.length })
    c.pause()
    c.write('GET /companion/known HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')
    let at = -1
    await eventually('rest', async () => {
      const was = at
      await sleep(700)
      at = up.seen[0]?.sent ?? 0
      return at > 0 && at === was
    })
    assert.ok(at < 40 * MB, `${at / MB} MB were sent for nobody`) // what the kernel's buffers of two connections hold
    assert.ok(s.rss() - before < 16 * MB)
    c.resume()
    await c.ended
    assert.ok(got > total)
    assert.equal(up.seen[0].sent, total)
  })

  test('a client that leaves takes its request with it: while it waits, and in the middle of the answer', async (t) => {
    const up = await standIn(t, (req, res, entry) => { if (req.url.includes('known')) gush(512 * MB)(req, res, entry) })
    const s = await behind(t, up)
    for (const path of ['waits', 'known']) {
      const c = s.raw()
      if (path === 'known') c.pause()
      c.write(`GET /companion/${path} HTTP/1.1\r\nHost: x\r\n\r\n`)
      const entry = await eventually('the request', () => up.seen.find((e) => e.url.includes(path) && e.whole))
      if (path === 'known') await eventually('bytes', () => entry.sent > MB)
      c.destroy()
      await eventually(`the end of ${path}`, () => entry.closed, 8000)
    }
    assert.equal((await fetch(`${s.url}/healthz`)).status, 200)
  })

  test('many at a time, and their connections are used again', async (t) => {
    const up = await standIn(t, (req, res) => setTimeout(() => res.end(req.url), 20))
    let connections = 0
    up.on('connection', () => { connections++ })
    const s = await behind(t, up)
    for (let round = 0; round < 4; round++) {
      const texts = await Promise.all(Array.from({ length: 40 }, (_, i) => fetch(`${s.url}/companion/${round}-${i}`).then((r) => r.text())))
      assert.deepEqual(texts, texts.map((_, i) => `/companion/${round}-${i}`))
    }
    assert.ok(connections < 160, `${connections} connections for 160 requests`)
  })

  test('SIGTERM ends what waits and what streams, and ends with 0', async (t) => {
    const up = await standIn(t, (req, res, entry) => { if (req.url.includes('known')) gush(512 * MB)(req, res, entry) })
    const s = await behind(t, up)
    const waits = s.raw()
    waits.write('GET /companion/waits HTTP/1.1\r\nHost: x\r\n\r\n')
    const streams = s.raw()
    streams.pause()
    streams.write('GET /companion/known HTTP/1.1\r\nHost: x\r\n\r\n')
    await eventually('both', () => up.seen.length === 2 && up.seen.every((e) => e.whole) && up.seen.some((e) => e.sent > MB))
    assert.equal((await s.stop()).code, 0)
    await eventually('their end', () => up.seen.every((e) => e.closed), 5000)
  })
})

describe('WebSockets', () => {
  const opening = 'GET /companion/api/tok?q=%20 HTTP/1.1\r\nHost: shop.example\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nOrigin: http://page.example\r\n\r\n'
  const agreed = 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ICX+Yqv66kxgM0FcWaLWlFLwTAI=\r\n\r\n'

  test('bytes pass both ways unchanged, those right behind the handshakes too', async (t) => {
    let head
    const up = await rawStandIn(t, (socket, h) => {
      head = h
      socket.write(`${agreed}early`)
      socket.on('data', (d) => socket.write(d))
    })
    const s = await behind(t, up)
    const bytes = randomBytes(8 * MB)
    const c = s.raw()
    const got = []
    c.removeAllListeners('data')
    c.on('data', (d) => got.push(d))
    c.write(Buffer.concat([Buffer.from(opening), bytes]))
    const behindHead = () => got[0].indexOf('\r\n\r\n') + 4
    await eventually('the echo', () => got.length && got.reduce((n, d) => n + d.length, 0) >= behindHead() + 5 + bytes.length, 30000)
    const all = Buffer.concat(got)
    const at = behindHead()
    assert.equal(all.length, at + 5 + bytes.length)
    assert.match(all.subarray(0, at).toString(), /^HTTP\/1\.1 101 .*Sec-WebSocket-Accept: ICX\+Yqv66kxgM0FcWaLWlFLwTAI=/s)
    assert.equal(all.subarray(at, at + 5).toString(), 'early')
    assert.equal(Buffer.compare(all.subarray(at + 5), bytes), 0)
    assert.match(head, /^GET \/companion\/api\/tok\?q=%20 HTTP\/1\.1\r\nHost: 127\.0\.0\.1:\d+\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n/)
    assert.match(head, /\r\nOrigin: http:\/\/page\.example\r\n/)
    assert.match(head, /\r\nX-Forwarded-Host: shop\.example\r\n/)
    c.destroy()
    await eventually('the end', () => up.sockets.size === 0)
  })

  test('a side that closes closes the other, after what it said last', async (t) => {
    const up = await rawStandIn(t, (socket, head) => {
      socket.write(agreed)
      if (head.includes('bye')) socket.end('x'.repeat(MB))
    })
    const s = await behind(t, up)
    const c = s.raw()
    c.write(opening.replace('/tok', '/bye'))
    await c.ended
    assert.equal(c.text.length - c.text.indexOf('\r\n\r\n') - 4, MB)
    const d = s.raw()
    d.write(opening)
    await eventually('the answer', () => d.text.includes('101'))
    assert.equal(up.sockets.size, 1)
    d.destroy()
    await eventually('the end', () => up.sockets.size === 0)
  })

  test('one that agrees to something else, or says nothing, is none', async (t) => {
    const answers = ['HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n', 'HTTP/1.1 100 Continue\r\n\r\n', '', 'garbage\r\n\r\n']
    const up = await rawStandIn(t, (socket) => socket.end(answers.shift()))
    const s = await behind(t, up)
    for (const n of answers.map((_, i) => i)) {
      const answer = await say(s, opening.replace('keep-alive, Upgrade', 'Upgrade, close'))
      assert.equal(answer.status, 502, `${n}: ${answer.text}`)
    }
  })

  test('a side that does not read holds the other back', async (t) => {
    let sent = 0
    const up = await rawStandIn(t, (socket) => {
      socket.write(agreed)
      const more = () => {
        while (!socket.destroyed) {
          sent += MB
          if (!socket.write(Buffer.alloc(MB))) return socket.once('drain', more)
        }
        return undefined
      }
      more()
    })
    const s = await behind(t, up)
    const before = s.rss()
    const c = s.raw()
    c.pause()
    c.write(opening)
    let at = -1
    await eventually('rest', async () => { const was = at; await sleep(500); at = sent; return at > 0 && at === was })
    assert.ok(s.rss() - before < 16 * MB)
    c.destroy()
    await eventually('the end', () => up.sockets.size === 0)
  })

  test('a hundred at a time; SIGTERM closes them and ends with 0', async (t) => {
    const up = await rawStandIn(t, (socket) => { socket.write(agreed); socket.on('data', (d) => socket.write(d)) })
    const s = await behind(t, up)
    const all = Array.from({ length: 100 }, () => s.raw())
    for (const c of all) c.write(opening)
    await eventually('the openings', () => all.every((c) => c.text.endsWith('\r\n\r\n')))
    all.forEach((c, i) => c.write(`<${i}>`))
    await eventually('the echoes', () => all.every((c, i) => c.text.endsWith(`<${i}>`)))
    const res = await s.stop()
    assert.equal(res.code, 0)
    await Promise.all(all.map((c) => c.ended))
    await eventually('the end', () => up.sockets.size === 0)
  })
})

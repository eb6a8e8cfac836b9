// What clients can do before it is known who they are: little. Memory, disk, places and time have bounds that all of them share.
import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import fs from 'node:fs'
import http from 'node:http'
import net from 'node:net'
import path from 'node:path'
import { test } from 'node:test'
import { KEY, SECRET, Server, sign, sleep } from './server.mjs'

const steps = { ':original': { robot: '/upload/handle', result: true } }
const MB = 1 << 20
const peak = (s) => Number(fs.readFileSync(`/proc/${s.child.pid}/status`, 'utf8').match(/VmHWM:\s+(\d+)/)[1]) * 1024
const onDisk = (s) => ['uploads', 'blobs'].flatMap((d) => fs.readdirSync(path.join(s.dir, d), { recursive: true, withFileTypes: true }))
  .filter((e) => e.isFile()).map((e) => path.join(e.parentPath ?? e.path, e.name)).concat(s.unnamed())
  .reduce((sum, file) => sum + fs.statSync(file).size, 0)
const params = (more = {}) => JSON.stringify({ auth: { key: KEY, expires: '2099-01-01T00:00:00Z' }, steps, ...more })
const part = (name, value, more = '') => `--b\r\nContent-Disposition: form-data; name="${name}"${more}\r\n\r\n${value}\r\n`
const head = (length, more = '') => `POST /assemblies HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: ${length}\r\n${more}\r\n`

// Many connections that all say the same; those that could be made.
async function crowd(s, count, text, { from = '127.0.0.1' } = {}) {
  const all = []
  for (let i = 0; i < count; i += 250) {
    await Promise.all(Array.from({ length: Math.min(250, count - i) }, () => new Promise((done) => {
      const c = net.connect({ port: s.port, host: '127.0.0.1', localAddress: from })
      c.on('error', () => {})
      c.on('connect', () => { if (text) c.write(text); done() })
      c.on('close', done)
      setTimeout(done, 2000).unref()
      all.push(c)
      s.sockets.push(c)
    })))
  }
  return all
}
const leave = async (all) => { for (const c of all) c.destroy(); await sleep(300) }

// A raw request: the statuses that came, until the other side has said nothing for a while.
const ask = (s, bytes, ms = 400) => new Promise((done) => {
  const c = s.raw()
  let timer
  const end = () => { c.destroy(); done([...c.text.matchAll(/HTTP\/1\.[01] (\d{3})/g)].map((m) => Number(m[1]))) }
  const wait = () => { clearTimeout(timer); timer = setTimeout(end, ms) }
  c.on('data', wait)
  c.on('close', end)
  c.on('connect', () => { c.write(Buffer.from(bytes, 'latin1')); wait() })
})

test('a request that two readers could read in two ways is refused, and so is what hides behind it', async (t) => {
  const s = await Server.start(t)
  const get = (lines) => `GET /healthz HTTP/1.1\r\n${lines}\r\n`
  const post = (lines, body = 'a=b') => `POST /assemblies HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n${lines}\r\n${body}`
  const bad = {
    'blank before the colon': post('Content-Length : 3\r\n'), 'tab before the colon': post('Content-Length\t: 3\r\n'), 'blank in a name': post('Content Length: 3\r\n'),
    'blank before a name': `GET /healthz HTTP/1.1\r\n Host: x\r\n\r\n`, 'folded length': post('Content-Length:\r\n 3\r\n'), 'folded by a tab': post('Content-Length:\r\n\t3\r\n'),
    'folded value': get('Host: x\r\nX: a\r\n b\r\n'), 'folded twice': get('Host: x\r\nX: a\r\n b\r\n c\r\n'), 'folded last': get('X: a\r\nHost: x\r\n y\r\n'),
    'folded first': `GET /healthz HTTP/1.1\r\nHost: x\r\n : b\r\n\r\n`, 'fold of blanks only': get('Host: x\r\nX: a\r\n \r\n'), 'fold that is a header': get('Host: x\r\nX: a\r\n Content-Length: 9\r\n'),
    'NUL in a length': post('Content-Length: 3\0' + '1\r\n'), 'NUL behind a length': post('Content-Length: 3\0\r\n'), 'NUL in a name': get('Host: x\r\nA\0B: c\r\n'),
    'NUL in a value': get('Host: x\r\nX: a\0b\r\n'), 'NUL in the last value': get('X: a\r\nHost: x\0y\r\n'), 'NUL in the target': `GET /healthz\0x HTTP/1.1\r\nHost: x\r\n\r\n`,
    'NUL in a query': `GET /healthz?a\0b HTTP/1.1\r\nHost: x\r\n\r\n`, 'NUL in the method': `GE\0T /healthz HTTP/1.1\r\nHost: x\r\n\r\n`, 'NUL in the version': `GET /healthz HTTP/1.1\0\r\nHost: x\r\n\r\n`,
    'bare CR in a value': get('Host: x\r\nX: a\rb\r\n'), 'bare CR that makes a header': get('Host: x\r\nX: a\rContent-Length: 3\r\n'), 'CR CR LF': get('Host: x\r\nX: a\r\r\n'),
    'bare CR in the target': `GET /health\rz HTTP/1.1\r\nHost: x\r\n\r\n`, 'bare LF': get('Host: x\nX: a\r\n'), 'bare LF everywhere': 'GET /healthz HTTP/1.1\nHost: x\n\n',
    'bare LF behind the request line': 'GET /healthz HTTP/1.1\nHost: x\r\n\r\n', 'bare LF at the end': 'GET /healthz HTTP/1.1\r\nHost: x\r\n\n',
    'control in a value': get('Host: x\r\nX: a\x01b\r\n'), 'DEL in a value': get('Host: x\r\nX: a\x7fb\r\n'), 'backspace in a name': get('Host: x\r\nX\b: a\r\n'), 'escape in the target': `GET /health\x1bz HTTP/1.1\r\nHost: x\r\n\r\n`,
    'no name': get('Host: x\r\n: a\r\n'), 'no colon': get('Host: x\r\nhello\r\n'), 'name in quotes': get('Host: x\r\n"X": a\r\n'), 'name with a bracket': get('Host: x\r\nX[1]: a\r\n'),
    'name with a slash': get('Host: x\r\nX/Y: a\r\n'), 'name of another alphabet': get('Host: x\r\nContent-L\xe9ngth: 3\r\n'), 'name with an at': get('Host: x\r\nX@: a\r\n'),
    'two Hosts': get('Host: x\r\nHost: y\r\n'), 'the same Host twice': get('Host: x\r\nHost: x\r\n'), 'no Host': get(''), 'an empty Host': get('Host:\r\n'), 'Host of blanks': get('Host:   \r\n'),
    'Host with a path': get('Host: x/y\r\n'), 'Host with a user': get('Host: a@x\r\n'), 'Host with a port that is none': get('Host: x:y\r\n'), 'Host with a huge port': get('Host: x:99999\r\n'),
    'Host with two ports': get('Host: x:1:2\r\n'), 'Host with a blank': get('Host: x y\r\n'), 'Host with a comma': get('Host: x,y\r\n'), 'Host with an open bracket': get('Host: [::1\r\n'),
    'Host with quotes': get('Host: "x"\r\n'), 'Host of a port': get('Host: :80\r\n'), 'Host as an address': get('Host: http://x\r\n'),
    'two lengths': post('Content-Length: 3\r\nContent-Length: 30\r\n'), 'two lengths in one': post('Content-Length: 3, 30\r\n'), 'the same length in one': post('Content-Length: 3, 3\r\n'),
    'length with a sign': post('Content-Length: +3\r\n'), 'negative length': post('Content-Length: -3\r\n'), 'length in hex': post('Content-Length: 0x3\r\n'), 'length with a fraction': post('Content-Length: 3.0\r\n'),
    'empty length': post('Content-Length:\r\n'), 'length with a word': post('Content-Length: 3x\r\n'), 'length beyond 64 bits': post('Content-Length: 18446744073709551619\r\n'), 'length with a blank inside': post('Content-Length: 3 0\r\n'),
    'both framings': post('Content-Length: 3\r\nTransfer-Encoding: chunked\r\n', '0\r\n\r\n'), 'both the other way': post('Transfer-Encoding: chunked\r\nContent-Length: 3\r\n', '0\r\n\r\n'),
    'two encodings': post('Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n', '0\r\n\r\n'), 'chunked twice': post('Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n', '0\r\n\r\n'),
    'a list of encodings': post('Transfer-Encoding: gzip, chunked\r\n', '0\r\n\r\n'), 'another encoding': post('Transfer-Encoding: gzip\r\n', '0\r\n\r\n'), 'identity': post('Transfer-Encoding: identity\r\nContent-Length: 3\r\n'),
    'almost chunked': post('Transfer-Encoding: xchunked\r\n', '0\r\n\r\n'), 'chunked in quotes': post('Transfer-Encoding: "chunked"\r\n', '0\r\n\r\n'), 'chunked behind a tab': post('Transfer-Encoding: \x0bchunked\r\n', '0\r\n\r\n'),
    'chunked folded': post('Transfer-Encoding:\r\n chunked\r\n', '0\r\n\r\n'), 'chunked in HTTP/1.0': 'POST /assemblies HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    'blank before the colon of the encoding': post('Transfer-Encoding : chunked\r\nContent-Length: 3\r\n'), 'two content types': 'POST /assemblies HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\nContent-Type: text/html\r\nContent-Length: 0\r\n\r\n',
    'two overrides': post('X-HTTP-Method-Override: GET\r\nX-HTTP-Method-Override: DELETE\r\nContent-Length: 3\r\n'), 'two authorizations': get('Host: x\r\nAuthorization: a\r\nAuthorization: b\r\n'),
    'two blanks in the request line': 'GET  /healthz HTTP/1.1\r\nHost: x\r\n\r\n', 'a tab in the request line': 'GET\t/healthz\tHTTP/1.1\r\nHost: x\r\n\r\n', 'a blank in the target': 'GET /healthz x HTTP/1.1\r\nHost: x\r\n\r\n',
    'a blank behind the version': 'GET /healthz HTTP/1.1 \r\nHost: x\r\n\r\n', 'a method that is none': 'G@T /healthz HTTP/1.1\r\nHost: x\r\n\r\n', 'no version': 'GET /healthz\r\nHost: x\r\n\r\n',
    'another version': 'GET /healthz HTTP/2.0\r\nHost: x\r\n\r\n', 'a version that there is not': 'GET /healthz HTTP/1.8\r\n\r\n', 'a version in small letters': 'GET /healthz http/1.1\r\nHost: x\r\n\r\n', 'a target of another host': 'GET http://evil/healthz HTTP/1.1\r\nHost: x\r\n\r\n',
  }
  const hidden = 'GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n'
  assert.ok(Object.keys(bad).length >= 65)
  const taken = []
  for (const again of ['', hidden]) { // as the first request of a connection, and as a later one
    const answers = await Promise.all(Object.entries(bad).map(async ([name, bytes]) => [name, await ask(s, again + bytes + hidden)]))
    for (const [name, got] of answers) {
      const own = again ? got.slice(1) : got
      // libmicrohttpd says some of its own refusals twice, and closes
      if (own.some((status) => ![400, 413, 505].includes(status)) || (again && got[0] !== 200)) taken.push(`${name}${again && ' (later)'}: ${got}`)
    }
  }
  assert.deepEqual(taken, [])
  const good = {
    plain: [get('Host: x\r\n'), 200], 'blanks around a value': [get('Host: x\r\nX:  \t a b \t \r\n'), 200], 'empty value': [get('X:\r\nHost: x\r\nY:\r\n'), 200], 'port': [get('Host: x_y.example-1:65535\r\n'), 200],
    'an address': [get('Host: [::1]:80\r\n'), 200], 'HTTP/1.0 without Host': ['GET /healthz HTTP/1.0\r\n\r\n', 200], 'a query': ['GET /healthz?a=b&c=%20? HTTP/1.1\r\nHost: x\r\n\r\n', 200],
    'an empty query': ['GET /healthz? HTTP/1.1\r\nHost: x\r\n\r\n', 200], 'absolute': ['GET http://x/healthz HTTP/1.1\r\nHost: x\r\n\r\n', 200], 'an empty line before': ['\r\nGET /healthz HTTP/1.1\r\nHost: x\r\n\r\n', 200],
    'no blank behind the colon': [get('Host:x\r\nX:a\r\n'), 200], 'other alphabets in a value': [get('Host: x\r\nX: \xc3\xa9\r\n'), 200], 'the same header twice': [get('Host: x\r\nX: a\r\nX: b\r\n'), 200],
    'chunked': [post('Transfer-Encoding: Chunked\r\n', '3\r\na=b\r\n0\r\n\r\n'), 400], 'chunks that end in a bare LF': [post('Transfer-Encoding: chunked\r\n', '3\na=b\n0\n\n'), 400], 'the same length twice': [post('Content-Length: 3\r\nContent-Length: 3\r\n'), 400],
    'long headers': [get(`Host: x\r\n${Array.from({ length: 200 }, (_, i) => `X-${i}: ${'v'.repeat(100)}\r\n`).join('')}`), 200],
  }
  // where a chunked body ends others may see otherwise, so it is the last that comes on a connection
  const isLast = (bytes) => bytes.includes('HTTP/1.0') || /chunked/i.test(bytes)
  for (const [name, [bytes, status]] of Object.entries(good)) assert.deepEqual(await ask(s, bytes + hidden), isLast(bytes) ? [status] : [status, 200], name)
})

test('Host is taken into addresses as it came, and a forwarded one only when it is a host', async (t) => {
  const create = async (s, headers) => {
    const body = `params=${encodeURIComponent(params())}`
    return new Promise((done, fail) => {
      const req = http.request({ port: s.port, method: 'POST', path: '/assemblies', agent: false, headers: { 'Content-Type': 'application/x-www-form-urlencoded', 'Content-Length': body.length, ...headers } }, (res) => {
        let text = ''
        res.on('data', (d) => { text += d })
        res.on('end', () => done({ status: res.statusCode, ...JSON.parse(text) }))
      })
      req.on('error', fail)
      req.end(body)
    })
  }
  const s = await Server.start(t)
  assert.match((await create(s, { Host: 'files.example:8443' })).assembly_ssl_url, /^http:\/\/files\.example:8443\/assemblies\//)
  for (const host of ['a/b', 'a b', 'a@b', '[', 'x:y']) assert.deepEqual([(await create(s, { Host: host })).status, host], [400, host])
  const proxied = await Server.start(t, { args: ['--trust-forwarded'] })
  assert.match((await create(proxied, { Host: 'inside', 'X-Forwarded-Host': 'outside.example', 'X-Forwarded-Proto': 'https' })).assembly_ssl_url, /^https:\/\/outside\.example\//)
  for (const host of ['', '/', 'a/b', '"x"']) assert.match((await create(proxied, { Host: 'inside', 'X-Forwarded-Host': host })).assembly_ssl_url, /^http:\/\/inside\//)
})

test('whatever strangers send, the daemon stays below 100 MB, and gives back what it took', async (t) => {
  const s = await Server.start(t)
  const form = (text) => `POST /assemblies HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 100000000\r\n\r\n${text}`
  const whole = (text) => `POST /assemblies HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: ${text.length}\r\n\r\n${text}`
  const bomb = (unit) => whole(`params={"auth":{"key":"nobody"},"x":[${unit.repeat(Math.floor(7.5 * MB / unit.length))}0]}`)
  const meta = Array.from({ length: 4000 }, (_, i) => `k${i} YQ==`).join(',')
  const attacks = {
    'eight of empty objects': [8, bomb('{},')], 'eight of empty lists': [8, bomb('[],')], 'eight of numbers': [8, bomb('1,')], 'eight of a long text': [8, bomb('"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",')],
    'eight that are deep': [8, whole(`params=${'['.repeat(7 * MB)}`)], 'a large auth': [8, whole(`params={"auth":{"key":"nobody","x":[${'{},'.repeat(2000000)}0]}}`)],
    'keys that are long': [8, whole(`params={"${'k'.repeat(7 * MB)}":1}`)], 'half a text each': [40, form(`params={"a":"${'x'.repeat(7 * MB)}`)], 'a little each': [3000, form('params={"auth":{}')],
    'many fields each': [600, form(Array.from({ length: 9000 }, (_, i) => `${i.toString(36)}&`).join(''))], 'many parts each': [600, head(100000000) + part('a', '').repeat(500)], 'long parts': [600, head(100000000) + part('x'.repeat(16000), 'v')],
    'files before params': [600, `${head(100000000)}--b\r\nContent-Disposition: form-data; name="f"; filename="f"\r\n\r\n${'x'.repeat(200000)}`],
    'one request each, kept open': [3000, 'GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n'], 'one refused request each, kept open': [3000, whole('params={}')], 'silent ones': [3000, ''],
    'headers that do not end': [3000, `GET /healthz HTTP/1.1\r\nHost: x\r\nX: ${'a'.repeat(14000)}`], 'large headers that do not end': [1500, `GET /healthz HTTP/1.1\r\nHost: x\r\nX: ${'a'.repeat(60000)}`], 'small headers without an end': [1500, `GET /healthz HTTP/1.1\r\nHost: x\r\n${'a:b\r\n'.repeat(12000)}`],
    'large headers and a body': [1500, `POST /assemblies HTTP/1.1\r\nHost: x\r\nX: ${'a'.repeat(50000)}\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 1000\r\n\r\na`],
    'queries': [1500, `GET /assemblies?${'a=b&'.repeat(10000)} HTTP/1.1\r\nHost: x\r\n\r\n`], 'params in a query': [1500, `GET /assemblies?params=${'[],'.repeat(13000)} HTTP/1.1\r\nHost: x\r\n\r\n`],
    'tus metadata': [1500, `POST /resumable/files HTTP/1.1\r\nHost: x\r\nTus-Resumable: 1.0.0\r\nUpload-Length: 1\r\nUpload-Metadata: ${meta}\r\nContent-Length: 0\r\n\r\n`],
    'partial uploads of nobody': [3000, 'POST /resumable/files HTTP/1.1\r\nHost: x\r\nTus-Resumable: 1.0.0\r\nUpload-Length: 1\r\nUpload-Concat: partial\r\nContent-Length: 0\r\n\r\n'],
    'credentials of nobody': [600, `POST /token HTTP/1.1\r\nHost: x\r\nAuthorization: Basic ${'QQ'.repeat(2000)}\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 100000\r\n\r\n${'a=b&'.repeat(5000)}`],
    'a Template of nobody': [8, `POST /templates HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 7000000\r\n\r\nparams=${'['.repeat(6999993)}`],
    'readers that do not read': [1500, 'GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(5)],
  }
  const most = []
  for (const [name, [count, text]] of Object.entries(attacks)) {
    const all = await crowd(s, count, text)
    for (const c of all) if (name.startsWith('readers')) c.pause()
    await sleep(700)
    most.push([name, Math.round(peak(s) / MB)])
    assert.ok(peak(s) < 100 * MB, `${name}: ${peak(s) / MB} MB; ${JSON.stringify(most)}`)
    await leave(all)
  }
  t.diagnostic(`peaks in MB: ${most.map(([n, m]) => `${n} ${m}`).join(', ')}`)
  for (const end = Date.now() + 20000; s.rss() > 50 * MB; await sleep(200)) assert.ok(Date.now() < end, `${s.rss() / MB} MB stay`)
})

test('the memory of a large request that was right is given back', async (t) => {
  const s = await Server.start(t, { args: ['--memory-keep-s', '1', '--sweep-interval-s', '1'] })
  const before = s.rss()
  for (let i = 0; i < 4; i++) {
    const a = await s.create(steps, { params: { fields: { x: Array.from({ length: 40000 }, (_, n) => [n]).slice(0, 20000), y: 'y'.repeat(3 * MB) } } })
    assert.equal(a.http, 200, a.message)
  }
  const many = await s.create(steps, { params: { fields: { x: Array(60000).fill(0) } } })
  assert.deepEqual([many.http, many.error], [400, 'INVALID_PARAMS_FIELD'])
  // they take 130 MB; 20 to 26 stay with the allocator, however often it is done
  for (const end = Date.now() + 20000; s.rss() - before > 40 * MB; await sleep(200)) assert.ok(Date.now() < end, `${(s.rss() - before) / MB} MB stay`)
})

test('no byte of a file is on the disk before params are right, whatever the order of parts', async (t) => {
  const s = await Server.start(t)
  const file = (name, data) => part('file', data, `; filename="${name}"`)
  const send = async (parts, { to = s } = {}) => {
    const res = await fetch(`${to.url}/assemblies`, { method: 'POST', body: `${parts.join('')}--b--\r\n`, headers: { 'Content-Type': 'multipart/form-data; boundary=b' } })
    return { http: res.status, ...(await res.json()) }
  }
  const large = 'x'.repeat(3 * MB)
  const late = await send([file('a', large), file('empty', ''), part('params', params())])
  assert.deepEqual([late.http, (await s.until(late.assembly_id)).uploads.map((u) => [u.name, u.size])], [200, [['a', 3 * MB], ['empty', 0]]])
  const mixed = await send([file('a', large), part('params', params()), file('b', large), part('word', 'hello'), file('c', 'c')])
  const done = await s.until(mixed.assembly_id)
  assert.deepEqual([done.uploads.map((u) => u.name).sort(), done.fields], [['a', 'b', 'c'], { word: 'hello' }])
  const wrong = await send([file('a', large), part('params', params({ auth: { key: 'nobody' } }))])
  assert.equal(wrong.error, 'GET_ACCOUNT_UNKNOWN_AUTH_KEY')

  const before = onDisk(s)
  const c = s.raw()
  c.write(head(1e9) + `--b\r\nContent-Disposition: form-data; name="f"; filename="f"\r\n\r\n`)
  for (let i = 0; i < 9; i++) c.write('x'.repeat(MB))
  await sleep(500)
  assert.equal(onDisk(s), before)
  assert.equal(c.text, '')
  c.write('x'.repeat(2 * MB))
  await c.ended
  assert.match(c.text, /^HTTP\/1\.1 400[^]*INVALID_FORM_DATA[^]*before files/)
  assert.equal(onDisk(s), before)

  // one who has an unknown key hears it before the file has come
  const early = s.raw()
  early.write(`${head(1e9)}${part('params', params({ auth: { key: 'nobody' } }))}--b\r\nContent-Disposition: form-data; name="f"; filename="f"\r\n\r\nx`)
  await early.ended
  assert.match(early.text, /GET_ACCOUNT_UNKNOWN_AUTH_KEY/)

  // with signatures: nothing before it is right, also when it comes last
  const signed = await Server.start(t, { args: ['--require-signature'] })
  const p = params()
  const waiting = signed.raw()
  waiting.write(`${head(1e9)}${part('params', p)}--b\r\nContent-Disposition: form-data; name="f"; filename="f"\r\n\r\n${'x'.repeat(5 * MB)}`)
  await sleep(500)
  assert.equal(onDisk(signed), 0)
  waiting.destroy()
  const last = await send([part('params', p), file('a', large), part('signature', sign(p))], { to: signed })
  assert.deepEqual([last.http, (await signed.until(last.assembly_id)).uploads.length], [200, 1])
  const none = await send([part('params', p), file('a', large)], { to: signed })
  assert.equal(none.error, 'NO_SIGNATURE_FIELD')
  const forged = await send([part('params', p), file('a', large), part('signature', sign(`${p} `))], { to: signed })
  assert.equal(forged.error, 'INVALID_SIGNATURE')
})

test('what all strangers may keep is one sum: who comes when it is used up is told to come again', async (t) => {
  const s = await Server.start(t, { args: ['--stranger-bytes', '1M'] })
  const begin = (size) => {
    const c = s.raw()
    c.write(`${head(1e9)}--b\r\nContent-Disposition: form-data; name="f"; filename="f"\r\n\r\n${'x'.repeat(size)}`)
    return c
  }
  const first = begin(450000)
  await sleep(300)
  const third = begin(450000)
  await third.ended
  assert.match(third.text, /^HTTP\/1\.1 503[^]*CANNOT_ACCEPT_NEW_ASSEMBLIES/)
  assert.equal((await s.create(steps, { fields: { word: 'x'.repeat(10000) } })).http, 200, 'who needs little has room')
  first.destroy()
  await sleep(300)
  assert.equal((await s.create(steps, { files: { a: 'x'.repeat(3 * MB) } })).http, 200)
  const again = begin(450000)
  await sleep(300)
  assert.equal(again.text, '')
})

test('who keeps what all strangers may keep is closed, so that others have some', async (t) => {
  const s = await Server.start(t, { args: ['--stranger-bytes', '1M'] })
  const hoard = await crowd(s, 40, `${head(1000000)}--b\r\nContent-Disposition: form-data; name="f"; filename="f"\r\n\r\n${'x'.repeat(30000)}`)
  const drip = setInterval(() => { for (const c of hoard) if (!c.destroyed) c.write('x'.repeat(100)) }, 100)
  const body = `--b\r\nContent-Disposition: form-data; name="f"; filename="f"\r\n\r\n${'x'.repeat(40000)}\r\n${part('params', params())}--b--\r\n`
  let status
  for (const end = Date.now() + 15000; status !== 200; await sleep(200)) {
    assert.ok(Date.now() < end, `${status}`)
    status = (await fetch(`${s.url}/assemblies`, { method: 'POST', body, headers: { 'Content-Type': 'multipart/form-data; boundary=b' } })).status
  }
  clearInterval(drip)
  await leave(hoard)
})

test('a body of nobody in which hardly anything moves is ended after half a minute; one of a known client is not', { timeout: 120000 }, async (t) => {
  const s = await Server.start(t)
  const a = await s.create(steps, { expected: 1 })
  const loc = await s.tusCreate(a, 1000)
  const slow = s.raw()
  slow.write(`${head(1000000)}--b\r\n`)
  const known = s.raw()
  known.write(`PATCH ${new URL(loc).pathname} HTTP/1.1\r\nHost: x\r\nTus-Resumable: 1.0.0\r\nUpload-Offset: 0\r\nContent-Type: application/offset+octet-stream\r\nContent-Length: 1000\r\n\r\n`)
  const drip = setInterval(() => { if (!slow.destroyed) slow.write('a'); known.write('a') }, 500)
  await Promise.race([slow.ended, sleep(70000)])
  clearInterval(drip)
  assert.match(slow.text, /^HTTP\/1\.1 408[^]*REQUEST_PREMATURE_CLOSED/)
  assert.equal(known.destroyed, false)
  known.write('b'.repeat(1000 - (await s.get(a.assembly_id)).tus_uploads[0].offset))
  assert.equal((await s.until(a.assembly_id)).ok, 'ASSEMBLY_COMPLETED')
})

test('an address has a bound of connections, or of requests behind a proxy that says whose they are', async (t) => {
  const s = await Server.start(t, { args: ['--address-connections', '5'] })
  const held = await crowd(s, 12, 'GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n')
  await sleep(500)
  assert.equal(held.filter((c) => !c.destroyed).length <= 5, true)
  assert.ok(held.filter((c) => c.bytesRead > 0).length >= 4) // the contract's own look at the server may have one
  const [other] = await crowd(s, 1, 'GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n', { from: '127.0.0.2' })
  await sleep(300)
  assert.ok(other.bytesRead > 0, 'another address is served')
  await leave(held)
  assert.equal((await fetch(s.url)).status, 200, 'those that left do not count')

  const proxied = await Server.start(t, { args: ['--address-connections', '5', '--trust-forwarded'] })
  const slow = (address) => `POST /assemblies HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 9.9.9.9, ${address}\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 10\r\n\r\na`
  const many = await crowd(proxied, 5, slow('10.1.2.3'))
  await sleep(300)
  assert.deepEqual(await ask(proxied, slow('10.1.2.3')), [503])
  assert.deepEqual(await ask(proxied, slow('10.1.2.4')), [])
  await leave(many)
  await sleep(500)
  assert.deepEqual(await ask(proxied, slow('10.1.2.3')), [])
})

test('a partial upload belongs to an Assembly, counts against it, and is used once', async (t) => {
  const s = await Server.start(t, { args: ['--max-upload-size', '10M'] })
  const url = `${s.url}/resumable/files/`
  const type = { 'Content-Type': 'application/offset+octet-stream' }
  const meta = (a) => ({ 'Upload-Metadata': s.tusMeta(a) })
  const partial = async (data, headers = {}) => {
    const res = await s.tus('POST', url, { 'Upload-Concat': 'partial', 'Upload-Length': String(data.length), ...type, ...headers }, data)
    return { status: res.status, url: res.headers.get('location'), text: await res.text() }
  }
  const final = async (parts, a, headers = {}) => {
    const res = await s.tus('POST', url, { 'Upload-Concat': `final;${parts.join(' ')}`, ...meta(a), ...headers })
    return { status: res.status, url: res.headers.get('location'), text: await res.text() }
  }
  const gone = { assembly_ssl_url: `${s.url}/assemblies/${'0'.repeat(32)}` }
  const [a, b] = [await s.create(steps, { expected: 1 }), await s.create(steps, { expected: 1 })]
  assert.equal((await partial('x'.repeat(MB), meta(gone))).status, 404)
  assert.deepEqual(s.partialUploads(), [])
  const one = await partial('one', meta(a)), two = await partial('two', meta(a)), foreign = await partial('xyz', meta(b))
  assert.deepEqual([one.status, two.status, foreign.status], [201, 201, 201])
  // the final one asks first
  assert.equal((await final([one.url, one.url], a)).status, 400)
  assert.equal((await final([one.url, foreign.url], a)).status, 400)
  assert.equal((await final([one.url, two.url], gone)).status, 400, 'the parts belong to another Assembly')
  assert.equal((await final([one.url, `${url}${'0'.repeat(32)}`], a)).status, 404)
  assert.equal((await final(Array(3000).fill(one.url.split('/').pop()), a)).status, 400)
  const joined = await final([one.url, two.url], a)
  assert.equal(joined.status, 201, joined.text)
  assert.equal((await s.until(a.assembly_id)).uploads[0].size, 6)
  // again: the same answer to the same question, and nothing else
  assert.equal((await final([one.url, two.url], a)).url, joined.url)
  assert.equal((await final([two.url, one.url], a)).status, 400)
  for (const end = Date.now() + 5000; s.partialUploads().length > 1; await sleep(20)) assert.ok(Date.now() < end, 'used parts stay')
  assert.equal((await s.tus('HEAD', one.url)).status, 410)
  await s.cancel(b.assembly_id)
  assert.deepEqual(s.partialUploads(), [])
  assert.equal((await partial('x', meta(b))).status, 400)

  // limits of the Assembly and of the server
  const c = await s.create(steps, { expected: 1, params: { auth: { key: KEY, max_size: 10 } } })
  assert.equal((await partial('x'.repeat(11), meta(c))).status, 413)
  assert.equal((await partial('x'.repeat(8), meta(c))).status, 201)
  assert.equal((await partial('x'.repeat(8), meta(c))).status, 413, 'together they are too many')
  const deferred = await s.tus('POST', url, { 'Upload-Concat': 'partial', 'Upload-Defer-Length': '1', ...meta(c) })
  assert.equal((await s.patch(deferred.headers.get('location'), 0, 'x'.repeat(5))).status, 413)
  const d = await s.create(steps, { expected: 2 })
  const six = 'x'.repeat(6 * MB)
  const [e, f] = [await partial(six, meta(d)), await partial(six, meta(d))]
  assert.deepEqual([e.status, f.status], [201, 201])
  assert.equal((await partial(six.repeat(2), meta(d))).status, 413)
  assert.equal((await partial(six.slice(0, 9 * MB), meta(d))).status, 201)
  assert.equal((await partial(six, meta(d))).status, 413)
  assert.equal((await final([e.url, f.url], d)).status, 413, '12 MB of 10')
  assert.equal((await s.get(d.assembly_id)).started_tus_uploads, 0, 'refused before the Assembly heard of it')
})

test('partial uploads that name no Assembly have a small bound together; a signed server takes none', async (t) => {
  const s = await Server.start(t, { args: ['--stranger-bytes', '4M'] })
  const partial = async (to, size) => (await to.tus('POST', `${to.url}/resumable/files/`, { 'Upload-Concat': 'partial', 'Upload-Length': String(size), 'Content-Type': 'application/offset+octet-stream' }, 'x'.repeat(size))).status
  const got = []
  for (let i = 0; i < 8; i++) got.push(await partial(s, MB))
  assert.deepEqual(got, [201, 201, 503, 503, 503, 503, 503, 503])
  assert.ok(onDisk(s) <= 4 * MB)
  assert.equal(await partial(s, 3 * MB), 400)
  const signed = await Server.start(t, { args: ['--require-signature'] })
  assert.equal(await partial(signed, 10), 400)
  const a = await signed.create(steps, { expected: 1, signature: true })
  const res = await signed.tus('POST', `${signed.url}/resumable/files/`, { 'Upload-Concat': 'partial', 'Upload-Length': '3', 'Upload-Metadata': signed.tusMeta(a) })
  assert.equal(res.status, 201)
})

test('after a DELETE the address of a finished upload is over, and the Assembly keeps the file', async (t) => {
  const s = await Server.start(t)
  const a = await s.create(steps, { expected: 2 })
  const loc = await s.tusCreate(a, 5)
  await s.patch(loc, 0, 'hello')
  assert.equal((await s.tus('DELETE', loc)).status, 204)
  assert.equal((await s.tus('HEAD', loc)).status, 410)
  assert.equal((await s.tus('DELETE', loc)).status, 410)
  await s.patch(await s.tusCreate(a, 5), 0, 'again')
  assert.equal((await s.until(a.assembly_id)).uploads.length, 2)
})

test('no size that a client names makes a sum wrap', async (t) => {
  const s = await Server.start(t)
  const a = await s.create(steps, { expected: 3 })
  const reserve = async (size) => (await fetch(`${a.assembly_ssl_url}/reserve_file?size=${size}`, { method: 'POST' })).status
  for (const size of ['9223372036854775807', '9223372036854775808', '99999999999999999999999', '-1', '+5', '1e9', '9007199254740992']) assert.equal(await reserve(size), 400, size)
  assert.equal(await reserve('9007199254740991'), 200)
  const add = (size) => fetch(`${a.assembly_ssl_url}/add_file?size=${size}&s3Url=${encodeURIComponent('http://127.0.0.1:1/x')}`, { method: 'POST' })
  assert.equal((await add('9223372036854775807')).status, 400)
  const b = await s.create(steps, { expected: 3 })
  const post = (length) => s.tus('POST', `${s.url}/resumable/files/`, { 'Upload-Length': length, 'Upload-Metadata': s.tusMeta(b) })
  for (const length of ['9223372036854775807', '18446744073709551616', '999999999999999999']) assert.ok([400, 413].includes((await post(length)).status), length)
  const deferred = await s.tus('POST', `${s.url}/resumable/files/`, { 'Upload-Defer-Length': '1', 'Upload-Metadata': s.tusMeta(b) })
  assert.equal((await s.patch(deferred.headers.get('location'), 0, 'x', { 'Upload-Length': '999999999999999999' })).status, 413)
  for (const id of [a.assembly_id, b.assembly_id]) {
    const st = await s.get(id)
    assert.ok(st.bytes_expected >= st.bytes_received && st.bytes_expected < 1e6, `${st.bytes_expected}`)
    await s.cancel(id)
  }
  for (const expected of ['9223372036854775807', '99999999999999999999', '1000001', '-1', '1.5', '0x10']) assert.equal((await s.create(steps, { expected })).error, 'ASSEMBLY_INVALID_NUM_EXPECTED_UPLOAD_FILES_PARAM', expected)
})

test('fields that carry a Content-Type are fields', async (t) => {
  const s = await Server.start(t)
  const typed = (name, value, type) => `--b\r\nContent-Disposition: form-data; name="${name}"\r\nContent-Type: ${type}\r\nContent-Length: ${Buffer.byteLength(value)}\r\n\r\n${value}\r\n`
  for (const type of ['application/json', 'application/json; charset=utf-8', 'APPLICATION/JSON', 'application/octet-stream', 'text/plain']) {
    const p = params()
    const body = typed('params', p, type) + typed('signature', sign(p), type) + typed('num_expected_upload_files', '0', type) + typed('word', '"hello"', type === 'application/octet-stream' ? 'text/plain' : type)
    const res = await fetch(`${s.url}/assemblies`, { method: 'POST', body: `${body}--b--\r\n`, headers: { 'Content-Type': 'multipart/form-data; boundary=b' } })
    const a = await res.json()
    assert.deepEqual([res.status, a.fields], [200, { word: '"hello"' }], `${type}: ${a.message}`)
    assert.deepEqual(a.uploads, [])
  }
})

// Everything that comes back must be what JSON.parse makes of what was sent.
const texts = ['"\\ud83d\\ude00"', '"Beach \\ud83d"', '"\\ude00 x"', '"\\ude00\\ud83d"', '"\\ud83d\\ud83d\\ude00"', '"\\uD800\\u0041"', '"a\\u0000b"', '"\\u0000"', '"\\u001f\\u007f\\u0080\\uffff\\ufffe"', '"\\udbf5\\udfff\\udbf5\\udffe\\udbf6"',
  '"\u{10d800}\u{10dfff}\u{10d7fe}\u{10d7ff}\u{10ffff}"', '"\\/\\b\\f\\n\\r\\t\\"\\\\"', '"\\\\ud83d"', '9007199254740992', '9007199254740993', '12345678901234567890', '-12345678901234567890', '9223372036854775807', '9223372036854775808', '-9223372036854775808',
  '-9223372036854775809', '1e+21', '1E21', '1e-7', '0.1', '0.30000000000000004', '1.7976931348623157e308', '5e-324', '1e-400', '123456789012345678901234567890.5', '0', '-0', '1.0', '1e2', '100000000000000000000000', '{"a":1,"b":2,"a":3}',
  '{"":{"\\u0000":1,"\\ud800":[]}}', '[[],{},null,true,false]', ' [ 1 , 2 ] ']
const same = (a, b) => JSON.stringify(a) === JSON.stringify(b)

test('JSON is read as JSON.parse reads it, and comes back from status, notification, Template and replay', async (t) => {
  let told
  const receiver = http.createServer((req, res) => {
    let body = ''
    req.on('data', (d) => { body += d })
    req.on('end', () => { told = JSON.parse(new URLSearchParams(body).get('transloadit')); res.end() })
  })
  await new Promise((r) => receiver.listen(0, '127.0.0.1', r))
  t.after(() => receiver.close())
  const s = await Server.start(t, { args: ['--notify-allow', '127.0.0.0/8'] })
  const fields = `{${texts.map((v, i) => `"f${i}":${v}`).join(',')}}`
  const want = JSON.parse(fields)
  const send = async (path, text) => {
    const body = new FormData()
    body.set('params', text)
    body.set('signature', `sha384:${createHmac('sha384', SECRET).update(text).digest('hex')}`)
    const res = await fetch(s.url + path, { method: 'POST', body })
    return { http: res.status, ...JSON.parse(await res.text()) }
  }
  const auth = `"auth":{"key":"${KEY}","expires":"2099-01-01T00:00:00Z"}`
  const plain = `"steps":${JSON.stringify(steps)}`
  const check = (got, where) => { for (const [k, v] of Object.entries(want)) assert.ok(same(got?.[k], v), `${where} ${texts[k.slice(1)]}: ${JSON.stringify(got?.[k])} is not ${JSON.stringify(v)}`) }
  const a = await send('/assemblies', `{${auth},${plain},"notify_url":"http://127.0.0.1:${receiver.address().port}/","fields":${fields}}`)
  assert.equal(a.http, 200, a.message)
  check(a.fields, 'answer')
  check(JSON.parse(a.params).fields, 'params')
  const done = await s.until(a.assembly_id)
  check(done.fields, 'status')
  for (const end = Date.now() + 10000; !told; await sleep(20)) assert.ok(Date.now() < end)
  check(told.fields, 'notification')
  const template = await send('/templates', `{${auth},"name":"json-as-it-is","template":{${plain},"fields":${fields}}}`)
  assert.equal(template.http, 200, template.message)
  const by = await send('/assemblies', `{${auth},"template_id":"${template.id ?? template.template_id}"}`)
  check(by.fields, 'Template')
  const f = new FormData()
  f.set('params', `{${auth},${plain},"fields":${fields}}`)
  f.set('file', new Blob(['x']), 'x')
  const up = await (await fetch(`${s.url}/assemblies`, { method: 'POST', body: f })).json()
  await s.until(up.assembly_id)
  const replayed = await send(`/assemblies/${up.assembly_id}/replay`, `{${auth}}`)
  assert.equal(replayed.http, 200, replayed.message)
  check((await s.until(replayed.assembly_id)).fields, 'replay')
  await s.stop()
  await s.boot()
  check((await s.get(a.assembly_id)).fields, 'after a restart')
  for (const bad of ['[01]', '[1.]', '[.5]', '[+1]', '["\\x"]', '["\t"]', '[1,]', '{"a":1,}', '{a:1}', "['a']", '[NaN]', '[1] 2', '"\\u12g4"', '[1e]', '{"a" 1}', '[tru]', '\u00a0[]', '', '{"a":"', '[-]', '["a" "b"]']) {
    assert.throws(() => JSON.parse(bad))
    assert.equal((await send('/assemblies', `{${auth},"fields":{"x":${bad}}}`)).error, 'INVALID_PARAMS_FIELD', bad)
  }
})

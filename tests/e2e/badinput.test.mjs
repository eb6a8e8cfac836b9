// Hostile and broken input: a clear code, flat memory, nothing left behind.
import assert from 'node:assert/strict'
import http from 'node:http'
import net from 'node:net'
import { test } from 'node:test'
import zlib from 'node:zlib'
import { KEY, Server, sleep } from './server.mjs'

const original = { ':original': { robot: '/upload/handle', result: true } }
const resize = { small: { robot: '/image/resize', use: ':original', width: 10, result: true } }

function pngChunk(type, data) {
  const body = Buffer.concat([Buffer.from(type), data])
  const crc = Buffer.alloc(4)
  crc.writeUInt32BE(zlib.crc32 ? zlib.crc32(body) : crc32(body))
  const len = Buffer.alloc(4)
  len.writeUInt32BE(data.length)
  return Buffer.concat([len, body, crc])
}
function crc32(buf) {
  let c = ~0
  for (const b of buf) { c ^= b; for (let k = 0; k < 8; k++) c = (c >>> 1) ^ (0xedb88320 & -(c & 1)) }
  return ~c >>> 0
}
function pngBomb(side) {
  const ihdr = Buffer.alloc(13)
  ihdr.writeUInt32BE(side, 0)
  ihdr.writeUInt32BE(side, 4)
  ihdr.set([8, 2, 0, 0, 0], 8)
  return Buffer.concat([Buffer.from('89504e470d0a1a0a', 'hex'), pngChunk('IHDR', ihdr), pngChunk('IDAT', zlib.deflateSync(Buffer.alloc(1 << 20))), pngChunk('IEND', Buffer.alloc(0))])
}
const jpegBomb = Buffer.concat([
  Buffer.from('ffd8ffe000104a46494600010100000100010000', 'hex'),
  Buffer.from('ffdb004300' + '01'.repeat(64), 'hex'),
  Buffer.from('ffc0001108fafafafa03012200021101031101', 'hex'), // 64,250 x 64,250
  Buffer.from('ffda000c03010002110311003f00', 'hex'), Buffer.alloc(4800), Buffer.from('ffd9', 'hex')])

test('bombs, liars and empty files fail clearly and leave the daemon as it was', async (t) => {
  const s = await Server.start(t)
  const before = s.rss()
  const svg = '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="9" height="9"><image xlink:href="file:///etc/passwd" width="9" height="9"/><image xlink:href="http://127.0.0.1:1/x" width="9" height="9"/></svg>'
  const table = [
    ['bomb.jpg', jpegBomb, /^(FILE_META_DATA_ERROR|INTERNAL_COMMAND_ERROR)$/],
    ['bomb.png', pngBomb(60000), /^(FILE_META_DATA_ERROR|INTERNAL_COMMAND_ERROR)$/],
    ['cut.png', pngBomb(100).subarray(0, 20), /^(FILE_META_DATA_ERROR|INTERNAL_COMMAND_ERROR)$/],
    ['empty.jpg', '', /^INVALID_INPUT_ERROR$/],
  ]
  for (const [name, data, code] of table) {
    const a = await s.create(resize, { files: { [name]: data } })
    const done = await s.until(a.assembly_id)
    assert.match(String(done.error), code, `${name}: ${done.message}`)
    assert.ok(done.message.length > 5)
  }
  const text = await s.create(resize, { files: { 'lie.jpg': 'just text' } })
  const done = await s.until(text.assembly_id)
  assert.equal(done.ok, 'ASSEMBLY_COMPLETED', 'a file of another type is passed by')
  assert.equal(done.uploads[0].mime, 'text/plain')
  assert.deepEqual(done.results, {})
  const drawn = await s.create(resize, { files: { 'x.svg': svg } })
  const after = await s.until(drawn.assembly_id)
  assert.ok(['ASSEMBLY_COMPLETED', undefined].includes(after.ok))
  await s.scratchEmpty()
  assert.ok(s.rss() - before < 20e6, `grew by ${s.rss() - before}`)
})

test('a head with more parts than there is memory for is answered, and never left without a word', async (t) => {
  const s = await Server.start(t)
  const ask = (target, headers = []) => new Promise((resolve, reject) => {
    const c = net.connect(s.port, '127.0.0.1')
    let said = ''
    c.setTimeout(5000, () => c.destroy(new Error(`${target.slice(0, 40)}: no answer, but '${said}'`)))
    c.on('error', reject).on('data', (d) => { said += d })
    c.on('end', () => resolve({ status: Number(said.split(' ')[1]), body: said.split('\r\n\r\n')[1] }))
    c.write(`GET ${target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n${headers.join('')}\r\n`)
  })
  const parts = (n, length = 1) => Array.from({ length: n }, (_, i) => `a${i}=${'b'.repeat(length)}`).join('&')
  const headers = (n) => Array.from({ length: n }, (_, i) => `x${i}: ${i}\r\n`)
  for (const target of ['/assemblies', '/cdn/w/t/i', `/assemblies/${'0'.repeat(32)}/events`, '/nothing']) {
    for (const [n, length, more] of [[50, 1, 0], [90, 20, 20], [500, 100, 100], [600, 120, 20]]) {
      const { status } = await ask(`${target}?${parts(n, length)}`, headers(more))
      assert.ok(status < 414, `${target}: ${n} parts of ${length} bytes: ${status}`)
    }
    for (const [n, length, more] of [[2000, 1, 0], [5000, 1, 50], [2000, 20, 600], [900, 70, 0]]) {
      const { status, body } = await ask(`${target}?${parts(n, length)}`, headers(more))
      assert.equal(status, 414, `${target}: ${n} parts of ${length} bytes`)
      assert.equal(JSON.parse(body).message, 'The query of the address has too many parameters')
    }
    assert.equal((await ask(`${target}?${'&'.repeat(30000)}`)).status, 414)
    assert.equal((await ask(`${target}?${parts(50000)}`)).status, 414, 'by libmicrohttpd')
    assert.equal((await ask(`${target}?${parts(700)}`, headers(2000))).status, 431)
  }
  /* the next request of a connection is what it says */
  const again = net.connect(s.port, '127.0.0.1')
  let said = ''
  again.on('data', (d) => { said += d })
  again.write(`GET /version?a=1 HTTP/1.1\r\nHost: x\r\n\r\nGET /version?${parts(3000)} HTTP/1.1\r\nHost: x\r\n\r\n`)
  await new Promise((r) => again.on('end', r))
  assert.deepEqual(said.match(/HTTP\/1.1 \d+/g).map((l) => l.slice(9)).at(-1), '414', said)
})

test('malformed, truncated and oversized requests get their codes', async (t) => {
  const s = await Server.start(t)
  const before = s.rss()
  const send = async (body, type) => {
    const res = await fetch(`${s.url}/assemblies`, { method: 'POST', body, headers: { 'Content-Type': type } })
    return (await res.json()).error
  }
  const form = 'multipart/form-data; boundary=b'
  assert.equal(await send('garbage', form), 'INVALID_FORM_DATA')
  assert.equal(await send('--b\r\nContent-Disposition: form-data; name="params"\r\n\r\n{}', form), 'INVALID_FORM_DATA')
  assert.equal(await send('x', 'multipart/form-data'), 'INVALID_FORM_DATA')
  assert.equal(await send('params=%zz', 'application/x-www-form-urlencoded'), 'INVALID_URL_ENCODING')
  assert.equal(await send(new URLSearchParams({ params: '['.repeat(10000) }), 'application/x-www-form-urlencoded'), 'INVALID_PARAMS_FIELD')
  const big = await send(new URLSearchParams({ params: `{"a":"${'x'.repeat(10 << 20)}"}` }).toString(), 'application/x-www-form-urlencoded').catch((e) => e.cause?.code || e.message)
  assert.ok(['INVALID_FORM_DATA', 'ECONNRESET', 'EPIPE', 'UND_ERR_SOCKET'].includes(big), big)
  const bad = await fetch(`${s.url}/assemblies/%zz`)
  assert.equal((await bad.json()).error, 'INVALID_URL_ENCODING')
  const a = await s.create(original, { files: { '../../../etc/passwd': 'x', '..': 'y', 'a\\b.txt': 'z' } })
  const done = await s.until(a.assembly_id)
  for (const u of done.uploads) assert.ok(!/[/\\]/.test(u.name) && u.name !== '..', u.name)
  await sleep(100)
  assert.ok(s.rss() - before < 30e6, `grew by ${s.rss() - before}`)
})

test('slow and idle connections are closed and harm nobody', async (t) => {
  const s = await Server.start(t, { args: ['--header-timeout-s', '2', '--idle-timeout-s', '30'] })
  const before = s.rss()
  const slow = s.raw()
  let sent = 0
  const drip = setInterval(() => { if (!slow.destroyed) slow.write('GET / HTTP/1.1\r\nX: '[sent++ % 20]) }, 200)
  const idle = []
  for (let i = 0; i < 2000; i++) {
    const c = net.connect(s.port, '127.0.0.1')
    c.on('error', () => {})
    idle.push(c)
  }
  await sleep(500)
  const start = performance.now()
  assert.equal((await fetch(s.url)).status, 200)
  assert.ok(performance.now() - start < 500)
  await Promise.race([slow.ended, sleep(6000).then(() => assert.fail('one byte a second is still connected'))])
  clearInterval(drip)
  assert.ok(s.rss() - before < 60e6, `2,000 idle connections cost ${s.rss() - before}`)
  for (const c of idle) c.destroy()
})

test('imports reach no private address, however it is written', async (t) => {
  const s = await Server.start(t)
  const urls = ['http://127.0.0.1/', 'http://localhost/', 'http://169.254.169.254/latest/meta-data/', 'http://[::1]/', 'http://[::ffff:127.0.0.1]/',
    'http://0.0.0.0/', 'http://10.1.2.3/', 'http://2130706433/', 'http://0x7f.1/']
  for (const url of urls) {
    const a = await s.create({ i: { robot: '/http/import', url } })
    const done = await s.until(a.assembly_id)
    assert.equal(done.error, 'HTTP_IMPORT_ACCESS_DENIED', `${url}: ${done.message}`)
    assert.equal(done.is_private_address, true)
  }
  const f = await s.create({ i: { robot: '/http/import', url: 'file:///etc/passwd' } })
  assert.match((await s.until(f.assembly_id)).error, /^HTTP_IMPORT_/)
})

test('a redirect to a private address is refused; lists, names and sizes work', async (t) => {
  const server = http.createServer((req, res) => {
    if (req.url === '/redirect') res.writeHead(302, { Location: 'http://127.0.0.2:1/secret' }).end()
    else if (req.url === '/missing') res.writeHead(404).end()
    else if (req.url === '/denied') res.writeHead(403).end()
    else if (req.url === '/hop') res.writeHead(301, { Location: '/named' }).end()
    else res.writeHead(200, { 'Content-Disposition': 'attachment; filename="../na me.txt"' }).end('content')
  }).listen(0, '127.0.0.1')
  await new Promise((r) => server.on('listening', r))
  t.after(() => server.close())
  const base = `http://127.0.0.1:${server.address().port}`
  const s = await Server.start(t, { args: ['--import-allow', `127.0.0.1:${server.address().port}`] })
  const run = async (url, more = {}) => s.until((await s.create({ i: { robot: '/http/import', url, result: true, ...more } })).assembly_id)
  const redirected = await run(`${base}/redirect`)
  assert.equal(redirected.error, 'HTTP_IMPORT_ACCESS_DENIED')
  assert.equal(redirected.is_private_address, true)
  assert.equal((await run(`${base}/missing`)).error, 'HTTP_IMPORT_NOT_FOUND')
  assert.equal((await run(`${base}/denied`)).error, 'HTTP_IMPORT_ACCESS_DENIED')
  assert.match((await run(`${base}/named`, { max_file_size: 3 })).error, /^HTTP_IMPORT_/)
  const two = await run([`${base}/named`, `${base}/hop`])
  assert.equal(two.ok, 'ASSEMBLY_COMPLETED')
  assert.equal(two.results.i.length, 2)
  assert.equal(two.results.i[0].name, 'na me.txt')
  assert.equal(two.results.i[0].mime, 'text/plain')
  assert.equal(two.results.i[0].from_batch_import, true)
  assert.deepEqual(two.results.i.map((f) => f.import_url).sort(), [`${base}/hop`, `${base}/named`])
  assert.equal(two.num_input_files, 2)
})

test('instructions that are refused are answered with their error\'s status, also when a file comes with them', async (t) => {
  const s = await Server.start(t)
  const seen = {}
  for (const size of [10, 100000, 3000000]) {
    for (let i = 0; i < 20; i++) {
      const form = new FormData()
      form.append('params', JSON.stringify({ auth: { key: KEY }, steps: { r: { robot: '/image/resize', use: ':original', widht: 3 } } }))
      form.append('file', new Blob([new Uint8Array(size)]), 'a.jpg')
      const res = await fetch(`${s.url}/assemblies`, { method: 'POST', body: form })
      const { error, assembly_id } = await res.json()
      assert.equal((await s.get(assembly_id)).error, error)
      seen[`${res.status} ${error}`] = (seen[`${res.status} ${error}`] || 0) + 1
    }
  }
  assert.deepEqual(seen, { '400 IMAGE_RESIZE_VALIDATION': 60 })
})

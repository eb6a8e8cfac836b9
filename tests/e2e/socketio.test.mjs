// Socket.IO on the event stream's URL: the clients that are in use, and bytes that none of them would send.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import fs from 'node:fs'
import { createRequire } from 'node:module'
import { test } from 'node:test'
import { picture, Server, sleep } from './server.mjs'

const require = createRequire(import.meta.url)
const clients = { '2.2.0': require('socket.io-client-22'), '2.5.0': require('socket.io-client-25'), '4.8.4': require('socket.io-client').io }
const ways = { websocket: ['websocket'], polling: ['polling'], 'polling, then websocket': ['polling', 'websocket'] }
const steps = { ':original': { robot: '/upload/handle' }, small: { robot: '/image/resize', use: ':original', width: 20, result: true } }
const names = ['assembly_upload_finished', 'assembly_uploading_finished', 'assembly_upload_meta_data_extracted', 'assembly_result_finished',
  'assembly_error', 'assembly_execution_progress', 'assembly_finished']

// A client that has joined: what it hears is in .heard, as [name, ...arguments].
async function listen(t, io, s, id, { transports = ['websocket'], ...more } = {}) {
  const socket = io(s.url, { path: '/ws20001', transports, forceNew: true, ...more })
  socket.heard = []
  for (const n of names) socket.on(n, (...args) => socket.heard.push([n, ...args]))
  socket.until = async (name, ms = 20000) => {
    for (const end = Date.now() + ms; !socket.heard.some((h) => h[0] === name); await sleep(20)) {
      assert.ok(Date.now() < end, `no ${name}; heard: ${JSON.stringify(socket.heard).slice(0, 500)}`)
    }
    return socket.heard.find((h) => h[0] === name)
  }
  t.after(() => socket.close())
  await new Promise((resolve, reject) => {
    socket.on('connect', resolve)
    socket.on('connect_error', reject)
  })
  socket.emit('assembly_connect', { id })
  return socket
}
const transportOf = (socket) => socket.io.engine.transport.name

for (const [version, io] of Object.entries(clients)) {
  for (const [way, transports] of Object.entries(ways)) {
    test(`socket.io-client ${version} by ${way} hears every event once and in order`, async (t) => {
      const s = await Server.start(t)
      const data = fs.readFileSync(picture)
      const a = await s.create(steps, { expected: 2 })
      const socket = await listen(t, io, s, a.assembly_id, { transports })
      await sleep(300) // the change of transport, and the subscription, which nobody acknowledges
      assert.equal(transportOf(socket), transports.at(-1))
      for (let i = 0; i < 2; i++) await s.patch(await s.tusCreate(a, data.length, { filename: `${i}-\u{1F600}é.png` }), 0, data)
      await socket.until('assembly_finished')
      const heard = socket.heard.map((h) => h[0])
      assert.equal(heard.filter((n) => n === 'assembly_upload_finished').length, 2)
      assert.equal(heard.filter((n) => n === 'assembly_result_finished').length, 2)
      for (const once of ['assembly_uploading_finished', 'assembly_upload_meta_data_extracted', 'assembly_finished'])
        assert.equal(heard.filter((n) => n === once).length, 1)
      assert.ok(heard.indexOf('assembly_uploading_finished') > heard.lastIndexOf('assembly_upload_finished'))
      assert.ok(heard.indexOf('assembly_upload_meta_data_extracted') > heard.indexOf('assembly_uploading_finished'))
      assert.equal(heard.at(-1), 'assembly_finished')
      const file = socket.heard.find((h) => h[0] === 'assembly_upload_finished')[1]
      assert.match(file.name, /\u{1F600}é\.png$/u)
      const [, step, result] = socket.heard.find((h) => h[0] === 'assembly_result_finished')
      assert.equal(step, 'small')
      assert.match(result.ssl_url || result.url, /^http/)
      assert.deepEqual(socket.heard.find((h) => h[0] === 'assembly_finished'), ['assembly_finished'], 'no arguments')
    })
  }

  test(`socket.io-client ${version}: late, unknown, failed`, async (t) => {
    const s = await Server.start(t)
    const data = fs.readFileSync(picture)
    const a = await s.create(steps, { files: { 'a.png': data } })
    await s.until(a.assembly_id)
    const late = await listen(t, io, s, a.assembly_id)
    await late.until('assembly_finished')
    assert.deepEqual(late.heard.map((h) => h[0]), ['assembly_uploading_finished', 'assembly_upload_meta_data_extracted', 'assembly_finished'])
    for (const id of ['0'.repeat(32), 'x', undefined]) {
      const lost = await listen(t, io, s, id)
      const [, status] = await lost.until('assembly_error')
      assert.equal(status.error, 'ASSEMBLY_NOT_FOUND')
      assert.ok(status.message)
    }
    const b = await s.create({ x: { robot: '/image/resize', use: ':original', crop: { x1: 600, y1: 600, x2: 700, y2: 700 } } }, { expected: 1 })
    const failing = await listen(t, io, s, b.assembly_id)
    await sleep(100)
    await s.patch(await s.tusCreate(b, data.length, { filename: 'a.png' }), 0, data)
    const [, status] = await failing.until('assembly_error')
    assert.equal(status.error, 'IMAGE_RESIZE_VALIDATION')
    assert.equal(status.assembly_id, b.assembly_id)
    await s.stop()
    await s.boot()
    const restored = await listen(t, io, s, b.assembly_id) // from the store
    assert.equal((await restored.until('assembly_error'))[1].error, 'IMAGE_RESIZE_VALIDATION')
  })

  test(`socket.io-client ${version} comes back after kill -9 and hears the rest; a cancel ends it`, async (t) => {
    const s = await Server.start(t)
    const data = fs.readFileSync(picture)
    const a = await s.create(steps, { expected: 2 })
    const socket = await listen(t, io, s, a.assembly_id, { transports: ways['polling, then websocket'], reconnectionDelay: 100, reconnectionDelayMax: 300 })
    await s.patch(await s.tusCreate(a, data.length, { filename: 'a.png' }), 0, data)
    await socket.until('assembly_upload_finished')
    let again = 0
    socket.on('connect', () => { again++; socket.emit('assembly_connect', { id: a.assembly_id }) })
    await s.kill9()
    await s.boot()
    for (const end = Date.now() + 10000; !again; await sleep(50)) assert.ok(Date.now() < end, 'no second connection')
    await sleep(200)
    await s.patch(await s.tusCreate(a, data.length, { filename: 'b.png' }), 0, data)
    await socket.until('assembly_finished')
    assert.equal(socket.heard.filter((h) => h[0] === 'assembly_upload_finished').length, 2, 'none twice, none missed')

    const c = await s.create(steps, { expected: 1 })
    const canceled = await listen(t, io, s, c.assembly_id)
    await sleep(100)
    await s.cancel(c.assembly_id)
    await canceled.until('assembly_finished')
  })
}

test('a stop says good-bye to clients at once, whatever their transport', async (t) => {
  const s = await Server.start(t)
  const a = await s.create(steps, { expected: 1 })
  const sockets = []
  for (const io of Object.values(clients)) for (const transports of Object.values(ways)) sockets.push(await listen(t, io, s, a.assembly_id, { transports, reconnection: false }))
  const gone = sockets.map((k) => new Promise((r) => k.on('disconnect', r)))
  const bare = await wire(s)
  const start = performance.now()
  await s.stop()
  await bare.ended
  assert.equal(bare.code, 1001, 'going away')
  await Promise.all(gone)
  assert.ok(performance.now() - start < 5000, `${performance.now() - start} ms`)
})

// ---- by hand ----

const handshake = (query, more = '') => `GET /ws20001/?${query} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
  `Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${randomBytes(16).toString('base64')}\r\n${more}\r\n`

// A raw WebSocket: frames in .frames as {opcode, data}, the code of its close in .code.
async function wire(s, query = 'EIO=4&transport=websocket', more = '') {
  const k = s.raw()
  let buf = Buffer.alloc(0)
  k.frames = []
  k.removeAllListeners('data')
  k.on('data', (d) => {
    buf = Buffer.concat([buf, d])
    if (!k.head) {
      const at = buf.indexOf('\r\n\r\n')
      if (at < 0) return
      k.head = buf.subarray(0, at).toString()
      buf = buf.subarray(at + 4)
    }
    for (;;) {
      if (buf.length < 2) return
      let n = buf[1] & 127
      let at = 2
      if (n === 126) { if (buf.length < 4) return; n = buf.readUInt16BE(2); at = 4 }
      else if (n === 127) { if (buf.length < 10) return; n = Number(buf.readBigUInt64BE(2)); at = 10 }
      if (buf.length < at + n) return
      const f = { opcode: buf[0] & 15, data: Buffer.from(buf.subarray(at, at + n)) }
      buf = buf.subarray(at + n)
      k.frames.push(f)
      if (f.opcode === 8) k.code = f.data.length ? f.data.readUInt16BE(0) : 1005
    }
  })
  k.write(Buffer.concat([Buffer.from(handshake(query)), Buffer.from(more)]))
  for (const end = Date.now() + 5000; !k.head; await sleep(5)) assert.ok(Date.now() < end)
  k.texts = () => k.frames.filter((f) => f.opcode === 1).map((f) => f.data.toString())
  k.waitText = async (want) => {
    for (const end = Date.now() + 5000; !k.texts().some((x) => want.test(x)); await sleep(5)) assert.ok(Date.now() < end, `no ${want}: ${k.texts()}`)
    return k.texts().find((x) => want.test(x))
  }
  return k
}

function frame(opcode, data, { fin = true, masked = true, length } = {}) {
  data = Buffer.from(data)
  const n = length ?? data.length
  const head = [(fin ? 128 : 0) | opcode]
  const m = masked ? 128 : 0
  if (n < 126) head.push(m | n)
  else if (n < 65536) head.push(m | 126, n >> 8, n & 255)
  else { const b = Buffer.alloc(8); b.writeBigUInt64BE(BigInt(n)); head.push(m | 127, ...b) }
  if (!masked) return Buffer.concat([Buffer.from(head), data])
  const mask = randomBytes(4)
  return Buffer.concat([Buffer.from(head), mask, Buffer.from(data.map((b, i) => b ^ mask[i % 4]))])
}

const limit = (p, ms = 6000) => Promise.race([p, sleep(ms).then(() => { throw new Error('the connection stayed open') })])

test('the handshakes are to the letter', async (t) => {
  const s = await Server.start(t)
  for (const slash of ['', '/']) {
    const three = await fetch(`${s.url}/ws7${slash}?EIO=3&transport=polling&t=abc&b64=1`, { headers: { Origin: 'https://a.example' } })
    assert.equal(three.status, 200)
    assert.equal(three.headers.get('content-type'), 'text/plain; charset=UTF-8')
    assert.equal(three.headers.get('access-control-allow-origin'), 'https://a.example')
    assert.equal(three.headers.get('access-control-allow-credentials'), 'true')
    const text = await three.text()
    assert.match(text, /^\d+:0\{"sid":"[^"]+","upgrades":\["websocket"\],"pingInterval":25000,"pingTimeout":5000\}2:40$/)
    assert.equal(Number(text.match(/^\d+/)[0]), text.match(/0\{.*?\}/)[0].length)
    const four = await (await fetch(`${s.url}/ws20001${slash}?EIO=4&transport=polling`)).text()
    assert.match(four, /^0\{"sid":"[^"]+","upgrades":\["websocket"\],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000\}$/)
    const { sid } = JSON.parse(four.slice(1))
    const url = `${s.url}/ws20001${slash}?EIO=4&transport=polling&sid=${sid}`
    const joined = await fetch(url, { method: 'POST', body: '40', headers: { 'Content-Type': 'text/plain;charset=UTF-8' } })
    assert.equal(await joined.text(), 'ok')
    assert.match(await (await fetch(url)).text(), /^40\{"sid":"[^"]+"\}$/)
  }
  const three = await wire(s, 'EIO=3&transport=websocket')
  assert.match(three.head, /^HTTP\/1\.1 101 /)
  await three.waitText(/^40$/)
  assert.match(three.texts()[0], /^0\{"sid":"[^"]+","upgrades":\[\],"pingInterval":25000,"pingTimeout":5000\}$/)
  three.write(frame(1, '2hello'))
  await three.waitText(/^3hello$/)
  const four = await wire(s)
  four.write(frame(1, '40'))
  await four.waitText(/^40\{"sid":"[^"]+"\}$/)
  four.write(frame(1, '40/admin,'))
  await four.waitText(/^44\/admin,\{"message":"Invalid namespace"\}$/)
  three.destroy()
  four.destroy()
})

test('requests that are none are refused with Engine.IO\'s codes', async (t) => {
  const s = await Server.start(t)
  const ask = async (query, init) => {
    const res = await fetch(`${s.url}/ws20001/?${query}`, init)
    return [res.status, (await res.json()).code]
  }
  assert.deepEqual(await ask('EIO=4&transport=polling&sid=nobody'), [400, 1])
  assert.deepEqual(await ask(`EIO=4&transport=polling&sid=${'0'.repeat(32)}`), [400, 1])
  assert.deepEqual(await ask('EIO=4&transport=flash'), [400, 0])
  assert.deepEqual(await ask('EIO=9&transport=polling'), [400, 5])
  assert.deepEqual(await ask('EIO=4&transport=polling', { method: 'POST', body: '40' }), [400, 2])
  assert.deepEqual(await ask('EIO=4&transport=websocket'), [400, 3])
  const open = JSON.parse((await (await fetch(`${s.url}/ws20001/?EIO=4&transport=polling`)).text()).slice(1))
  const own = `EIO=4&transport=polling&sid=${open.sid}`
  assert.equal((await fetch(`${s.url}/ws20001/?${own}`, { method: 'POST', body: 'x'.repeat(1000001) })).status, 413)
  assert.deepEqual(await ask(own, { method: 'POST', body: 'nonsense' }), [400, 3])
  assert.deepEqual(await ask(own), [400, 1], 'nonsense ended the session')
  const old = s.raw()
  old.write(handshake('EIO=4&transport=websocket').replace('Version: 13', 'Version: 8'))
  for (const end = Date.now() + 5000; !old.text; await sleep(5)) assert.ok(Date.now() < end)
  assert.match(old.text, /^HTTP\/1\.1 400 /)
  old.destroy()
})

test('hostile frames are answered with the right code, and the connection goes', async (t) => {
  const s = await Server.start(t)
  const cases = {
    'not masked': [1002, frame(1, '40', { masked: false })],
    'an unknown opcode': [1002, frame(3, 'x')],
    'a long ping': [1002, frame(9, 'x'.repeat(126))],
    'a continuation of nothing': [1002, frame(0, 'x')],
    'bytes that are no UTF-8': [1007, frame(1, Buffer.from([0x34, 0xff, 0xfe]))],
    'a message of 2 MB, announced': [1009, frame(1, '4', { length: 2e6 })],
    'a message of 2^62 bytes, announced': [1009, frame(1, '4', { length: 2 ** 62 })],
    'a message that grows in pieces': [1009, Buffer.concat([frame(1, 'x'.repeat(60000), { fin: false }), ...Array.from({ length: 20 }, () => frame(0, 'x'.repeat(60000), { fin: false }))])],
    'a binary message': [1003, frame(2, 'x')],
    'an unknown packet': [1008, frame(1, '9')],
    'an empty packet': [1008, frame(1, '')],
    'an event before joining': [1008, frame(1, '42["assembly_connect",{"id":"x"}]')],
    'an event that is no JSON': [1008, Buffer.concat([frame(1, '40'), frame(1, '42[{]')])],
    'deep JSON': [1008, Buffer.concat([frame(1, '40'), frame(1, `42${'['.repeat(5000)}`)])],
  }
  for (const [what, [code, bytes]] of Object.entries(cases)) {
    const k = await wire(s)
    k.write(bytes)
    await limit(k.ended).catch((e) => { throw new Error(`${what}: ${e.message}`) })
    assert.equal(k.code, code, what)
    // together with the handshake: before the server has said its first word
    const early = code === 1002 && await wire(s, undefined, bytes)
    if (early) await limit(early.ended)
    assert.equal(early.code, early ? code : undefined, `${what}, early`)
  }
  const k = await wire(s)
  k.write(frame(8, Buffer.from([3, 232])))
  await limit(k.ended)
  assert.equal(k.code, 1000, 'a close is answered with its own code')
  assert.equal((await fetch(`${s.url}/healthz`)).status, 200)
})

test('floods cost the server little', async (t) => {
  const s = await Server.start(t, { args: ['--max-connections', '300'] })
  const before = s.rss()
  // pings that nobody reads the answers of
  const pings = await wire(s)
  pings.pause()
  const ping = Buffer.concat(Array.from({ length: 4000 }, () => frame(9, 'x'.repeat(100))))
  for (let i = 0; i < 100 && !pings.destroyed; i++) { if (!pings.write(ping)) await Promise.race([new Promise((r) => pings.once('drain', r)), sleep(100)]) }
  // empty pieces without end
  const pieces = await wire(s)
  pieces.write(frame(1, '4', { fin: false }))
  const empty = Buffer.concat(Array.from({ length: 10000 }, () => frame(0, '', { fin: false })))
  for (let i = 0; i < 50; i++) pieces.write(empty)
  // engine pings by POST whose answers are never fetched
  const { sid } = JSON.parse((await (await fetch(`${s.url}/ws20001/?EIO=3&transport=polling`)).text()).match(/0(\{.*?\})/)[1])
  const posted = await fetch(`${s.url}/ws20001/?EIO=3&transport=polling&sid=${sid}`, { method: 'POST', body: '1:2'.repeat(300000) })
  assert.equal(posted.status, 400)
  // sessions that never come back
  let full = 0
  for (let i = 0; i < 320; i++) if ((await fetch(`${s.url}/ws20001/?EIO=4&transport=polling`)).status === 503) full++
  assert.ok(full > 0, 'there is a limit')
  await sleep(300)
  const grown = s.rss() - before
  assert.ok(grown < 40e6, `${grown} bytes`)
  pings.destroy()
  pieces.destroy()
  assert.equal((await fetch(`${s.url}/healthz`)).status, 200)
})

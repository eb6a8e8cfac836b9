// What a legitimate client feels while strangers attack: its status has to come in 50 ms, 99 times of 100, during each attack.
import assert from 'node:assert/strict'
import net from 'node:net'
import { randomBytes } from 'node:crypto'
import { Worker } from 'node:worker_threads'
import { test } from 'node:test'
import { KEY, Server, sleep } from './server.mjs'

const steps = { ':original': { robot: '/upload/handle', result: true } }
const MB = 1 << 20
const MOST_MS = 50
const LOOKS_MS = process.env.FULL ? 3000 : 1500 // at each attack
const part = (name, value, more = '') => `--b\r\nContent-Disposition: form-data; name="${name}"${more}\r\n\r\n${value}\r\n`
const head = (length, to = '/assemblies') => `POST ${to} HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: ${length}\r\n\r\n`
const form = (text, to = '/assemblies', more = '') => `POST ${to} HTTP/1.1\r\nHost: x\r\n${more}Content-Type: application/x-www-form-urlencoded\r\nContent-Length: ${text.length}\r\n\r\n${text}`
const asked = (auth, more = {}) => `params=${encodeURIComponent(JSON.stringify({ auth: { key: KEY, ...auth }, steps, ...more }))}`
const tus = (headers, body = '', to = '/resumable/files') => `POST ${to} HTTP/1.1\r\nHost: x\r\nTus-Resumable: 1.0.0\r\nContent-Type: application/offset+octet-stream\r\n${headers}Content-Length: ${body.length}\r\n\r\n${body}`
const opening = () => `GET /ws20001/?EIO=4&transport=websocket HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${randomBytes(16).toString('base64')}\r\n\r\n`
const frame = (opcode, text) => { const key = [1, 2, 3, 4]; return Buffer.from([0x80 | opcode, 0x80 | text.length, ...key, ...Buffer.from(text).map((c, i) => c ^ key[i % 4])]).toString('latin1') }

// The client, in a thread of its own: what the attackers here are busy with is not the server's time. It asks two servers in turn, the
// one that is attacked and one that is not, each time by a connection of its own: what both lose is the machine's. For each
// its milliseconds in order; Infinity where there was no answer.
function client(places, ms) {
  const code = `
    const { workerData: { places, ms }, parentPort } = require('node:worker_threads')
    const look = (place) => new Promise((done) => {
      const start = performance.now()
      const req = require('node:http').get({ ...place, agent: false, timeout: 5000 }, (res) => {
        res.resume()
        res.on('end', () => done(res.statusCode === 200 ? performance.now() - start : Infinity))
      })
      req.on('error', () => done(Infinity))
      req.on('timeout', () => req.destroy())
    })
    const run = async () => {
      const all = places.map(() => [])
      for (let i = 0; i < 20; i++) await look(places.at(-1)) // its code is compiled by then
      for (const end = Date.now() + ms; Date.now() < end; await new Promise((r) => setTimeout(r, 5)))
        for (const [i, place] of places.entries()) all[i].push(await look(place))
      parentPort.postMessage(all.map((list) => list.sort((a, b) => a - b)))
    }
    run()`
  return new Promise((done, fail) => {
    const w = new Worker(code, { eval: true, workerData: { places, ms } })
    w.on('message', done)
    w.on('error', fail)
  })
}
const p99 = (ms) => ms[Math.floor(ms.length * 0.99)]

// `width` at a time, each on a connection of its own: says text(n), and comes again, after pause ms, once it was answered or closed, or
// after wait ms. stay: an answer is no reason to go. then: what it goes on saying; deaf: it reads nothing.
function storm(s, { width, text, wait = 300, pause = 10, stay, then, deaf }) {
  const state = { on: true, said: 0, answered: 0, statuses: {} }
  const once = (lane) => new Promise((done) => {
    const c = net.connect(s.port, '127.0.0.1')
    let drip, timer, over
    const end = () => { if (over) return; over = true; clearTimeout(timer); clearInterval(drip); c.resetAndDestroy(); setTimeout(done, pause) } // a reset leaves no port waiting
    timer = setTimeout(end, wait)
    if (then) drip = setInterval(() => { if (!c.destroyed) c.write(then, 'latin1') }, 200)
    c.on('error', end)
    c.on('close', end)
    if (deaf) c.pause()
    c.on('data', (d) => {
      state.answered++
      const status = d.toString('latin1', 0, 12).match(/^HTTP\/1\.1 (\d{3})/)?.[1]
      if (status) state.statuses[status] = (state.statuses[status] ?? 0) + 1
      if (!then && !stay) end()
    })
    c.on('connect', () => c.write(text(state.said++, lane), 'latin1'))
  })
  state.lanes = Promise.all(Array.from({ length: width }, async (_, lane) => { while (state.on) await once(lane) }))
  return state
}

// A stall of the server's shows each time; one of the machine's does not, so an attack that was too slow is tried again, twice.
async function pace(t, s, attacks) {
  const other = await Server.start(t)
  const places = []
  for (const server of [s, other]) places.push({ port: server.port, path: `/assemblies/${(await server.create(steps, { expected: 1 })).assembly_id}` })
  const late = []
  for (const [name, attack] of Object.entries(attacks)) {
    let wrong
    for (let tries = 0; tries < 3 && wrong !== ''; tries++) {
      const state = storm(s, attack)
      await sleep(500)
      const [here, there] = await client(places, LOOKS_MS)
      state.on = false
      await state.lanes
      await sleep(300)
      const [got, calm] = [p99(here), p99(there)]
      const text = `${name}: p99 ${got.toFixed(1)} ms of ${here.length} (not attacked ${calm.toFixed(1)}); ${state.said} said, answers ${JSON.stringify(state.statuses)}`
      t.diagnostic(text)
      wrong = got < Math.max(MOST_MS, 6 * calm) ? '' : text
      assert.ok(state.said > 5, `${name}: the attack did not come about`)
    }
    if (wrong) late.push(wrong)
  }
  assert.deepEqual(late, [])
}

test('a status comes in time while strangers send what is expensive', { timeout: 300000 }, async (t) => {
  const s = await Server.start(t)
  const over = await s.create(steps, { files: { a: 'x' } })
  await s.until(over.assembly_id)
  const live = await s.create(steps, { expected: 5 })
  const bomb = form(`params={"auth":{"key":"nobody"},"x":[${'{},'.repeat(2.4 * MB)}0]}`)
  const deep = form(`params=${'['.repeat(7 * MB)}`)
  const greedy = ['((a{1,80}){1,80}){1,80}', '^(a*)*b$', '(((((((x{1,10}){1,10}){1,10}){1,10}){1,10}){1,10}){1,10})', '(.*)(.*)(.*)(.*)(.*)(.*)(.*)(.*)(.*)x$', '^((a|b|ab)*)*c$', '(a?){500}a{500}', '(?i)(abcdefghijklmnopqrstuvwxyz){30}', '(\\pL{1,100}){1,100}']
  const meta = (a) => `Upload-Metadata: assembly_url ${Buffer.from(a.assembly_ssl_url).toString('base64')},filename YQ==,fieldname Zg==\r\n`
  const bad = ['GET /healthz HTTP/1.1\r\nHost: x\r\nX: a\r\n b\r\n\r\n', form('a=b').replace('Content-Length:', 'Content-Length :'), 'GET /healthz HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n', 'GET /health\0z HTTP/1.1\r\nHost: x\r\n\r\n', 'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n']
  await pace(t, s, {
    'params of 7 MB': { width: 8, text: () => bomb, wait: 2000, pause: 100 },
    'params that are deep': { width: 8, text: () => deep, wait: 2000, pause: 100 },
    'greedy patterns in referer': { width: 8, text: (n) => form(asked({ referer: greedy[n % greedy.length] }), '/assemblies', `Referer: ${'a'.repeat(4000)}\r\n`) },
    'files before params': { width: 100, text: () => `${head(1e9)}--b\r\nContent-Disposition: form-data; name="f"; filename="f"\r\n\r\n${'x'.repeat(200000)}` },
    'partial uploads of nobody': { width: 8, text: () => tus(`Upload-Concat: partial\r\nUpload-Length: ${MB}\r\n`, 'x'.repeat(MB)) },
    'partial uploads of an Assembly': { width: 8, text: () => tus(`Upload-Concat: partial\r\nUpload-Length: 100000\r\n${meta(live)}`, 'x'.repeat(100000)) },
    'joins of what there is not': { width: 16, text: (n) => tus(`Upload-Concat: final;${Array.from({ length: 100 }, (_, i) => `/resumable/files/${(n * 100 + i).toString(16).padStart(32, '0')}`).join(' ')}\r\n${meta(live)}`) },
    'ambiguous requests': { width: 16, text: (n) => bad[n % bad.length] },
    'reservations of what is over': { width: 16, text: () => `POST /assemblies/${over.assembly_id}/reserve_file?size=1 HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n`.repeat(20) },
    'reservations that are huge': { width: 16, text: () => `POST /assemblies/${live.assembly_id}/reserve_file?size=9223372036854775807 HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n`.repeat(20) },
    'cancels by another door': { width: 16, text: (n) => `GET /assemblies/${n.toString(16).padStart(32, '0')}?method=delete HTTP/1.1\r\nHost: x\r\n\r\n`.repeat(20) },
    'Assemblies of nobody': { width: 16, text: () => form(asked({ key: 'nobody' })).repeat(5) },
    'Assemblies by a key’s name': { width: 8, text: () => form(`${asked({})}&num_expected_upload_files=0`) },
    'parts and fields': { width: 8, text: () => `${head(1e9)}${part('a', '').repeat(5000)}` },
    'WebSockets that open': { width: 50, text: opening, wait: 200, pause: 50 },
    'WebSockets that chatter': { width: 20, text: opening, wait: 2000, then: frame(1, '2').repeat(200) + frame(9, 'p').repeat(200) + frame(1, '42["assembly_connect",{"id":"0"}]').repeat(20) },
    'polling sessions': { width: 16, text: () => 'GET /ws20001/?EIO=4&transport=polling HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(10) },
  })
})

test('slow headers, slow bodies, slow readers and many connections shut nobody out', { timeout: 120000 }, async (t) => {
  const s = await Server.start(t, { args: ['--max-connections', '300', '--header-timeout-s', '60'] })
  const slow = { width: 400, wait: 2500, pause: 400, stay: true }
  await pace(t, s, {
    'slow headers': { ...slow, text: () => 'GET / HTTP/1.1\r\nHost: x\r\nX: ', then: 'a' },
    'slow bodies': { ...slow, text: () => `${head(1000000)}--b\r\n`, then: 'a' },
    'silent ones': { ...slow, text: () => '' },
    'kept open': { ...slow, text: () => 'GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n' },
    'slow readers': { ...slow, text: () => 'GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(3), deaf: true },
  })
})

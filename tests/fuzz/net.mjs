// A whole server, attacked over the network for a while: requests for every route of its /openapi.json with parameters,
// forms and signatures right and wrong; tus uploads; WebSocket and polling conversations; pipelines; connections that are
// cut, or slow. Bytes are changed here and there. A healthy client asks for a status all the time.
//
// SEED=n repeats the decisions, MINUTES=n (30) is the length, JOBS=n (12) so many conversations at once; WORKCELL names the
// program, which dev/fuzz net builds with address and undefined-behaviour sanitizers. Afterwards: the daemon lives, ends
// when told to, no sanitizer has said anything, its memory is where it was, and the healthy client was served.
import fs from 'node:fs'
import net from 'node:net'
import { KEY, Server, sign, sleep } from '../e2e/server.mjs'

const seed = Number(process.env.SEED || Math.floor(Math.random() * 1e9))
const minutes = Number(process.env.MINUTES || 30)
const jobs = Number(process.env.JOBS || 12)
const rssBound = Number(process.env.RSS_MB || 400) // more than at the start; sanitizers keep some of what is freed
const statusBound = Number(process.env.STATUS_MS || 2000) // p99, of a sanitized daemon on a busy machine
const CONVERSATION_MS = 4000

// ---- chance ----

let state = seed >>> 0
function rnd(n) { // mulberry32
  state = (state + 0x6D2B79F5) >>> 0
  let t = state
  t = Math.imul(t ^ (t >>> 15), t | 1)
  t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
  return ((t ^ (t >>> 14)) >>> 0) % n
}
const one = (list) => list[rnd(list.length)]
const often = (n) => rnd(n) !== 0
const seldom = (n) => rnd(n) === 0

// ---- what is known ----

const hex = () => Array.from({ length: 32 }, () => rnd(16).toString(16)).join('')
const world = { assemblies: [], uploads: [], files: [], templates: [], sids: [], routes: [] }
const remember = (list, v) => { if (list.length > 200) list.splice(rnd(list.length), 1); list.push(v) }
const known = (list, otherwise) => (list.length && often(5) ? one(list) : otherwise)

const ODD = ['', '\0', '%00', '%', '..', '../../etc/passwd', '%2e%2e%2f', 'a'.repeat(300), 'ä€😀', '\xff', '-1', '0', '9223372036854775807', '1e99', 'null', 'true', '[]', '{}', '[[[[', '"', "'", '<script>', '\r\nX: y',
  '${file.name}', 'NaN', ' ', '\t', '*', '.*', '(((a+)+)+)+$', 'Infinity', '2099-01-01', '0x10', '1,2', '٣', '\u2028']
const oddJson = () => one([null, true, 0, -1, 1.5, 1e30, '', 'x', [], {}, [[]], [{}], { a: { b: {} } }, 'a'.repeat(100), '100px', '${fields.a}', 9007199254740993])

function steps() {
  const out = {}
  const names = [':original', 'a', 'b', 'c', '']
  for (let i = rnd(4); i >= 0; i--) {
    const s = { robot: one(['/image/resize', '/image/resize', '/image/facedetect', '/upload/handle', '/no/robot']), use: one([':original', 'a', 'b', [':original', 'a'], { steps: [':original'], bundle_steps: true }, oddJson()]) }
    for (const k of ['width', 'height', 'resize_strategy', 'result', 'format', 'crop', 'blur_regions', 'output_meta', 'ignore_errors', 'rotation', 'background', 'queue', 'text', 'zoom', 'quality'])
      if (seldom(5)) s[k] = seldom(3) ? oddJson() : one([10, true, 'fit', 'png', '#ff0000', { x1: 0, y1: 0, x2: '50%', y2: 5 }, ['meta']])
    out[often(8) ? one(names) : one(ODD)] = seldom(20) ? oddJson() : s
  }
  return out
}

function params(more = {}) {
  const p = { auth: { key: often(12) ? KEY : one(ODD), expires: often(12) ? '2099/01/01 00:00:00+00:00' : one(ODD) }, ...more }
  if (seldom(8)) p.auth[one(['max_size', 'max_number_of_files', 'referer', 'nonce', 'key', 'expires'])] = oddJson()
  if (seldom(8)) p[one(['steps', 'fields', 'template_id', 'notify_url', 'page', 'pagesize', 'type', 'fromdate', 'todate', 'keywords', 'sort', 'order', 'assembly_id', 'quiet', 'allow_steps_override', 'reparse_template'])] = oddJson()
  if (p.notify_url) delete p.notify_url // nothing is sent out
  let text = JSON.stringify(p)
  if (seldom(20)) text = mutate(Buffer.from(text)).toString('latin1')
  if (seldom(60)) text = '['.repeat(1 + rnd(400)) + text
  return text
}

// ---- bytes ----

function mutate(b) {
  b = Buffer.from(b)
  for (let n = 1 + rnd(4); n--;) {
    const at = rnd(b.length + 1), len = 1 + rnd(8)
    switch (rnd(7)) {
      case 0: if (b.length) b[at % b.length] ^= 1 << rnd(8); break
      case 1: b = Buffer.concat([b.subarray(0, at), b.subarray(at + len)]); break
      case 2: b = Buffer.concat([b.subarray(0, at), b.subarray(at, at + len * 4), b.subarray(at)]); break
      case 3: b = Buffer.concat([b.subarray(0, at), Buffer.from(one(ODD), 'latin1'), b.subarray(at)]); break
      case 4: b = b.subarray(0, at); break
      case 5: if (b.length) b[at % b.length] = rnd(256); break
      default: b = Buffer.concat([b.subarray(0, at), Buffer.from(one(['\r\n', '\n', ': ', ' ', '&', '=', '--', ';', '"', '/', '?', '0\r\n\r\n']), 'latin1'), b.subarray(at)])
    }
  }
  return b
}

function request(method, target, { headers = {}, body, framing } = {}) {
  const lines = [`${method} ${target} HTTP/1.${often(15) ? 1 : 0}`, ...(often(40) ? ['Host: 127.0.0.1'] : [])]
  const all = { ...headers }
  if (seldom(6)) all[one(['X-HTTP-Method-Override', 'Origin', 'Range', 'If-None-Match', 'If-Range', 'If-Modified-Since', 'Authorization', 'Referer', 'Accept', 'Accept-Encoding', 'Cookie', 'Expect', 'X-Forwarded-For', 'X-Forwarded-Host', 'Transloadit-Client', 'Last-Event-ID'])] =
    one(['DELETE', 'PUT', 'null', 'bytes=0-0', 'bytes=-5', '"x"', 'Bearer x', 'Basic Og==', 'http://x', '100-continue', '*/*', '1', ...ODD.filter((o) => !/[\r\n\0]/.test(o))])
  let data = body === undefined ? Buffer.alloc(0) : Buffer.from(body, typeof body === 'string' ? 'utf8' : undefined)
  if (body !== undefined || seldom(10)) {
    if (framing !== 'length' && seldom(4)) {
      all['Transfer-Encoding'] = 'chunked'
      const parts = []
      for (let at = 0; at < data.length;) {
        const n = Math.min(1 + rnd(200), data.length - at)
        parts.push(Buffer.from(`${n.toString(16)}\r\n`), data.subarray(at, at + n), Buffer.from('\r\n'))
        at += n
      }
      data = Buffer.concat([...parts, Buffer.from('0\r\n\r\n')])
    } else {
      all['Content-Length'] = seldom(25) ? one([data.length + 5, Math.max(0, data.length - 3), -1, '1e3', '99999999999999999999']) : data.length
    }
  }
  for (const [k, v] of Object.entries(all)) lines.push(`${k}: ${v}`)
  return Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1'), data])
}

function multipart(fields, files) {
  const boundary = one(['b', 'X-y_z', '----WebKitFormBoundary0123456789abcdef'])
  const parts = []
  for (const [name, value] of fields) parts.push(Buffer.from(`--${boundary}\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`))
  for (const [name, filename, data] of files)
    parts.push(Buffer.from(`--${boundary}\r\nContent-Disposition: form-data; name="${name}"; filename="${filename}"\r\nContent-Type: ${one(['image/png', 'text/plain', 'x'])}\r\n\r\n`), data, Buffer.from('\r\n'))
  if (seldom(6)) parts.reverse()
  let body = Buffer.concat([...parts, Buffer.from(`--${boundary}--\r\n`)])
  if (seldom(5)) body = mutate(body)
  return { headers: { 'Content-Type': `multipart/form-data; boundary=${boundary}` }, body }
}

const form = (fields) => ({ headers: { 'Content-Type': 'application/x-www-form-urlencoded' }, body: fields.map(([k, v]) => `${encodeURIComponent(k)}=${encodeURIComponent(v)}`).join('&') })

function someFile() {
  switch (rnd(5)) {
    case 0: return picture.subarray(0, rnd(picture.length))
    case 1: return mutate(picture)
    case 2: return Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"><rect width="5" height="5"/></svg>')
    case 3: return Buffer.alloc(rnd(3000), 'x')
    default: return picture
  }
}

// ---- conversations: each is a list of pieces for one connection, or a function that holds it ----

function signed(text) { return often(10) ? sign(text, one(['sha384', 'sha256', 'sha1'])) : one(ODD) }

function pathOf(template) {
  return template.replace(/\{(\w+)\}/g, (_, name) => {
    const id = /template|name/.test(name) ? known(world.templates, hex()) : known(world.assemblies, hex())
    return encodeURI(seldom(12) ? one(ODD) : name === 'n' ? '20001' : name === 'month' ? '2031-05' : name === 'path' ? known(world.files, '00/000000000000000000000000000000/x') : id)
  })
}

function routeRequest() {
  const r = one(world.routes)
  const text = params(seldom(2) ? { steps: steps() } : { name: hex(), type: 's3', content: oddJson(), template: { steps: steps() }, scopes: ['assemblies:read'] })
  const query = new URLSearchParams()
  for (const p of r.query) if (seldom(2)) query.set(p, seldom(3) ? one(ODD) : known(world.assemblies, hex()))
  const auth = [['params', text], ...(often(4) ? [['signature', signed(text)]] : [])]
  if (r.method === 'GET' || r.method === 'HEAD' || seldom(8)) {
    for (const [k, v] of auth) query.set(k, v)
    if (seldom(12)) query.set(one(['callback', 'method', 'jsonp', 'redirect_url', '_method']), one(['f', 'DELETE', '/x', ...ODD]))
  }
  if (/add_file/.test(r.path)) return { pieces: [request(r.method, pathOf(r.path), form([['url', 'ftp://127.0.0.1/'], ['size', one(ODD)]]))], whole: true }
  const search = query.size ? `?${query}` : ''
  return { pieces: [request(r.method, pathOf(r.path) + search, r.method === 'GET' || r.method === 'HEAD' ? {} : seldom(2) ? form([...auth, ...(seldom(4) ? [[one(ODD), one(ODD)]] : [])]) : multipart(auth, []))] }
}

function createAssembly() {
  const text = params(often(8) ? { steps: steps() } : { template_id: known(world.templates, hex()) })
  const files = []
  for (let i = rnd(3); i--;) files.push([one(['f', 'file', 'a[]', '../x']), one(['a.png', '', 'x/../y', 'ä.jpg', '.']), someFile()])
  const fields = [['params', text], ...(often(8) ? [['signature', signed(text)]] : []), ...(seldom(2) ? [[one(['num_expected_upload_files', 'tus_num_expected_upload_files']), one(['0', '1', '2', '5', ...ODD])]] : []),
    ...(seldom(4) ? [[one(['fields', 'a', '', 'params', '__proto__']), one(ODD)]] : [])]
  return { pieces: [request(one(['POST', 'POST', 'PUT']), seldom(3) ? `/assemblies/${known(world.assemblies, hex())}` : '/assemblies', multipart(fields, files))] }
}

const b64 = (s) => Buffer.from(s).toString('base64')

function tusRequest() {
  const version = { 'Tus-Resumable': often(20) ? '1.0.0' : one(ODD.filter((o) => !/[\r\n\0]/.test(o))) }
  const id = known(world.uploads, hex())
  const data = Buffer.alloc(rnd(2000), 'y')
  const meta = `assembly_url ${b64(`http://127.0.0.1/assemblies/${known(world.assemblies, hex())}`)},filename ${b64(one(['a.png', ...ODD]))},fieldname ${b64('f')}${seldom(4) ? `,${one(ODD.filter((o) => !/[\r\n\0]/.test(o)))} !!` : ''}`
  const sum = seldom(5) ? { 'Upload-Checksum': one(['sha1 AAAA', 'md5 1B2M2Y8AsgTpgAmY7PhCfg==', 'sha256 x', 'crc32 AAAA']) } : {}
  switch (rnd(7)) {
    case 0:
    case 1: return request('POST', '/resumable/files/', { headers: { ...version, 'Upload-Length': one([0, 1, data.length, 2000, 5000, -1, '9223372036854775807']), 'Upload-Metadata': meta, ...(seldom(4) ? { 'Upload-Concat': one(['partial', `final;/resumable/files/${known(world.uploads, hex())} ${hex()}`, 'final;']) } : {}),
      ...(seldom(5) ? { 'Upload-Defer-Length': '1' } : {}), ...sum, ...(seldom(3) ? { 'Content-Type': 'application/offset+octet-stream' } : {}) }, body: seldom(3) ? data : '' })
    case 2: return request('HEAD', `/resumable/files/${id}`, { headers: version })
    case 3: return request('DELETE', `/resumable/files/${id}`, { headers: version })
    default: return request('PATCH', `/resumable/files/${id}`, { headers: { ...version, 'Upload-Offset': one([0, 0, 0, data.length, 1, -1, '9e9']), 'Content-Type': often(10) ? 'application/offset+octet-stream' : 'x/y', ...sum, ...(seldom(8) ? { 'Upload-Length': rnd(3000) } : {}) }, body: data })
  }
}

function frame(opcode, payload, fin = true) {
  const data = Buffer.from(payload)
  const masked = often(20)
  const key = Buffer.from([1, 2, 3, 4])
  const length = seldom(25) ? one([0, 125, 126, 65535, 2 ** 31]) : data.length
  const head = length < 126 ? Buffer.from([0, length]) : length < 65536 ? Buffer.from([0, 126, length >> 8, length & 255]) : Buffer.concat([Buffer.from([0, 127, 0, 0, 0, 0]), Buffer.from(new Uint32Array([length]).buffer).reverse()])
  head[0] = (fin ? 0x80 : 0) | (seldom(25) ? rnd(128) : opcode)
  if (masked) head[1] |= 0x80
  return Buffer.concat([head, ...(masked ? [key, data.map((c, i) => c ^ key[i % 4])] : [data])])
}

const packet = () => one(['2probe', '5', '40', '41', '2', '3', '1', '6', '40/x,', '42["assembly_connect",{"id":"' + known(world.assemblies, hex()) + '"}]', '42["a"]', '42[', '451-["a",{"_placeholder":true,"num":0}]', 'b4AAAA', '4', '', `4${one(ODD)}`, `42["assembly_connect",${JSON.stringify(oddJson())}]`])

function webSocket() {
  const eio = one(['3', '4', '4', '2', ''])
  const sid = seldom(3) ? `&sid=${known(world.sids, hex())}` : ''
  const pieces = [request('GET', `/ws20001/?EIO=${eio}&transport=websocket${sid}`, { headers: { Connection: 'Upgrade', Upgrade: 'websocket', 'Sec-WebSocket-Version': often(20) ? 13 : 8, 'Sec-WebSocket-Key': often(20) ? 'dGhlIHNhbXBsZSBub25jZQ==' : 'x' } })]
  for (let n = rnd(12); n--;) {
    const p = Buffer.from(seldom(4) && eio === '3' ? packet() : packet())
    if (seldom(6) && p.length > 1) pieces.push(frame(1, p.subarray(0, 1), false), frame(seldom(3) ? 9 : 0, 'x'), frame(0, p.subarray(1)))
    else pieces.push(frame(one([1, 1, 1, 1, 1, 1, 2, 8, 9, 10]), p))
    if (seldom(20)) pieces.push(frame(9, 'p'.repeat(rnd(130))))
  }
  return { pieces, apart: true }
}

function polling() {
  const eio = one(['3', '4'])
  const sid = known(world.sids, hex())
  const body = eio === '4' ? Array.from({ length: 1 + rnd(4) }, packet).join('\x1e') : Array.from({ length: 1 + rnd(4) }, packet).map((p) => `${seldom(12) ? rnd(99999) : p.length}:${p}`).join('')
  const to = `/ws20001/?EIO=${seldom(10) ? one(ODD.map(encodeURIComponent)) : eio}&transport=polling&t=${rnd(1e6)}`
  return { pieces: [one([() => request('GET', to), () => request('GET', `${to}&sid=${sid}`), () => request('POST', `${to}&sid=${sid}`, { headers: { 'Content-Type': 'text/plain;charset=UTF-8' }, body }), () => request('OPTIONS', `${to}&sid=${sid}`)])()] }
}

function conversation() {
  switch (rnd(10)) {
    case 0:
    case 1: return createAssembly()
    case 2:
    case 3: return { pieces: Array.from({ length: 1 + rnd(3) }, tusRequest) }
    case 4: return webSocket()
    case 5: return polling()
    case 6: return { pieces: [Buffer.concat(Array.from({ length: 2 + rnd(6) }, () => one([routeRequest, createAssembly])().pieces[0]))] } // a pipeline
    case 7: return { pieces: [request('GET', `/ws20001?assembly=${known(world.assemblies, hex())}`, { headers: { Accept: 'text/event-stream' } })] }
    default: return routeRequest()
  }
}

// ---- a connection ----

function learn(text) {
  for (const m of text.matchAll(/"assembly_id":"([0-9a-f]{32})"/g)) remember(world.assemblies, m[1])
  for (const m of text.matchAll(/\/resumable\/files\/([0-9a-f]{32})/g)) remember(world.uploads, m[1])
  for (const m of text.matchAll(/\/tmpfiles\/([0-9a-f]{2}\/[0-9a-f]{30}\/[^"\s]+)/g)) remember(world.files, m[1])
  for (const m of text.matchAll(/"sid":"([0-9a-f]{32})"/g)) remember(world.sids, m[1])
  for (const m of text.matchAll(/"TEMPLATE_(?:CREATED|FOUND)".{0,80}?"id":"([0-9a-f]{32})"/gs)) remember(world.templates, m[1])
}

function talk(port) {
  const c = conversation()
  let pieces = c.pieces
  if (!c.whole && seldom(4)) pieces = pieces.map((p) => (seldom(2) ? mutate(p) : p))
  const slow = seldom(30), cut = seldom(10), deaf = seldom(25), deadline = Date.now() + (slow ? CONVERSATION_MS : 300 + rnd(700))
  return new Promise((done) => {
    const s = net.connect(port, '127.0.0.1')
    let got = '', over = false
    const end = () => { if (!over) { over = true; clearTimeout(timer); s.destroy(); learn(got); done() } }
    const timer = setTimeout(end, deadline - Date.now())
    s.on('error', end)
    s.on('close', end)
    if (!deaf) s.on('data', (d) => { if (got.length < 20000) got += d.toString('latin1') })
    s.on('connect', async () => {
      for (const p of pieces) {
        if (over) return
        if (cut && p === pieces.at(-1)) { s.write(p.subarray(0, rnd(p.length + 1))); if (seldom(2)) s.resetAndDestroy(); else s.end(); return }
        if (slow) for (let at = 0; at < p.length && !over; at += 1 + rnd(40)) { s.write(p.subarray(at, at + 40)); await sleep(30) }
        else s.write(p)
        if (c.apart || seldom(3)) await sleep(rnd(30))
      }
      if (seldom(3)) s.end()
    })
    stats.conversations++
    stats.pieces += pieces.length
  })
}

// ---- the run ----

const stats = { conversations: 0, pieces: 0 }
const picture = fs.readFileSync(new URL('../../build/pictures/astronaut.png', import.meta.url))
const problems = []
const cleanups = []
console.log(`seed ${seed}: repeat with SEED=${seed} MINUTES=${minutes} dev/fuzz net`)
const server = await Server.start({ after: (fn) => cleanups.push(fn) }, { args: ['--workers-media', '2', '--workers-transfer', '1', '--upload-expiry-s', '20', '--assembly-expiry-s', '60', '--status-rate', '0', '--log-level', 'warn'], allow: [/./] })
const api = await (await fetch(`${server.url}/openapi.json`)).json()
for (const [path, methods] of Object.entries(api.paths))
  for (const [method, o] of Object.entries(methods))
    if (o.responses && !path.startsWith('/companion')) world.routes.push({ path, method: method.toUpperCase(), query: (o.parameters || []).filter((p) => p.in === 'query' && p.name).map((p) => p.name) })

const health = await server.create({ a: { robot: '/image/resize', use: ':original', width: 5, result: true } }, { files: { 'a.png': picture }, signature: true })
await server.until(health.assembly_id)
const startRss = server.rss()
let peakRss = startRss, running = true
const waits = []

async function healthyClient() {
  while (running) {
    const t = performance.now()
    try {
      const r = await fetch(`${server.url}/assemblies/${health.assembly_id}`, { signal: AbortSignal.timeout(20000) })
      if ((await r.json()).ok !== 'ASSEMBLY_COMPLETED') problems.push(`the healthy client got ${r.status}`)
    } catch (e) {
      if (running) problems.push(`the healthy client: ${e.message}, ${e.cause?.message ?? ''}`)
    }
    waits.push(performance.now() - t)
    peakRss = Math.max(peakRss, server.rss())
    await sleep(200)
  }
}

let dead = null
server.exited.then((how) => { if (running) { dead = how; running = false } })
const end = Date.now() + minutes * 60000
const healthy = healthyClient().catch((e) => { if (!dead) problems.push(String(e)) })
await Promise.all(Array.from({ length: jobs }, async () => {
  while (running && Date.now() < end) await talk(server.port)
}))
running = false
await healthy
if (dead) problems.push(`the daemon died: ${JSON.stringify(dead)}`)

// what it did is forgotten after a while: Assemblies are cancelled or expire, uploads too
let endRss = 0
if (!dead) {
  for (let i = 0; i < 60; i++) {
    endRss = server.rss()
    if (endRss - startRss < rssBound * 2 ** 20) break
    await sleep(1000)
  }
  if (endRss - startRss >= rssBound * 2 ** 20) problems.push(`memory: ${Math.round(startRss / 2 ** 20)} MB at the start, ${Math.round(endRss / 2 ** 20)} MB at the end`)
  const { code, signal } = await server.stop()
  if (code !== 0) problems.push(`after SIGTERM it ended with ${code ?? signal}`)
}
for (const line of server.log.split('\n').filter((l) => / error |Sanitizer|runtime error/.test(l)).slice(0, 40)) problems.push(`log: ${line.slice(0, 300)}`)
if (process.env.REPORTS) for (const f of fs.readdirSync(process.env.REPORTS)) problems.push(`a sanitizer's report, ${process.env.REPORTS}/${f}:\n${fs.readFileSync(`${process.env.REPORTS}/${f}`, 'utf8').slice(0, 3000)}`)
waits.sort((a, b) => a - b)
const at = (p) => Math.round(waits[Math.min(waits.length - 1, Math.floor(waits.length * p))])
if (at(0.99) > statusBound) problems.push(`the healthy client waited ${at(0.99)} ms at p99`)
console.log(`${stats.conversations} conversations of ${stats.pieces} pieces; ${world.routes.length} routes, ${world.assemblies.length} Assemblies, ${world.uploads.length} uploads and ${world.sids.length} sessions known at the end`)
console.log(`status of the healthy client: median ${at(0.5)} ms, p99 ${at(0.99)} ms, most ${at(1)} ms of ${waits.length}`)
console.log(`memory: ${Math.round(startRss / 2 ** 20)} MB at the start, ${Math.round(peakRss / 2 ** 20)} at most, ${Math.round(endRss / 2 ** 20)} at the end`)
fs.rmSync(server.dir, { recursive: true, force: true })
for (const p of problems.slice(0, 40)) console.log(`  BROKEN ${p}`)
console.log(problems.length ? `network fuzz: ${problems.length} problems (seed ${seed})` : 'network fuzz: nothing was found')
process.exit(problems.length ? 1 : 0)

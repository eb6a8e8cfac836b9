// /html/convert with the real Chromium in the real jail: what it draws is looked at pixel by pixel, and what pages try
// to get at, or to go on with for ever, ends by name. The servers that pages ask are the test's own.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import http from 'node:http'
import { test } from 'node:test'
import { alive, Server, sleep } from './server.mjs'

// answer(req, res); seen: every request
async function serve(t, answer) {
  const seen = []
  const server = http.createServer((req, res) => { seen.push(req); answer(req, res) })
  await new Promise((r) => server.listen(0, '127.0.0.1', r))
  t.after(() => { server.closeAllConnections(); server.close() })
  return { seen, paths: () => seen.map((q) => q.url), port: server.address().port }
}
const say = (res, body, type = 'text/html; charset=utf-8', headers = {}) => {
  res.writeHead(200, { 'Content-Type': type, ...headers })
  res.end(body)
}

const step = (more = {}) => ({ robot: '/html/convert', use: ':original', result: true, ...more })
const body = async (r) => Buffer.from(await (await fetch(r.ssl_url)).arrayBuffer())
const rgba = ['-v', 'error', '-i', 'pipe:0', '-f', 'rawvideo', '-pix_fmt', 'rgba', '-']
const pixels = (data) => execFileSync('ffmpeg', rgba, { input: data, maxBuffer: 1 << 28 })
const pixel = (raw, width, x, y) => [...raw.subarray(4 * (y * width + x), 4 * (y * width + x) + 4)]
const near = (is, want) => is.every((v, i) => Math.abs(v - want[i]) <= 6)
const path = '<path d="M0 0h50v50H0z" fill="#d0d000"/>'
const yellow = `<svg xmlns="http://www.w3.org/2000/svg" width="50" height="50">${path}</svg>`
// one page of a test, in whatever form the steps ask for
const draw = async (s, steps, html, name = 'my page.html') => {
  const a = await s.create(steps, html === undefined ? {} : { files: { [name]: html } })
  return s.until(a.assembly_id, undefined, 60000)
}
const noBrowser = (s) => s.processes().filter(({ pid }) => {
  try {
    return /chrom|headless/.test(fs.readFileSync(`/proc/${pid}/comm`, 'utf8'))
  } catch { return false }
})
const gone = async (s) => { // beside the answer of a job that went well it ends by itself
  for (const end = Date.now() + 10000; noBrowser(s).length && Date.now() < end;) await sleep(20)
  assert.deepEqual(noBrowser(s), [])
}

test('a file becomes a picture of the whole page, of its top, without background, and a PDF', async (t) => {
  const s = await Server.start(t)
  const page = `<style>body{margin:0}div{height:1000px}.a{background:#c02010}.b{background:#1040b0;width:50%}</style>
    <div class=a></div><div class=b></div>`
  const done = await draw(s, {
    whole: step(),
    top: step({ fullpage: false, width: 300, height: 200, format: 'jpg', wait_until: 'load' }),
    clear: step({ omit_background: true, width: 400, wait_until: 'domcontentloaded', delay: 50 }),
    paper: step({ format: 'pdf', pdf_format: 'A5', pdf_margin: '1cm,1cm,1cm,1cm', wait_until: 'commit', delay: 300,
      pdf_display_header_footer: true,
      pdf_footer_template: '<span style="font-size:20px">foot <b class=pageNumber></b></span>' }),
  }, page)
  assert.equal(done.ok, 'ASSEMBLY_COMPLETED', JSON.stringify(done).slice(0, 1500))
  const { whole: [whole], top: [top], clear: [clear], paper: [paper] } = done.results
  assert.deepEqual([whole.name, whole.mime], ['my page.png', 'image/png'])
  assert.deepEqual([whole.meta.width, whole.meta.height], [1024, 2000])
  const all = pixels(await body(whole))
  assert.deepEqual(pixel(all, 1024, 5, 5), [0xc0, 0x20, 0x10, 255])
  assert.deepEqual(pixel(all, 1024, 5, 1995), [0x10, 0x40, 0xb0, 255])
  assert.deepEqual(pixel(all, 1024, 1000, 1995), [255, 255, 255, 255])
  assert.deepEqual([top.name, top.mime, top.meta.width, top.meta.height], ['my page.jpg', 'image/jpeg', 300, 200])
  assert.ok(near(pixel(pixels(await body(top)), 300, 150, 190), [0xc0, 0x20, 0x10, 255]))
  assert.deepEqual(pixel(pixels(await body(clear)), 400, 390, 1995), [0, 0, 0, 0])
  assert.deepEqual([paper.name, paper.mime], ['my page.pdf', 'application/pdf'])
  assert.ok(paper.meta.page_count >= 3, JSON.stringify(paper.meta))
  const words = execFileSync('pdftotext', ['-', '-'], { input: await body(paper) }).toString()
  assert.match(words, /foot 1[^]*foot 2/)
  await gone(s)
  await s.scratchEmpty()
})

test('a page of the web has its pictures, scripts, cookies and redirects, and our headers at home alone', async (t) => {
  const s = await Server.start(t, { args: ['--import-allow', '127.0.0.0/8'] })
  const other = await serve(t, (req, res) => say(res, 'document.body.style.background = "#00a000"', 'text/javascript'))
  const there = await serve(t, (req, res) => {
    if (req.url === '/') return void res.writeHead(302, { Location: '/page', 'Set-Cookie': 'seen=1' }).end()
    if (req.url === '/late') return void say(res, '#0000ff', 'text/plain')
    if (req.url === '/a.svg') return void say(res, yellow, 'image/svg+xml')
    say(res, `<body style="margin:0"><img src=/a.svg style="display:block">
      <p id=x style="height:50px;margin:0;width:50px">
      <script src="http://127.0.0.1:${other.port}/s.js"></script>
      <script>setTimeout(async () => {
        x.style.background = await (await fetch('/late', { method: 'POST', body: 'grüße' })).text() }, 200)</script>`)
  })
  const url = `http://127.0.0.1:${there.port}/`
  const headers = { 'X-Key': 'open sesame' }
  const done = await draw(s, { p: { robot: '/html/convert', url, width: 200, result: true, headers } })
  assert.equal(done.ok, 'ASSEMBLY_COMPLETED', JSON.stringify(done).slice(0, 1500))
  const [r] = done.results.p
  assert.equal(r.name, '127.0.0.1.png')
  const raw = pixels(await body(r))
  assert.deepEqual(pixel(raw, 200, 25, 25), [0xd0, 0xd0, 0, 255]) // the picture
  assert.deepEqual(pixel(raw, 200, 25, 75), [0, 0, 255, 255]) // what the script fetched in the end
  assert.deepEqual(pixel(raw, 200, 190, 25), [0, 0xa0, 0, 255]) // what the other site's script did
  assert.ok(there.seen.every((q) => q.headers['x-key'] === 'open sesame'))
  assert.deepEqual(other.seen.map((q) => [q.url, q.headers['x-key']]), [['/s.js', undefined]])
  assert.match(there.seen.find((q) => q.url === '/page').headers.cookie, /seen=1/)
  assert.equal(there.seen.find((q) => q.url === '/late').headers['content-length'], '7')
})

test('no page, frame, picture, script, worker or redirect reaches a private address', async (t) => {
  const there = await serve(t, (req, res) => {
    if (req.url === '/away') return void res.writeHead(302, { Location: 'http://169.254.169.254/latest/' }).end()
    say(res, 'secret')
  })
  const secret = `http://127.0.0.1:${there.port}`
  const s = await Server.start(t)
  const page = `<body style="margin:0;background:#fff"><iframe src="${secret}/frame"></iframe>
    <img src="${secret}/picture">
    <script src="${secret}/script"></script><link rel=stylesheet href="${secret}/style"><script>
    let n = 0; const bad = () => { if (++n === 5) document.body.style.background = '#123456' }
    fetch('${secret}/fetch').catch(bad); fetch('http://169.254.169.254/latest/').catch(bad)
    fetch('http://localhost:${there.port}/', { mode: 'no-cors' }).catch(bad)
    const w = new WebSocket('ws://127.0.0.1:${there.port}/socket'); w.onerror = bad
    const k = new Worker(URL.createObjectURL(new Blob(["fetch('${secret}/worker').catch(() => postMessage(1))"])))
    k.onmessage = bad
    new RTCPeerConnection({ iceServers: [{ urls: 'stun:127.0.0.1:${there.port}' }] }).createDataChannel('x')
    navigator.sendBeacon('${secret}/beacon', 'x'); window.open('${secret}/window')
    </script>`
  const done = await draw(s, { p: step({ width: 100 }) }, page)
  assert.equal(done.ok, 'ASSEMBLY_COMPLETED', JSON.stringify(done).slice(0, 1500))
  const raw = pixels(await body(done.results.p[0]))
  const { width, height } = done.results.p[0].meta
  assert.deepEqual(pixel(raw, width, width - 3, height - 3), [0x12, 0x34, 0x56, 255], 'all five are refused')
  assert.deepEqual(there.paths(), [])

  const refused = await draw(s, { p: { robot: '/html/convert', url: `${secret}/`, result: true } })
  assert.equal(refused.error, 'INTERNAL_COMMAND_ERROR', JSON.stringify(refused).slice(0, 1500))
  assert.equal(refused.is_private_address, true)
  assert.deepEqual([refused.url, refused.url_host], [`${secret}/`, `127.0.0.1:${there.port}`])
  assert.match(refused.playwright_error_code, /^net::ERR_/)
  assert.deepEqual(there.paths(), [])

  const open = await Server.start(t, { args: ['--import-allow', '127.0.0.0/8'] })
  const away = await draw(open, { p: { robot: '/html/convert', url: `${secret}/away`, result: true } })
  assert.equal(away.error, 'INTERNAL_COMMAND_ERROR')
  assert.equal(away.is_private_address, true)
  assert.equal(away.url_host, '169.254.169.254')
})

test('a page that never ends, asks, prints, downloads, redirects or takes all memory ends by name', async (t) => {
  const args = ['--job-timeout-s', '12', '--workers-browser', '2', '--import-allow', '127.0.0.0/8']
  const s = await Server.start(t, { args })
  const there = await serve(t, (req, res) => {
    const n = Number(req.url.slice(2))
    if (req.url.startsWith('/r')) return void res.writeHead(302, { Location: `/r${n + 1}` }).end()
    say(res, 'bytes', 'application/octet-stream', { 'Content-Disposition': 'attachment; filename="x.bin"' })
  })
  const at = `http://127.0.0.1:${there.port}`
  const hostile = { // null: it is drawn all the same
    loop: ['<script>for (;;);</script>', 'INTERNAL_COMMAND_TIMEOUT'],
    moves: ['<script>setTimeout(() => { location = "?" + Math.random() }, 100)</script>', null], // in time, or not, or gone
    asks: ['<script>for (let i = 0; i < 9; i++) { alert(i); confirm(i); prompt(i) }</script>', null],
    windows: ['<script>for (let i = 0; i < 20; i++) window.open("about:blank"); print()</script>', null],
    download: [`<a id=a href="${at}/file" download>x</a><script>a.click()</script>`, null],
    memory: ['<script>const a = []; for (;;) a.push(new Uint8Array(1 << 24).fill(1))</script>', null],
  }
  for (const group of [['loop', 'moves'], ['asks', 'windows'], ['download', 'memory']]) {
    const all = await Promise.all(group.map(async (name) => [name, await draw(s, { p: step() }, hostile[name][0])]))
    for (const [name, done] of all) {
      const may = done.error && ['memory', 'moves'].includes(name)
      const want = hostile[name][1] ?? (may ? done.error : 'ASSEMBLY_COMPLETED')
      assert.equal(done.error ?? done.ok, want, `${name}: ${JSON.stringify(done).slice(0, 800)}`)
      assert.ok(!done.error || /^INTERNAL_COMMAND_/.test(done.error), name)
    }
  }
  for (const [path, code] of [['/r1', /REDIRECTS/], ['/file', /ABORTED/]]) {
    const done = await draw(s, { p: { robot: '/html/convert', url: at + path, result: true } })
    assert.equal(done.error, 'INTERNAL_COMMAND_ERROR', path)
    assert.match(done.playwright_error_code, code)
  }
  await gone(s)
  await s.scratchEmpty()
})

test('a cancel in the middle leaves no process and no file', async (t) => {
  const s = await Server.start(t)
  const a = await s.create({ p: step() }, { files: { 'a.html': '<script>for (;;);</script>' } })
  for (const end = Date.now() + 20000; noBrowser(s).length < 2 && Date.now() < end;) await sleep(20)
  await sleep(300)
  const running = noBrowser(s).map((p) => p.pid)
  assert.ok(running.length >= 2, 'the browser runs')
  const got = await s.cancel(a.assembly_id)
  assert.equal(got.ok, 'ASSEMBLY_CANCELED')
  assert.equal(got.cancel.settled, true)
  assert.deepEqual(running.filter(alive), [])
  assert.deepEqual(noBrowser(s), [])
  assert.deepEqual(s.scratchFiles(), [])
})

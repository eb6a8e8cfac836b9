// Uppy as it is on people's pages, in a real browser: each version with its Dashboard, against the real server.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import fs from 'node:fs'
import http from 'node:http'
import net from 'node:net'
import { after, before, describe, test } from 'node:test'
import { withCompanion } from '../e2e/companion.mjs'
import { picture, Server, sleep } from '../e2e/server.mjs'
import { bundle, out, versions } from './bundle.mjs'
import { openBrowser, openSite, Tab } from './site.mjs'

const small = { ':original': { robot: '/upload/handle' }, small: { robot: '/image/resize', use: ':original', width: 60, result: true } }
const huge = { ':original': { robot: '/upload/handle' }, huge: { robot: '/image/resize', use: ':original', width: 9000, format: 'avif', result: true } }
const stored = { ':original': { robot: '/upload/handle', result: true } }
const photo = (name) => ({ name, mimeType: 'image/png', buffer: fs.readFileSync(picture) })
const bytes = (name, size) => ({ name, mimeType: 'application/octet-stream', buffer: randomBytes(size) })

let browser
let site
before(async () => {
  fs.mkdirSync(out, { recursive: true })
  await Promise.all([...versions.map(bundle), openBrowser().then((b) => { browser = b }), openSite().then((s) => { site = s })])
})
after(async () => {
  await browser?.close()
  site?.close()
})

async function begin(t, version, steps, { server, ...options } = {}) {
  const s = server || await Server.start(t, { args: ['--require-signature'] })
  const tab = await Tab.open(t, browser, site, version, { service: s.url, params: { steps }, ...options })
  return { s, tab }
}
const created = (tab) => tab.until('an Assembly', (seen) => seen.assemblies[0])
const halfway = (s, id, share) => s.until(id, (a) => a.tus_uploads.some((u) => u.offset > u.size * share), 20000)

// The server behind a proxy that takes its time with connections for events only.
async function slowEvents(t, s, ms) {
  const { hostname, port } = new URL(s.url)
  const wait = (req) => sleep(/^\/ws/.test(req.url) ? ms : 0)
  const proxy = http.createServer(async (req, res) => {
    await wait(req)
    const up = http.request({ hostname, port, path: req.url, method: req.method, headers: req.headers }, (r) => {
      res.writeHead(r.statusCode, r.headers)
      r.pipe(res)
    })
    up.on('error', () => res.destroy())
    res.on('close', () => up.destroy())
    req.pipe(up)
  })
  proxy.on('upgrade', async (req, socket, head) => {
    await wait(req)
    const up = net.connect(port, hostname)
    for (const [a, b] of [[up, socket], [socket, up]]) a.on('error', () => b.destroy())
    up.write(`GET ${req.url} HTTP/1.1\r\n${Object.entries(req.headers).map(([k, v]) => `${k}: ${v}\r\n`).join('')}\r\n`)
    up.write(head)
    up.pipe(socket).pipe(up)
  })
  await new Promise((r) => proxy.listen(0, '127.0.0.1', r))
  t.after(() => { proxy.closeAllConnections(); proxy.close() })
  return `http://127.0.0.1:${proxy.address().port}`
}

async function isCanceled(s, id) {
  const status = await s.until(id, (a) => a.ok === 'ASSEMBLY_CANCELED', 10000)
  for (const end = Date.now() + 3000; s.busyWorkers().length || s.partialUploads().length; await sleep(50)) {
    assert.ok(Date.now() < end, `left: ${s.busyWorkers()} ${s.partialUploads()}`)
  }
  return status
}

describe('Uppy', { concurrency: 2 }, () => {
  for (const version of versions) {
    test(`Uppy ${version}: two files, signed; metadata, encoding, results`, async (t) => {
      const { s, tab } = await begin(t, version, small)
      await tab.add([photo('one.png'), photo('two \u{1F600}.png')])
      await tab.upload()
      const complete = await tab.until('completion', (seen) => seen.complete)
      assert.deepEqual(complete, { successful: 2, failed: 0, transloadit: ['ASSEMBLY_COMPLETED'] })
      const seen = await tab.seen()
      assert.equal(seen.results.length, 2)
      assert.deepEqual([...seen.results], ['small', 'small'])
      for (const once of ['transloadit:assembly-created', 'transloadit:complete']) assert.equal(seen.events.filter((e) => e === once).length, 1, once)
      assert.equal(seen.events.filter((e) => e === 'transloadit:upload').length, 2)
      assert.ok(seen.events.indexOf('transloadit:assembly-executing') > seen.events.lastIndexOf('transloadit:upload'))
      await tab.page.locator('.uppy-StatusBar.is-complete').waitFor()
      await tab.picture('done')
      const status = await s.get(seen.assemblies[0])
      assert.equal(status.uploads[0].meta.width, 512)
      assert.deepEqual(tab.console.filter((l) => /uncaught|CORS|socket|deprecat.*transloadit/i.test(l)), [])
    })

    test(`Uppy ${version}: what happens before it is connected is told as well`, async (t) => {
      const s = await Server.start(t, { args: ['--require-signature'] })
      const { tab } = await begin(t, version, small, { server: { url: await slowEvents(t, s, 1500) } })
      await tab.add([photo('one.png'), photo('two.png')])
      await tab.upload()
      const complete = await tab.until('completion', (seen) => seen.complete)
      assert.equal(complete.successful, 2)
      const seen = await tab.seen()
      assert.equal(seen.results.length, 2)
      assert.equal(seen.events.filter((e) => e === 'transloadit:upload').length, 2)
    })

    test(`Uppy ${version}: pause and resume`, async (t) => {
      const { s, tab } = await begin(t, version, stored)
      await tab.throttle(1.5e6)
      await tab.add(bytes('large.bin', 4e6))
      await tab.upload()
      const id = await created(tab)
      await halfway(s, id, 0.2)
      await tab.pauseOrResume()
      // what is on its way still arrives; then there is rest
      const offset = async () => (await s.get(id)).tus_uploads[0].offset
      let at = { offset: await offset() }
      let still = 0
      for (let i = 0; i < 12 && still < 2; i++) {
        await sleep(500)
        const now = await offset()
        still = now === at.offset ? still + 1 : 0
        at = { offset: now }
      }
      assert.equal(still, 2, 'it does not rest when it is paused')
      assert.ok(at.offset < 4e6)
      await tab.picture('paused')
      await tab.pauseOrResume()
      const complete = await tab.until('completion', (seen) => seen.complete)
      assert.equal(complete.successful, 1)
      assert.equal((await s.get(id)).uploads[0].size, 4e6)
    })

    test(`Uppy ${version}: cancel during the upload`, async (t) => {
      const { s, tab } = await begin(t, version, stored)
      await tab.throttle(1.5e6)
      await tab.add(bytes('large.bin', 6e6))
      await tab.upload()
      const id = await created(tab)
      await halfway(s, id, 0.1)
      await tab.cancel()
      await isCanceled(s, id)
      await tab.picture('canceled')
    })

    test(`Uppy ${version}: cancel during the encoding`, async (t) => {
      const { s, tab } = await begin(t, version, huge)
      await tab.add(photo('a.png'))
      await tab.upload()
      const id = await created(tab)
      await s.until(id, (a) => a.ok === 'ASSEMBLY_EXECUTING')
      for (const end = Date.now() + 10000; !s.busyWorkers().length; await sleep(20)) assert.ok(Date.now() < end, 'no job')
      await sleep(300)
      await tab.picture('encoding')
      await tab.cancel()
      await isCanceled(s, id)
    })

    test(`Uppy ${version}: the server dies during the upload and comes back`, async (t) => {
      const { s, tab } = await begin(t, version, small)
      await tab.throttle(4e5)
      await tab.add([photo('one.png'), photo('two.png')])
      await tab.upload()
      const id = await created(tab)
      await halfway(s, id, 0.2)
      await s.kill9()
      await sleep(700)
      await tab.picture('lost')
      await s.boot()
      await tab.throttle(0)
      // Some versions go on by themselves, others offer "Retry", which may be a new Assembly for what was not yet in.
      await tab.until('completion', async (seen) => {
        if (await tab.retry().isVisible()) await tab.retry().click()
        return seen.events.includes('transloadit:complete') && (await tab.files()).every((f) => !f.error)
      }, 30000)
      const done = (await Promise.all((await tab.seen()).assemblies.map((a) => s.get(a)))).filter((a) => a.ok === 'ASSEMBLY_COMPLETED')
      const results = done.flatMap((a) => a.results.small)
      assert.deepEqual([...new Set(results.map((r) => r.name))].sort(), ['one.png', 'two.png'])
      assert.equal(new Set(done.flatMap((a) => a.uploads).map((u) => u.md5hash)).size, 1, 'whole files')
    })
  }

  const newest = versions.at(-1)
  test(`Uppy ${newest}: Golden Retriever goes on after the page was closed in mid-upload`, async (t) => {
    const { s, tab } = await begin(t, newest, small, { golden: true })
    await tab.throttle(4e5)
    await tab.add([photo('one.png'), photo('two.png')])
    await tab.upload()
    const id = await created(tab)
    await halfway(s, id, 0.3)
    await sleep(1000) // it writes down what it has, now and then
    await tab.load()
    await tab.throttle(0)
    await tab.until('its memory', (seen) => seen.events.includes('restored'))
    await tab.picture('restored')
    await tab.upload()
    const complete = await tab.until('completion', (seen) => seen.complete)
    assert.equal(complete.successful, 2)
    const status = await s.get(id)
    assert.equal(status.ok, 'ASSEMBLY_COMPLETED', 'the Assembly of before')
    assert.equal(status.results.small.length, 2)
  })

  test(`Uppy ${newest}: a file is imported by its address, through the Companion behind the server`, async (t) => {
    const files = http.createServer((req, res) => {
      res.writeHead(200, { 'Content-Type': 'image/png', 'Content-Length': fs.statSync(picture).size })
      if (req.method === 'HEAD') res.end()
      else fs.createReadStream(picture).pipe(res)
    }).listen(0, '127.0.0.1')
    t.after(() => { files.closeAllConnections(); files.close() })
    const { s } = await withCompanion(t, { args: ['--require-signature'], env: { COMPANION_CLIENT_ORIGINS: site.url } })
    const { tab } = await begin(t, newest, small, { server: s, url: true, companionUrl: `${s.url}/companion` })
    const elsewhere = []
    for (const what of ['request', 'websocket']) tab.page.on(what, (r) => { if (!r.url().replace('ws:', 'http:').startsWith(s.url)) elsewhere.push(r.url()) })
    await tab.page.getByRole('tab', { name: 'Link' }).click()
    await tab.page.locator('.uppy-Url-input').fill(`http://127.0.0.1:${files.address().port}/astronaut.png`)
    await tab.picture('import')
    await tab.page.locator('.uppy-Url-importButton').click()
    await tab.until('the file', async () => (await tab.files()).length === 1)
    await tab.upload()
    const complete = await tab.until('completion', (seen) => seen.complete)
    assert.deepEqual(complete, { successful: 1, failed: 0, transloadit: ['ASSEMBLY_COMPLETED'] })
    await tab.page.locator('.uppy-StatusBar.is-complete').waitFor()
    await tab.picture('imported')
    const status = await s.get((await tab.seen()).assemblies[0])
    assert.equal(status.ok, 'ASSEMBLY_COMPLETED')
    assert.equal(status.uploads[0].name, 'astronaut.png')
    assert.equal(status.uploads[0].is_tus_file, true)
    assert.equal(status.results.small[0].meta.width, 60)
    assert.deepEqual(elsewhere.filter((u) => !u.startsWith(`${site.url}/sign`)), [], 'one origin is enough')
    assert.deepEqual(tab.console.filter((l) => /uncaught|CORS|socket/i.test(l)), [])
  })
})

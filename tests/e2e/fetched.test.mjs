// A parameter that names a file by its address (watermark_url): the server gets the file, and the Robot, which has no
// network, uses it.
import assert from 'node:assert/strict'
import http from 'node:http'
import { test } from 'node:test'
import zlib from 'node:zlib'
import { picture, Server } from './server.mjs'
import fs from 'node:fs'

// A PNG of one colour.
function png(w, h, [r, g, b]) {
  const chunk = (type, data) => {
    const body = Buffer.concat([Buffer.from(type), data]), out = Buffer.alloc(body.length + 8)
    out.writeUInt32BE(data.length, 0)
    body.copy(out, 4)
    out.writeUInt32BE(zlib.crc32(body), body.length + 4)
    return out
  }
  const head = Buffer.alloc(13)
  head.writeUInt32BE(w, 0)
  head.writeUInt32BE(h, 4)
  head.set([8, 2, 0, 0, 0], 8)
  const row = Buffer.concat([Buffer.from([0]), Buffer.alloc(3 * w).map((_, i) => [r, g, b][i % 3])])
  return Buffer.concat([Buffer.from('89504e470d0a1a0a', 'hex'), chunk('IHDR', head),
    chunk('IDAT', zlib.deflateSync(Buffer.concat(Array(h).fill(row)))), chunk('IEND', Buffer.alloc(0))])
}

const red = png(40, 20, [255, 0, 0])
const upload = fs.readFileSync(picture)

async function origin(t, answer) {
  const seen = []
  const server = http.createServer((req, res) => {
    seen.push({ url: req.url, res })
    answer(req, res)
  })
  await new Promise((r) => server.listen(0, '127.0.0.1', r))
  t.after(() => { server.closeAllConnections(); server.close() })
  return { seen, url: `http://127.0.0.1:${server.address().port}` }
}

const start = (t, args = ['--import-allow', '127.0.0.0/8']) => Server.start(t, { args })
const over = {
  robot: '/image/resize', use: ':original', width: 64, watermark_size: '100%', watermark_resize_strategy: 'stretch', result: true,
}
const files = (n) => ({ files: Object.fromEntries(Array.from({ length: n }, (_, i) => [`p${i}.png`, upload])) })

test('watermark_url is fetched once, laid over each file, and shows nowhere else', async (t) => {
  const s = await start(t)
  const there = await origin(t, (req, res) => setTimeout(() => res.end(red), 100))
  const m = { ...over, watermark_url: `${there.url}/logo.png` }
  const a = await s.create({ m, n: { ...m, use: 'm', width: 32 } }, files(2))
  const done = await s.until(a.assembly_id)
  assert.equal(done.ok, 'ASSEMBLY_COMPLETED', done.message)
  assert.equal(there.seen.length, 1)
  assert.deepEqual(Object.keys(done.results).sort(), ['m', 'n'])
  for (const step of ['m', 'n']) {
    assert.equal(done.results[step].length, 2)
    for (const f of done.results[step]) {
      assert.match(f.meta.average_color, /^#f[a-f0-9]0[0-9]0[0-9]$/i, f.meta.average_color)
      assert.match(f.original_name, /^p\d\.png$/)
    }
  }
  assert.equal(done.uploads.length, 2)
  assert.ok(!JSON.stringify(done.started_jobs ?? []).includes('http'))
  assert.deepEqual(done.warnings ?? [], [])
})

test('what cannot be fetched fails the Step that names it', async (t) => {
  const s = await start(t)
  const there = await origin(t, (req, res) => {
    if (req.url === '/gone') res.writeHead(404)
    res.end(req.url === '/page' ? '<html><body>no picture</body></html>' : undefined)
  })
  const run = async (watermark_url) =>
    s.until((await s.create({ m: { ...over, watermark_url } }, files(1))).assembly_id)
  const gone = await run(`${there.url}/gone`)
  assert.equal(gone.error, 'HTTP_IMPORT_NOT_FOUND')
  assert.equal(gone.step, 'm')
  const page = await run(`${there.url}/page`)
  assert.equal(page.error, 'INTERNAL_COMMAND_ERROR', page.message)
  assert.match(page.message, /watermark/)
})

test('the address is guarded like that of an import', async (t) => {
  const s = await start(t, [])
  const there = await origin(t, (req, res) => res.end(red))
  const a = await s.create({ m: { ...over, watermark_url: `${there.url}/logo.png` } }, files(1))
  const done = await s.until(a.assembly_id)
  assert.equal(done.error, 'HTTP_IMPORT_ACCESS_DENIED', done.message)
  assert.equal(there.seen.length, 0)
})

test('a cancel ends the fetch', async (t) => {
  const s = await start(t)
  const there = await origin(t, (req, res) => res.writeHead(200, { 'Content-Length': 1e6 }).write('x')) // and no more
  const a = await s.create({ m: { ...over, watermark_url: `${there.url}/logo.png` } }, files(1))
  while (!there.seen.length) await new Promise((r) => setTimeout(r, 20))
  const closed = new Promise((r) => there.seen[0].res.on('close', r))
  const gone = await s.cancel(a.assembly_id)
  assert.equal(gone.ok, 'ASSEMBLY_CANCELED')
  await closed
})

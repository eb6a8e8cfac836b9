// Notifications as a receiver sees them: signed, retried, replayed, never lost, never in each other's way.
import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import fs from 'node:fs'
import http from 'node:http'
import test from 'node:test'
import { multiply } from './copies.mjs'
import { KEY, SECRET, Server, picture, sign, sleep } from './server.mjs'

const allow = ['--notify-allow', '127.0.0.1']

// A receiver that answers what `how` says for the n-th request of a path.
async function receiver(t, how = () => 200) {
  const got = []
  const server = http.createServer((req, res) => {
    let body = ''
    req.on('data', (d) => { body += d })
    req.on('end', async () => {
      const form = new URLSearchParams(body)
      const text = form.get('transloadit')
      const n = got.filter((g) => g.path === req.url).length
      got.push({ path: req.url, headers: req.headers, text, status: text && JSON.parse(text), signature: form.get('signature'), at: Date.now() })
      const code = await how(n, req.url)
      res.writeHead(code, code === 302 ? { location: '/elsewhere' } : {}).end(`answer ${n}`)
    })
  })
  await new Promise((r) => server.listen(0, '127.0.0.1', r))
  t.after(() => { server.closeAllConnections(); server.close() })
  return { got, url: `http://127.0.0.1:${server.address().port}/hook` }
}
const until = async (done, ms = 15000) => {
  for (const end = Date.now() + ms; !done();) { assert.ok(Date.now() < end, 'timed out'); await sleep(20) }
}
const resize = { small: { robot: '/image/resize', use: ':original', width: 50, result: true } }
const files = () => ({ files: { 'a.png': fs.readFileSync(picture) } })

async function call(s, method, path, params = {}) {
  const text = JSON.stringify({ auth: { key: KEY, expires: '2099-01-01T00:00:00Z' }, ...params })
  const form = new URLSearchParams({ params: text, signature: sign(text) })
  const res = method === 'GET' ? await fetch(`${s.url}${path}?${form}`) : await fetch(`${s.url}${path}`, { method, body: form })
  return { http: res.status, ...(await res.json()) }
}

test('every kind of end is told, signed over the exact text', async (t) => {
  const r = await receiver(t)
  const s = await Server.start(t, { args: allow })
  const ok = await s.create(resize, { ...files(), params: { notify_url: r.url } })
  const bad = await s.create(resize, { files: { 'x.png': Buffer.from('\x89PNG\r\n\x1a\nbroken', 'latin1') }, params: { notify_url: `${r.url}/bad` } })
  const gone = await s.create({ huge: { robot: '/image/resize', use: ':original', width: 9000, format: 'avif' } }, { ...files(), params: { notify_url: `${r.url}/gone` } })
  await s.until(ok.assembly_id)
  await s.until(bad.assembly_id)
  await s.cancel(gone.assembly_id)
  await until(() => r.got.length === 3)
  for (const g of r.got) {
    assert.equal(g.signature, `sha384:${createHmac('sha384', SECRET).update(g.text).digest('hex')}`)
    assert.match(g.headers['content-type'], /^application\/x-www-form-urlencoded/)
    assert.ok(Number(g.headers['content-length']) > 0)
    assert.match(g.headers['workcell-delivery'], /^[0-9a-f]{32}$/)
    assert.equal(g.status.notify_status, null)
    assert.equal(g.status.notify_start, null)
  }
  const of = (a) => r.got.find((g) => g.status.assembly_id === a.assembly_id).status
  assert.equal(of(ok).ok, 'ASSEMBLY_COMPLETED')
  assert.equal(of(ok).results.small[0].meta.width, 50)
  assert.ok(of(bad).error)
  assert.equal(of(gone).ok, 'ASSEMBLY_CANCELED')
  assert.equal(of(gone).cancel.settled, true)
  assert.equal(of(gone).cancel.notification, 'queued')
  const after = await s.until(ok.assembly_id, (x) => x.notify_status === 'successful')
  assert.equal(after.notify_url, r.url)
  assert.equal(after.notify_response_code, 200)
  assert.equal(after.notify_response_data, 'answer 0')
  assert.equal(after.notify_error, null)
  assert.ok(after.notify_duration > 0)
  assert.match(after.notify_start, /^\d{4}\/\d\d\/\d\d \d\d:\d\d:\d\d GMT$/)
})

test('a refusal is tried again with growing pauses; a redirect is a refusal; the ledger shows each attempt', async (t) => {
  const r = await receiver(t, (n) => [500, 302, 204][n] ?? 200)
  const s = await Server.start(t, { args: allow })
  const a = await s.create(resize, { ...files(), params: { notify_url: r.url } })
  await until(() => r.got.length === 3)
  assert.ok(r.got.every((g) => g.path === '/hook'), 'the redirect was not followed')
  assert.equal(new Set(r.got.map((g) => g.headers['workcell-delivery'])).size, 1)
  const pauses = [r.got[1].at - r.got[0].at, r.got[2].at - r.got[1].at]
  assert.ok(pauses[0] >= 950 && pauses[1] >= 1900, `pauses ${pauses}`)
  await s.until(a.assembly_id, (x) => x.notify_status === 'successful')
  const list = await call(s, 'GET', `/assembly_notifications/${a.assembly_id}`, { order: 'asc' })
  assert.deepEqual(list.items.map((i) => i.response_code), [500, 302, 204])
  assert.equal(list.count, 3)
  assert.equal(list.items[0].assembly_id, a.assembly_id)
  assert.match(list.items[0].created, /^\d{4}-\d\d-\d\dT.*Z$/)
  const failed = await call(s, 'GET', '/assembly_notifications', { type: 'failed', pagesize: 1, page: 2, order: 'asc' })
  assert.equal(failed.count, 2)
  assert.deepEqual(failed.items.map((i) => i.response_code), [302])
  const bad = await call(s, 'GET', '/assembly_notifications', { type: 'nonsense' })
  assert.equal(bad.error, 'ASSEMBLY_NOTIFICATIONS_LIST_ERROR')
  assert.equal(bad.http, 400)
})

test('private addresses are out of reach unless allowed', async (t) => {
  const r = await receiver(t)
  const s = await Server.start(t)
  const a = await s.create(resize, { ...files(), params: { notify_url: r.url } })
  const done = await s.until(a.assembly_id, (x) => x.notify_error)
  assert.match(done.notify_error, /private or reserved/)
  assert.equal(done.ok, 'ASSEMBLY_COMPLETED')
  assert.equal(r.got.length, 0)
})

test('a receiver that hangs delays nobody else', async (t) => {
  const slow = await receiver(t, () => new Promise(() => {})), quick = await receiver(t)
  const s = await Server.start(t, { args: [...allow, '--notify-timeout-s', '2'] })
  for (let i = 0; i < 12; i++) await s.create(resize, { ...files(), params: { notify_url: slow.url } })
  await until(() => slow.got.length >= 8)
  const start = Date.now()
  const a = await s.create(resize, { ...files(), params: { notify_url: quick.url } })
  await until(() => quick.got.length === 1)
  const b = await s.get(a.assembly_id)
  assert.ok(Date.now() - start < 3000, `told after ${Date.now() - start} ms (${b.ok})`)
})

test('notification_payload trims; a wrong value, a wrong address are refused', async (t) => {
  const r = await receiver(t)
  const s = await Server.start(t, { args: allow })
  const a = await s.create(resize, { ...files(), params: { notify_url: r.url, notification_payload: ['without_uploads', 'without_result_meta_data', 'without_params'] } })
  await until(() => r.got.length === 1)
  assert.equal(r.got[0].status.uploads, undefined)
  assert.equal(r.got[0].status.merged_params, undefined)
  assert.equal(r.got[0].status.results.small[0].meta, undefined)
  assert.ok((await s.get(a.assembly_id)).results.small[0].meta)
  const x = await s.create(resize, { params: { notify_url: r.url, notification_payload: ['everything'] } })
  assert.deepEqual([x.http, x.error], [400, 'ROBOT_VALIDATION_BASE_ERROR'])
  for (const url of ['ftp://x/y', 'http://', 7, 'nonsense', 'http://a b/']) {
    const y = await s.create(resize, { params: { notify_url: url } })
    assert.deepEqual([y.http, y.error], [400, 'ASSEMBLY_INVALID_NOTIFY_URL'], String(url))
  }
})

test('replay: waits for the answer, elsewhere if asked, once; what can\'t be replayed says so', async (t) => {
  const r = await receiver(t, (n, path) => (path.endsWith('/no') ? 500 : 200))
  const s = await Server.start(t, { args: allow })
  const a = await s.create(resize, { ...files(), params: { notify_url: r.url } })
  await s.until(a.assembly_id, (x) => x.notify_status === 'successful')
  const again = await call(s, 'POST', `/assembly_notifications/${a.assembly_id}/replay`)
  assert.deepEqual([again.http, again.ok, again.success, again.assembly_id], [200, 'ASSEMBLY_NOTIFICATION_REPLAYED', true, a.assembly_id])
  assert.equal(r.got.length, 2)
  assert.equal(r.got[1].headers['workcell-delivery'], again.notification_id)
  assert.equal(r.got[0].text, r.got[1].text)
  await call(s, 'POST', `/assembly_notifications/${a.assembly_id}/replay`, { notify_url: `${r.url}/other` })
  assert.equal(r.got[2].path, '/hook/other')
  assert.equal((await s.get(a.assembly_id)).notify_url, r.url)
  const soon = await call(s, 'POST', `/assembly_notifications/${a.assembly_id}/replay`, { wait: false })
  assert.equal(soon.http, 200)
  await until(() => r.got.length === 4)
  const no = await call(s, 'POST', `/assembly_notifications/${a.assembly_id}/replay`, { notify_url: `${r.url}/no` })
  assert.deepEqual([no.http, no.error], [400, 'ASSEMBLY_NOTIFICATION_NOT_REPLAYED'])
  assert.equal((await call(s, 'POST', '/assembly_notifications/non-existent/replay')).error, 'SERVER_404')
  assert.equal((await call(s, 'POST', `/assembly_notifications/${'0'.repeat(32)}/replay`)).error, 'ASSEMBLY_NOT_FOUND')
  const mute = await s.create(resize, files())
  await s.until(mute.assembly_id)
  const none = await call(s, 'POST', `/assembly_notifications/${mute.assembly_id}/replay`)
  assert.deepEqual([none.http, none.error], [400, 'ASSEMBLY_NO_NOTIFY_URL'])
  const unsigned = await fetch(`${s.url}/assembly_notifications/${a.assembly_id}/replay`, { method: 'POST', body: new URLSearchParams({ params: JSON.stringify({ auth: { key: KEY } }) }) })
  assert.equal((await unsigned.json()).error, 'NO_SIGNATURE_FIELD')
  await s.stop()
  await s.boot()
  assert.equal((await call(s, 'POST', `/assembly_notifications/${a.assembly_id}/replay`)).http, 200)
  assert.deepEqual(r.got.at(-1).status.results, r.got[0].status.results, 'the same from the store as from memory')
})

test('nothing is lost when the server is killed again and again during delivery', async (t) => {
  const rounds = Number(process.env.NOTIFY_KILLS || 12)
  const r = await receiver(t, async (n) => { await sleep(30); return n ? 200 : 500 })
  const s = await Server.start(t, { args: allow })
  const ids = []
  const make = async () => {
    const a = await s.create(resize, { ...files(), params: { notify_url: `${r.url}/${ids.length}` } }).catch(() => null)
    if (a?.assembly_id) ids.push(a.assembly_id)
  }
  for (let i = 0; i < rounds; i++) {
    await Promise.all([make(), make()])
    await sleep(Math.random() * 250)
    await s.kill9()
    await s.boot()
  }
  // by the end each Assembly that was acknowledged has told its end, with one id
  const told = () => ids.every((id) => r.got.some((g) => g.status.assembly_id === id))
  await until(told, 40000)
  for (const id of ids) {
    const mine = r.got.filter((g) => g.status.assembly_id === id)
    assert.equal(new Set(mine.map((g) => g.headers['workcell-delivery'])).size, 1, `one delivery id for ${id}`)
    await s.until(id, (x) => x.notify_status === 'successful', 40000)
  }
})

test('replay of one that is not read yet since the start: its status goes out, whole', async (t) => {
  const r = await receiver(t)
  const s = await Server.start(t, { args: [...allow, '--workers-media', '1', '--max-assemblies', '0', '--start-wait-ms', '0'] })
  const steps = { ':original': { robot: '/upload/handle' } }
  const a = await s.create(steps, { files: { 'a.bin': 'some bytes' }, params: { notify_url: r.url } })
  await until(() => r.got.length === 1)
  await s.kill9()
  const last = multiply(s, a.assembly_id, steps, 5000).sort().at(-1)
  await s.boot()
  const replayed = await call(s, 'POST', `/assembly_notifications/${last}/replay`)
  assert.deepEqual([replayed.http, replayed.ok], [200, 'ASSEMBLY_NOTIFICATION_REPLAYED'], JSON.stringify(replayed))
  const told = r.got.find((g) => g.status.assembly_id === last)
  assert.match(told.status.ok, /^ASSEMBLY_(EXECUTING|COMPLETED)$/)
  assert.equal(told.status.uploads[0].name, 'a.bin')
})

test('an upload of unknown length that grows too large is an end like another: told, and the same after kill -9', async (t) => {
  const r = await receiver(t)
  const s = await Server.start(t, { args: allow })
  const a = await s.create(resize, { expected: 1, params: { auth: { key: KEY, expires: '2099-01-01T00:00:00Z', max_size: 10 }, notify_url: r.url } })
  const up = await s.tus('POST', `${s.url}/resumable/files/`, { 'Upload-Defer-Length': '1', 'Upload-Metadata': s.tusMeta(a) })
  assert.equal(up.status, 201)
  await s.patch(up.headers.get('location'), 0, 'more than ten bytes')
  assert.equal((await s.until(a.assembly_id)).error, 'MAX_SIZE_EXCEEDED')
  await until(() => r.got.length === 1)
  assert.equal(r.got[0].status.error, 'MAX_SIZE_EXCEEDED')
  await s.kill9()
  await s.boot()
  assert.equal((await s.get(a.assembly_id)).error, 'MAX_SIZE_EXCEEDED')
  const { items } = await call(s, 'GET', '/assemblies', { type: 'failed' })
  assert.equal(items.filter((i) => i.id === a.assembly_id).length, 1)
})

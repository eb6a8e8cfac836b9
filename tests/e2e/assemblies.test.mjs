// Endpoints about many Assemblies and about one after its end: list, replay, bill, job slots, limits; with the official
// Node SDK, which checks what it gets, and with raw requests for every refusal.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import http from 'node:http'
import { test } from 'node:test'
import { Transloadit } from 'transloadit'
import { binary, KEY, picture, SECRET, Server, sign, sleep } from './server.mjs'
import { there } from './there.mjs'

const sdk = (s) => new Transloadit({ authKey: KEY, authSecret: SECRET, endpoint: s.url, validateResponses: true })
const original = { ':original': { robot: '/upload/handle', result: true } }
const resize = { resized: { robot: '/image/resize', use: ':original', width: 50, result: true } }
const expires = '2099-01-01T00:00:00Z'

// A request with params as the API wants it: GET in the query, else in a form. signature false: none.
async function call(s, method, path, params = {}, { signature = true, auth = { key: KEY, expires } } = {}) {
  const text = typeof params === 'string' ? params : JSON.stringify({ auth, ...params })
  const fields = new URLSearchParams({ params: text })
  if (signature) fields.set('signature', signature === true ? sign(text) : signature)
  const res = await fetch(`${s.url}${path}${method === 'GET' ? `?${fields}` : ''}`, { method, body: method === 'GET' ? undefined : fields })
  const body = await res.json()
  return { http: res.status, headers: res.headers, body }
}

function refused({ http, body }, code, status) {
  assert.equal(body.error, code, JSON.stringify(body))
  assert.equal(http, status)
  assert.equal(body.http_code, status)
  assert.equal(typeof body.message, 'string')
  assert.equal(body.ok, undefined)
}

test('the list: pages, order, types, dates, keywords', async (t) => {
  const s = await Server.start(t)
  const client = sdk(s)
  assert.deepEqual(await client.listAssemblies(), { items: [], count: 0 })

  const done = []
  for (let i = 0; i < 7; i++) done.push((await s.create(original, { files: { [`file-${i}.txt`]: `text ${i}` }, fields: { tag: i === 3 ? 'Blaubär' : 'x' } })).assembly_id)
  for (const id of done) await s.until(id)
  const bad = await s.create({ a: { robot: '/image/resize', use: ':original', width: -1 } })
  const waiting = (await s.create(original, { expected: 2 })).assembly_id
  const canceled = (await s.create(original, { expected: 1 })).assembly_id
  await s.cancel(canceled)

  const all = await client.listAssemblies()
  assert.equal(all.count, 10)
  const newest = [canceled, waiting, bad.assembly_id, ...done.toReversed()]
  assert.deepEqual(all.items.map((i) => i.id), newest)
  const pages = []
  for (let page = 1; page <= 5; page++) {
    const got = await client.listAssemblies({ page, pagesize: 3 })
    assert.equal(got.count, 10)
    pages.push(...got.items.map((i) => i.id))
    assert.equal(got.items.length, [3, 3, 3, 1, 0][page - 1])
  }
  assert.deepEqual(pages, newest)
  const streamed = []
  for await (const item of client.streamAssemblies({ pagesize: 4 })) streamed.push(item.id)
  assert.deepEqual(streamed, newest)
  const { body } = await call(s, 'GET', '/assemblies', { order: 'asc', pagesize: 2, page: 2 })
  assert.deepEqual(body.items.map((i) => i.id), done.slice(2, 4))
  assert.equal(body.ok, undefined)

  const types = { all: 10, completed: 7, failed: 1, uploading: 1, executing: 0, canceled: 1, request_aborted: 0 }
  for (const [type, n] of Object.entries(types)) {
    const got = await client.listAssemblies({ type })
    assert.equal(got.count, n, type)
    assert.equal(got.items.length, n)
  }
  const item = (await client.listAssemblies({ type: 'completed', pagesize: 1 })).items[0]
  const status = await s.get(done[6])
  assert.deepEqual(JSON.parse(item.files), [{ name: 'file-6.txt', size: 6, mime: 'text/plain', type: null, field: 'file' }])
  for (const key of ['account_id', 'parent_id', 'instance', 'region', 'bytes_usage', 'bytes_received', 'bytes_expected', 'num_input_files', 'ok']) {
    assert.deepEqual(item[key], status[key], key)
  }
  assert.equal(item.warning_count, 0)
  assert.equal(item.error, null)
  assert.match(item.created, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
  assert.equal(item.created_ts, Math.floor(Date.parse(item.created) / 1000))
  assert.ok(item.execution_duration >= 0 && item.upload_duration >= 0)
  assert.equal((await client.listAssemblies({ type: 'failed' })).items[0].error, 'IMAGE_RESIZE_VALIDATION')
  assert.equal((await client.listAssemblies({ type: 'uploading' })).items[0].files, null)

  for (const [keywords, ids] of [[['FILE-4.TXT'], [done[4]]], [['blaubÄR'], [done[3]]], [['file-', 'text'], []], [['file-', '"tag"', '3'], null],
    [[waiting.slice(4, 20)], [waiting]], [['resize_validation'], [bad.assembly_id]], [[], newest]]) {
    const got = await client.listAssemblies({ keywords })
    if (ids) assert.deepEqual(got.items.map((i) => i.id), ids, String(keywords))
    else assert.ok(got.items.some((i) => i.id === done[3]))
    assert.equal(got.count, got.items.length)
  }
  const at = Date.parse((await client.listAssemblies({ keywords: [done[3]] })).items[0].created)
  const iso = (ms) => new Date(ms).toISOString()
  const sql = (ms) => iso(ms).slice(0, 19).replace('T', ' ')
  assert.equal((await client.listAssemblies({ todate: iso(at + 1) })).count, 4)
  assert.equal((await client.listAssemblies({ fromdate: iso(at), todate: 'NOW()' })).count, 7)
  assert.equal((await client.listAssemblies({ fromdate: sql(at - 60000), todate: sql(at + 60000) })).count, 10)
  assert.equal((await client.listAssemblies({ fromdate: sql(at + 60000) })).count, 0)
  assert.equal((await client.listAssemblies({ todate: '2001-02-03' })).count, 0)

  // nobody else's, and still there after a restart
  await s.kill9()
  await s.boot()
  const again = await client.listAssemblies()
  assert.deepEqual(again.items.map((i) => i.id), newest)
  assert.equal((await client.listAssemblies({ type: 'uploading' })).items[0].id, waiting)
  assert.equal((await client.listAssemblies({ type: 'completed' })).count, 7)
  await s.cancel(waiting)
  assert.equal((await client.listAssemblies({ type: 'canceled' })).count, 2)
})

test('the list refuses what it does not understand', async (t) => {
  const s = await Server.start(t)
  for (const params of [{ page: 0 }, { page: 'x' }, { page: -1 }, { pagesize: 0 }, { pagesize: 5001 }, { pagesize: 1.5 }, { type: 'done' },
    { fromdate: 'yesterday' }, { todate: '2031-99-99' }, { keywords: 5 }, { keywords: [5] }, { order: 'up' }]) {
    refused(await call(s, 'GET', '/assemblies', params), 'ASSEMBLY_LIST_ERROR', 400)
  }
  refused(await call(s, 'GET', '/assemblies', {}, { signature: false }), 'NO_SIGNATURE_FIELD', 400)
  refused(await call(s, 'GET', '/assemblies', {}, { signature: 'sha384:00' }), 'INVALID_SIGNATURE', 400)
  refused(await call(s, 'GET', '/assemblies', {}, { auth: { key: 'nobody', expires } }), 'GET_ACCOUNT_UNKNOWN_AUTH_KEY', 400)
  refused(await call(s, 'GET', '/assemblies', {}, { auth: { key: KEY } }), 'NO_AUTH_EXPIRES_PARAMETER', 400)
  refused(await call(s, 'GET', '/assemblies/stats'), 'SERVER_404', 404)
  const ok = await call(s, 'GET', '/assemblies', { page: '1', pagesize: '10', sort: 'created', fields: ['id'], assembly_id: '0', nonce: 1 })
  assert.deepEqual([ok.http, ok.body], [200, { items: [], count: 0 }])
})

const s4 = (status) => ({ ...status, resized: status.results.resized?.map((f) => f.meta.width) })

test('a replay runs the same uploads again, with changes', async (t) => {
  const s = await Server.start(t)
  const client = sdk(s)
  const first = await s.create(resize, { files: { 'a.png': fs.readFileSync(picture) }, fields: { a: '1', b: 'x' }, params: { fields: { c: { d: 1 } } } })
  const old = await s.until(first.assembly_id)
  assert.deepEqual(s4(old).resized, [50])

  const answer = await client.replayAssembly(old.assembly_id)
  assert.equal(answer.ok, 'ASSEMBLY_REPLAYING')
  assert.equal(answer.success, true)
  assert.equal(answer.notify_url, null)
  assert.notEqual(answer.assembly_id, old.assembly_id)
  assert.equal(answer.assembly_ssl_url, `${s.url}/assemblies/${answer.assembly_id}`)
  const done = await client.awaitAssemblyCompletion(answer.assembly_id, { interval: 50 })
  assert.equal(done.ok, 'ASSEMBLY_COMPLETED')
  assert.equal(done.parent_id, old.assembly_id)
  assert.equal(done.parent_assembly_status, null)
  assert.deepEqual(done.fields, old.fields)
  assert.deepEqual(s4(done).resized, [50])
  assert.deepEqual(done.uploads.map((u) => [u.name, u.size, u.md5hash, u.field]), old.uploads.map((u) => [u.name, u.size, u.md5hash, u.field]))
  assert.notEqual(done.uploads[0].id, old.uploads[0].id)
  assert.equal(done.num_input_files, 1)
  assert.equal((await client.listAssemblies({ pagesize: 1 })).items[0].parent_id, old.assembly_id)

  const over = await client.replayAssembly(old.assembly_id, {
    steps: { resized: { width: 20 }, more: { robot: '/image/resize', use: 'resized', width: 10, result: true } }, fields: { b: 'y' },
  })
  const changed = await client.awaitAssemblyCompletion(over.assembly_id, { interval: 50 })
  assert.deepEqual(s4(changed).resized, [20])
  assert.equal(changed.results.more[0].meta.width, 10)
  assert.deepEqual(changed.fields, { a: '1', b: 'y', c: { d: 1 } })
  // of a replay, again
  const third = await client.replayAssembly(over.assembly_id)
  const last = await client.awaitAssemblyCompletion(third.assembly_id, { interval: 50 })
  assert.deepEqual(s4(last).resized, [20])
  assert.equal(last.parent_id, over.assembly_id)
})

test('a replay uses the steps that ran, the Template as it is now, or another one', async (t) => {
  const s = await Server.start(t)
  const client = sdk(s)
  const template = (width, more) => ({ steps: { resized: { robot: '/image/resize', use: ':original', width, result: true } }, ...more })
  const { id } = await client.createTemplate({ name: 'replayed', template: template(50, { fields: { from: 'template' } }) })
  const { id: other } = await client.createTemplate({ name: 'another', template: template(30, { allow_steps_override: false }) })
  const first = await s.create({ resized: { height: 10, resize_strategy: 'fillcrop' } }, { files: { 'a.png': fs.readFileSync(picture) }, params: { template_id: id } })
  const old = await s.until(first.assembly_id)
  assert.deepEqual(s4(old).resized, [50])
  await client.editTemplate(id, { name: 'replayed', template: template(40) })
  const run = async (of, params) => {
    const { body } = await call(s, 'POST', `/assemblies/${of}/replay`, params)
    assert.equal(body.ok, 'ASSEMBLY_REPLAYING', JSON.stringify(body))
    const end = await s.until(body.assembly_id)
    return { end, size: end.results.resized.map((f) => [f.meta.width, f.meta.height])[0] }
  }
  assert.deepEqual((await run(old.assembly_id, {})).size, [50, 10])
  const again = await run(old.assembly_id, { reparse_template: 1 })
  assert.deepEqual(again.size, [40, 10])
  assert.equal(again.end.template_id, id)
  assert.match(again.end.template, /"width":40/)
  assert.deepEqual((await run(old.assembly_id, { reparse_template: true, steps: { resized: { width: 20 } } })).size, [20, 10])
  const elsewhere = await run(old.assembly_id, { template_id: 'another' })
  assert.equal(elsewhere.size[0], 30)
  assert.equal(elsewhere.end.template_id, other)
  assert.equal(elsewhere.end.template_name, 'another')
  assert.deepEqual(elsewhere.end.fields, { from: 'template' })
  refused(await call(s, 'POST', `/assemblies/${old.assembly_id}/replay`, { template_id: other, steps: { resized: { width: 1 } } }), 'TEMPLATE_DENIES_STEPS_OVERRIDE', 400)
  refused(await call(s, 'POST', `/assemblies/${elsewhere.end.assembly_id}/replay`, { steps: { resized: { width: 1 } } }), 'TEMPLATE_DENIES_STEPS_OVERRIDE', 400)
  await client.deleteTemplate(id)
  assert.deepEqual((await run(old.assembly_id, {})).size, [50, 10])
  refused(await call(s, 'POST', `/assemblies/${old.assembly_id}/replay`, { reparse_template: 1 }), 'TEMPLATE_NOT_FOUND', 404)
})

test('a replay does not wait for the end of what it repeats, and takes steps as a list', async (t) => {
  const s = await Server.start(t, { args: ['--import-allow', '127.0.0.1'] })
  let go
  const asked = new Promise((resolve) => { go = resolve })
  const { url } = await there(t, async () => { await asked; return { body: 'hello' } })
  const replay = async (id, params) => {
    const { body } = await call(s, 'POST', `/assemblies/${id}/replay`, params)
    assert.equal(body.ok, 'ASSEMBLY_REPLAYING', JSON.stringify(body))
    return body.assembly_id
  }
  const first = await s.create({ i: { robot: '/http/import', url, result: true } })
  await s.until(first.assembly_id, (a) => a.ok === 'ASSEMBLY_EXECUTING')
  const same = await replay(first.assembly_id), other = await replay(first.assembly_id, { steps: { i: { force_name: 'other.txt' } } })
  go()
  for (const [id, name] of [[first.assembly_id], [same], [other, 'other.txt']]) {
    const a = await s.until(id)
    assert.equal(a.ok, 'ASSEMBLY_COMPLETED', JSON.stringify(a))
    if (name) assert.equal(a.results.i[0].name, name)
  }

  const picture_id = (await s.create(resize, { files: { 'a.png': fs.readFileSync(picture) } })).assembly_id
  await s.until(picture_id)
  const place = Object.keys(resize).indexOf('resized')
  const byPlace = Array.from({ length: place + 1 }, (_, i) => (i === place ? { width: 20 } : {}))
  for (const [steps, width] of [[byPlace, 20], [[{ name: 'resized', width: 30 }], 30], [[], 50]])
    assert.deepEqual(s4(await s.until(await replay(picture_id, { steps }))).resized, [width], JSON.stringify(steps))
  refused(await call(s, 'POST', `/assemblies/${picture_id}/replay`, { steps: [{}, {}, {}, {}] }), 'ASSEMBLY_INVALID_STEPS', 400)
})

test('a replay is refused with the code that says why', async (t) => {
  const s = await Server.start(t)
  const replay = (id, params, options) => call(s, 'POST', `/assemblies/${id}/replay`, params, options)
  const done = await s.until((await s.create(original, { files: { a: 'b' } })).assembly_id)
  const waiting = await s.create(original, { expected: 1 })
  refused(await replay('0'.repeat(32)), 'ASSEMBLY_NOT_FOUND', 404)
  refused(await replay('x'), 'SERVER_404', 404)
  refused(await replay(waiting.assembly_id), 'ASSEMBLY_NOT_FINISHED', 400)
  await s.cancel(waiting.assembly_id)
  refused(await replay(waiting.assembly_id), 'ASSEMBLY_CANNOT_BE_REPLAYED', 400)
  const bad = await s.create({ a: { robot: '/none' } })
  refused(await replay(bad.assembly_id), 'ASSEMBLY_CANNOT_BE_REPLAYED', 400)
  refused(await replay(done.assembly_id, {}, { signature: false }), 'NO_SIGNATURE_FIELD', 400)
  refused(await replay(done.assembly_id, { notify_url: 'gopher://x' }), 'ASSEMBLY_INVALID_NOTIFY_URL', 400)
  refused(await replay(done.assembly_id, { template_id: 'none' }), 'TEMPLATE_NOT_FOUND', 404)
  const broken = await replay(done.assembly_id, { steps: { more: { robot: '/image/resize', use: 'nobody' } } })
  refused(broken, 'ASSEMBLY_STEP_UNKNOWN_USE', 400)
  assert.equal((await s.get(broken.body.assembly_id)).error, 'ASSEMBLY_STEP_UNKNOWN_USE')
  assert.equal((await replay(done.assembly_id, { steps: {}, wait: false })).body.ok, 'ASSEMBLY_REPLAYING')

  // a second workspace
  await s.stop()
  execFileSync('sqlite3', [`${s.dir}/workcell.db`, `update assembly set workspace = 'f' where id = '${done.assembly_id}';
    update event set body = replace(body, json_extract(body, '$.d.workspace'), '${'f'.repeat(32)}') where assembly_id = '${done.assembly_id}' and seq = 1`])
  await s.boot()
  refused(await replay(done.assembly_id), 'ASSEMBLY_ACCOUNT_MISMATCH', 403)
})

test("the original's end does not take the replay's files along", async (t) => {
  const s = await Server.start(t)
  const data = fs.readFileSync(picture)
  const old = await s.until((await s.create(original, { files: { 'a.png': data } })).assembly_id)
  const { body } = await call(s, 'POST', `/assemblies/${old.assembly_id}/replay`)
  const done = await s.until(body.assembly_id)
  const blob = (f) => `${s.dir}/blobs/${f.id.slice(0, 2)}/${f.id}`
  fs.rmSync(blob(old.uploads[0]))
  assert.deepEqual(Buffer.from(await (await fetch(done.uploads[0].url)).arrayBuffer()), data)
  const gone = await call(s, 'POST', `/assemblies/${old.assembly_id}/replay`)
  refused(gone, 'ASSEMBLY_CANNOT_BE_REPLAYED', 400)
  // nothing is left behind by the refused one
  const names = fs.readdirSync(`${s.dir}/blobs`, { recursive: true, withFileTypes: true }).filter((e) => e.isFile())
  assert.equal(names.length, 1)
})

const post = async (url) => {
  const res = await fetch(url, { method: 'POST' })
  return { http: res.status, body: await res.json() }
}

test('files that lie elsewhere are reserved, named and fetched as uploads', async (t) => {
  const data = fs.readFileSync(picture)
  let let_go // nothing is fetched before the last place was refused: what is complete refuses otherwise
  const gate = new Promise((r) => { let_go = r })
  const fetched = (req, res) => (req.url.startsWith('/a') ? res.end(data) : res.writeHead(404).end())
  const files = http.createServer((req, res) => gate.then(() => fetched(req, res)))
  await new Promise((r) => files.listen(0, '127.0.0.1', r))
  t.after(() => files.close())
  const { port } = files.address()
  const s = await Server.start(t, { args: ['--import-allow', `127.0.0.1:${port}`] })
  const reserve = (a) => post(`${a.assembly_ssl_url}/reserve_file?size=${data.length}`)
  const add = (a, url, name = 'ä|b.png') => post(`${a.assembly_ssl_url}/add_file?${new URLSearchParams({ size: data.length, filename: name, fieldname: 'f1', s3Url: url })}`)
  const here = `http://127.0.0.1:${port}`

  const a = await s.create(resize, { expected: 3 })
  refused(await add(a, `${here}/a|1`), 'ASSEMBLY_FILE_NOT_RESERVED', 400)
  for (let i = 0; i < 2; i++) {
    const got = await reserve(a)
    assert.deepEqual([got.http, got.body.ok, got.body.assembly_id], [200, 'ASSEMBLY_FILE_RESERVED', a.assembly_id])
  }
  await s.patch(await s.tusCreate(a, data.length, { filename: 'tus.png' }), 0, data)
  const full = await reserve(a)
  refused(full, 'ASSEMBLY_SATURATED', 400)
  assert.deepEqual([full.body.numReserved, full.body.numExpected], [2, 3])
  for (let i = 0; i < 2; i++) { const got = await add(a, `${here}/a|${i}`); assert.equal(got.body.ok, 'ASSEMBLY_FILE_ACCEPTED', JSON.stringify(got.body)) }
  refused(await add(a, `${here}/a`), 'ASSEMBLY_FILE_NOT_RESERVED', 400)
  let_go()
  const done = await s.until(a.assembly_id)
  assert.equal(done.ok, 'ASSEMBLY_COMPLETED', JSON.stringify(done.error))
  assert.deepEqual(done.uploads.map((u) => [u.name, u.size, u.field, u.is_tus_file, u.mime]).sort(), [
    ['tus.png', data.length, 'file', true, 'image/png'], ['ä|b.png', data.length, 'f1', false, 'image/png'], ['ä|b.png', data.length, 'f1', false, 'image/png']])
  assert.equal(done.results.resized.length, 3)
  assert.equal(done.num_input_files, 3)
  assert.equal(done.finished_tus_uploads, 3)
  assert.ok(done.bytes_received >= 3 * data.length && done.bytes_received === done.bytes_expected)
  assert.ok(done.started_jobs.every((j) => [':original:::original', 'resized:::original'].includes(j)), String(done.started_jobs))
  // over: its status, as it is
  const late = await reserve(a)
  assert.deepEqual([late.http, late.body.ok], [200, 'ASSEMBLY_COMPLETED'])
  assert.equal((await post(`${s.url}/assemblies/${'0'.repeat(32)}/reserve_file`)).body.error, 'ASSEMBLY_NOT_FOUND')

  // what can't be fetched, and what must not be, fails the Assembly
  for (const url of [`${here}/none`, `http://127.0.0.1:${s.port}/healthz`]) {
    const b = await s.create(original, { expected: 1 })
    await reserve(b)
    assert.equal((await add(b, url)).http, 200)
    const failed = await s.until(b.assembly_id)
    assert.match(failed.error, /^HTTP_IMPORT_/)
    assert.equal(failed.is_private_address, url.endsWith('/healthz') ? true : undefined)
  }
  const c = await s.create(original, { expected: 1 })
  refused(await add(c, 'file:///etc/passwd'), 'INVALID_FORM_DATA', 400)
  refused(await post(`${c.assembly_ssl_url}/reserve_file?size=x`), 'INVALID_FORM_DATA', 400)
})

test('how a create request is answered: quiet, redirect_url, await', async (t) => {
  const s = await Server.start(t)
  const create = async (params, { query = '', files = { a: 'b' } } = {}) => {
    const body = new FormData()
    body.set('params', typeof params === 'string' ? params : JSON.stringify({ auth: { key: KEY }, steps: original, ...params }))
    for (const [name, data] of Object.entries(files)) body.append('file', new Blob([data]), name)
    const res = await fetch(`${s.url}/assemblies${query}`, { method: 'POST', body, redirect: 'manual' })
    return { http: res.status, location: res.headers.get('location'), body: await res.json() }
  }
  const quiet = await create({ quiet: true })
  assert.deepEqual(Object.keys(quiet.body).sort(), ['assembly_id', 'http_code', 'message', 'ok'])
  assert.ok((await s.until(quiet.body.assembly_id)).uploads.length, 'the status stays complete')
  const bad = await create({ quiet: true, steps: { a: { robot: '/none' } } }, { files: {} })
  assert.deepEqual([bad.http, Object.keys(bad.body).sort()], [400, ['assembly_id', 'error', 'http_code', 'message']])

  for (const [target, sign_] of [['https://example.com/done', '?'], ['http://example.com/a?b=c', '&']]) {
    const to = await create({ redirect_url: `${target}#end` })
    const url = `${s.url}/assemblies/${to.body.assembly_id}`
    assert.equal(to.http, 302)
    assert.equal(to.location, `${target}${sign_}assembly_id=${to.body.assembly_id}&assembly_url=${encodeURIComponent(url)}&assembly_ssl_url=${encodeURIComponent(url)}#end`)
    assert.ok(to.body.ok.startsWith('ASSEMBLY_'))
  }
  assert.equal((await create({ redirect_url: 'https://example.com' }, { query: '?redirect=false' })).http, 200)
  assert.equal((await create({ redirect_url: 'javascript:alert(1)' })).http, 200)
  const failed = await create({ redirect_url: 'https://example.com', steps: { a: { robot: '/none' } } }, { files: {} })
  assert.deepEqual([failed.http, failed.body.error], [302, 'ASSEMBLY_STEP_UNKNOWN_ROBOT'])
  assert.equal(new URL(failed.location).searchParams.get('error'), 'ASSEMBLY_STEP_UNKNOWN_ROBOT')
  const early = await create({ redirect_url: 'https://example.com', notify_url: 5 }, { files: {} })
  assert.deepEqual([early.http, new URL(early.location).searchParams.get('error')], [302, 'ASSEMBLY_INVALID_NOTIFY_URL'])
  const unknown = await create(JSON.stringify({ auth: { key: 'nobody' }, redirect_url: 'https://example.com' }), { files: {} })
  assert.deepEqual([unknown.http, unknown.location], [400, null])
  assert.equal((await sdk(s).listAssemblies({ keywords: ['example.com/done'] })).items[0].redirect_url, 'https://example.com/done#end')

  const files = { 'a.png': fs.readFileSync(picture) }
  for (const wish of [{ await: true }, { await: 'transcoding' }, { await: 'persisting' }, { blocking: true }, { await: 'notification' }]) {
    const got = await create({ ...wish, steps: resize }, { files })
    assert.deepEqual([got.http, got.body.ok], [200, 'ASSEMBLY_COMPLETED'], JSON.stringify(wish))
    assert.equal(got.body.results.resized[0].meta.width, 50)
  }
  const broken = await create({ await: true, steps: resize }, { files: { 'a.png': '' } })
  assert.deepEqual([broken.http, broken.body.error], [200, 'INVALID_INPUT_ERROR'])
  // a cancel ends the waiting
  const slow = create({ await: true, steps: { huge: { robot: '/image/resize', use: ':original', width: 9000, format: 'avif' } } }, { files })
  let list
  do { list = await sdk(s).listAssemblies({ type: 'executing' }) } while (!list.items.length)
  await s.cancel(list.items[0].id)
  assert.equal((await slow).body.ok, 'ASSEMBLY_CANCELED')
})

test('await: "notification" waits for the notification; a stopping server answers who waits', async (t) => {
  let told = 0
  const receiver = http.createServer((req, res) => { req.resume(); setTimeout(() => { told = performance.now(); res.end('ok') }, 300) })
  await new Promise((r) => receiver.listen(0, '127.0.0.1', r))
  t.after(() => receiver.close())
  const s = await Server.start(t, { args: ['--notify-allow', '127.0.0.1'] })
  const got = await s.create(original, { files: { a: 'b' }, params: { await: 'notification', notify_url: `http://127.0.0.1:${receiver.address().port}/` } })
  assert.ok(told && performance.now() >= told)
  assert.equal(got.notify_status, 'successful')
  assert.equal(got.notify_response_data, 'ok')
  const waits = s.create(original, { expected: 1, params: { await: true } })
  await sleep(300)
  await s.stop()
  assert.equal((await waits).ok, 'ASSEMBLY_UPLOADING')
})

test('execution progress, where it is asked for, rises to 100', async (t) => {
  const s = await Server.start(t)
  const files = { 'a.png': fs.readFileSync(picture), 'b.png': fs.readFileSync(picture) }
  const steps = { big: { robot: '/image/resize', use: ':original', width: 3000, format: 'png' }, small: { robot: '/image/resize', use: 'big', width: 10, result: true } }
  const a = await s.create(steps, { files, params: { emit_execution_progress: true } })
  const get = async (id) => {
    const res = await fetch(`${s.url}/assemblies/${id}/execution_progress`)
    return { http: res.status, body: await res.json() }
  }
  const stream = fetch(a.update_stream_url).then((r) => r.text())
  const seen = []
  for (let over = false; !over;) {
    over = (await s.get(a.assembly_id)).ok !== 'ASSEMBLY_EXECUTING'
    const { http: status, body } = await get(a.assembly_id)
    assert.deepEqual([status, body.ok, body.http_code], [200, 'ASSEMBLY_EXECUTION_PROGRESS_FETCHED', 200])
    assert.equal(body.progress_per_original_file.length, 2)
    seen.push(body.progress_combined)
  }
  assert.deepEqual(seen, seen.toSorted((x, y) => x - y))
  assert.equal(seen.at(-1), 100)
  assert.ok(seen.some((p) => p > 0 && p < 100), String(seen))
  const done = await s.get(a.assembly_id)
  assert.deepEqual((await get(a.assembly_id)).body.progress_per_original_file, done.uploads.map((u) => ({ original_id: u.id, progress: 100 })))
  const told = (await stream).split('\n\n').filter((f) => f.includes('event: assembly_execution_progress'))
  assert.equal(JSON.parse(told.at(-1).match(/data: (.*)/)[1]).progress_combined, 100)
  const other = await s.create(original, { files: { a: 'b' } })
  refused(await get(other.assembly_id), 'ASSEMBLY_EXECUTION_PROGRESS_NOT_ENABLED', 400)
  refused(await get('0'.repeat(32)), 'ASSEMBLY_NOT_FOUND', 404)
  refused(await get('nothing'), 'SERVER_404', 404)
  // out of memory after a restart: from the stored status
  await s.stop()
  await s.boot()
  assert.equal((await get(a.assembly_id)).body.progress_combined, 100)
  refused(await get(other.assembly_id), 'ASSEMBLY_EXECUTION_PROGRESS_NOT_ENABLED', 400)
})

// A second workspace with a key of its own, made while the server is down.
async function secondKey(s) {
  await s.stop()
  const env = { ...process.env, TRANSLOADIT_KEY: '', TRANSLOADIT_SECRET: '' }
  const text = execFileSync(binary, ['workspace', 'add', 'second', '--data', s.dir], { encoding: 'utf8', env })
  await s.boot()
  return { authKey: text.match(/TRANSLOADIT_KEY=(\w+)/)[1], authSecret: text.match(/TRANSLOADIT_SECRET=(\w+)/)[1] }
}

test('limits on creations and status reads, with the seconds to wait', async (t) => {
  const s = await Server.start(t, { args: ['--create-rate', '3', '--status-rate', '3', '--max-assemblies', '2'] })
  const limited = (got, code, status) => {
    refused({ http: got.http, body: got }, code, status)
    assert.ok(Number.isInteger(got.info.retryIn) && got.info.retryIn >= 1 && got.info.retryIn <= 60)
    assert.equal(got.headers.get('retry-after'), String(got.info.retryIn))
  }
  const first = await s.create(original, { expected: 1 })
  await s.create(original, { expected: 1 })
  limited(await s.create(original, { expected: 1 }), 'RATE_LIMIT_REACHED', 413) // two are open
  limited(await s.create(original, { files: { a: 'b' } }), 'RATE_LIMIT_REACHED', 413) // the fourth in a minute
  await s.cancel(first.assembly_id)
  assert.equal((await sdk(s).listAssemblies()).count, 2)

  const reads = []
  for (let i = 0; i < 10; i++) {
    const res = await fetch(`${s.url}/assemblies/${first.assembly_id}`)
    reads.push({ http: res.status, headers: res.headers, ...(await res.json()) })
  }
  assert.ok(reads.slice(0, 6).every((r) => r.http === 200))
  limited(reads[9], 'ASSEMBLY_STATUS_FETCHING_RATE_LIMIT_REACHED', 429)
  assert.equal(reads[9].assembly_ssl_url, `${s.url}/assemblies/${first.assembly_id}`)
  const js = await fetch(`${s.url}/assemblies/${first.assembly_id}?callback=cb`)
  assert.equal(js.status, 200)
  assert.match(await js.text(), /^cb\(\{"error":"ASSEMBLY_STATUS_FETCHING_RATE_LIMIT_REACHED".*"retryIn":\d+\}\}\);$/)
  const other = await fetch(`${s.url}/assemblies/${'0'.repeat(32)}`)
  assert.equal(other.status, 404)

  // other workspaces are not touched; a limit of 429 for clients that wait at that one only
  s.args = ['--create-rate', '1', '--create-rate-status', '429']
  const two = await secondKey(s)
  assert.equal((await s.create(original)).http, 200)
  const refusedNow = await s.create(original)
  limited(refusedNow, 'RATE_LIMIT_REACHED', 429)
  const second = new Transloadit({ ...two, endpoint: s.url, validateResponses: true })
  assert.ok((await second.createAssembly({ params: { steps: original } })).assembly_id)
  assert.deepEqual((await second.listAssemblies()).count, 1)
  // replays are creations, too
  const [{ id }] = (await second.listAssemblies()).items
  assert.equal((await call(s, 'POST', `/assemblies/${id}/replay`)).http, 429)
})

test('a status document above the limit fails its Assembly', async (t) => {
  const s = await Server.start(t, { args: ['--max-status-size', '20K'] })
  const files = Object.fromEntries(Array.from({ length: 30 }, (_, i) => [`f${i}`, 'x']))
  const a = await s.create(original, { files })
  const end = await s.until(a.assembly_id)
  assert.equal(end.error, 'ASSEMBLY_MEMORY_LIMIT_EXCEEDED')
  assert.match(end.message, /20480/)
})

test('job slots show what runs, and a limit keeps a workspace to its own', async (t) => {
  const s = await Server.start(t, { args: ['--workers-media', '2', '--priority-jobs', '1'] })
  const none = await call(s, 'GET', '/queues/job_slots')
  assert.deepEqual([none.http, none.body], [200, { ok: 'PRIORITY_JOB_SLOTS_FOUND', http_code: 200, priority_job_slots: { count: 0, slots: {} } }])
  refused(await call(s, 'GET', '/queues/job_slots', {}, { signature: false }), 'NO_SIGNATURE_FIELD', 400)
  const slow = { huge: { robot: '/image/resize', use: ':original', width: 9000, format: 'avif' } }
  const files = { 'a.png': fs.readFileSync(picture) }
  const ids = []
  for (let i = 0; i < 2; i++) ids.push((await s.create(slow, { files })).assembly_id)
  const running = async (id) => (await s.get(id)).running_jobs.includes('huge:::original')
  for (const end = Date.now() + 20000; !(await running(ids[0])); await sleep(20)) assert.ok(Date.now() < end)
  await sleep(300)
  const { body } = await call(s, 'GET', '/queues/job_slots')
  assert.equal(body.priority_job_slots.count, 5)
  assert.deepEqual(Object.keys(body.priority_job_slots.slots), [ids[0]])
  assert.deepEqual(Object.values(body.priority_job_slots.slots[ids[0]].huge), [5])
  assert.equal(await running(ids[1]), false)
  await s.cancel(ids[0])
  for (const end = Date.now() + 20000; !(await running(ids[1])); await sleep(20)) assert.ok(Date.now() < end)
  // batch jobs are outside of it
  const batch = (await s.create({ huge: { ...slow.huge, queue: 'batch' } }, { files })).assembly_id
  for (const end = Date.now() + 20000; !(await running(batch)) ; await sleep(20)) {
    assert.ok(Date.now() < end, 'the batch job does not start')
    await s.cancel(ids[1]) // its metadata waits for the one place
  }
  assert.equal((await call(s, 'GET', '/queues/job_slots')).body.priority_job_slots.count, 0)
  await s.cancel(batch)
})

test('a workspace with hundreds of jobs does not keep another one waiting', async (t) => {
  const s = await Server.start(t, { args: ['--workers-media', '2'] })
  const two = await secondKey(s)
  const data = fs.readFileSync(picture)
  const work = (key, n) => Promise.all(Array.from({ length: n }, () => {
    const body = new FormData()
    body.set('params', JSON.stringify({ auth: { key }, steps: { small: { robot: '/image/resize', use: ':original', width: 1600, format: 'png', result: true } } }))
    body.append('file', new Blob([data]), 'a.png')
    return fetch(`${s.url}/assemblies`, { method: 'POST', body }).then((r) => r.json())
  }))
  const status = (list) => Promise.all(list.map((a) => s.get(a.assembly_id)))
  // how many are over, and how long their pictures took: workers are shared by time, and on a busy machine equal
  // pictures take unequal times
  const over = async (list) => {
    const done = (await status(list)).filter((a) => a.ok === 'ASSEMBLY_COMPLETED')
    return { count: done.length, time: done.reduce((sum, a) => sum + a.results.small[0].exec_time, 0) }
  }
  // pictures to scale are what takes the time; with both, reading metadata is behind them
  const many = await work(KEY, 40)
  while (!(await status(many)).every((a) => a.upload_meta_data_extracted)) await sleep(20)
  const newcomers = await work(two.authKey, 16)
  while (!(await status(newcomers)).every((a) => a.upload_meta_data_extracted)) await sleep(20)
  assert.ok([...many, ...newcomers].every((a) => a.ok))
  const before = [await over(many), await over(newcomers)]
  let after
  do {
    await sleep(20)
    after = [await over(many), await over(newcomers)]
  } while (after[1].count < 14 && after[0].count < 38)
  assert.ok(after[0].count < 40, 'both have work to the end of the measurement')
  const [others, own] = [after[0].time - before[0].time, after[1].time - before[1].time]
  const share = own / (own + others)
  t.diagnostic(`share of the latecomer while both had work: ${share.toFixed(2)}`)
  assert.ok(after[1].count + after[0].count - before[0].count - before[1].count >= 15, `too few to measure: ${JSON.stringify([before, after])}`)
  assert.ok(share >= 0.4, `share ${share}: ${own} and ${others}`)
})

test('the bill is the sum of what the statuses say, also after a crash', async (t) => {
  const s = await Server.start(t)
  const client = sdk(s)
  const month = new Date().toISOString().slice(0, 7)
  const empty = await client.getBill('2099-12')
  assert.deepEqual([empty.ok, empty.month, empty.robots, empty.used_gb, empty.total], ['BILL_FOUND', '2099-12', {}, 0, 0])
  assert.equal(empty.plan.slug, 'self-hosted')
  const data = fs.readFileSync(picture)
  const ids = []
  for (let i = 0; i < 3; i++) ids.push((await s.create(resize, { files: { 'a.png': data, 'b.png': data } })).assembly_id)
  const last = (await s.create({ big: { robot: '/image/resize', use: ':original', width: 3000, format: 'png', result: true } }, { files: { 'a.png': data } })).assembly_id
  await sleep(150)
  await s.kill9()
  await s.boot()
  const all = []
  for (const id of [...ids, last]) all.push(await s.until(id))
  assert.ok(all.every((a) => a.ok === 'ASSEMBLY_COMPLETED'))
  const bytes = all.reduce((n, a) => n + a.bytes_usage, 0)
  assert.ok(bytes > 0)
  const results = all.flatMap((a) => [...(a.results.resized ?? []), ...(a.results.big ?? [])])
  const bill = await client.getBill(month)
  const gb = (n) => n / 2 ** 30
  const near = (a, b) => assert.ok(Math.abs(a - b) < 1e-12, `${a} ${b}`)
  near(bill.used_gb, gb(bytes))
  near(bill.robots['/image/resize'].gb, gb(results.reduce((n, f) => n + f.cost, 0)))
  near(bill.robots['/upload/handle'].gb, gb(7 * Math.ceil(data.length / 10)))
  near(bill.robots['/upload/handle'].rawGb, gb(7 * data.length))
  assert.equal(bill.robots['/upload/handle'].by_region_and_factor[0].region, 'local')
  const rows = execFileSync('sqlite3', [`${s.dir}/workcell.db`, "select count(*), sum(bytes), (select sum(jobs) from bill) from ledger"]).toString().trim()
  assert.equal(rows, `14|${bytes}|14`)
  for (const bad of ['2031-13', '2031-0', '2031-', '2031-1x', '2031-001', 'x', '2031-05-01', '2031-00']) refused(await call(s, 'GET', `/bill/${bad}`), 'SERVER_404', 404)
  refused(await call(s, 'GET', `/bill/${month}`, {}, { signature: false }), 'NO_SIGNATURE_FIELD', 400)
})

test('a create request that is refused leaves none of its files behind', async (t) => {
  const s = await Server.start(t, { args: ['--max-assemblies', '1'] })
  const blobs = () => fs.readdirSync(`${s.dir}/blobs`, { recursive: true, withFileTypes: true }).filter((e) => e.isFile()).length
  const id = '1'.repeat(32)
  await s.create(original, { id, expected: 1, files: { a: 'mine' } })
  assert.equal(blobs(), 1)
  for (const again of [{ id }, {}]) {
    const got = await s.create(original, { ...again, files: { a: 'not', b: 'wanted' } })
    assert.equal(got.error, again.id ? 'DO_NOT_REUSE_ASSEMBLY_IDS' : 'RATE_LIMIT_REACHED')
  }
  await sleep(100)
  assert.equal(blobs(), 1)
  assert.equal((await s.get(id)).uploads.length, 1)
})

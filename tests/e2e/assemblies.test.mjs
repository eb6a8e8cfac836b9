// Endpoints about many Assemblies and about one after its end: list, replay, bill, job slots, limits; with the official
// Node SDK, which checks what it gets, and with raw requests for every refusal.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import { test } from 'node:test'
import { Transloadit } from 'transloadit'
import { KEY, picture, SECRET, Server, sign, sleep } from './server.mjs'

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

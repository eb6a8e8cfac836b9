// Templates, credentials, Auth Keys and bearer tokens: the real SDK, and raw requests for every code.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { createHmac } from 'node:crypto'
import fs from 'node:fs'
import http from 'node:http'
import os from 'node:os'
import path from 'node:path'
import { test } from 'node:test'
import { ApiError, mergeTemplateContent, Transloadit } from 'transloadit'
import { KEY, picture, root, SECRET, Server, sleep } from './server.mjs'
import { there } from './there.mjs'

const binary = process.env.WORKCELL || path.join(root, 'build/workcell')
const expires = '2099-01-01T00:00:00.000Z'
const original = { ':original': { robot: '/upload/handle', result: true } }

const sdk = (s, more = {}) => new Transloadit({ authKey: KEY, authSecret: SECRET, endpoint: s.url, validateResponses: true, ...more })
const collect = async (stream) => {
  const all = []
  for await (const item of stream) all.push(item)
  return all
}
const code = (name) => (e) => { assert.ok(e instanceof ApiError, e); assert.equal(e.code, name); return true }

// A signed request; who: {key, secret}, params: merged into them, more: fetch options.
async function call(s, method, url, params = {}, { key = KEY, secret = SECRET, headers = {}, sign = true, auth = {} } = {}) {
  const text = JSON.stringify({ auth: { key, expires, ...auth }, ...params })
  const form = new URLSearchParams({ params: text })
  if (sign) form.set('signature', `sha384:${createHmac('sha384', secret).update(text).digest('hex')}`)
  const res = method === 'GET'
    ? await fetch(`${s.url}${url}?${form}`, { headers })
    : await fetch(`${s.url}${url}`, { method, body: form, headers })
  const body = await res.json()
  assert.equal(res.headers.get('access-control-allow-origin'), '*')
  if (body.error) {
    assert.equal(body.http_code, res.status)
    assert.equal(typeof body.message, 'string')
    assert.ok(!('ok' in body))
  }
  return { status: res.status, body, headers: res.headers }
}

async function is(promise, status, name) {
  const got = await promise
  assert.equal(got.body.error ?? got.body.ok, name, JSON.stringify(got.body))
  assert.equal(got.status, status, JSON.stringify(got.body))
  return got.body
}

test('the SDK makes, reads, edits, lists, streams and deletes Templates, and they outlive a restart', async (t) => {
  const s = await Server.start(t)
  const client = sdk(s)
  const template = { steps: { b: { robot: '/image/resize', use: ':original', width: 5 }, a: { robot: '/image/resize', use: 'b', height: 4 } } }
  const made = await client.createTemplate({ name: 'first-one', template })
  assert.equal(made.ok, 'TEMPLATE_CREATED')
  assert.match(made.id, /^[0-9a-f]{32}$/)
  assert.equal(JSON.stringify(made.content), JSON.stringify(template)) // the order of the keys, too
  assert.equal(made.require_signature_auth, 0)
  assert.deepEqual([made.template_id, made.template_name, made.template_content], [made.id, made.name, made.content])

  const edited = await client.editTemplate(made.id, { name: 'renamed', require_signature_auth: 1 })
  assert.equal(edited.ok, 'TEMPLATE_UPDATED')
  assert.deepEqual(edited.content, template)
  assert.equal(edited.require_signature_auth, 1)
  await client.editTemplate('renamed', { template: { steps: {}, fields: { z: 1, a: 2 } }, require_signature_auth: 0 })

  await s.stop()
  await s.boot()
  const got = await client.getTemplate(made.id)
  assert.equal(got.ok, 'TEMPLATE_FOUND')
  assert.equal(got.name, 'renamed')
  assert.equal(JSON.stringify(got.content), '{"steps":{},"fields":{"z":1,"a":2}}')
  assert.equal((await client.getTemplate('renamed')).id, made.id)
  await assert.rejects(client.getTemplate('first-one'), code('TEMPLATE_NOT_FOUND'))

  for (let i = 0; i < 6; i++) await client.createTemplate({ name: `more-${i}`, template: { steps: { [`word${i}`]: { robot: '/upload/handle' } } } })
  const all = await client.listTemplates()
  assert.equal(all.count, 7)
  assert.deepEqual(all.items.map((i) => i.name), ['more-5', 'more-4', 'more-3', 'more-2', 'more-1', 'more-0', 'renamed'])
  for (const item of all.items) {
    for (const k of ['id', 'name', 'encryption_version', 'require_signature_auth', 'last_used', 'created', 'modified', 'content']) assert.ok(k in item, k)
    assert.match(item.created, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
    assert.equal(item.last_used, null)
  }
  const page = await client.listTemplates({ page: 2, pagesize: 3, sort: 'name', order: 'asc' })
  assert.deepEqual(page.items.map((i) => i.name), ['more-3', 'more-4', 'more-5'])
  assert.equal(page.count, 7)
  assert.deepEqual((await client.listTemplates({ keywords: ['WORD3'] })).items.map((i) => i.name), ['more-3'])
  const words = await client.listTemplates({ keywords: ['more', 'upload'], pagesize: 2, page: 2, sort: 'name', order: 'asc' })
  assert.deepEqual([words.count, words.items.map((i) => i.name)], [6, ['more-2', 'more-3']])
  assert.equal((await client.listTemplates({ keywords: ['renamed', 'word'] })).count, 0)
  assert.equal((await client.listTemplates({ fromdate: '2099-01-01' })).count, 0)
  assert.equal((await client.listTemplates({ todate: new Date().toISOString().slice(0, 10), fromdate: '2001-01-01T00:00:00Z' })).count, 7)
  const builtins = await builtinsOf(s)
  const builtin = await client.listTemplates({ include_builtin: 'exclusively-latest' })
  assert.deepEqual(builtin.items.map((i) => [i.id, i.builtin_version, i.created]),
    builtins.map((id) => [id, '0.0.1', null]))
  assert.equal(builtin.count, builtins.length)
  assert.equal((await client.listTemplates({ include_builtin: 'all' })).count, 7 + builtins.length)
  const last = await client.listTemplates({ include_builtin: 'latest', pagesize: 4, page: 2 })
  assert.deepEqual(last.items.slice(3).map((i) => i.id), builtins.slice(0, 1))
  assert.equal((await collect(client.streamTemplates({ pagesize: 2 }))).length, 7)

  for (const item of all.items) assert.equal((await client.deleteTemplate(item.id)).ok, 'TEMPLATE_DELETED')
  assert.deepEqual(await client.listTemplates(), { items: [], count: 0 })
})

// Those whose Robots this server has.
async function builtinsOf(s) {
  const { robots } = await (await fetch(`${s.url}/robots`)).json()
  return ['builtin/encode-hls-video@0.0.1', 'builtin/serve-preview@0.0.1']
    .slice(robots.some((r) => r.name === '/video/encode') ? 0 : 1)
}

test('Templates that the server brings along are read and used by all, and changed by nobody', async (t) => {
  const s = await Server.start(t, { args: ['--import-allow', '127.0.0.1'] })
  const client = new Transloadit({ authKey: KEY, authSecret: SECRET, endpoint: s.url })
  const origin = await there(t, () => ({ body: fs.readFileSync(picture), headers: { 'Content-Type': 'image/png' } }))
  for (const id of await builtinsOf(s))
    for (const name of [id, id.replace('0.0.1', 'latest')])
      for (const at of [name, encodeURIComponent(name)]) {
        const got = await is(call(s, 'GET', `/templates/${at}`), 200, 'TEMPLATE_FOUND')
        assert.deepEqual([got.id, got.name, Object.keys(got.content)], [id, id, ['steps']])
      }
  const id = 'builtin/serve-preview@latest'
  await is(call(s, 'PUT', `/templates/${id}`, { name: 'x' }), 404, 'TEMPLATE_NOT_FOUND')
  await is(call(s, 'DELETE', `/templates/${id}`), 404, 'TEMPLATE_NOT_FOUND')
  await is(call(s, 'GET', '/templates/builtin/serve-preview@0.0.2'), 404, 'TEMPLATE_NOT_FOUND')

  const fields = { input: `${origin.url}/a.png`, w: 40, h: 30 }
  assert.equal((await s.create(undefined, { params: { template_id: id, fields } })).error, 'NO_SIGNATURE_FIELD')
  const a = await s.create(undefined, { params: { template_id: id, fields }, signature: true })
  const end = await s.until(a.assembly_id)
  assert.deepEqual([end.ok, end.template_id], ['ASSEMBLY_COMPLETED', 'builtin/serve-preview@0.0.1'])

  const at = { workspace: 'default', template: id, input: fields.input, urlParams: { w: 40, h: 30 } }
  const url = client.getSignedSmartCDNUrl({ ...at, baseUrl: `${s.url}/cdn/{workspace}` })
  const res = await fetch(url), bytes = Buffer.from(await res.arrayBuffer())
  assert.deepEqual([res.status, res.headers.get('content-type'), bytes.readUInt32BE(16), bytes.readUInt32BE(20)],
    [200, 'image/png; charset=utf-8', 40, 30])
  assert.equal((await fetch(url.replace(/&sig=.*/, ''))).status, 400)
})

test('every refusal around Templates has its code and status', async (t) => {
  const s = await Server.start(t)
  const good = { name: 'good-name', template: { steps: {} } }
  const { id } = await is(call(s, 'POST', '/templates', good), 200, 'TEMPLATE_CREATED')
  const table = [
    ['POST', '/templates', good, 400, 'TEMPLATE_VALIDATION_ERROR'], // the name is taken
    ['POST', '/templates', { template: {} }, 400, 'TEMPLATE_VALIDATION_ERROR'],
    ['POST', '/templates', { name: 5, template: {} }, 400, 'TEMPLATE_VALIDATION_ERROR'],
    ['POST', '/templates', { name: 'Upper', template: {} }, 400, 'TEMPLATE_VALIDATION_ERROR'],
    ['POST', '/templates', { name: 'under_score', template: {} }, 400, 'TEMPLATE_VALIDATION_ERROR'],
    ['POST', '/templates', { name: 'x'.repeat(61), template: {} }, 400, 'TEMPLATE_VALIDATION_ERROR'],
    ['POST', '/templates', { name: '', template: {} }, 400, 'TEMPLATE_VALIDATION_ERROR'],
    ['POST', '/templates', { name: 'x' }, 400, 'TEMPLATE_VALIDATION_ERROR'],
    ['POST', '/templates', { name: 'x', template: [] }, 400, 'TEMPLATE_VALIDATION_ERROR'],
    ['POST', '/templates', { name: 'x', template: '[]' }, 400, 'TEMPLATE_VALIDATION_ERROR'],
    ['POST', '/templates', { name: 'x', template: 5 }, 400, 'TEMPLATE_VALIDATION_ERROR'],
    ['POST', '/templates', { name: 'x', template: '{"a":' }, 400, 'INVALID_TEMPLATE_FIELD'],
    ['POST', '/templates', { name: 'x', template: '' }, 400, 'INVALID_TEMPLATE_FIELD'],
    ['PUT', `/templates/${id}`, { template: 'no' }, 400, 'INVALID_TEMPLATE_FIELD'],
    ['PUT', `/templates/${id}`, { name: 'NO' }, 400, 'TEMPLATE_VALIDATION_ERROR'],
    ['PUT', '/templates/nothing', { name: 'x' }, 404, 'TEMPLATE_NOT_FOUND'],
    ['GET', '/templates/nothing', {}, 404, 'TEMPLATE_NOT_FOUND'],
    ['GET', `/templates/${'0'.repeat(32)}`, {}, 404, 'TEMPLATE_NOT_FOUND'],
    ['GET', '/templates/builtin/encode-hls@1.0.0', {}, 404, 'TEMPLATE_NOT_FOUND'],
    ['GET', '/templates/builtin%2Fencode-hls@latest', {}, 404, 'TEMPLATE_NOT_FOUND'],
    ['DELETE', '/templates/nothing', {}, 404, 'TEMPLATE_NOT_FOUND'],
    ['GET', '/templates', { page: 0 }, 400, 'TEMPLATE_LIST_ERROR'],
    ['GET', '/templates', { page: 'x' }, 400, 'TEMPLATE_LIST_ERROR'],
    ['GET', '/templates', { pagesize: 5001 }, 400, 'TEMPLATE_LIST_ERROR'],
    ['GET', '/templates', { sort: 'size' }, 400, 'TEMPLATE_LIST_ERROR'],
    ['GET', '/templates', { order: 'up' }, 400, 'TEMPLATE_LIST_ERROR'],
    ['GET', '/templates', { fromdate: 'soon' }, 400, 'TEMPLATE_LIST_ERROR'],
    ['GET', '/templates', { todate: 'soon' }, 400, 'TEMPLATE_LIST_ERROR'],
    ['GET', '/templates', { keywords: 5 }, 400, 'TEMPLATE_LIST_ERROR'],
    ['GET', '/templates', { include_builtin: 'some' }, 400, 'TEMPLATE_LIST_ERROR'],
  ]
  for (const [method, url, params, status, name] of table) await is(call(s, method, url, params), status, name)

  // who may: the same for every endpoint that wants a signature
  const who = [
    [{ sign: false }, 'NO_SIGNATURE_FIELD'], [{ secret: 'wrong' }, 'INVALID_SIGNATURE'], [{ key: 'nobody' }, 'GET_ACCOUNT_UNKNOWN_AUTH_KEY'],
    [{ auth: { expires: '2001-01-01T00:00:00Z' } }, 'AUTH_EXPIRED'], [{ auth: { expires: undefined } }, 'NO_AUTH_EXPIRES_PARAMETER'],
    [{ auth: { expires: 'x' } }, 'INVALID_AUTH_EXPIRES_PARAMETER'], [{ key: 7 }, 'INVALID_AUTH_KEY_PARAMETER'],
  ]
  for (const [how, name] of who) {
    for (const [method, url] of [['GET', '/templates'], ['POST', '/templates'], ['GET', '/templates/x'], ['PUT', '/templates/x'], ['DELETE', '/templates/x']])
      await is(call(s, method, url, good, how), 400, name)
  }
  // a text is as good as an object, and the flag comes in every spelling
  for (const [flag, stored] of [[1, 1], ['1', 1], [true, 1], ['true', 1], [0, 0], ['0', 0], [false, 0]]) {
    const put = await is(call(s, 'PUT', '/templates/good-name', { template: '{"b":1,"a":{"d":1,"c":2}}', require_signature_auth: flag }), 200, 'TEMPLATE_UPDATED')
    assert.equal(put.require_signature_auth, stored, String(flag))
    assert.equal(JSON.stringify(put.content), '{"b":1,"a":{"d":1,"c":2}}')
  }
  const odd = await is(call(s, 'POST', '/templates', { name: 'odd', template: { steps: { x: { robot: '/no/such' } } } }), 200, 'TEMPLATE_CREATED')
  assert.match(odd.warnings[0].msg, /ASSEMBLY_STEP_UNKNOWN_ROBOT/)
})

test('an Assembly takes its Template by id or name, and the request is merged over it', async (t) => {
  const s = await Server.start(t)
  const client = sdk(s)
  const template = {
    steps: {
      small: { robot: '/image/resize', use: ':original', width: 20, height: 10, resize_strategy: 'stretch' },
      out: { robot: '/s3/store', use: 'small', bucket: 'b', key: 'AKIAKEY', secret: 'template-inline-secret', bucket_region: 'eu-west-1' },
    },
    fields: { from: 'template', deep: { a: 1, b: 2 }, list: ['a', 'b'] },
    auth: { max_size: 5000000 },
    usage_tags: 'tagged',
  }
  const { id } = await client.createTemplate({ name: 'thumbs', template })
  for (const template_id of [id, 'thumbs']) {
    const a = await s.create(undefined, {
      files: { 'a.png': fs.readFileSync(picture) },
      fields: { form: 'yes' },
      params: {
        template_id,
        steps: { small: { width: 30, use: [':original'] }, out: { robot: '/image/resize', height: 3, use: 'small', bucket: null, key: null, secret: null, bucket_region: null } },
        fields: { from: 'params', deep: { b: 3, c: null }, list: ['c'] },
        usage_tags: null,
      },
    })
    const bad = await s.until(a.assembly_id)
    assert.equal(bad.error, 'IMAGE_RESIZE_VALIDATION') // deeper down a null does override, and is no parameter
    const merged = JSON.parse(bad.merged_params)
    assert.deepEqual(merged.steps.small, { robot: '/image/resize', use: [':original'], width: 30, height: 10, resize_strategy: 'stretch' })
    assert.equal(merged.usage_tags, 'tagged') // but at the top it does not
    assert.deepEqual(bad.fields, { from: 'params', deep: { a: 1, b: 3, c: null }, list: ['c', 'b'], form: 'yes' })
    assert.equal(bad.usage_tags, 'tagged')
    assert.equal(bad.template_id, id)
    assert.equal(bad.template_name, 'thumbs')
    assert.equal(JSON.parse(bad.template).steps.out.secret, '****')
    assert.equal(JSON.parse(bad.params).template_id, template_id)
    assert.equal(JSON.parse(bad.params).auth.key, '****')
    assert.ok(!JSON.stringify(bad).includes('template-inline-secret'))
  }
  const item = (await client.listTemplates()).items[0]
  assert.ok(Math.abs(Date.parse(item.last_used) - Date.now()) < 60000, item.last_used)

  // merged per parameter, and it runs
  await client.createTemplate({ name: 'runs', template: { steps: { small: { robot: '/image/resize', use: ':original', width: 20, height: 10, resize_strategy: 'stretch' } } } })
  const done = await client.createAssembly({ params: { template_id: 'runs', steps: { small: { height: 12 } } }, files: { file: picture }, waitForCompletion: true })
  assert.equal(done.ok, 'ASSEMBLY_COMPLETED')
  assert.deepEqual([done.results.small[0].meta.width, done.results.small[0].meta.height], [20, 12])
  assert.equal(done.template_name, 'runs')

  // a list in `use` is replaced, other lists are merged member by member, and a restart changes nothing
  await s.kill9()
  await s.boot()
  assert.equal((await s.get(done.assembly_id)).template, done.template)
})

test('300 random Templates and requests are merged as the SDK merges them', async (t) => {
  const s = await Server.start(t)
  let seed = 7
  const rnd = (n) => { seed = (seed * 1103515245 + 12345) & 0x7fffffff; return (seed >> 8) % n }
  // below an array only arrays and scalars stand against each other: what the SDK makes of an object over a list is an accident
  const value = (depth, shape) => {
    const kind = shape ?? rnd(depth > 0 ? 7 : 4)
    if (kind === 0) return rnd(100)
    if (kind === 1) return `t${rnd(5)}`
    if (kind === 2) return rnd(2) === 1
    if (kind === 3) return null
    if (kind === 4) return Array.from({ length: rnd(4) }, () => value(depth - 1, rnd(4)))
    const o = {}
    for (let i = rnd(4); i > 0; i--) {
      const k = 'abcde'[rnd(5)]
      o[k] = k === 'e' ? value(depth - 1, 4) : value(depth - 1, [0, 1, 2, 3, 5][rnd(5)])
    }
    return o
  }
  const sorted = (v) => (Array.isArray(v) ? v.map(sorted) : v && typeof v === 'object' ? Object.fromEntries(Object.keys(v).sort().map((k) => [k, sorted(v[k])])) : v)
  const make = () => {
    const o = { steps: value(3, 5), fields: value(3, 5) }
    for (const k of ['usage_tags', 'quiet', 'x', 'y']) if (rnd(3) === 0) o[k] = value(2, rnd(4))
    if (rnd(5) === 0) delete o.steps
    else if (rnd(5) === 0) o.steps = null
    return o
  }
  for (let i = 0; i < 300; i++) {
    const template = make()
    const params = make()
    const { id } = await is(call(s, i ? 'PUT' : 'POST', i ? '/templates/random' : '/templates', { name: 'random', template }), 200, i ? 'TEMPLATE_UPDATED' : 'TEMPLATE_CREATED')
    let { body } = await call(s, 'POST', '/assemblies', { template_id: id, ...params })
    if (!body.merged_params) body = await s.get(body.assembly_id) // quiet
    const want = mergeTemplateContent(template, { auth: { key: '****', expires }, template_id: id, ...params })
    delete want.allow_steps_override
    assert.equal(JSON.stringify(sorted(JSON.parse(body.merged_params))), JSON.stringify(sorted(want)), JSON.stringify({ template, params }))
  }
})

test('a Template may demand signatures, limit uploads and forbid other steps', async (t) => {
  const s = await Server.start(t)
  const client = sdk(s)
  const make = (name, template, more) => client.createTemplate({ name, template, ...more })
  await make('signed', { steps: original }, { require_signature_auth: 1 })
  await make('final', { steps: original, allow_steps_override: false, auth: { max_size: 10, max_number_of_files: 1, referer: 'example\\.com' } })
  await make('open', { steps: original, auth: { max_size: 10, referer: 'example\\.com' } })
  await make('notify', { steps: original, notify_url: 'gopher://x' })
  const create = (params, more = {}) => call(s, 'POST', '/assemblies', params, { sign: false, ...more })

  // the order of the checks: the Template's demand for a signature first, what is wrong with it last
  await is(create({ template_id: 'signed' }, { auth: { expires: undefined } }), 400, 'NO_AUTH_EXPIRES_PARAMETER')
  await is(create({ template_id: 'signed' }), 400, 'NO_SIGNATURE_FIELD')
  await is(create({ template_id: 'signed' }, { sign: true, secret: 'no' }), 400, 'INVALID_SIGNATURE')
  await is(create({ template_id: 'signed' }, { sign: true }), 200, 'ASSEMBLY_COMPLETED')
  await is(create({ template_id: 'nothing' }, { auth: { expires: 'x' } }), 400, 'INVALID_AUTH_EXPIRES_PARAMETER')
  await is(create({ template_id: 'nothing' }, { auth: { max_size: 'x' } }), 400, 'INVALID_AUTH_MAX_SIZE_PARAMETER')
  await is(create({ template_id: 'nothing' }), 404, 'TEMPLATE_NOT_FOUND')
  await is(create({ template_id: 'builtin/x@latest' }), 404, 'TEMPLATE_NOT_FOUND')
  await is(create({ template_id: 5 }), 404, 'TEMPLATE_NOT_FOUND')
  await is(create({ template_id: null, steps: original }), 200, 'ASSEMBLY_COMPLETED')
  await is(create({ template_id: 'notify' }), 400, 'ASSEMBLY_INVALID_NOTIFY_URL')
  await is(create({ template_id: 'final', steps: {} }), 400, 'TEMPLATE_DENIES_STEPS_OVERRIDE')
  await is(create({ template_id: 'final', steps: null }), 200, 'ASSEMBLY_COMPLETED')
  for (const name of ['final', 'open']) {
    await is(create({ template_id: name }, { headers: { Referer: 'http://other.org/' } }), 403, 'REFERER_MISMATCH')
    await is(create({ template_id: name }, { headers: { Referer: 'http://example.com/' } }), 200, 'ASSEMBLY_COMPLETED')
  }
  // the request's referer counts, but can't open what a final Template closes
  const other = { auth: { referer: 'other' }, headers: { Referer: 'http://other.org/' } }
  await is(create({ template_id: 'open' }, other), 200, 'ASSEMBLY_COMPLETED')
  await is(create({ template_id: 'final' }, other), 403, 'REFERER_MISMATCH')

  const upload = async (template_id, auth, size = 20) => {
    const body = new FormData()
    body.set('params', JSON.stringify({ auth: { key: KEY, expires, ...auth }, template_id }))
    body.append('file', new Blob(['x'.repeat(size)]), 'a.txt')
    return (await fetch(`${s.url}/assemblies`, { method: 'POST', body })).json()
  }
  assert.equal((await upload('open', {})).error, 'MAX_SIZE_EXCEEDED')
  assert.equal((await upload('open', { max_size: 100 })).error, undefined)
  assert.equal((await upload('final', { max_size: 100 })).error, 'MAX_SIZE_EXCEEDED') // the smaller one applies
  assert.equal((await upload('final', { max_size: 5 }, 8)).error, 'MAX_SIZE_EXCEEDED')
  assert.equal((await upload('final', {}, 8)).error, undefined)
})

test('a signature that comes after the files is enough for a Template that demands one', async (t) => {
  const s = await Server.start(t)
  await sdk(s).createTemplate({ name: 'signed', template: { steps: original }, require_signature_auth: 1 })
  const text = JSON.stringify({ auth: { key: KEY, expires }, template_id: 'signed' })
  const send = async (signature) => {
    const body = new FormData()
    body.set('params', text)
    body.append('file', new Blob(['hello']), 'a.txt')
    if (signature) body.append('signature', signature)
    return (await fetch(`${s.url}/assemblies`, { method: 'POST', body })).json()
  }
  const a = await send(`sha384:${createHmac('sha384', SECRET).update(text).digest('hex')}`)
  assert.equal(a.error, undefined)
  assert.equal((await s.until(a.assembly_id)).uploads.length, 1)
  assert.equal((await send('sha384:00')).error, 'INVALID_SIGNATURE')
  assert.equal((await send()).error, 'NO_SIGNATURE_FIELD')
})

test('the SDK makes, reads, edits, lists and deletes credentials; the store has them sealed', async (t) => {
  const s = await Server.start(t, { args: ['--log-level', 'debug'] })
  const client = sdk(s)
  const content = { key: 'AKIATEST', secret: 'credential-secret-1', bucket: 'b', bucket_region: 'us-east-1' }
  const made = await client.createTemplateCredential({ name: 'my-s3_1', type: 's3', content })
  assert.equal(made.ok, 'TEMPLATE_CREDENTIALS_CREATED')
  assert.deepEqual(made.credential.content, content)
  assert.equal(made.credential.stringified, JSON.stringify(content))
  assert.equal(made.credential.deleted, null)
  for (const k of ['id', 'account_id', 'name', 'type', 'created', 'modified']) assert.ok(made.credential[k], k)

  await s.kill9()
  await s.boot()
  for (const which of [made.credential.id, 'my-s3_1']) {
    const got = await client.getTemplateCredential(which)
    assert.equal(got.ok, 'TEMPLATE_CREDENTIALS_READ')
    assert.deepEqual(got.credential, made.credential)
  }
  // renamed, and only then other content: each stays what it was
  const renamed = await client.editTemplateCredential('my-s3_1', { name: 'other' })
  assert.equal(renamed.ok, 'TEMPLATE_CREDENTIALS_UPDATED')
  assert.deepEqual(renamed.credential.content, content)
  await client.editTemplateCredential('other', { type: 'ftp', content: { host: 'h', user: 'u', password: 'credential-secret-2' } })
  const got = (await client.getTemplateCredential(made.credential.id)).credential
  assert.deepEqual([got.name, got.type, got.content.password], ['other', 'ftp', 'credential-secret-2'])
  assert.equal(got.created, made.credential.created)

  for (let i = 0; i < 55; i++) await client.createTemplateCredential({ name: `many-${String(i).padStart(2, '0')}`, type: 'ai', content: { i: String(i) } })
  const first = await client.listTemplateCredentials({ sort: 'name', order: 'asc' })
  assert.equal(first.ok, 'TEMPLATE_CREDENTIALS_FOUND')
  assert.equal(first.credentials.length, 50)
  assert.equal(first.credentials[0].name, 'many-00')
  assert.deepEqual((await client.listTemplateCredentials({ page: 2, sort: 'name', order: 'asc' })).credentials.map((c) => c.name), ['many-50', 'many-51', 'many-52', 'many-53', 'many-54', 'other'])
  assert.equal((await collect(client.streamTemplateCredentials({ order: 'desc' }))).length, 56)
  assert.equal((await client.deleteTemplateCredential('other')).ok, 'TEMPLATE_CREDENTIALS_DELETED')
  await assert.rejects(client.getTemplateCredential(made.credential.id), code('TEMPLATE_CREDENTIALS_NOT_READ'))

  const types = await is(call(s, 'GET', '/template_credentials/types'), 200, 'TEMPLATE_CREDENTIALS_TYPES_FOUND')
  for (const name of ['s3', 'azure', 'backblaze', 'cloudflare', 'minio', 'tigris', 'supabase', 'swift', 'digitalocean', 'wasabi', 'rackspace', 'ftp', 'sftp', 'http', 'companion', 'google', 'ai', 'dropbox', 'mega', 'vimeo', 'youtube'])
    assert.ok(types.types.includes(name), name)
  assert.ok(!s.log.includes('credential-secret'))
  for (const f of ['workcell.db', 'workcell.db-wal']) assert.ok(!fs.readFileSync(path.join(s.dir, f)).includes('credential-secret'), f)
})

test('every refusal around credentials has its code and status', async (t) => {
  const s = await Server.start(t)
  const good = { name: 'good-name', type: 's3', content: { key: 'a', secret: 'b', bucket: 'c' } }
  await is(call(s, 'POST', '/template_credentials', good), 200, 'TEMPLATE_CREDENTIALS_CREATED')
  await is(call(s, 'POST', '/template_credentials', { ...good, name: 'second' }), 200, 'TEMPLATE_CREDENTIALS_CREATED')
  const post = (more) => ['POST', '/template_credentials', { ...good, name: 'fresh', ...more }, 400, 'TEMPLATE_CREDENTIALS_NOT_CREATED']
  const put = (more, which = 'good-name') => ['PUT', `/template_credentials/${which}`, more, 400, 'TEMPLATE_CREDENTIALS_NOT_UPDATED']
  const list = (more) => ['GET', '/template_credentials', more, 400, 'TEMPLATE_CREDENTIALS_NOT_FOUND']
  const table = [
    post({ name: 'good-name' }), post({ name: 'abc' }), post({ name: 'a b c d' }), post({ name: undefined }), post({ name: 5 }),
    post({ type: 'gopher' }), post({ type: undefined }), post({ type: {} }), post({ content: undefined }), post({ content: 'x' }),
    post({ content: { key: 'a', bucket: 'c' } }), post({ type: 'sftp', content: { host: 'h', port: '22', user: 'u' } }),
    post({ type: 'http', content: { headers: 'X: y' } }),
    put({ name: 'second' }), put({ name: 'no' }), put({ type: 'gopher' }), put({ type: 'azure' }), put({ content: {} }), put({ content: [] }),
    put({ name: 'fine' }, 'nothing'),
    ['GET', '/template_credentials/nothing', {}, 400, 'TEMPLATE_CREDENTIALS_NOT_READ'],
    ['DELETE', '/template_credentials/nothing', {}, 400, 'TEMPLATE_CREDENTIALS_NOT_DELETED'],
    list({ page: 0 }), list({ sort: 'size' }), list({ order: 'up' }),
  ]
  for (const [method, url, params, status, name] of table) {
    const body = await is(call(s, method, url, params), status, name)
    assert.equal(typeof body.reason, 'string')
  }
  for (const [method, url] of [['GET', ''], ['POST', ''], ['GET', '/types'], ['GET', '/x'], ['PUT', '/x'], ['DELETE', '/x']])
    await is(call(s, method, `/template_credentials${url}`, good, { sign: false }), 400, 'NO_SIGNATURE_FIELD')
  const got = await is(call(s, 'GET', '/template_credentials/good-name'), 200, 'TEMPLATE_CREDENTIALS_READ')
  assert.deepEqual(got.credential.content, good.content) // no refusal has changed anything
})

// What a step's request to a server of ours looked like.
async function listener(t) {
  const seen = []
  const server = http.createServer((req, res) => { seen.push(req.headers); res.end('hello') })
  await new Promise((r) => server.listen(0, '127.0.0.1', r))
  t.after(() => server.close())
  return { seen, url: `http://127.0.0.1:${server.address().port}/file.txt` }
}

test('credentials reach the Robot by name and by id, and nobody else', async (t) => {
  const s = await Server.start(t, { args: ['--import-allow', '127.0.0.0/8', '--log-level', 'debug'] })
  const there = await listener(t)
  const make = (name, type, content) => call(s, 'POST', '/template_credentials', { name, type, content })
  await make('the-http', 'http', { headers: JSON.stringify(['X-Secret: very-secret-header']) })
  await make('the-s3', 's3', { key: 'k', secret: 's', bucket: 'b' })
  const step = { robot: '/http/import', url: there.url, headers: ['Authorization: Bearer inline-secret-header'], result: true }
  const a = await s.create({ i: step })
  const done = await s.until(a.assembly_id)
  assert.equal(done.ok, 'ASSEMBLY_COMPLETED')
  assert.equal(there.seen[0].authorization, 'Bearer inline-secret-header')
  assert.ok(!JSON.stringify(done).includes('inline-secret'))

  const { body } = await make('more-http', 'http', { headers: '{"X-Secret":"other-secret-header"}' })
  for (const [which, header] of [['the-http', 'very-secret-header'], [body.credential.id, 'other-secret-header']]) {
    const b = await s.until((await s.create({ i: { robot: '/http/import', url: there.url, credentials: which, result: true } })).assembly_id)
    assert.equal(b.ok, 'ASSEMBLY_COMPLETED', JSON.stringify(b))
    assert.equal(there.seen.at(-1)['x-secret'], header)
    assert.ok(!JSON.stringify(b).includes('secret-header'))
    assert.equal(JSON.parse(b.merged_params).steps.i.credentials, which)
  }

  const wrong = await s.create({ i: { robot: '/s3/store', use: ':original', credentials: 'the-http' } }, { files: { 'a.txt': 'x' } })
  assert.equal((await s.until(wrong.assembly_id)).error, 'TEMPLATE_CREDENTIALS_INJECTION_ERROR')

  await s.kill9()
  for (const f of fs.readdirSync(s.dir).filter((n) => n.startsWith('workcell.db'))) {
    const bytes = fs.readFileSync(path.join(s.dir, f))
    for (const word of ['inline-secret-header', 'very-secret-header', 'other-secret-header']) assert.ok(!bytes.includes(word), `${word} lies in ${f}`)
  }
  assert.ok(!s.log.includes('secret-header'), s.log)
  await s.boot()
})

test('an error text does not quote a secret', async (t) => {
  const s = await Server.start(t, { args: ['--log-level', 'debug'] })
  const table = [
    { robot: '/s3/store', use: ':original', bucket: 'b', key: 'k', secret: { a: 'inline-secret-word' } },
    { robot: '/s3/store', use: ':original', bucket: 'b', key: ['inline-secret-word'], secret: 's' },
    { robot: '/http/import', url: 'ftp://user:inline-secret-word@host/' },
    { robot: '/http/import', url: 'http://host/', headers: ['Authorization inline-secret-word'] },
    { robot: '/http/import', url: 'http://host/', headers: '{"Authorization": ["inline-secret-word"]}' },
  ]
  for (const step of table) {
    const a = await s.create({ x: step })
    assert.match(a.error, /_VALIDATION$/)
    assert.ok(!JSON.stringify(a).includes('inline-secret-word'), JSON.stringify(a))
  }
  assert.ok(!s.log.includes('inline-secret-word'))
})

test('steps with secrets lie sealed while the Assembly is open, and go on after a crash', async (t) => {
  const s = await Server.start(t, { args: ['--import-allow', '127.0.0.0/8'] })
  const there = await listener(t)
  const a = await s.create({ i: { robot: '/http/import', url: there.url.replace('//', '//user:inline-secret-word@'), use: ':original', result: true } }, { expected: 1 })
  assert.equal(a.ok, 'ASSEMBLY_UPLOADING')
  assert.ok(!JSON.stringify(a).includes('inline-secret'))
  await s.kill9()
  for (const f of fs.readdirSync(s.dir).filter((n) => n.startsWith('workcell.db')))
    assert.ok(!fs.readFileSync(path.join(s.dir, f)).includes('inline-secret-word'), f)
  await s.boot()
  const location = await s.tusCreate(a, 3)
  await s.patch(location, 0, 'abc')
  const done = await s.until(a.assembly_id)
  assert.equal(done.ok, 'ASSEMBLY_COMPLETED', JSON.stringify(done))
  assert.equal(done.results.i.length, 1)
  assert.equal(there.seen[0].authorization, `Basic ${Buffer.from('user:inline-secret-word').toString('base64')}`)
})

const all = ['assemblies:read', 'assemblies:write', 'auth_keys:read', 'auth_keys:write', 'bills:read', 'queues:read', 'template_credentials:read', 'template_credentials:write', 'templates:read', 'templates:write']
const as = ({ key, secret }) => ({ key, secret })
const makeKey = async (s, params = {}, who = {}) => (await is(call(s, 'POST', '/auth_keys', params, who), 200, 'AUTH_KEY_CREATED')).auth_key

test('Auth Keys are made, narrowed, shown and deleted, at once and for good', async (t) => {
  const s = await Server.start(t)
  const full = await makeKey(s, { description: 'full' })
  assert.match(full.id, /^[0-9a-f]{32}$/)
  assert.deepEqual(full.scopes, all)
  assert.equal(full.description, 'full')
  assert.match(full.created, /Z$/)
  const reader = await makeKey(s, { scopes: ['templates:read', 'auth_keys:read', 'templates:read'] })
  assert.deepEqual(reader.scopes, ['auth_keys:read', 'templates:read'])
  await is(call(s, 'GET', '/templates', {}, as(reader)), 200, undefined)
  await is(call(s, 'POST', '/templates', { name: 'x', template: {} }, as(reader)), 403, 'INSUFFICIENT_AUTH_SCOPE')
  await is(call(s, 'POST', '/auth_keys', {}, as(reader)), 403, 'INSUFFICIENT_AUTH_SCOPE')
  await is(call(s, 'POST', '/assemblies', { steps: original }, as(reader)), 403, 'INSUFFICIENT_AUTH_SCOPE')

  const found = await is(call(s, 'GET', '/auth_keys'), 200, 'AUTH_KEYS_FOUND')
  assert.equal(found.auth_keys.length, 3)
  assert.deepEqual(found.auth_keys.slice(1).map((k) => k.id), [full.id, reader.id])
  assert.ok(found.auth_keys.every((k) => !('secret' in k)))
  assert.ok(!JSON.stringify(found).includes(SECRET))
  assert.deepEqual((await is(call(s, 'GET', '/auth_keys/scopes', {}, as(reader)), 200, 'AUTH_KEY_SCOPES_FOUND')).scopes, all)
  assert.equal((await is(call(s, 'POST', `/auth_keys/show_secret/${reader.id}`), 200, 'AUTH_SECRET_RETRIEVED')).auth_secret, reader.secret)

  // a key grants, and shows, nothing that it does not have
  const maker = await makeKey(s, { scopes: ['auth_keys:read', 'auth_keys:write', 'queues:read'] })
  await is(call(s, 'POST', '/auth_keys', { scopes: ['templates:read'] }, as(maker)), 403, 'INSUFFICIENT_AUTH_SCOPE')
  await is(call(s, 'PUT', `/auth_keys/${maker.id}`, { scopes: all }, as(maker)), 403, 'INSUFFICIENT_AUTH_SCOPE')
  await is(call(s, 'POST', `/auth_keys/show_secret/${full.id}`, {}, as(maker)), 403, 'INSUFFICIENT_AUTH_SCOPE')
  assert.deepEqual((await makeKey(s, {}, as(maker))).scopes, maker.scopes)
  assert.deepEqual((await makeKey(s, { scopes: ['queues:read'] }, as(maker))).scopes, ['queues:read'])

  const put = await is(call(s, 'PUT', `/auth_keys/${reader.id}`, { description: 'new', scopes: ['templates:write'] }), 200, 'AUTH_KEY_UPDATED')
  assert.deepEqual([put.auth_key.description, put.auth_key.scopes, put.auth_key.created], ['new', ['templates:write'], reader.created])
  assert.ok(!('secret' in put.auth_key))
  await is(call(s, 'GET', '/templates', {}, as(reader)), 403, 'INSUFFICIENT_AUTH_SCOPE')

  const strict = await makeKey(s, { require_signature_auth: 1 })
  await is(call(s, 'POST', '/assemblies', { steps: original }, { ...as(strict), sign: false }), 400, 'NO_SIGNATURE_FIELD')
  await is(call(s, 'POST', '/assemblies', { steps: original }, as(strict)), 200, 'ASSEMBLY_COMPLETED')
  await is(call(s, 'PUT', `/auth_keys/${strict.id}`, { require_signature_auth: 0 }), 200, 'AUTH_KEY_UPDATED')
  await is(call(s, 'POST', '/assemblies', { steps: original }, { ...as(strict), sign: false }), 200, 'ASSEMBLY_COMPLETED')

  await is(call(s, 'DELETE', `/auth_keys/${full.id}`, {}, as(full)), 200, 'AUTH_KEY_DELETED')
  await is(call(s, 'GET', '/templates', {}, as(full)), 400, 'GET_ACCOUNT_UNKNOWN_AUTH_KEY')

  await s.kill9()
  await s.boot()
  await is(call(s, 'GET', '/templates', {}, as(full)), 400, 'GET_ACCOUNT_UNKNOWN_AUTH_KEY')
  await is(call(s, 'POST', '/templates', { name: 'x', template: {} }, as(reader)), 200, 'TEMPLATE_CREATED')
  for (const f of fs.readdirSync(s.dir).filter((n) => n.startsWith('workcell.db'))) {
    const bytes = fs.readFileSync(path.join(s.dir, f))
    for (const k of [SECRET, full.secret, reader.secret]) assert.ok(!bytes.includes(k), f)
  }
  // all but one
  for (const k of (await call(s, 'GET', '/auth_keys')).body.auth_keys) if (k.key !== KEY) await is(call(s, 'DELETE', `/auth_keys/${k.id}`), 200, 'AUTH_KEY_DELETED')
  const [last] = (await call(s, 'GET', '/auth_keys')).body.auth_keys
  await is(call(s, 'DELETE', `/auth_keys/${last.id}`), 400, 'AUTH_KEY_NOT_DELETED')

  const none = '0'.repeat(32)
  const table = [
    ['POST', '/auth_keys', { scopes: ['nothing:read'] }, 400, 'AUTH_KEY_NOT_CREATED'],
    ['POST', '/auth_keys', { scopes: 'templates:read' }, 400, 'AUTH_KEY_NOT_CREATED'],
    ['POST', '/auth_keys', { scopes: [5] }, 400, 'AUTH_KEY_NOT_CREATED'],
    ['POST', '/auth_keys', { description: {} }, 400, 'AUTH_KEY_NOT_CREATED'],
    ['POST', '/auth_keys', { description: 'x'.repeat(1001) }, 400, 'AUTH_KEY_NOT_CREATED'],
    ['PUT', `/auth_keys/${last.id}`, { scopes: ['x'] }, 400, 'AUTH_KEY_NOT_UPDATED'],
    ['PUT', `/auth_keys/${none}`, {}, 400, 'AUTH_KEY_NOT_UPDATED'],
    ['DELETE', `/auth_keys/${none}`, {}, 400, 'AUTH_KEY_NOT_DELETED'],
    ['POST', `/auth_keys/show_secret/${none}`, {}, 400, 'AUTH_SECRET_NOT_RETRIEVED'],
    ['PUT', '/auth_keys/short', {}, 404, 'SERVER_404'],
    ['GET', `/auth_keys/${last.id}`, {}, 405, 'SERVER_404'],
  ]
  for (const [method, url, params, status, name] of table) await is(call(s, method, url, params), status, name)
})

test('two deletes of the last two keys at the same time leave one', async (t) => {
  const s = await Server.start(t)
  const [first] = (await call(s, 'GET', '/auth_keys')).body.auth_keys
  for (let i = 0; i < 10; i++) {
    const k = await makeKey(s)
    const got = await Promise.all([call(s, 'DELETE', `/auth_keys/${k.id}`), call(s, 'DELETE', `/auth_keys/${first.id}`, {}, as(k))])
    const codes = got.map((g) => g.body.error ?? g.body.ok)
    // one is deleted; the other was the last by then, or its key was gone
    assert.equal(codes.filter((c) => c === 'AUTH_KEY_DELETED').length, 1, codes.join())
    if (codes[1] === 'AUTH_KEY_DELETED') return
  }
})

test('a key deleted under load: every request is served or refused, and none after the answer is served', async (t) => {
  const s = await Server.start(t)
  for (let round = 0; round < 5; round++) {
    const k = await makeKey(s)
    const codes = new Map()
    let deleted = false, go = true
    const hammer = async () => {
      while (go) {
        const after = deleted
        const { body } = await call(s, ...(Math.random() < 0.5 ? ['GET', '/templates', {}] : ['POST', '/assemblies', { steps: original }]), as(k))
        const name = body.error ?? (after ? 'SERVED AFTER THE DELETE' : 'served')
        codes.set(name, (codes.get(name) ?? 0) + 1)
      }
    }
    const all = Array.from({ length: 8 }, hammer)
    await sleep(150)
    await is(call(s, 'DELETE', `/auth_keys/${k.id}`), 200, 'AUTH_KEY_DELETED')
    deleted = true
    await sleep(100)
    go = false
    await Promise.all(all)
    assert.deepEqual([...codes.keys()].sort(), ['GET_ACCOUNT_UNKNOWN_AUTH_KEY', 'served'])
    assert.ok(codes.get('served') > 10, String(codes.get('served')))
  }
})

test('the SDK mints bearer tokens and works with them, over a restart, until their key is gone', async (t) => {
  const s = await Server.start(t)
  const token = await sdk(s).mintBearerToken()
  assert.equal(token.token_type, 'Bearer')
  assert.equal(token.expires_in, 21600)
  assert.deepEqual(token.scope.split(' '), all)
  const bearer = (authToken) => new Transloadit({ authToken, endpoint: s.url, validateResponses: true })
  const client = bearer(token.access_token)
  const made = await client.createTemplate({ name: 'by-token', template: { steps: original } })
  await s.stop()
  await s.boot()
  assert.equal((await client.getTemplate(made.id)).name, 'by-token')
  assert.equal((await client.listTemplates()).count, 1)
  assert.equal((await client.createTemplateCredential({ name: 'by-token', type: 'ai', content: {} })).ok, 'TEMPLATE_CREDENTIALS_CREATED')
  const done = await client.createAssembly({ params: { template_id: 'by-token' }, files: { file: picture }, waitForCompletion: true })
  assert.equal(done.ok, 'ASSEMBLY_COMPLETED')
  assert.equal(done.results[':original'].length, 1)

  // narrowed: it may do less than its key
  const narrow = bearer((await sdk(s).mintBearerToken({ scope: ['templates:read', 'assemblies:read', 'templates:read'] })).access_token)
  assert.equal((await narrow.listTemplates()).count, 1)
  await assert.rejects(narrow.createTemplate({ name: 'x', template: {} }), code('INSUFFICIENT_AUTH_SCOPE'))
  await assert.rejects(narrow.createAssembly({ params: { template_id: 'by-token' } }), code('INSUFFICIENT_AUTH_SCOPE'))
  const open = await s.create(original, { expected: 1 })
  await assert.rejects(narrow.cancelAssembly(open.assembly_id), (e) => e.code === 'INSUFFICIENT_AUTH_SCOPE')
  assert.equal((await s.get(open.assembly_id)).ok, 'ASSEMBLY_UPLOADING')
  assert.equal((await client.cancelAssembly(open.assembly_id)).ok, 'ASSEMBLY_CANCELED')

  // the key of a token is narrowed, then deleted: so is the token
  const k = await makeKey(s)
  const theirs = await sdk(s, { authKey: k.key, authSecret: k.secret }).mintBearerToken()
  const other = bearer(theirs.access_token)
  await other.listTemplates()
  await is(call(s, 'PUT', `/auth_keys/${k.id}`, { scopes: ['queues:read'] }), 200, 'AUTH_KEY_UPDATED')
  await assert.rejects(other.listTemplates(), code('INSUFFICIENT_AUTH_SCOPE'))
  await is(call(s, 'DELETE', `/auth_keys/${k.id}`), 200, 'AUTH_KEY_DELETED')
  await assert.rejects(other.listTemplates(), code('BEARER_TOKEN_INVALID'))
})

test('every refusal around tokens has its code, status and WWW-Authenticate', async (t) => {
  const s = await Server.start(t)
  const basic = (pair) => `Basic ${Buffer.from(pair).toString('base64')}`
  const mint = async (authorization, fields) => {
    const res = await fetch(`${s.url}/token`, { method: 'POST', body: new URLSearchParams(fields), headers: authorization ? { Authorization: authorization } : {} })
    return { status: res.status, body: await res.json(), headers: res.headers }
  }
  const good = { grant_type: 'client_credentials' }
  const table = [
    [undefined, good, 401, 'TOKEN_INVALID_CREDENTIALS'],
    ['Basic', good, 401, 'TOKEN_INVALID_CREDENTIALS'],
    ['Basic !!!', good, 401, 'TOKEN_INVALID_CREDENTIALS'],
    ['Bearer x', good, 401, 'TOKEN_INVALID_CREDENTIALS'],
    [basic('nocolon'), good, 401, 'TOKEN_INVALID_CREDENTIALS'],
    [basic(`${KEY}:wrong`), good, 401, 'TOKEN_INVALID_CREDENTIALS'],
    [basic(`${KEY}:`), good, 401, 'TOKEN_INVALID_CREDENTIALS'],
    [basic(`nobody:${SECRET}`), good, 401, 'TOKEN_INVALID_CREDENTIALS'],
    [basic(`${KEY}:${SECRET}\0x`), good, 401, 'TOKEN_INVALID_CREDENTIALS'],
    [basic(`${KEY}:${SECRET}`), {}, 400, 'TOKEN_INVALID_REQUEST'],
    [basic(`${KEY}:${SECRET}`), { grant_type: 'password' }, 400, 'TOKEN_INVALID_REQUEST'],
    [basic(`${KEY}:${SECRET}`), { ...good, scope: 'templates:read nothing:read' }, 403, 'INSUFFICIENT_AUTH_SCOPE'],
  ]
  for (const [authorization, fields, status, name] of table) {
    const got = await is(mint(authorization, fields), status, name)
    assert.equal(got.http_code, status)
    if (status === 401) assert.match((await mint(authorization, fields)).headers.get('www-authenticate'), /^Basic/)
  }
  const { body } = await mint(basic(`${KEY}:${SECRET}`), { ...good, scope: 'templates:read,queues:read  templates:read', aud: 'mcp' })
  assert.deepEqual(Object.keys(body).sort(), ['access_token', 'expires_in', 'scope', 'token_type'])
  assert.equal(body.scope, 'templates:read queues:read')

  const list = async (token, params) => {
    const res = await fetch(`${s.url}/templates${params ? `?${new URLSearchParams({ params: JSON.stringify(params) })}` : ''}`, { headers: { Authorization: token } })
    return { status: res.status, body: await res.json(), headers: res.headers }
  }
  const bearer = `Bearer ${body.access_token}`
  await is(list(bearer), 200, undefined) // no params at all
  await is(list(`bearer ${body.access_token}`, {}), 200, undefined)
  await is(list(bearer, { auth: { key: KEY } }), 200, undefined)
  await is(list(bearer, { auth: null }), 200, undefined)
  await is(list(bearer, { auth: { key: 'other' } }), 401, 'BEARER_TOKEN_AUTH_KEY_MISMATCH')
  const [payload, mac] = body.access_token.split('.')
  const changed = Buffer.from(JSON.stringify({ ...JSON.parse(Buffer.from(payload, 'base64url')), scope: all.join(' ') })).toString('base64url')
  const old = Buffer.from(JSON.stringify({ ...JSON.parse(Buffer.from(payload, 'base64url')), exp: 1000 })).toString('base64url')
  const signed = (p) => `${p}.${createHmac('sha256', SECRET).update(`bearer token ${p}`).digest('hex')}`
  for (const bad of ['', 'x', 'a.b', `${payload}.`, `${payload}.${mac}0`, `${changed}.${mac}`, `${payload}.${mac.replace(/.$/, (c) => (c === '0' ? '1' : '0'))}`, 'x'.repeat(5000)]) {
    const got = await list(`Bearer ${bad}`, {})
    await is(Promise.resolve(got), 401, 'BEARER_TOKEN_INVALID')
    assert.match(got.headers.get('www-authenticate'), /^Bearer/)
  }
  await is(list(`Bearer ${signed(payload)}`), 200, undefined)
  await is(list(`Bearer ${signed(old)}`), 401, 'BEARER_TOKEN_EXPIRED')
  await is(call(s, 'POST', '/assemblies', { steps: original }, { headers: { Authorization: `Bearer ${signed(old)}` } }), 401, 'BEARER_TOKEN_EXPIRED')

  // a cancel does not mind a token that is none, only one without the scope
  const a = await s.create(original, { expected: 1 })
  const cancel = (token) => call(s, 'DELETE', `/assemblies/${a.assembly_id}`, {}, { headers: { Authorization: token }, sign: false })
  await is(cancel(bearer), 403, 'INSUFFICIENT_AUTH_SCOPE')
  await is(cancel('Bearer nonsense'), 200, 'ASSEMBLY_CANCELED')

  let limited
  for (let i = 0; i < 130 && !limited; i++) {
    const got = await mint(basic(`${KEY}:${SECRET}`), good)
    if (got.status !== 200) limited = got
  }
  assert.equal(limited.body.error, 'RATE_LIMIT_REACHED')
  assert.equal(limited.status, 429)
  assert.ok(Number.isInteger(limited.body.info.retryIn))
})

const run = (...args) => spawnSync(binary, args, { encoding: 'utf8', env: { ...process.env, TRANSLOADIT_KEY: '', TRANSLOADIT_SECRET: '' } })
const keyOf = (text) => ({ id: text.match(/^id (\w+)/m)[1], key: text.match(/TRANSLOADIT_KEY=(\w+)/)[1], secret: text.match(/TRANSLOADIT_SECRET=(\w+)/)[1] })

test('two workspaces see nothing of each other', async (t) => {
  const s = await Server.start(t)
  await s.stop()
  const made = run('workspace', 'add', 'Second & Sons', '--data', s.dir)
  assert.equal(made.status, 0, made.stderr)
  assert.match(run('workspace', 'list', '--data', s.dir).stdout, /\tdefault\t.*\n.*\tSecond & Sons\t/)
  assert.match(run('workspace', 'add', 'Second & Sons', '--data', s.dir).stderr, /already/)
  const more = keyOf(run('key', 'add', 'templates:read', '--workspace', 'Second & Sons', '--description', 'reads', '--data', s.dir).stdout)
  await s.boot()
  const two = keyOf(made.stdout)
  const theirs = as(two)

  const one = await is(call(s, 'POST', '/templates', { name: 'same-name', template: { steps: original } }), 200, 'TEMPLATE_CREATED')
  const other = await is(call(s, 'POST', '/templates', { name: 'same-name', template: { steps: {} } }, theirs), 200, 'TEMPLATE_CREATED')
  assert.notEqual(one.id, other.id)
  const mine = (await is(call(s, 'POST', '/template_credentials', { name: 'same-name', type: 'ai', content: { a: '1' } }), 200, 'TEMPLATE_CREDENTIALS_CREATED')).credential
  const ours = (await is(call(s, 'POST', '/template_credentials', { name: 'same-name', type: 'ai', content: { a: '2' } }, theirs), 200, 'TEMPLATE_CREDENTIALS_CREATED')).credential
  assert.notEqual(mine.account_id, ours.account_id)
  assert.equal((await call(s, 'GET', '/template_credentials/same-name', {}, theirs)).body.credential.content.a, '2')
  const [main] = (await call(s, 'GET', '/auth_keys')).body.auth_keys
  assert.deepEqual((await call(s, 'GET', '/auth_keys', {}, theirs)).body.auth_keys.map((k) => k.id).sort(), [two.id, more.id].sort())
  assert.equal((await call(s, 'GET', '/auth_keys', {}, theirs)).body.auth_keys.find((k) => k.id === more.id).description, 'reads')
  const table = [
    ['GET', `/templates/${one.id}`, 404, 'TEMPLATE_NOT_FOUND'],
    ['PUT', `/templates/${one.id}`, 404, 'TEMPLATE_NOT_FOUND'],
    ['DELETE', `/templates/${one.id}`, 404, 'TEMPLATE_NOT_FOUND'],
    ['GET', `/template_credentials/${mine.id}`, 400, 'TEMPLATE_CREDENTIALS_NOT_READ'],
    ['PUT', `/template_credentials/${mine.id}`, 400, 'TEMPLATE_CREDENTIALS_NOT_UPDATED'],
    ['DELETE', `/template_credentials/${mine.id}`, 400, 'TEMPLATE_CREDENTIALS_NOT_DELETED'],
    ['PUT', `/auth_keys/${main.id}`, 400, 'AUTH_KEY_NOT_UPDATED'],
    ['DELETE', `/auth_keys/${main.id}`, 400, 'AUTH_KEY_NOT_DELETED'],
    ['POST', `/auth_keys/show_secret/${main.id}`, 400, 'AUTH_SECRET_NOT_RETRIEVED'],
  ]
  for (const [method, url, status, name] of table) await is(call(s, method, url, {}, theirs), status, name)
  await is(call(s, 'POST', '/assemblies', { template_id: one.id }, theirs), 404, 'TEMPLATE_NOT_FOUND')
  const a = await is(call(s, 'POST', '/assemblies', { template_id: 'same-name' }, theirs), 400, 'ASSEMBLY_EMPTY_STEPS')
  assert.equal(a.template_id, other.id)
  assert.equal(a.account_id, ours.account_id)
  assert.deepEqual([a.account_name, a.account_slug], ['Second & Sons', 'second-sons'])
  await is(call(s, 'POST', '/assemblies', { steps: { x: { robot: '/s3/store', use: ':original', credentials: mine.id } } }, theirs), 400, 'TEMPLATE_CREDENTIALS_INJECTION_ERROR')
  assert.equal((await call(s, 'GET', '/templates', {}, theirs)).body.count, 1)
  assert.equal((await call(s, 'GET', '/templates', {}, as(more))).body.count, 1)
})

test('the commands work on the data directory of a stopped server, and say so when it runs', async (t) => {
  const s = await Server.start(t)
  const file = path.join(s.dir, 'instructions.json')
  fs.writeFileSync(file, JSON.stringify({ steps: original, fields: { z: 1, a: 2 } }))
  for (const args of [['template', 'list'], ['template', 'create', 'x', file], ['credential', 'list'], ['credential', 'rotate'], ['key', 'list'], ['workspace', 'list']]) {
    const refused = run(...args, '--data', s.dir)
    assert.equal(refused.status, 1)
    assert.match(refused.stderr, /another workcell uses.*\n.*use its API/)
  }
  await is(call(s, 'POST', '/template_credentials', { name: 'kept', type: 'ai', content: { a: 'sealed-word' } }), 200, 'TEMPLATE_CREDENTIALS_CREATED')
  const open = await s.create(original, { expected: 1 })
  await s.stop()

  const cli = (...args) => { const r = run(...args, '--data', s.dir); assert.equal(r.status, 0, r.stderr); return r.stdout }
  const refuses = (pattern, ...args) => { const r = run(...args, '--data', s.dir); assert.ok(r.status > 0); assert.match(r.stderr, pattern) }
  const [id] = cli('template', 'create', 'from-file', file).split('\t')
  refuses(/already/, 'template', 'create', 'from-file', file)
  refuses(/lower-case/, 'template', 'create', 'From File', file)
  refuses(/open/, 'template', 'create', 'y', '/does/not/exist')
  refuses(/usage/, 'template', 'rename', 'x')
  assert.match(cli('template', 'list'), new RegExp(`^${id}\\tfrom-file\\t`))
  assert.equal(JSON.stringify(JSON.parse(cli('template', 'get', 'from-file'))), fs.readFileSync(file, 'utf8'))
  fs.writeFileSync(file, '{"steps":{}}')
  cli('template', 'update', id, file, '--require-signature-auth', '1')
  assert.match(cli('template', 'list'), /signed requests only/)
  cli('template', 'create', 'second', file)
  cli('template', 'delete', 'second')
  refuses(/no Template/, 'template', 'get', 'second')
  cli('credential', 'add', 'ftp-one', 'ftp', 'host=h', 'user=u', 'password=p')
  refuses(/need 'password'/, 'credential', 'add', 'ftp-two', 'ftp', 'host=h', 'user=u')
  assert.match(cli('credential', 'list'), /ftp-one\tftp[^]*kept\tai/)
  const spare = keyOf(cli('key', 'add'))
  assert.match(cli('key', 'list'), new RegExp(spare.key))
  cli('key', 'delete', spare.id)
  refuses(/last/, 'key', 'delete', KEY)
  refuses(/no scope/, 'key', 'add', 'nothing:read')
  refuses(/no workspace/, 'key', 'list', '--workspace', 'none')

  // a new key file: what was sealed with the old one still opens
  const before = fs.readFileSync(path.join(s.dir, 'credentials.key'), 'utf8')
  cli('credential', 'rotate')
  assert.notEqual(fs.readFileSync(path.join(s.dir, 'credentials.key'), 'utf8'), before)
  for (const point of ['key', 'rows', 'commit']) {
    const killed = spawnSync(binary, ['credential', 'rotate', '--data', s.dir], { env: { ...process.env, WORKCELL_TEST_ROTATE_KILL: point } })
    assert.equal(killed.signal, 'SIGKILL')
    await s.boot()
    assert.equal((await call(s, 'GET', '/template_credentials/kept')).body.credential.content.a, 'sealed-word')
    assert.deepEqual((await call(s, 'GET', '/templates/from-file')).body.content, { steps: {} })
    assert.equal((await s.get(open.assembly_id)).ok, 'ASSEMBLY_UPLOADING')
    await s.stop()
  }
  await s.boot()
  await s.patch(await s.tusCreate(open, 3), 0, 'abc')
  assert.equal((await s.until(open.assembly_id)).ok, 'ASSEMBLY_COMPLETED')
  await s.stop()
  fs.writeFileSync(path.join(s.dir, 'credentials.key'), before)
  refuses(/not the one/, 'key', 'list')
})

test('--help of a command is answered without a data directory, and makes none', () => {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'workcell-e2e-help-'))
  for (const command of ['credential', 'template', 'workspace', 'key', 'serve', 'doctor', 'fsck', 'run']) {
    const r = spawnSync(binary, [command, '--help'], { cwd: dir, encoding: 'utf8' })
    assert.equal(r.status, 0, `${command}: ${r.stderr}`)
    assert.match(r.stdout, /workcell/, command)
  }
  assert.deepEqual(fs.readdirSync(dir), [])
  fs.rmSync(dir, { recursive: true })
})

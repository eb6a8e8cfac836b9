// Templates, credentials, Auth Keys and bearer tokens: the real SDK, and raw requests for every code.
import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { createHmac } from 'node:crypto'
import fs from 'node:fs'
import http from 'node:http'
import path from 'node:path'
import { test } from 'node:test'
import { ApiError, Transloadit } from 'transloadit'
import { KEY, picture, root, SECRET, Server, sleep } from './server.mjs'

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
  assert.deepEqual(await client.listTemplates({ include_builtin: 'exclusively-latest' }), { items: [], count: 0 })
  assert.equal((await client.listTemplates({ include_builtin: 'all' })).count, 7)
  assert.equal((await collect(client.streamTemplates({ pagesize: 2 }))).length, 7)

  for (const item of all.items) assert.equal((await client.deleteTemplate(item.id)).ok, 'TEMPLATE_DELETED')
  assert.deepEqual(await client.listTemplates(), { items: [], count: 0 })
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

  const wrong = await s.create({ i: { robot: '/s3/store', use: ':original', credentials: 'the-http' } }, { files: { 'a.txt': 'x' } })
  assert.equal((await s.until(wrong.assembly_id)).error, 'TEMPLATE_CREDENTIALS_INJECTION_ERROR')

  await s.kill9()
  for (const f of fs.readdirSync(s.dir).filter((n) => n.startsWith('workcell.db'))) {
    const bytes = fs.readFileSync(path.join(s.dir, f))
    for (const word of ['inline-secret-header', 'very-secret-header']) assert.ok(!bytes.includes(word), `${word} lies in ${f}`)
  }
  assert.ok(!s.log.includes('secret-header'), s.log)
  await s.boot()
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

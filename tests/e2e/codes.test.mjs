// Every code of the contract, and of src/base/err.def: made by the real server, or said in tests/data/codes.json why
// it never is. docs/api-codes.md is that table; `node tests/e2e/codes.test.mjs --print` writes it.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { createHmac, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import fs from 'node:fs'
import net from 'node:net'
import path from 'node:path'
import { test } from 'node:test'
import { binary, KEY, picture, root, SECRET, Server, sign, sleep } from './server.mjs'
import { there } from './there.mjs'

const rows = JSON.parse(fs.readFileSync(path.join(root, 'tests/data/codes.json')))
const expires = '2099-01-01T00:00:00Z'
const nobody = '0'.repeat(32)
const original = { ':original': { robot: '/upload/handle', result: true } }
const resize = { robot: '/image/resize', use: ':original', result: true }
const png = fs.existsSync(picture) ? fs.readFileSync(picture) : undefined

// {method, path, params, sign, auth, fields, headers, body}: the answer, with its HTTP status. GET puts fields into the query.
async function send(s, method, where, params = {}, { signed = true, auth = {}, secret = SECRET, fields = {}, headers = {}, raw } = {}) {
  const form = new URLSearchParams(fields)
  const text = raw ?? JSON.stringify({ auth: { key: KEY, expires, ...auth }, ...params })
  form.set('params', text)
  if (signed) form.set('signature', `sha384:${createHmac('sha384', secret).update(text).digest('hex')}`)
  return answer(await (method === 'GET' ? fetch(`${s.url}${where}?${form}`, { headers }) : fetch(`${s.url}${where}`, { method, body: form, headers })))
}
const answer = async (res) => ({ status: res.status, body: await res.json() })
const get = async (s, id) => answer(await fetch(`${s.url}/assemblies/${id}`))
const post = (s, params, more) => send(s, 'POST', '/assemblies', params, { signed: false, ...more })
const steps = (s, list, more) => post(s, { steps: list, ...more })
const form = (s, fields) => fetch(`${s.url}/assemblies`, { method: 'POST', body: new URLSearchParams(fields) }).then(answer)
const params = (s, p) => form(s, { params: typeof p === 'string' ? p : JSON.stringify(p) })
const made = async (s, where, p) => { const r = await send(s, 'POST', where, p); assert.equal(r.status, 200, JSON.stringify(r.body)); return r.body }
const done = async (s, list, more) => { const a = await s.create(list, more); assert.ok(a.assembly_id, JSON.stringify(a)); await s.until(a.assembly_id); return get(s, a.assembly_id) }
const aborted = async (s) => {
  const id = randomBytes(16).toString('hex')
  const c = s.raw()
  c.write(`POST /assemblies/${id} HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: 100000\r\n\r\n` +
    `--b\r\nContent-Disposition: form-data; name="params"\r\n\r\n${JSON.stringify({ auth: { key: KEY }, steps: original })}\r\n` +
    '--b\r\nContent-Disposition: form-data; name="f"; filename="f"\r\n\r\nsome bytes')
  await s.until(id, (x) => x.ok === 'ASSEMBLY_UPLOADING')
  c.destroy()
  await s.until(id)
  return id
}
const token = async (s, pair = `${KEY}:${SECRET}`, body = { grant_type: 'client_credentials' }) =>
  answer(await fetch(`${s.url}/token`, { method: 'POST', body: new URLSearchParams(body), headers: { Authorization: `Basic ${Buffer.from(pair).toString('base64')}` } }))
const bearer = (s, value, p = {}) => fetch(`${s.url}/templates?${new URLSearchParams({ params: JSON.stringify(p) })}`, { headers: { Authorization: `Bearer ${value}` } }).then(answer)
const credential = { name: 'good-name', type: 's3', content: { key: 'a', secret: 'b', bucket: 'c' } }
const key = async (s, p) => (await made(s, '/auth_keys', p)).auth_key
const as = (k) => ({ auth: { key: k.key }, secret: k.secret })
const start = (t, args, more = {}) => Server.start(t, { args: ['--import-allow', '127.0.0.1', '--notify-allow', '127.0.0.1', ...args], ...more })
const saying = (t, status) => there(t, () => ({ status, body: '<Error/>' }))
const filtered = (more) => ({ a: { robot: '/file/filter', use: ':original', ...more } })
// A tar with one empty member.
const tar = (name) => {
  const b = Buffer.alloc(2560)
  b.write(name)
  b.write('ustar\x0000', 257)
  b.fill(' ', 148, 156)
  b.write(b.subarray(0, 512).reduce((sum, c) => sum + c).toString(8).padStart(6, '0'), 148)
  return b
}
const imported = async (s, t, status) => done(s, { i: { robot: '/http/import', url: (await saying(t, status)).url } })
const stored = async (s, t, status) => {
  const { url } = await saying(t, status)
  return done(s, { ':original': { robot: '/upload/handle' }, out: { robot: '/s3/store', use: ':original', bucket: 'b', key: 'k', secret: 'x', bucket_region: 'us-east-1', host: url, no_vhost: true } }, { files: { a: 'b' } })
}
const sql = (s, text) => execFileSync('sqlite3', ['-cmd', '.timeout 5000', path.join(s.dir, 'workcell.db'), text])

const by_url = async (s, steps) => {
  const { name } = await made(s, '/templates', { name: `t-${randomBytes(8).toString('hex')}`, template: { steps } })
  const res = await fetch(`${s.url}/cdn/default/${name}/a`)
  const id = res.headers.get('transloadit-assembly')
  return id ? { id } : answer(res)
}
const fetched = async (t) => ({ robot: '/http/import', url: (await there(t, () => ({ body: 'x' }))).url })
const serve = { robot: '/file/serve', use: 'a' }

// By code: (server, test) => {status, body}, or a list of those. Each starts a server of its own where it needs other settings.
const make = {
  async ASSEMBLY_UPLOADING(s) { return get(s, (await s.create(original, { expected: 1 })).assembly_id) },
  async ASSEMBLY_EXECUTING(s) {
    const a = await s.create({ a: { ...resize, width: 9000, format: 'avif' } }, { files: { 'a.png': png } })
    await s.until(a.assembly_id, (x) => x.ok === 'ASSEMBLY_EXECUTING')
    const r = await get(s, a.assembly_id)
    await s.cancel(a.assembly_id)
    return r
  },
  async ASSEMBLY_REPLAYING(s) { return send(s, 'POST', `/assemblies/${(await done(s, original, { files: { a: 'b' } })).body.assembly_id}/replay`) },
  ASSEMBLY_COMPLETED: (s) => done(s, original, { files: { a: 'b' } }),
  async ASSEMBLY_CANCELED(s) { return answer(await fetch((await s.create(original, { expected: 1 })).assembly_ssl_url, { method: 'DELETE' })) },
  async REQUEST_ABORTED(s) { return get(s, await aborted(s)) },
  async ASSEMBLY_FILE_RESERVED(s) { return answer(await fetch(`${(await s.create(original, { expected: 1 })).assembly_ssl_url}/reserve_file?size=5`, { method: 'POST' })) },
  async ASSEMBLY_FILE_ACCEPTED(s, t) {
    const { url } = await there(t, () => ({ body: 'hello' }))
    const a = await s.create(original, { expected: 1 })
    await fetch(`${a.assembly_ssl_url}/reserve_file?size=5`, { method: 'POST' })
    const r = await answer(await fetch(`${a.assembly_ssl_url}/add_file?${new URLSearchParams({ size: 5, filename: 'a.txt', fieldname: 'a', s3Url: url })}`, { method: 'POST' }))
    await s.until(a.assembly_id)
    return r
  },
  async ASSEMBLY_EXECUTION_PROGRESS_FETCHED(s) {
    const { body } = await done(s, original, { files: { a: 'b' }, params: { emit_execution_progress: true } })
    return answer(await fetch(`${body.assembly_ssl_url}/execution_progress`))
  },
  async ASSEMBLY_NOTIFICATION_REPLAYED(s, t) {
    const { url } = await there(t)
    return send(s, 'POST', `/assembly_notifications/${(await done(s, original)).body.assembly_id}/replay`, { notify_url: url })
  },
  TEMPLATE_CREATED: (s) => send(s, 'POST', '/templates', { name: 'created', template: {} }),
  TEMPLATE_FOUND: async (s) => send(s, 'GET', `/templates/${(await made(s, '/templates', { name: 'found', template: {} })).id}`),
  TEMPLATE_UPDATED: async (s) => send(s, 'PUT', `/templates/${(await made(s, '/templates', { name: 'updated', template: {} })).id}`, { name: 'newer' }),
  TEMPLATE_DELETED: async (s) => send(s, 'DELETE', `/templates/${(await made(s, '/templates', { name: 'deleted', template: {} })).id}`),
  TEMPLATE_CREDENTIALS_CREATED: (s) => send(s, 'POST', '/template_credentials', { ...credential, name: 'created' }),
  TEMPLATE_CREDENTIALS_READ: async (s) => send(s, 'GET', `/template_credentials/${(await made(s, '/template_credentials', { ...credential, name: 'read' })).credential.id}`),
  TEMPLATE_CREDENTIALS_FOUND: (s) => send(s, 'GET', '/template_credentials'),
  TEMPLATE_CREDENTIALS_UPDATED: async (s) => send(s, 'PUT', `/template_credentials/${(await made(s, '/template_credentials', { ...credential, name: 'updated' })).credential.id}`, { name: 'newer' }),
  TEMPLATE_CREDENTIALS_DELETED: async (s) => send(s, 'DELETE', `/template_credentials/${(await made(s, '/template_credentials', { ...credential, name: 'deleted' })).credential.id}`),
  TEMPLATE_CREDENTIALS_TESTED: async (s) => {
    const content = { host: '127.0.0.1', port: '1', user: 'u', private_key: 'k' } // nobody is there, and that is said
    const { credential } = await made(s, '/template_credentials', { name: 'tested', type: 'sftp', content })
    return send(s, 'POST', `/template_credentials/${credential.id}/test`)
  },
  TEMPLATE_CREDENTIALS_TYPES_FOUND: (s) => send(s, 'GET', '/template_credentials/types'),
  AUTH_KEY_CREATED: (s) => send(s, 'POST', '/auth_keys', { description: 'x' }),
  AUTH_KEY_UPDATED: async (s) => send(s, 'PUT', `/auth_keys/${(await key(s)).id}`, { description: 'y' }),
  AUTH_KEY_DELETED: async (s) => send(s, 'DELETE', `/auth_keys/${(await key(s)).id}`),
  AUTH_KEYS_FOUND: (s) => send(s, 'GET', '/auth_keys'),
  AUTH_KEY_SCOPES_FOUND: (s) => send(s, 'GET', '/auth_keys/scopes'),
  AUTH_SECRET_RETRIEVED: async (s) => send(s, 'POST', `/auth_keys/show_secret/${(await key(s)).id}`),
  BILL_FOUND: (s) => send(s, 'GET', '/bill/2031-05'),
  PRIORITY_JOB_SLOTS_FOUND: (s) => send(s, 'GET', '/queues/job_slots'),
  SERVER_ROOT: async (s) => answer(await fetch(s.url)),
  ASSEMBLY_JOBS_FOUND: async (s) => send(s, 'GET', `/assemblies/${(await done(s, original)).body.assembly_id}/jobs`),
  WORK_FOUND: (s) => send(s, 'GET', '/queues/work'),
  INSTRUCTIONS_CHECKED: (s) => send(s, 'POST', '/instructions/check', { steps: original }),

  NO_PARAMS_FIELD: (s) => form(s, {}),
  INVALID_PARAMS_FIELD: (s) => params(s, '{'),
  NO_OBJECT_PARAMS_FIELD: (s) => params(s, '[]'),
  NO_AUTH_PARAMETER: (s) => params(s, {}),
  NO_OBJECT_AUTH_PARAMETER: (s) => params(s, { auth: 1 }),
  NO_AUTH_KEY_PARAMETER: (s) => params(s, { auth: {} }),
  INVALID_AUTH_KEY_PARAMETER: (s) => params(s, { auth: { key: 1 } }),
  NO_AUTH_EXPIRES_PARAMETER: (s) => send(s, 'GET', '/templates', {}, { auth: { expires: undefined } }),
  INVALID_AUTH_EXPIRES_PARAMETER: (s) => post(s, {}, { auth: { expires: 'soon' } }),
  async AUTH_EXPIRED(s) {
    const { name } = await made(s, '/templates', { name: 'expired', template: { steps: { a: serve } } })
    const what = `default/${name}/a?auth_key=${KEY}&exp=1`
    const sig = createHmac('sha256', SECRET).update(what).digest('hex')
    return [await post(s, {}, { auth: { expires: '2001-01-01T00:00:00Z' } }),
      await answer(await fetch(`${s.url}/cdn/${what}&sig=sha256:${sig}`))]
  },
  NO_RESULT_STEP_FOUND: async (s, t) => by_url(s, { a: await fetched(t) }),
  FILE_SERVE_NO_RESULT: async (s, t) =>
    by_url(s, { a: await fetched(t), b: { ...resize, use: 'a' }, c: { ...serve, use: 'b' } }),
  ASSEMBLY_DISALLOWED_ROBOTS_USED: async (s, t) =>
    by_url(s, { a: await fetched(t), b: { robot: '/file/hash', use: 'a' }, c: serve }),
  async ASSEMBLY_NOT_CAPABLE(s, t) {
    const { id } = await by_url(s, { a: await fetched(t), b: serve })
    return answer(await fetch(`${s.url}/assemblies/${id}/reserve_file`, { method: 'POST' }))
  },
  INVALID_AUTH_MAX_SIZE_PARAMETER: (s) => post(s, {}, { auth: { max_size: 'x' } }),
  INVALID_AUTH_MAX_NUMBER_OF_FILES_PARAMETER: (s) => post(s, {}, { auth: { max_number_of_files: 0 } }),
  INVALID_AUTH_REFERER_PARAMETER: (s) => post(s, {}, { auth: { referer: '(' } }),
  NO_SIGNATURE_FIELD: (s) => send(s, 'GET', '/assemblies', {}, { signed: false }),
  INVALID_SIGNATURE: (s) => post(s, { steps: original }, { signed: true, secret: 'wrong' }),
  GET_ACCOUNT_UNKNOWN_AUTH_KEY: (s) => post(s, { steps: original }, { auth: { key: 'nobody' } }),
  REFERER_MISMATCH: (s) => post(s, { steps: original }, { auth: { referer: 'a\\.example' }, headers: { Referer: 'http://b.example/' } }),
  INSUFFICIENT_AUTH_SCOPE: async (s) => send(s, 'GET', '/templates', {}, as(await key(s, { scopes: ['bills:read'] }))),
  BEARER_TOKEN_INVALID: (s) => bearer(s, 'x.y'),
  async BEARER_TOKEN_EXPIRED(s) {
    const [payload] = (await token(s)).body.access_token.split('.')
    const old = Buffer.from(JSON.stringify({ ...JSON.parse(Buffer.from(payload, 'base64url')), exp: 1000 })).toString('base64url')
    return bearer(s, `${old}.${createHmac('sha256', SECRET).update(`bearer token ${old}`).digest('hex')}`)
  },
  BEARER_TOKEN_AUTH_KEY_MISMATCH: async (s) => bearer(s, (await token(s)).body.access_token, { auth: { key: 'other' } }),
  TOKEN_INVALID_CREDENTIALS: (s) => token(s, `${KEY}:wrong`),
  TOKEN_INVALID_REQUEST: (s) => token(s, undefined, {}),
  async RATE_LIMIT_REACHED(_, t) {
    const out = []
    for (const more of [[], ['--create-rate-status', '429']]) {
      const s = await start(t, ['--create-rate', '1', ...more])
      await steps(s, original)
      out.push(await steps(s, original))
      if (more.length) continue
      for (let i = 0; i < 120; i++) assert.equal((await token(s)).status, 200)
      out.push(await token(s))
    }
    assert.deepEqual(out.map((r) => r.status), [413, 429, 429])
    for (const r of out) assert.ok(Number.isInteger(r.body.info.retryIn) && r.body.info.retryIn > 0)
    return out
  },
  INVALID_FORM_DATA: async (s) => answer(await fetch(`${s.url}/assemblies`, { method: 'POST', body: 'x', headers: { 'Content-Type': 'multipart/form-data' } })),
  INVALID_URL_ENCODING: async (s) => answer(await fetch(`${s.url}/assemblies?params=%zz`)),
  // 507 needs a disk that fills up: diskfull.test.mjs. 503: a server that ends is asked on a connection that it has already
  async CANNOT_ACCEPT_NEW_ASSEMBLIES(_, t) {
    const s = await start(t, [])
    const c = s.raw()
    const ask = async (line) => {
      c.text = ''
      c.write(`${line} HTTP/1.1\r\nHost: x\r\n\r\n`)
      for (const end = Date.now() + 10000; !/\r\n\r\n[^]*\}$/.test(c.text); await sleep(10)) assert.ok(Date.now() < end, c.text)
      const [head, body] = c.text.split('\r\n\r\n')
      return { status: Number(head.split(' ')[1]), body: JSON.parse(body) }
    }
    assert.equal((await ask('GET /readyz')).status, 200)
    const a = await s.create({ big: { ...resize, width: 9000, format: 'avif' } }, { files: { 'a.png': png } })
    await s.until(a.assembly_id, (st) => st.running_jobs.length > 0)
    s.child.kill('SIGTERM') // it waits for the job
    let got
    for (const end = Date.now() + 10000; (got = await ask('GET /readyz')).status === 200; await sleep(10)) assert.ok(Date.now() < end)
    await ask(`DELETE /assemblies/${a.assembly_id}`)
    c.destroy()
    await s.exited
    return got
  },
  COMPANION_UNAVAILABLE: async (s) => answer(await fetch(`${s.url}/companion/drive`)),
  async COMPANION_BAD_ANSWER(_, t) {
    const babbler = net.createServer((c) => c.on('error', () => {}).once('data', () => c.end('what?\r\n\r\n'))).listen(0, '127.0.0.1')
    await once(babbler, 'listening')
    t.after(() => babbler.close())
    const s = await start(t, ['--companion', `http://127.0.0.1:${babbler.address().port}`])
    return answer(await fetch(`${s.url}/companion/drive`))
  },
  async REQUEST_PREMATURE_CLOSED(_, t) {
    const s = await start(t, [])
    const c = s.raw()
    c.write('POST /assemblies HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 100\r\n\r\na')
    await c.ended // after half a minute
    return { status: Number(c.text.slice(9, 12)), body: JSON.parse(c.text.slice(c.text.indexOf('{'))) }
  },
  async SERVER_401(_, t) {
    const s = await start(t, ['--cancel-requires-auth'])
    return answer(await fetch((await s.create(original, { expected: 1 })).assembly_ssl_url, { method: 'DELETE' }))
  },
  async SERVER_404(s) { return Promise.all(['/nothing', '/assemblies/odd'].map(async (p) => answer(await fetch(s.url + p)))) },
  async SERVER_500(_, t) {
    const s = await start(t, [], { allow: [/./] })
    sql(s, 'drop table bill')
    return send(s, 'GET', '/bill/2031-05')
  },

  async ASSEMBLY_CRASHED(_, t) {
    const s = await start(t, [], { allow: [/is set aside/] })
    const a = await s.create(original, { expected: 1 })
    await s.stop()
    // as servers leave it that died: none was being read by the last one, three died of this one
    fs.writeFileSync(path.join(s.dir, 'opening'), [' ', `${a.assembly_id} 3`].map((line) => `${line.padEnd(63)}\n`).join(''))
    await s.boot()
    const found = JSON.parse(execFileSync(binary, ['doctor', '--json', '--data', s.dir], { encoding: 'utf8' }))
    assert.match(JSON.stringify(found), /1 Assemblies are set aside/)
    return get(s, a.assembly_id)
  },
  ASSEMBLY_NOT_FOUND: async (s) => [await get(s, nobody), await answer(await fetch(`${s.url}/assemblies/${nobody}`, { method: 'DELETE' }))],
  async ASSEMBLY_ACCOUNT_MISMATCH(_, t) {
    const s = await start(t, [])
    const { body } = await done(s, original)
    await s.stop()
    const text = execFileSync(binary, ['workspace', 'add', 'second', '--data', s.dir], { encoding: 'utf8', env: { ...process.env, TRANSLOADIT_KEY: '', TRANSLOADIT_SECRET: '' } })
    await s.boot()
    return send(s, 'POST', `/assemblies/${body.assembly_id}/replay`, {}, { auth: { key: text.match(/TRANSLOADIT_KEY=(\w+)/)[1] }, secret: text.match(/TRANSLOADIT_SECRET=(\w+)/)[1] })
  },
  async DO_NOT_REUSE_ASSEMBLY_IDS(s) {
    const id = randomBytes(16).toString('hex')
    assert.equal((await send(s, 'POST', `/assemblies/${id}`, { steps: original })).status, 200)
    return send(s, 'PUT', `/assemblies/${id}`, { steps: original })
  },
  ASSEMBLY_INVALID_NUM_EXPECTED_UPLOAD_FILES_PARAM: (s) => post(s, { steps: original }, { fields: { num_expected_upload_files: '-1' } }),
  ASSEMBLY_INVALID_NOTIFY_URL: (s) => steps(s, original, { notify_url: 'ftp://a.example/' }),
  ASSEMBLY_NOT_FINISHED: async (s) => send(s, 'POST', `/assemblies/${(await s.create(original, { expected: 1 })).assembly_id}/replay`),
  ASSEMBLY_CANNOT_BE_REPLAYED: async (s) => send(s, 'POST', `/assemblies/${await aborted(s)}/replay`),
  ASSEMBLY_LIST_ERROR: (s) => send(s, 'GET', '/assemblies', { page: 0 }),
  ASSEMBLY_FILE_NOT_RESERVED: async (s) => answer(await fetch(`${(await s.create(original, { expected: 1 })).assembly_ssl_url}/add_file?size=1&filename=a&fieldname=a&s3Url=http://a.example/`, { method: 'POST' })),
  async ASSEMBLY_SATURATED(s) {
    const a = await s.create(original, { expected: 1 })
    const reserve = () => fetch(`${a.assembly_ssl_url}/reserve_file?size=5`, { method: 'POST' })
    await reserve()
    const r = await answer(await reserve())
    assert.deepEqual([r.body.numReserved, r.body.numExpected], [1, 1])
    return r
  },
  ASSEMBLY_EXECUTION_PROGRESS_NOT_ENABLED: async (s) => answer(await fetch(`${(await s.create(original, { expected: 1 })).assembly_ssl_url}/execution_progress`)),
  ASSEMBLY_NOTIFICATIONS_LIST_ERROR: (s) => send(s, 'GET', '/assembly_notifications', { page: 0 }),
  ASSEMBLY_NOTIFICATION_NOT_REPLAYED: async (s, t) => send(s, 'POST', `/assembly_notifications/${(await done(s, original)).body.assembly_id}/replay`, { notify_url: (await saying(t, 500)).url }),
  ASSEMBLY_NO_NOTIFY_URL: async (s) => send(s, 'POST', `/assembly_notifications/${(await done(s, original)).body.assembly_id}/replay`),
  async ASSEMBLY_JOBS_NOT_FOUND(_, t) {
    const s = await start(t, ['--result-expiry-s', '1', '--sweep-interval-s', '1', '--memory-keep-s', '1'])
    const { body } = await done(s, original, { files: { a: 'b' } })
    for (const end = Date.now() + 20000; ;) {
      const r = await send(s, 'GET', `/assemblies/${body.assembly_id}/jobs`)
      if (r.body.error) return r
      assert.ok(Date.now() < end, 'the events stay')
      await sleep(100)
    }
  },
  async ASSEMBLY_STATUS_FETCHING_RATE_LIMIT_REACHED(_, t) {
    const s = await start(t, ['--status-rate', '1'])
    const a = await s.create(original, { expected: 1 })
    for (let i = 0; i < 50; i++) {
      const r = await get(s, a.assembly_id)
      if (r.status !== 200) return r
    }
    assert.fail('read as often as one likes')
  },

  ASSEMBLY_NO_STEPS: (s) => steps(s, undefined),
  ASSEMBLY_INVALID_STEPS: (s) => steps(s, []),
  ASSEMBLY_EMPTY_STEPS: (s) => steps(s, {}),
  ASSEMBLY_STEP_INVALID: (s) => steps(s, { a: 1 }),
  ASSEMBLY_STEP_NO_ROBOT: (s) => steps(s, { a: {} }),
  ASSEMBLY_STEP_INVALID_ROBOT: (s) => steps(s, { a: { robot: 1 } }),
  ASSEMBLY_STEP_UNKNOWN_ROBOT: (s) => steps(s, { a: { robot: '/no/such' } }),
  ASSEMBLY_STEP_INVALID_USE: (s) => steps(s, { a: { ...resize, use: 1 } }),
  ASSEMBLY_STEP_UNKNOWN_USE: (s) => steps(s, { a: { ...resize, use: 'b' } }),
  ASSEMBLY_INFINITE: (s) => steps(s, { a: { ...resize, use: 'a' } }),
  INVALID_STEP_NAME: (s) => steps(s, { ':original': resize }),
  INVALID_UPLOAD_HANDLE_STEP_NAME: (s) => steps(s, { up: { robot: '/upload/handle' } }),
  IMAGE_RESIZE_VALIDATION: (s) => steps(s, { a: { ...resize, width: 0 } }),
  IMAGE_FACEDETECT_VALIDATION: (s) => steps(s, { a: { robot: '/image/facedetect', use: ':original', crop_padding: '5em' } }),
  HTTP_IMPORT_VALIDATION: (s) => steps(s, { a: { robot: '/http/import' } }),
  S3_STORE_VALIDATION: (s) => steps(s, { a: { robot: '/s3/store', use: ':original', bucket: 'b' } }),
  ROBOT_VALIDATION_BASE_ERROR: (s) => steps(s, original, { notification_payload: 'all' }),
  IMAGE_RESIZE_INVALID_BLUR_REGION: (s) => steps(s, { a: { ...resize, blur_regions: [{ x: 1 }] } }),
  IMAGE_RESIZE_INVALID_TEXT_VALUE: (s) => steps(s, { a: { ...resize, text: 'x' } }),
  IMAGE_RESIZE_INVALID_TEXT_OBJECT_VALUE: (s) => steps(s, { a: { ...resize, text: { text: 'x', size: 0 } } }),
  IMAGE_RESIZE_INVALID_WATERMARK_POSITION: (s) => steps(s, { a: { ...resize, watermark_position: 'middle' } }),
  IMAGE_RESIZE_INVALID_WATERMARK_OFFSET: (s) => steps(s, { a: { ...resize, watermark_x_offset: 'far' } }),
  IMAGE_RESIZE_NO_CLUT_FILE: (s) => done(s, { a: { ...resize, clut: true } }, { files: { 'a.png': png } }),
  IMAGE_RESIZE_NO_INPUT_FILE: (s) => done(s, { a: { ...resize, use: [{ name: ':original', as: 'watermark' }] } }, { files: { 'a.png': png } }),
  TEMPLATE_NOT_FOUND: async (s) => [await post(s, { template_id: nobody }), await send(s, 'GET', '/templates/nothing')],
  async TEMPLATE_DB_ERROR(_, t) {
    const s = await start(t, [], { allow: [/./] })
    const { id } = await made(s, '/templates', { name: 'broken', template: {} })
    sql(s, `update template set content = 'x' where id = '${id}'`)
    return [await send(s, 'GET', `/templates/${id}`), await post(s, { template_id: id })]
  },
  INVALID_TEMPLATE_FIELD: (s) => send(s, 'POST', '/templates', { name: 'fine', template: '{' }),
  async TEMPLATE_DENIES_STEPS_OVERRIDE(s) {
    await made(s, '/templates', { name: 'final', template: { allow_steps_override: false, steps: original } })
    return post(s, { template_id: 'final', steps: original })
  },
  TEMPLATE_CREDENTIALS_INJECTION_ERROR: (s) => steps(s, { a: { robot: '/s3/store', use: ':original', credentials: 'none' } }),

  MAX_SIZE_EXCEEDED: (s) => done(s, original, { files: { a: 'too much' }, params: { auth: { key: KEY, max_size: 3 } } }),
  MAX_NUMBER_OF_FILES_EXCEEDED: (s) => done(s, original, { files: { a: '1', b: '2' }, params: { auth: { key: KEY, max_number_of_files: 1 } } }),
  async ASSEMBLY_EXPIRED(_, t) {
    const s = await start(t, ['--upload-expiry-s', '1', '--sweep-interval-s', '1'])
    return done(s, original, { expected: 1 })
  },
  async ASSEMBLY_MEMORY_LIMIT_EXCEEDED(_, t) {
    const s = await start(t, ['--max-status-size', '20K'])
    return done(s, original, { files: Object.fromEntries(Array.from({ length: 30 }, (_x, i) => [`f${i}`, 'x'])) })
  },
  FILE_META_DATA_ERROR: (s) => done(s, original, { files: { 'cut.png': png.subarray(0, 20) } }),
  INVALID_INPUT_ERROR: (s) => done(s, { a: resize }, { files: { 'empty.jpg': '' } }),
  async INTERNAL_COMMAND_ERROR(_, t) {
    const s = await start(t, ['--job-file-size', '1K'])
    return done(s, { a: { ...resize, width: 500 } }, { files: { 'a.png': png } })
  },
  async INTERNAL_COMMAND_TIMEOUT(_, t) {
    const s = await start(t, ['--job-timeout-s', '1'])
    return done(s, { a: { ...resize, width: 9000, format: 'avif' } }, { files: { 'a.png': png } })
  },
  async WORKER_JOB_ERROR(_, t) {
    const s = await start(t, ['--job-attempts', '1'], { allow: [/worker/] })
    const a = await s.create({ a: { ...resize, width: 9000, format: 'avif' } }, { files: { 'a.png': png } })
    await s.until(a.assembly_id, (x) => x.ok === 'ASSEMBLY_EXECUTING' && x.uploads[0]?.meta?.width && s.busyWorkers().length > 0)
    for (const pid of s.busyWorkers()) process.kill(pid, 'SIGKILL')
    await s.until(a.assembly_id)
    return get(s, a.assembly_id)
  },
  HTTP_IMPORT_NOT_FOUND: (s, t) => imported(s, t, 404),
  HTTP_IMPORT_ACCESS_DENIED: (s, t) => imported(s, t, 403),
  HTTP_IMPORT_FAILURE: (s, t) => imported(s, t, 400),
  S3_STORE_ACCESS_DENIED: (s, t) => stored(s, t, 403),
  S3_STORE_FAILURE: (s, t) => stored(s, t, 400),
  FILE_FILTER_DECLINED_FILE: (s) => done(s, filtered({ accepts: [], error_on_decline: true }), { files: { a: 'b' } }),
  FILE_FILTER_INVALID_OPERATOR: (s) => steps(s, filtered({ accepts: [['${file.ext}', 'like', 'a']] })),
  async IMAGE_COPYRIGHT_DETECT_DECLINED_FILE(_, t) {
    const { url } = await there(t, () => ({ body: '{"matches": [{"category": "artwork", "confidence": 99}]}' }))
    const s = await start(t, ['--endpoint', `copyrightdetect=${url}`])
    return done(s, { a: { robot: '/image/copyrightdetect', use: ':original', error_on_decline: true } },
      { files: { 'a.png': png } })
  },
  FILE_VERIFY_INVALID_FILE: (s) =>
    done(s, { a: { robot: '/file/verify', use: ':original', error_on_decline: true } }, { files: { 'a.pdf': 'b' } }),
  POSSIBLY_MALICIOUS_FILE_FOUND: (s) =>
    done(s, { a: { robot: '/file/decompress', use: ':original' } }, { files: { 'a.tar': tar('../x') } }),

  TEMPLATE_VALIDATION_ERROR: (s) => send(s, 'POST', '/templates', { template: {} }),
  TEMPLATE_LIST_ERROR: (s) => send(s, 'GET', '/templates', { page: 0 }),
  TEMPLATE_CREDENTIALS_NOT_CREATED: (s) => send(s, 'POST', '/template_credentials', { ...credential, type: 'gopher' }),
  TEMPLATE_CREDENTIALS_NOT_READ: (s) => send(s, 'GET', '/template_credentials/nothing'),
  TEMPLATE_CREDENTIALS_NOT_FOUND: (s) => send(s, 'GET', '/template_credentials', { page: 0 }),
  TEMPLATE_CREDENTIALS_NOT_UPDATED: (s) => send(s, 'PUT', '/template_credentials/nothing', { name: 'fine' }),
  TEMPLATE_CREDENTIALS_NOT_DELETED: (s) => send(s, 'DELETE', '/template_credentials/nothing'),
  AUTH_KEY_NOT_CREATED: (s) => send(s, 'POST', '/auth_keys', { description: 5 }),
  AUTH_KEY_NOT_UPDATED: (s) => send(s, 'PUT', `/auth_keys/${nobody}`, { description: 'x' }),
  async AUTH_KEY_NOT_DELETED(_, t) {
    const s = await start(t, [])
    const { body } = await send(s, 'GET', '/auth_keys')
    return send(s, 'DELETE', `/auth_keys/${body.auth_keys[0].id}`)
  },
  AUTH_SECRET_NOT_RETRIEVED: (s) => send(s, 'POST', `/auth_keys/show_secret/${nobody}`),
}

function check(row, { status, body }) {
  const text = `${row.code}: ${status} ${JSON.stringify(body).slice(0, 600)}`
  assert.equal(row.kind === 'ok' ? body.ok : body.error, row.code, text)
  assert.ok([row.http].flat().includes(status), text)
  assert.equal(body.http_code, status, text)
  if (row.kind === 'ok') {
    assert.ok(!('error' in body), text)
  } else {
    assert.ok(typeof body.message === 'string' && body.message.length > 5, text)
    assert.ok(body.ok === undefined || body.ok === null, text)
  }
}

const page = () => {
  const say = (r) => `| \`${r.code}\` | ${[r.http].flat().join(', ')} | ${r.how ?? ''} |`
  const made_ = (kind) => rows.filter((r) => r.kind === kind).map(say).join('\n')
  const why = new Map()
  for (const r of rows.filter((x) => x.never)) why.set(r.never, [...(why.get(r.never) ?? []), `\`${r.code}\``])
  return `# Codes

Of \`tests/data/codes.json\`; \`tests/e2e/codes.test.mjs\` has the real server make each code of the first three tables.

## Requests that are refused

| \`error\` | HTTP | For example |
| --- | --- | --- |
${made_('request')}

## Assemblies that failed

Their status is served with 200 and has \`error\`.

| \`error\` | HTTP | For example |
| --- | --- | --- |
${made_('status')}

## What went well

| \`ok\` | HTTP | |
| --- | --- | --- |
${made_('ok')}

## Never said by this server

| Code | Because |
| --- | --- |
${[...why].map(([reason, list]) => `| ${list.join(', ')} | ${reason} |`).join('\n')}

Codes of Robots that this server does not have (\`workcell robots\` lists those it has) are never said either.
`
}

if (process.argv.includes('--print')) {
  process.stdout.write(page())
} else {
  const names = new Set(rows.map((r) => r.code))
  test('each code of err.def and each ok of the route table is in the table once, made or with a reason', () => {
    assert.equal(names.size, rows.length)
    const table = fs.readFileSync(path.join(root, 'src/base/err.def'), 'utf8')
    const def = [...table.matchAll(/^X\((\w+), "(\w+)", (\d+), \w+\)/gm)].map(([, id, name, http]) => ({ id, name, http: Number(http) }))
    assert.equal(def.length, (table.match(/^X\(ERR/gm) ?? []).length)
    const routes = [...fs.readFileSync(path.join(root, 'src/api/routes.c'), 'utf8').matchAll(/\.ok = "(\w+)"/g)].map((m) => m[1])
    assert.ok(def.length > 80 && routes.length > 20)
    assert.deepEqual([...def.map((d) => d.name), ...routes].filter((c) => !names.has(c)), [])
    const said = [...new Set(['src/api', 'src/robot', 'src/conductor', 'src/assembly'].flatMap((d) => fs.readdirSync(path.join(root, d)).filter((f) => /\.c$/.test(f)).flatMap((f) =>
      [...fs.readFileSync(path.join(root, d, f), 'utf8').matchAll(/err_set_named\([^;]*?"([A-Z][A-Z0-9_]{6,})"/g)].map((m) => m[1]))))]
    assert.ok(said.length >= 5, said.join(' '))
    assert.deepEqual(said.filter((c) => !names.has(c)), [])
    for (const r of rows) assert.ok(r.never ? r.never.length > 10 && !make[r.code] : make[r.code], `${r.code} is neither made here nor has it a reason`)
    assert.deepEqual(Object.keys(make).filter((c) => !names.has(c)), [])
    // the table says the same status as err.def
    for (const d of def) {
      const row = rows.find((r) => r.code === d.name)
      if (row.kind === 'request' && d.id !== 'ERR_SERVER_405') assert.ok([row.http].flat().includes(d.http), `${d.id}: ${d.http}`)
    }
  })

  test('docs/api-codes.md says what the table says (node tests/e2e/codes.test.mjs --print)', () => {
    assert.equal(fs.readFileSync(path.join(root, 'docs/api-codes.md'), 'utf8'), page())
  })

  for (const [kind, title] of [['ok', 'each ok code is said, with 200 and no error'], ['request', 'each refusal has its code, its HTTP status and a message'],
    ['status', 'each failure of an Assembly is in its status, served with 200']]) {
    test(title, async (t) => {
      const s = await start(t, [])
      for (const row of rows.filter((r) => r.kind === kind)) {
        const got = [await make[row.code](s, t)].flat()
        for (const g of got) check(row, g)
      }
    })
  }
}

// Every route, by every way to call it, with every kind of key: what is let in follows from the route's own row, which
// /openapi.json shows (x-need, security). A new route is tried without a line here.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { createHmac, randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { binary, KEY, SECRET, Server } from './server.mjs'

const scopes = ['assemblies:read', 'assemblies:write', 'auth_keys:read', 'auth_keys:write', 'bills:read', 'queues:read',
  'template_credentials:read', 'template_credentials:write', 'templates:read', 'templates:write']
const verbs = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE']
const later = '2099-01-01T00:00:00Z'

// ---- who asks: what it sends, and what a route that demands a signature says to that (undefined: nothing, it is let in)

const signer = (key, secret, { expires = later } = {}) => (more) => {
  const text = JSON.stringify({ ...more, auth: { key, ...(expires && { expires }) } })
  return { params: text, signature: `sha384:${createHmac('sha384', secret).update(text).digest('hex')}` }
}
const unsigned = (auth) => (more) => ({ params: JSON.stringify({ ...more, ...auth }) })

async function call(s, method, path, fields, headers = {}) {
  const form = new URLSearchParams(fields)
  const inQuery = method === 'GET' || method === 'DELETE'
  const res = await fetch(s.url + path + (inQuery ? `?${form}` : ''), { method, headers, body: inQuery ? undefined : form })
  return { status: res.status, body: await res.json() }
}

async function kinds(s, other) {
  const full = signer(KEY, SECRET)
  const all = [
    { name: 'nothing', send: () => ({}), says: 'NO_PARAMS_FIELD' },
    { name: 'no auth', send: unsigned({}), says: 'NO_AUTH_PARAMETER' },
    { name: 'an unknown key', send: signer('nobody', SECRET), says: 'GET_ACCOUNT_UNKNOWN_AUTH_KEY' },
    { name: 'a wrong signature', send: signer(KEY, 'guess'), says: 'INVALID_SIGNATURE' },
    { name: 'a signature of something else', send: (m) => ({ ...full(m), signature: full({ x: 1 }).signature }), says: 'INVALID_SIGNATURE' },
    { name: 'an expired one', send: signer(KEY, SECRET, { expires: '2001-01-01T00:00:00Z' }), says: 'AUTH_EXPIRED' },
    { name: 'one that never expires', send: signer(KEY, SECRET, { expires: '' }), says: 'NO_AUTH_EXPIRES_PARAMETER' },
    { name: 'a key without a signature', send: unsigned({ auth: { key: KEY, expires: later } }), says: 'NO_SIGNATURE_FIELD', known: scopes },
    { name: 'a full key', send: full, scopes },
    { name: 'another workspace', send: signer(other.key, other.secret), scopes, foreign: true },
  ]
  for (const list of [[], ...scopes.map((one) => [one])]) {
    const made = await call(s, 'POST', '/auth_keys', full({ scopes: list }))
    assert.equal(made.status, 200, JSON.stringify(made.body))
    all.push({ name: `a key with ${list[0] ?? 'no scope'}`, send: signer(made.body.auth_key.key, made.body.auth_key.secret), scopes: list })
  }
  const token = await call(s, 'POST', '/token', { grant_type: 'client_credentials', scope: 'templates:read assemblies:write' },
    { Authorization: `Basic ${Buffer.from(`${KEY}:${SECRET}`).toString('base64')}` })
  const bearer = { Authorization: `Bearer ${token.body.access_token}` }
  all.push({ name: 'a bearer token', headers: bearer, send: (m) => ({ params: JSON.stringify(m) }), scopes: ['templates:read', 'assemblies:write'] })
  all.push({ name: 'a forged token', headers: { Authorization: bearer.Authorization.slice(0, -4) + '0000' }, send: () => ({}), says: 'BEARER_TOKEN_INVALID' })
  return all
}

// What the row lets this one do: undefined, or the code of the refusal.
function refusal(row, who, requiresAuth) {
  const lacks = row.scope && who.scopes && !who.scopes.includes(row.scope) ? 'INSUFFICIENT_AUTH_SCOPE' : undefined
  if (row.need === 'none') return undefined
  if (row.need === 'cancel') return who.says ? (requiresAuth ? 'SERVER_401' : undefined) : lacks
  if (row.need === 'create' && who.says === 'NO_SIGNATURE_FIELD') return undefined // --require-signature is off
  return who.says ?? lacks
}
const refusals = new Set(['NO_PARAMS_FIELD', 'NO_AUTH_PARAMETER', 'GET_ACCOUNT_UNKNOWN_AUTH_KEY', 'INVALID_SIGNATURE', 'AUTH_EXPIRED',
  'NO_AUTH_EXPIRES_PARAMETER', 'NO_SIGNATURE_FIELD', 'BEARER_TOKEN_INVALID', 'BEARER_TOKEN_EXPIRED', 'INSUFFICIENT_AUTH_SCOPE', 'SERVER_401'])
const status = (code) => (code === 'INSUFFICIENT_AUTH_SCOPE' ? 403 : code === 'SERVER_401' || code.startsWith('BEARER') ? 401 : 400)

// ---- the table

async function table(s) {
  const doc = await (await fetch(`${s.url}/openapi.json`)).json()
  const rows = new Map() // path -> { METHOD: { need, scope } }
  for (const [path, item] of Object.entries(doc.paths)) {
    if (/^\/(ws|companion|resumable)/.test(path)) continue // other protocols: socketio, companion and tus have tests of their own
    rows.set(path, Object.fromEntries(Object.entries(item).map(([verb, op]) =>
      [verb.toUpperCase(), { need: op['x-need'], scope: op.security.flatMap((o) => o.signature ?? [])[0] }])))
  }
  assert.ok(rows.size > 25)
  for (const [path, methods] of rows) // an address may be one of several rows: /template_credentials/types is a {name} too
    for (const [pattern, more] of rows)
      if (pattern.includes('{name}') && new RegExp(`^${pattern.replace('{name}', '[^/{}]+')}$`).test(path))
        rows.set(path, { ...more, ...methods })
  return rows
}
const served = (methods, method) => methods[method] ?? (method === 'HEAD' ? methods.GET : undefined)
const nothing = (path) => path.replace('{id}', () => randomBytes(16).toString('hex')).replace('{month}', '2031-05').replace('{path}', 'nothing/here').replace(/\{\w+\}/g, 'no-such-thing')

// Each way: how it is sent, and which method's row must decide.
const ways = [
  { name: 'plain', row: (m) => m, send: (m, f) => ({ method: m, [['GET', 'HEAD', 'DELETE'].includes(m) ? 'query' : 'body']: f }) },
  { name: 'params in the other place', row: (m) => m, only: ['POST', 'PUT', 'DELETE'], send: (m, f) => ({ method: m, [m === 'DELETE' ? 'body' : 'query']: f }) },
  { name: 'X-HTTP-Method-Override', row: (m) => m, send: (m, f) => ({ method: 'POST', body: f, headers: { 'X-HTTP-Method-Override': m } }) },
  { name: 'X-HTTP-Method-Override in small letters', row: (m) => m, only: ['DELETE', 'PUT'], send: (m, f) => ({ method: 'POST', body: f, headers: { 'x-http-method-override': m.toLowerCase() } }) },
  { name: 'X-HTTP-Method-Override on GET', row: () => 'GET', send: (m, f) => ({ method: 'GET', query: f, headers: { 'X-HTTP-Method-Override': m } }) },
  { name: 'X-HTTP-Method-Override on PUT', row: () => 'PUT', send: (m, f) => ({ method: 'PUT', body: f, headers: { 'X-HTTP-Method-Override': m } }) },
  { name: 'X-Method-Override', row: () => 'POST', send: (m, f) => ({ method: 'POST', body: f, headers: { 'X-Method-Override': m, 'X-HTTP-Method': m } }) },
  // a page that can only load scripts cancels so: that one row says so, and no other is reached by it
  { name: '?method=', row: (m, path) => (m === 'DELETE' && path === '/assemblies/{id}' ? m : 'GET'), send: (m, f) => ({ method: 'GET', query: { ...f, method: m.toLowerCase() } }) },
  { name: '?method= on HEAD', row: () => 'HEAD', send: (m, f) => ({ method: 'HEAD', query: { ...f, method: m.toLowerCase() } }) },
  { name: '?method= on POST', row: () => 'POST', send: (m, f) => ({ method: 'POST', body: f, query: { method: m } }) },
  { name: '_method', row: () => 'POST', send: (m, f) => ({ method: 'POST', body: { ...f, _method: m }, query: { _method: m } }) },
  { name: 'JSONP', row: () => 'GET', only: ['GET'], send: (m, f) => ({ method: 'GET', query: { ...f, callback: 'cb' } }) },
  { name: 'JSONP with ?method=', row: (m, path) => (path === '/assemblies/{id}' ? 'DELETE' : 'GET'), only: ['DELETE'], send: (m, f) => ({ method: 'GET', query: { ...f, callback: 'cb', method: 'delete' } }) },
  { name: 'HEAD', row: () => 'HEAD', only: ['GET', 'HEAD'], send: (m, f) => ({ method: 'HEAD', query: f }) },
]

async function send(s, path, { method, query, body, headers = {} }, more = {}) {
  const url = s.url + path + (query && Object.keys(query).length ? `?${new URLSearchParams(query)}` : '')
  const res = await fetch(url, { method, headers: { ...headers, ...more }, body: body && method !== 'HEAD' ? new URLSearchParams(body) : undefined, redirect: 'manual' })
  const text = await res.text()
  let error
  try { error = JSON.parse(text.startsWith('cb(') ? text.slice(3, -2) : text).error } catch { /* no JSON */ }
  return { status: res.status, error, text, allow: res.headers.get('allow') }
}

async function walk(s, who, rows, requiresAuth) {
  let count = 0
  const jobs = []
  for (const [path, methods] of rows)
    for (const method of verbs)
      for (const way of ways) {
        if (way.only && !way.only.includes(method)) continue
        if (!way.only && way.name !== 'plain' && !methods[method]) continue // what is not served is asked for plainly, once
        const asked = way.row(method, path), row = served(methods, asked)
        for (const w of who) {
          if (!row && w.name !== 'a full key' && w.name !== 'nothing') continue
          jobs.push(async () => {
            const r = await send(s, nothing(path), way.send(method, w.send({})), w.headers)
            const at = `${way.name}: ${method} ${path} with ${w.name}, row of ${asked}: ${r.status} ${r.text.slice(0, 200)}`
            count++
            if (!row) {
              assert.equal(r.status, 405, at)
              const want = Object.keys(methods).concat(methods.GET && !methods.HEAD ? ['HEAD'] : [], 'OPTIONS')
              assert.deepEqual(r.allow.split(', ').sort(), want.sort(), at)
              return
            }
            const code = refusal(row, w, requiresAuth)
            const jsonp = r.text.startsWith('cb(')
            if (asked === 'HEAD') {
              if (code) assert.equal(r.status, status(code), at)
              else assert.ok(![401, 405].includes(r.status), at)
              assert.equal(r.text, '', at)
            } else if (code) {
              assert.equal(r.error, code, at)
              if (!jsonp) assert.equal(r.status, status(code), at)
            } else {
              assert.ok(!refusals.has(r.error) && r.status !== 405, at)
            }
          })
        }
      }
  for (let i = 0; i < jobs.length; i += 16) await Promise.all(jobs.slice(i, i + 16).map((j) => j()))
  return count
}

// A server with a second workspace.
async function two(t, args) {
  const s = await Server.start(t, { args })
  await s.stop()
  const made = spawnSync(binary, ['workspace', 'add', 'second', '--data', s.dir], { encoding: 'utf8', env: { ...process.env, TRANSLOADIT_KEY: '', TRANSLOADIT_SECRET: '' } })
  assert.equal(made.status, 0, made.stderr)
  await s.boot()
  return [s, { key: made.stdout.match(/TRANSLOADIT_KEY=(\w+)/)[1], secret: made.stdout.match(/TRANSLOADIT_SECRET=(\w+)/)[1] }]
}

for (const requiresAuth of [false, true])
  test(`every route lets in by every way whom its row lets in${requiresAuth ? ', and a cancel wants a signature when that is set' : ''}`, async (t) => {
    const [s, other] = await two(t, requiresAuth ? ['--cancel-requires-auth=yes', '--log-level', 'warn'] : ['--log-level', 'warn'])
    const rows = await table(s)
    if (requiresAuth) for (const path of [...rows.keys()]) if (path !== '/assemblies/{id}') rows.delete(path)
    const count = await walk(s, await kinds(s, other), rows, requiresAuth)
    assert.ok(count > (requiresAuth ? 500 : 3000), `${count} calls`)
  })

test('a preflight does nothing at any address, whatever it carries', async (t) => {
  const s = await Server.start(t)
  const rows = await table(s)
  const a = await s.create({ ':original': { robot: '/upload/handle' } }, { expected: 1 })
  for (const path of [...rows.keys(), '/nowhere']) {
    const at = path === '/assemblies/{id}' ? `/assemblies/${a.assembly_id}` : nothing(path)
    const r = await send(s, at, { method: 'OPTIONS', query: { ...signer(KEY, SECRET)({}), method: 'delete' } })
    assert.deepEqual([r.status, r.text], [200, ''], path)
  }
  assert.equal((await s.get(a.assembly_id)).ok, 'ASSEMBLY_UPLOADING')
  await s.cancel(a.assembly_id)
})

// Things that are there, asked for by those who may not: nothing is told, and nothing changes.
test('nobody without the scope, and no other workspace, sees or changes what is there', async (t) => {
  const [s, other] = await two(t, ['--cancel-requires-auth=yes', '--log-level', 'warn'])
  const full = signer(KEY, SECRET), rows = await table(s)
  const content = { steps: { ':original': { robot: '/upload/handle', private_mark: 'hidden-in-template' } } }
  const template = (await call(s, 'POST', '/templates', full({ name: 'mine', template: content }))).body
  const credential = (await call(s, 'POST', '/template_credentials', full({ name: 'mine-too', type: 's3', content: { key: 'a', secret: 'hidden-in-credential', bucket: 'c' } }))).body.credential
  const key = (await call(s, 'POST', '/auth_keys', full({ description: 'hidden-in-key' }))).body.auth_key
  const a = await s.create({ ':original': { robot: '/upload/handle' } }, { expected: 1, fields: { mark: 'hidden-in-assembly' } })
  const there = (path) => path.startsWith('/templates') ? template.id : path.startsWith('/template_credentials') ? credential.id
    : path.startsWith('/auth_keys') ? key.id : path.startsWith('/assembl') ? a.assembly_id : undefined
  const see = async () => ({
    template: (await call(s, 'GET', `/templates/${template.id}`, full({}))).body.content,
    credential: (await call(s, 'GET', `/template_credentials/${credential.id}`, full({}))).body.credential.content,
    key: (await call(s, 'GET', '/auth_keys', full({}))).body.auth_keys.find((k) => k.id === key.id),
    assembly: (await s.get(a.assembly_id)).ok,
  })
  const who = await kinds(s, other), before = await see()
  let count = 0
  for (const [path, methods] of rows) {
    const id = there(path)
    for (const [method, row] of Object.entries(methods)) {
      if (row.need === 'none') continue // the address is the permission
      for (const way of ways) {
        if ((way.only && !way.only.includes(method)) || row !== served(methods, way.row(method, path))) continue
        for (const w of who) {
          if (!w.foreign && !refusal(row, w, true)) continue
          const at = id ? path.replace(/\{(id|name)\}/, id) : nothing(path)
          const r = await send(s, at, way.send(method, w.send({ name: 'stolen', description: 'stolen', scopes: [], template: {}, content: { key: 'x' }, type: 's3' })), w.headers)
          count++
          assert.ok(!r.text.includes('hidden-in-'), `${way.name}: ${method} ${at} with ${w.name}: ${r.text}`)
          if (/\{(id|name)\}/.test(path) && row.need !== 'create' && !path.startsWith('/assembly_notifications') && !r.text.startsWith('cb('))
            assert.ok(r.status >= 400, `${way.name}: ${method} ${at} with ${w.name}: ${r.status} ${r.text}`)
        }
      }
    }
  }
  assert.ok(count > 500, `${count} calls`)
  assert.deepEqual(await see(), before)
  assert.equal((await call(s, 'DELETE', `/assemblies/${a.assembly_id}`, full({}))).body.ok, 'ASSEMBLY_CANCELED')
})

test('who changes a key must have what the key has, and one that may do everything stays', async (t) => {
  const s = await Server.start(t)
  const full = signer(KEY, SECRET)
  const make = async (list) => (await call(s, 'POST', '/auth_keys', full({ scopes: list }))).body.auth_key
  const weak = await make(['auth_keys:write', 'auth_keys:read', 'bills:read']), strong = await make(['templates:write'])
  const equal = await make(['auth_keys:write', 'bills:read']), as = signer(weak.key, weak.secret)
  const first = (await call(s, 'GET', '/auth_keys', full({}))).body.auth_keys.find((k) => k.key === KEY)
  for (const id of [strong.id, first.id])
    for (const [method, path, more] of [['DELETE', `/auth_keys/${id}`, {}], ['PUT', `/auth_keys/${id}`, { scopes: [] }],
      ['PUT', `/auth_keys/${id}`, { description: 'x' }], ['PUT', `/auth_keys/${id}`, { require_signature_auth: 1 }], ['POST', `/auth_keys/show_secret/${id}`, {}]]) {
      const r = await call(s, method, path, as(more))
      assert.deepEqual([r.status, r.body.error], [403, 'INSUFFICIENT_AUTH_SCOPE'], `${method} ${path}`)
    }
  // a token has its own scopes, not its key's
  const token = await call(s, 'POST', '/token', { grant_type: 'client_credentials', scope: 'auth_keys:write' },
    { Authorization: `Basic ${Buffer.from(`${KEY}:${SECRET}`).toString('base64')}` })
  const bearer = { Authorization: `Bearer ${token.body.access_token}` }
  for (const method of ['DELETE', 'PUT'])
    assert.equal((await call(s, method, `/auth_keys/${first.id}`, { params: '{"scopes":[]}' }, bearer)).body.error, 'INSUFFICIENT_AUTH_SCOPE')
  assert.equal((await call(s, 'PUT', `/auth_keys/${equal.id}`, as({ scopes: ['bills:read'] }))).status, 200)
  assert.equal((await call(s, 'DELETE', `/auth_keys/${equal.id}`, as({}))).status, 200)
  // the last one that may do everything: neither others nor itself
  for (const [method, more] of [['DELETE', {}], ['PUT', { scopes: scopes.slice(1) }]]) {
    const r = await call(s, method, `/auth_keys/${first.id}`, full(more))
    assert.match(r.body.error, /^AUTH_KEY_NOT_/, method)
  }
  assert.equal((await call(s, 'PUT', `/auth_keys/${first.id}`, full({ description: 'main' }))).status, 200)
  const second = await make(scopes)
  assert.equal((await call(s, 'PUT', `/auth_keys/${first.id}`, full({ scopes: ['auth_keys:write'] }))).status, 200)
  assert.equal((await call(s, 'DELETE', `/auth_keys/${second.id}`, signer(second.key, second.secret)({}))).body.error, 'AUTH_KEY_NOT_DELETED')
  // two that delete each other at the same time leave one
  const third = (await call(s, 'POST', '/auth_keys', signer(second.key, second.secret)({ scopes }))).body.auth_key
  const both = await Promise.all([call(s, 'DELETE', `/auth_keys/${third.id}`, signer(second.key, second.secret)({})),
    call(s, 'DELETE', `/auth_keys/${second.id}`, signer(third.key, third.secret)({}))])
  assert.equal(both.filter((r) => r.status === 200).length, 1)
})

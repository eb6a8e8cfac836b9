// Requests in the forms that SDKs of other languages give them, by curl; and resources as a provider of infrastructure
// tools handles them.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { createHmac, randomBytes } from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { KEY, picture, SECRET, Server, sleep } from './server.mjs'
import { workDir } from './there.mjs'

const original = { ':original': { robot: '/upload/handle', result: true } }
const resized = { small: { robot: '/image/resize', use: ':original', width: 40, result: true } }
const expires = '2031/05/06 07:08:9+00:00' // the second is not padded: the Swift SDK
const hmac = (text, alg = 'sha384', secret = SECRET) => createHmac(alg, secret).update(text).digest('hex')
const text = (p, auth = {}) => JSON.stringify({ auth: { key: KEY, expires, ...auth }, ...p })

// curl as it is: {status, body}
const curl = (...args) => new Promise((resolve, reject) => {
  execFile('curl', ['-sS', '-m', '60', '-w', '\n%{http_code}', ...args], { maxBuffer: 1 << 26 }, (err, out, stderr) => {
    if (err) return reject(new Error(`curl: ${err.message} ${stderr}`))
    const at = out.lastIndexOf('\n')
    resolve({ status: Number(out.slice(at + 1)), body: JSON.parse(out.slice(0, at)) })
  })
})
const urlencoded = (fields) => Object.entries(fields).flatMap(([k, v]) => ['--data-urlencode', `${k}=${v}`])
const ok = (r, code, status = 200) => { assert.deepEqual([r.body.error ?? r.body.ok, r.status], [code, status], JSON.stringify(r.body).slice(0, 500)); return r.body }

test('a signed urlencoded create of go, ruby, python and php, with a nonce and stray keys, by POST and by PUT', async (t) => {
  const s = await Server.start(t)
  const forms = {
    go: { params: text({ steps: original, nonce: 'n1' }, { nonce: 5 }) },
    ruby: { params: text({ steps: original, wait: false, fields: null, io: { a: 1 } }, { nonce: 'x' }) },
    python: { params: text({ steps: original }, { expires: '2031/05/06 07:08:09+00:00' }), tus_num_expected_upload_files: '0' },
    php: { params: text({ steps: original }, { expires: '2031/05/06 07:08:09+00:00' }) },
  }
  const algs = { go: 'sha384', ruby: 'sha384', python: 'sha384', php: 'sha1' }
  for (const [name, fields] of Object.entries(forms)) {
    for (const prefix of name === 'php' ? ['', 'sha1:'] : [`${algs[name]}:`]) {
      ok(await curl(...urlencoded({ ...fields, signature: prefix + hmac(fields.params, algs[name]) }), `${s.url}/assemblies`), 'ASSEMBLY_COMPLETED')
      const id = randomBytes(16).toString('hex')
      const a = ok(await curl('-X', 'PUT', ...urlencoded({ ...fields, signature: prefix + hmac(fields.params, algs[name]) }), `${s.url}/assemblies/${id}`), 'ASSEMBLY_COMPLETED')
      assert.equal(a.assembly_id, id)
    }
  }
  // signed over what was sent, not over what it means
  const p = text({ steps: original }).replaceAll(':', ' : ').replace(/2031.*?00 : 00/, expires).replaceAll(' : original', ':original')
  ok(await curl(...urlencoded({ params: p, signature: `sha384:${hmac(p)}` }), `${s.url}/assemblies`), 'ASSEMBLY_COMPLETED')
  ok(await curl(...urlencoded({ params: p, signature: `SHA384:${hmac(p).toUpperCase()}` }), `${s.url}/assemblies`), 'ASSEMBLY_COMPLETED')
  ok(await curl(...urlencoded({ params: `${p} `, signature: `sha384:${hmac(p)}` }), `${s.url}/assemblies`), 'INVALID_SIGNATURE', 400)
})

test('an expiry without a padded second is a time like another: over when it is over', async (t) => {
  const s = await Server.start(t)
  for (const [when, code, status] of [['2031/05/06 07:08:9+00:00', 'ASSEMBLY_COMPLETED', 200], ['2031/05/06 07:08:09+00:00', 'ASSEMBLY_COMPLETED', 200], ['2001/05/06 07:08:9+00:00', 'AUTH_EXPIRED', 400],
    ['2031-05-06T07:08:09.123456789Z', 'ASSEMBLY_COMPLETED', 200], ['2031-05-06T09:08:09+02:00', 'ASSEMBLY_COMPLETED', 200], ['2031/05/06 07:08:09 GMT', 'ASSEMBLY_COMPLETED', 200],
    ['2031-05-06 07:08:09', 'ASSEMBLY_COMPLETED', 200], ['2031/05/06 07:08:x+00:00', 'INVALID_AUTH_EXPIRES_PARAMETER', 400]]) {
    const p = text({ steps: original }, { expires: when })
    ok(await curl(...urlencoded({ params: p, signature: `sha384:${hmac(p)}` }), `${s.url}/assemblies`), code, status)
  }
})

test('java: files first, streams as octets without a file name, params and signature last', async (t) => {
  const s = await Server.start(t)
  const p = text({ steps: { ...original, ...resized } })
  const b = 'java-boundary'
  const data = fs.readFileSync(picture)
  const body = path.join(workDir(t), 'body')
  fs.writeFileSync(body, Buffer.concat([
    Buffer.from(`--${b}\r\nContent-Disposition: form-data; name="photo"; filename="tom.png"\r\nContent-Type: image/png\r\nContent-Length: ${data.length}\r\n\r\n`), data,
    Buffer.from(`\r\n--${b}\r\nContent-Disposition: form-data; name="stream"\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: binary\r\n\r\n`), data,
    Buffer.from(`\r\n--${b}\r\nContent-Disposition: form-data; name="params"\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n${p}\r\n`),
    Buffer.from(`--${b}\r\nContent-Disposition: form-data; name="tus_num_expected_upload_files"\r\n\r\n0\r\n`),
    Buffer.from(`--${b}\r\nContent-Disposition: form-data; name="signature"\r\n\r\nsha384:${hmac(p)}\r\n--${b}--\r\n`)]))
  const id = randomBytes(16).toString('hex')
  const a = ok(await curl('-H', `Content-Type: multipart/form-data; boundary=${b}`, '-H', 'Transloadit-Client: java-sdk:2.1.0', '--data-binary', `@${body}`, `${s.url}/assemblies/${id}`), 'ASSEMBLY_EXECUTING')
  assert.deepEqual(a.uploads.map((u) => [u.field, u.name, u.size]), [['photo', 'tom.png', data.length], ['stream', 'stream', data.length]])
  const done = await s.until(id)
  assert.deepEqual([done.ok, done.results.small.map((r) => r.meta.width), done.transloadit_client], ['ASSEMBLY_COMPLETED', [40, 40], 'java-sdk:2.1.0'])
})

test('curl -F: a form with files before and after its fields', async (t) => {
  const s = await Server.start(t)
  const p = text({ steps: resized })
  const a = await curl('-F', `one=@${picture}`, '-F', `params=${p}`, '-F', `signature=sha384:${hmac(p)}`, '-F', `two=@${picture};filename=b.png;type=image/png`, '-F', 'word=hello', `${s.url}/assemblies`)
  assert.equal(a.status, 200)
  const done = await s.until(a.body.assembly_id)
  assert.deepEqual([done.ok, done.results.small.length, done.fields], ['ASSEMBLY_COMPLETED', 2, { word: 'hello' }])
})

test('a DELETE is heard whatever it says about who asks: nothing, another key, over long ago, null, no JSON', async (t) => {
  const s = await Server.start(t)
  const old = JSON.stringify({ auth: { key: KEY, expires: '2001/01/01 00:00:0+00:00' } })
  const foreign = JSON.stringify({ auth: { key: 'f'.repeat(32), expires } })
  const bodies = [
    [], urlencoded({ params: old, signature: `sha384:${hmac(old)}` }), urlencoded({ params: foreign, signature: `sha384:${hmac(foreign, 'sha384', 'other')}` }),
    urlencoded({ params: JSON.stringify({ auth: { key: null } }) }), urlencoded({ params: '{' }), ['-F', `params=${foreign}`, '-F', 'signature=sha384:00'],
    ['-G', ...urlencoded({ params: old })], ['-H', 'Content-Type: application/json', '-d', '{"auth":{}}'],
  ]
  for (const body of bodies) {
    const a = await s.create(original, { expected: 1 })
    ok(await curl('-X', 'DELETE', ...body, a.assembly_ssl_url), 'ASSEMBLY_CANCELED')
    assert.equal((await s.get(a.assembly_id)).ok, 'ASSEMBLY_CANCELED')
    ok(await curl('-G', ...urlencoded({ params: old, signature: `sha384:${hmac(old)}` }), a.assembly_ssl_url), 'ASSEMBLY_CANCELED') // a read does not ask, either
  }
  const a = await s.create(original, { expected: 1 })
  ok(await curl('-X', 'POST', '-H', 'X-HTTP-Method-Override: DELETE', a.assembly_ssl_url), 'ASSEMBLY_CANCELED')
})

test('a query in each spelling of its escapes: a bare colon, plus for space, percent for all', async (t) => {
  const s = await Server.start(t)
  const p = text({ keywords: ['a b+c', 'ü'], order: 'desc' })
  const signature = hmac(p)
  const all = (v) => [...Buffer.from(v)].map((c) => `%${c.toString(16).padStart(2, '0')}`).join('')
  for (const q of [`signature=sha384:${signature}&params=${encodeURIComponent(p)}`, `params=${encodeURIComponent(p)}&signature=sha384%3A${signature}`,
    new URLSearchParams({ params: p, signature: `sha384:${signature}` }).toString(), `params=${all(p)}&signature=${all(`sha384:${signature}`)}`]) {
    const r = await curl('-g', `${s.url}/assemblies?${q}`)
    assert.deepEqual([r.status, r.body], [200, { items: [], count: 0 }], q)
  }
})

test('a body that is refused when its Assembly exists already is answered with the status of that', async (t) => {
  const s = await Server.start(t)
  const send = async (size, more = '') => {
    const id = randomBytes(16).toString('hex')
    const b = 'b'
    const body = `--${b}\r\nContent-Disposition: form-data; name="params"\r\n\r\n${text({ steps: original, ...(more === 'quiet' ? { quiet: true } : {}) }, { max_size: 3 })}\r\n` +
      `--${b}\r\nContent-Disposition: form-data; name="f"; filename="f"\r\n\r\n${'x'.repeat(size)}\r\n--${b}${more === 'broken' ? '' : '--'}\r\n`
    const res = await fetch(`${s.url}/assemblies/${id}`, { method: 'POST', body, headers: { 'Content-Type': `multipart/form-data; boundary=${b}` } })
    return { id, status: res.status, body: await res.json(), later: await s.get(id) }
  }
  for (const [size, more, code, status] of [[4, '', 'MAX_SIZE_EXCEEDED', 200], [200000, '', 'MAX_SIZE_EXCEEDED', 200], [3, 'broken', 'INVALID_FORM_DATA', 400]]) {
    const r = await send(size, more)
    assert.deepEqual([r.body.error, r.status, r.body.http_code], [code, status, status], JSON.stringify(r.body))
    assert.deepEqual([r.body.assembly_id, r.later.error, r.later.http_code], [r.id, code, 200])
    assert.equal(r.body.assembly_ssl_url, `${s.url}/assemblies/${r.id}`)
    assert.ok(!('ok' in r.body) || r.body.ok === null)
  }
  const quiet = await send(4, 'quiet')
  assert.deepEqual([quiet.body.error, quiet.body.assembly_id, quiet.body.uploads], ['MAX_SIZE_EXCEEDED', quiet.id, undefined])
  for (const end = Date.now() + 10000; s.partialUploads().length; await sleep(20)) assert.ok(Date.now() < end, 'partial files stay')
})

// Create, read, update, delete, as a provider does: what was written is what is read, and no change is no difference.
test('an infrastructure tool creates, reads, changes and deletes Templates and credentials, twice over', async (t) => {
  const s = await Server.start(t)
  const call = async (method, where, p = {}) => {
    const params = text(p)
    const form = urlencoded({ params, signature: `sha384:${hmac(params)}` })
    return curl(...(method === 'GET' ? ['-G'] : ['-X', method]), ...form, s.url + where)
  }
  const kinds = [{
    path: '/templates', codes: ['TEMPLATE_CREATED', 'TEMPLATE_FOUND', 'TEMPLATE_UPDATED', 'TEMPLATE_DELETED'],
    missing: { GET: ['TEMPLATE_NOT_FOUND', 404], PUT: ['TEMPLATE_NOT_FOUND', 404], DELETE: ['TEMPLATE_NOT_FOUND', 404] },
    first: { name: 'tf-template', template: JSON.stringify({ steps: { z: original[':original'], ...resized } }), require_signature_auth: 1 },
    second: { name: 'tf-template', template: JSON.stringify({ steps: resized, fields: { 'a b': 'ü"\\' } }), require_signature_auth: 0 },
    seen: (b) => ({ id: b.id, name: b.name, template: JSON.stringify(b.content), require_signature_auth: b.require_signature_auth }),
    listed: (b) => b.items.map((i) => i.id),
  }, {
    path: '/template_credentials', codes: ['TEMPLATE_CREDENTIALS_CREATED', 'TEMPLATE_CREDENTIALS_READ', 'TEMPLATE_CREDENTIALS_UPDATED', 'TEMPLATE_CREDENTIALS_DELETED'],
    missing: { GET: ['TEMPLATE_CREDENTIALS_NOT_READ', 400], PUT: ['TEMPLATE_CREDENTIALS_NOT_UPDATED', 400], DELETE: ['TEMPLATE_CREDENTIALS_NOT_DELETED', 400] },
    first: { name: 'tf-credential', type: 's3', content: { bucket: 'b', bucket_region: 'eu-west-1', key: 'k', secret: 's+/= ü' } },
    second: { name: 'tf-credential', type: 'ftp', content: { host: 'h', user: 'u', password: 'p"\\' } },
    seen: ({ credential: c }) => ({ id: c.id, name: c.name, type: c.type, content: c.content }),
    listed: (b) => b.credentials.map((c) => c.id),
  }]
  for (const k of kinds) {
    const ids = []
    for (let round = 0; round < 2; round++) { // the name is free again after a delete
      const made = ok(await call('POST', k.path, k.first), k.codes[0])
      const { id } = k.seen(made)
      ids.push(id)
      const where = `${k.path}/${id}`
      assert.deepEqual(k.seen(made), { id, ...k.first })
      for (const given of [k.first, k.second, k.second, k.first]) {
        assert.deepEqual(k.seen(ok(await call('PUT', where, given), k.codes[2])), { id, ...given })
        for (let i = 0; i < 2; i++) assert.deepEqual(k.seen(ok(await call('GET', where), k.codes[1])), { id, ...given })
      }
      assert.deepEqual(k.listed((await call('GET', k.path)).body), [id])
      ok(await call('DELETE', where), k.codes[3])
      ok(await call('DELETE', where), ...k.missing.DELETE)
      ok(await call('GET', where), ...k.missing.GET)
      ok(await call('PUT', where, k.second), ...k.missing.PUT)
      assert.deepEqual(k.listed((await call('GET', k.path)).body), [])
    }
    assert.notEqual(ids[0], ids[1])
  }
})

// Requests, codes and answers, field by field.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import fs from 'node:fs'
import { test } from 'node:test'
import { KEY, picture, Server, sleep } from './server.mjs'

const original = { ':original': { robot: '/upload/handle', result: true } }
const post = async (s, fields) => {
  const res = await fetch(`${s.url}/assemblies`, { method: 'POST', body: new URLSearchParams(fields) })
  const body = await res.json()
  assert.equal(body.http_code, res.status)
  assert.equal(res.headers.get('access-control-allow-origin'), '*')
  return { status: res.status, ...body }
}
const params = (p) => ({ params: typeof p === 'string' ? p : JSON.stringify(p) })
const auth = { key: KEY }

test('bad params and auth get the contract\'s code, the first failure winning', async (t) => {
  const s = await Server.start(t)
  const table = [
    [{}, 'NO_PARAMS_FIELD'],
    [params('{'), 'INVALID_PARAMS_FIELD'],
    [params('[1]'), 'NO_OBJECT_PARAMS_FIELD'],
    [params({}), 'NO_AUTH_PARAMETER'],
    [params({ auth: 1 }), 'NO_OBJECT_AUTH_PARAMETER'],
    [params({ auth: {} }), 'NO_AUTH_KEY_PARAMETER'],
    [params({ auth: { key: '' } }), 'NO_AUTH_KEY_PARAMETER'],
    [params({ auth: { key: 5 } }), 'INVALID_AUTH_KEY_PARAMETER'],
    [params({ auth: { key: 'nobody' } }), 'GET_ACCOUNT_UNKNOWN_AUTH_KEY'],
    [params({ auth: { ...auth, expires: 'soon' } }), 'INVALID_AUTH_EXPIRES_PARAMETER'],
    [params({ auth: { ...auth, expires: '2001/01/01 00:00:9+00:00' } }), 'AUTH_EXPIRED'],
    [{ ...params({ auth }), signature: 'sha384:00' }, 'NO_AUTH_EXPIRES_PARAMETER'],
    [{ ...params({ auth: { ...auth, expires: '2099-01-01T00:00:00Z' } }), signature: 'md5:00' }, 'INVALID_SIGNATURE'],
    [params({ auth: { ...auth, max_size: 'x' } }), 'INVALID_AUTH_MAX_SIZE_PARAMETER'],
    [params({ auth: { ...auth, max_number_of_files: 0 } }), 'INVALID_AUTH_MAX_NUMBER_OF_FILES_PARAMETER'],
    [params({ auth: { ...auth, referer: '(' } }), 'INVALID_AUTH_REFERER_PARAMETER'],
    [{ ...params({ auth, steps: original }), num_expected_upload_files: '-1' }, 'ASSEMBLY_INVALID_NUM_EXPECTED_UPLOAD_FILES_PARAM'],
    [params({ auth, notify_url: 'ftp://x/' }), 'ASSEMBLY_INVALID_NOTIFY_URL'],
    [params({ auth, template_id: 'nothing' }), 'TEMPLATE_NOT_FOUND'],
  ]
  for (const [fields, code] of table) assert.equal((await post(s, fields)).error, code, JSON.stringify(fields))
})

test('bad instructions get the contract\'s code, and a failed Assembly that can be read', async (t) => {
  const s = await Server.start(t)
  const resize = { robot: '/image/resize', use: ':original' }
  const table = [
    [undefined, 'ASSEMBLY_NO_STEPS'],
    [[], 'ASSEMBLY_INVALID_STEPS'],
    [{}, 'ASSEMBLY_EMPTY_STEPS'],
    [{ a: 1 }, 'ASSEMBLY_STEP_INVALID'],
    [{ a: {} }, 'ASSEMBLY_STEP_NO_ROBOT'],
    [{ a: { robot: 1 } }, 'ASSEMBLY_STEP_INVALID_ROBOT'],
    [{ a: { robot: '/no/such' } }, 'ASSEMBLY_STEP_UNKNOWN_ROBOT'],
    [{ a: { ...resize, use: 1 } }, 'ASSEMBLY_STEP_INVALID_USE'],
    [{ a: { ...resize, use: [] } }, 'ASSEMBLY_STEP_INVALID_USE'],
    [{ a: { ...resize, use: { bundle_steps: true } } }, 'ASSEMBLY_STEP_INVALID_USE'],
    [{ a: { ...resize, use: ['b'] } }, 'ASSEMBLY_STEP_UNKNOWN_USE'],
    [{ a: { ...resize, use: 'b' }, b: { ...resize, use: 'a' } }, 'ASSEMBLY_INFINITE'],
    [{ a: { ...resize, use: 'a' } }, 'ASSEMBLY_INFINITE'],
    [{ ':original': resize }, 'INVALID_STEP_NAME'],
    [{ up: { robot: '/upload/handle' } }, 'INVALID_UPLOAD_HANDLE_STEP_NAME'],
    [{ a: { ...resize, width: 0 } }, 'IMAGE_RESIZE_VALIDATION'],
    [{ a: { ...resize, widht: 5 } }, 'IMAGE_RESIZE_VALIDATION'],
    [{ a: { ...resize, watermark_url: 'logo.png' } }, 'IMAGE_RESIZE_VALIDATION'],
    [{ a: { ...resize, resize_strategy: 'squash' } }, 'IMAGE_RESIZE_VALIDATION'],
    [{ a: { robot: '/image/facedetect', use: ':original', crop_padding: '5em' } }, 'IMAGE_FACEDETECT_VALIDATION'],
    [{ a: { robot: '/http/import' } }, 'HTTP_IMPORT_VALIDATION'],
    [{ a: { robot: '/s3/store', use: ':original', bucket: 'b' } }, 'S3_STORE_VALIDATION'],
    [{ a: { robot: '/s3/store', use: ':original', credentials: 'none' } }, 'TEMPLATE_CREDENTIALS_INJECTION_ERROR'],
  ]
  for (const [steps, code] of table) {
    const got = await post(s, params({ auth, steps }))
    assert.equal(got.error, code, JSON.stringify(steps))
    assert.equal(got.status, 400)
    const later = await fetch(`${s.url}/assemblies/${got.assembly_id}`)
    assert.equal(later.status, 200)
    assert.equal((await later.json()).error, code)
  }
})

test('params are taken from multipart, urlencoded and query, before or after the files', async (t) => {
  const s = await Server.start(t)
  const text = JSON.stringify({ auth, steps: original, fields: { a: 1, b: 'x' } })
  const q = await fetch(`${s.url}/assemblies?${new URLSearchParams({ params: text })}`, { method: 'POST' })
  assert.equal((await q.json()).ok, 'ASSEMBLY_COMPLETED')
  const b = 'BoUnD'
  const raw = `--${b}\r\nContent-Disposition: form-data; name="up"; filename="x.txt"\r\n\r\nhello\r\n` +
    `--${b}\r\nContent-Disposition: form-data; name="stream"\r\nContent-Type: application/octet-stream\r\n\r\nbytes\r\n` +
    `--${b}\r\nContent-Disposition: form-data; name="none"; filename=""\r\nContent-Type: application/octet-stream\r\n\r\n\r\n` +
    `--${b}\r\nContent-Disposition: form-data; name="params"\r\n\r\n${text}\r\n` +
    `--${b}\r\nContent-Disposition: form-data; name="b"\r\n\r\ny\r\n--${b}--\r\n`
  const res = await fetch(`${s.url}/assemblies`, { method: 'POST', body: raw, headers: { 'Content-Type': `multipart/form-data; boundary=${b}`, 'Transloadit-Client': 'x:1' } })
  const a = await res.json()
  assert.equal(res.status, 200)
  assert.deepEqual(a.uploads.map((u) => [u.field, u.name, u.size]), [['up', 'x.txt', 5], ['stream', 'stream', 5]])
  assert.deepEqual(a.fields, { a: 1, b: 'y' })
  assert.equal(a.transloadit_client, 'x:1')
  assert.equal(a.num_input_files, 2)
  assert.ok(!a.params.includes(KEY))
})

test('a client-chosen id is used once', async (t) => {
  const s = await Server.start(t)
  const id = randomBytes(16).toString('hex')
  const a = await s.create(original, { id, files: { x: 'abc' } })
  assert.equal(a.assembly_id, id)
  const done = await s.until(id)
  const again = await s.create(original, { id, method: 'PUT', files: { y: 'other' } })
  assert.equal(again.http, 400)
  assert.equal(again.error, 'DO_NOT_REUSE_ASSEMBLY_IDS')
  assert.equal(again.uploads, undefined)
  const later = await s.get(id)
  assert.deepEqual(later.uploads, done.uploads)
  for (const path of ['/assemblies/xyz', '/assemblies/XYZ', '/nothing']) {
    const res = await fetch(s.url + path)
    assert.equal(res.status, 404)
    assert.equal((await res.json()).error, 'SERVER_404')
  }
  const unknown = await fetch(`${s.url}/assemblies/${'0'.repeat(32)}`)
  assert.equal(unknown.status, 404)
  assert.equal((await unknown.json()).error, 'ASSEMBLY_NOT_FOUND')
})

test('JSONP, preflight, root, health', async (t) => {
  const s = await Server.start(t)
  const a = await s.create(original, { expected: 1 })
  const js = await fetch(`${s.url}/assemblies/${a.assembly_id}?callback=cb`)
  assert.match(await js.text(), /^cb\(\{.*\}\);$/s)
  const gone = await fetch(`${s.url}/assemblies/${'0'.repeat(32)}?callback=cb`)
  assert.equal(gone.status, 200)
  const pre = await fetch(`${s.url}/assemblies`, { method: 'OPTIONS' })
  assert.equal(pre.status, 200)
  assert.match(pre.headers.get('access-control-allow-headers'), /Transloadit-Client/)
  assert.equal((await (await fetch(s.url)).json()).ok, 'SERVER_ROOT')
  assert.equal((await fetch(`${s.url}/healthz`)).status, 200)
  assert.equal((await fetch(`${s.url}/readyz`)).status, 200)
  const del = await fetch(`${s.url}/assemblies/${a.assembly_id}?method=delete&callback=cb`)
  assert.match(await del.text(), /ASSEMBLY_CANCELED/)
})

test('temporary files: ranges, type, name, sandbox', async (t) => {
  const s = await Server.start(t)
  const data = fs.readFileSync(picture)
  const a = await s.create(original, { files: { 'ä "b".png': data } })
  const done = await s.until(a.assembly_id)
  const { url } = done.uploads[0]
  const get = (range) => fetch(url, { headers: range ? { Range: range } : {} })
  const whole = await get()
  assert.equal(whole.headers.get('content-type'), 'image/png')
  assert.match(whole.headers.get('content-security-policy'), /sandbox/)
  assert.equal(whole.headers.get('x-content-type-options'), 'nosniff')
  assert.deepEqual(Buffer.from(await whole.arrayBuffer()), data)
  for (const [range, from, to] of [['bytes=0-9', 0, 10], ['bytes=100-', 100, data.length], ['bytes=-7', data.length - 7, data.length], ['bytes=5-99999999', 5, data.length]]) {
    const part = await get(range)
    assert.equal(part.status, 206)
    assert.deepEqual(Buffer.from(await part.arrayBuffer()), data.subarray(from, to))
    assert.equal(part.headers.get('content-range'), `bytes ${from}-${to - 1}/${data.length}`)
  }
  assert.equal((await get(`bytes=${data.length}-`)).status, 416)
  assert.equal((await fetch(url.replace(/.{3}\/[^/]*$/, '000/x'))).status, 404)

  // what can't be read is ignored: all of it, never a part that claims to be all (tests/unit/test_select.c has the table)
  for (const range of ['bytes=5-2', 'bytes=3-x', 'bytes=5-99z', 'bytes=1-2-3', 'bytes=0-0,5-9', 'lines=1-2']) {
    const all = await get(range)
    assert.equal(all.status, 200, range)
    assert.deepEqual(Buffer.from(await all.arrayBuffer()), data, range)
  }
  const etag = whole.headers.get('etag'), date = whole.headers.get('last-modified')
  const ask = async (headers, method = 'GET') => { const r = await fetch(url, { method, headers }); return [r.status, (await r.arrayBuffer()).byteLength] }
  assert.deepEqual(await ask({ Range: 'bytes=0-1', 'If-Range': etag }), [206, 2])
  assert.deepEqual(await ask({ Range: 'bytes=0-1', 'If-Range': date }), [206, 2])
  assert.deepEqual(await ask({ Range: 'bytes=0-1', 'If-Range': '"not-this-one"' }), [200, data.length])
  assert.deepEqual(await ask({ 'If-None-Match': `"x", ${etag}` }), [304, 0])
  assert.deepEqual(await ask({ 'If-Modified-Since': date }), [304, 0])
  assert.deepEqual(await ask({ 'If-Match': '"x"' }), [412, 0])
  assert.deepEqual(await ask({ Range: 'bytes=0-1' }, 'HEAD'), [200, 0])
  assert.equal((await fetch(url, { method: 'HEAD' })).headers.get('content-length'), String(data.length))
})

test('a body that is cut off aborts the Assembly and leaves nothing', async (t) => {
  const s = await Server.start(t)
  const id = randomBytes(16).toString('hex')
  const c = s.raw()
  c.write(`POST /assemblies/${id} HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: 100000\r\n\r\n` +
    `--b\r\nContent-Disposition: form-data; name="params"\r\n\r\n${JSON.stringify({ auth, steps: original })}\r\n` +
    `--b\r\nContent-Disposition: form-data; name="f"; filename="f"\r\n\r\nsome bytes`)
  await s.until(id, (st) => st.ok === 'ASSEMBLY_UPLOADING')
  c.destroy()
  const st = await s.until(id)
  assert.equal(st.ok, 'REQUEST_ABORTED')
  await sleep(100)
  assert.deepEqual(s.partialUploads(), [])
})

test('settings come from flags, environment and file, and say so', async () => {
  const { execFileSync, spawnSync } = await import('node:child_process')
  const { root } = await import('./server.mjs')
  const bin = process.env.WORKCELL || `${root}/build/workcell`
  const file = `${root}/build/test.conf`
  fs.writeFileSync(file, 'region = here\nworkers_media = 3\n')
  const out = execFileSync(bin, ['serve', '--config', file, '--workers-media', '5', '--print-config'], { env: { WORKCELL_REGION: 'there' } }).toString()
  assert.match(out, /region = "?there"?.*environment WORKCELL_REGION/)
  assert.match(out, /workers_media = 5.*flag/)
  fs.writeFileSync(file, 'regoin = here\n')
  const bad = spawnSync(bin, ['serve', '--config', file])
  assert.equal(bad.status, 2)
  assert.match(bad.stderr.toString(), /test\.conf:1/)
  fs.rmSync(file)
})

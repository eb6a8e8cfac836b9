// Files made by a Template on request, by URL: who may ask, what comes, what is kept, what is left when clients leave.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { createHmac } from 'node:crypto'
import fs from 'node:fs'
import http from 'node:http'
import os from 'node:os'
import path from 'node:path'
import { test } from 'node:test'
import { Transloadit as Newer } from '@transloadit/node'
import { Transloadit as Older } from 'transloadit'
import { KEY, SECRET, Server, sleep } from './server.mjs'
import { there } from './there.mjs'

const sql = (s, text) =>
  execFileSync('sqlite3', ['-cmd', '.timeout 5000', path.join(s.dir, 'workcell.db'), text]).toString().trim()
const made = (s) => Number(sql(s, 'select count(*) from assembly'))
const canceled = (s) => Number(sql(s, "select count(*) from assembly where code = 'ASSEMBLY_CANCELED'"))
async function wait(done, what, ms = 5000) {
  for (const end = Date.now() + ms; !(await done()); await sleep(20)) assert.ok(Date.now() < end, `in vain: ${what()}`)
}
async function refused(res, status, error) {
  const got = await res.json()
  assert.deepEqual([res.status, got.error], [status, error], got.message)
}
const client = (s, of = Newer, key = KEY, secret = SECRET) =>
  new of({ authKey: key, authSecret: secret, endpoint: s.url })

// An origin that says which file was asked for, and a Template over it; on a server of its own, or on one there is.
let templates = 0
async function begin(t, { on, args = [], serve = {}, answer, template = {} } = {}) {
  const says = (q) => ({ body: `file ${q.path}`, headers: { 'Content-Type': 'text/plain' } })
  const origin = await there(t, answer ?? says)
  const s = on ?? await Server.start(t, { args: ['--import-allow', '127.0.0.1', ...args] })
  const name = on ? `files-${++templates}` : 'files', before = made(s)
  const get = { robot: '/http/import', url: `${origin.url}/\${fields.input}` }
  const content = { steps: { in: get, out: { robot: '/file/serve', use: 'in', ...serve } } }
  const sdk = client(s), { id } = await sdk.createTemplate({ name, template: content, ...template })
  const at = `${s.url}/cdn/default/${name}`
  const signed = (input, urlParams, { by = sdk, ...more } = {}) => by.getSignedSmartCDNUrl(
    { workspace: 'default', template: name, input, urlParams, baseUrl: `${s.url}/cdn/{workspace}`, ...more })
  return { s, name, count: () => made(s) - before, origin, sdk, id, at, signed, content }
}

// Any header, Host among them.
const ask = (s, target, headers = {}, method = 'GET') => new Promise((resolve, reject) => {
  http.request({ port: s.port, host: '127.0.0.1', path: target, method, headers, agent: false }, (res) => {
    let body = ''
    res.on('data', (d) => { body += d })
    res.on('end', () => resolve({ status: res.statusCode, headers: res.headers, body }))
  }).on('error', reject).end()
})

test('with the settings that there are when nobody says otherwise', async (top) => {
  const on = await Server.start(top, { args: ['--import-allow', '127.0.0.1'] })

  await top.test('what either official client signs is served, whatever it signs', async (t) => {
    const { name, id, signed, origin } = await begin(t, { on, template: { require_signature_auth: 1 } })
    const many = Object.fromEntries(Array(98).fill(0).map((_, i) => [`p${i}`, i]))
    for (const by of [client(on, Older), client(on, Newer)])
      for (const [input, urlParams, more] of [
        ['a.txt'],
        ['', { a: 1 }],
        ['dir/sub/a b.txt', { w: 100, h: 50 }],
        ["ü/€/😀!*'().~-_", { q: 'a b+c&d=e', z: ['2', '1', '2'], 'ü[]': "*-._~!'()" }],
        ['http://x.test/a?b=c#d', { expires: 0, zz: '', Zz: true, '￿': 1, '😀': 2 }],
        ['100%', { sig: 'sha256:00', auth_key: 'other', exp: 1 }],
        ['a', { s: 'x', input: 'y' }, { template: id }],
        ['a', many, { expiresAt: Date.now() + 5000 }],
      ]) {
        const url = signed(input, urlParams, { by, ...more }), res = await fetch(url), text = await res.text()
        if (input === '100%' || input.includes('?')) continue // no address: that it was let in is enough
        assert.equal(res.status, 200, `${url} ${text}`)
      }
    assert.ok(origin.got.length > 5)
    // what other clients send: %20 for a blank, a bare colon, another order than the one signed
    const at = `default/${name}/a.txt?`, exp = Date.now() + 60000, sorted = `auth_key=${KEY}&exp=${exp}&t=a+b`
    const mac = (q) => createHmac('sha256', SECRET).update(at + q).digest('hex')
    for (const [sent, what = sent] of [[sorted.replace('+', '%20')], [`t=a+b&exp=${exp}&auth_key=${KEY}`, sorted]])
      for (const q of [`${sent}&sig=sha256:${mac(what)}`, `sig=sha256%3A${mac(what).toUpperCase()}&${sent}`])
        assert.equal((await fetch(`${on.url}/cdn/${at}${q}`)).status, 200, q)
  })

  await top.test('a film is shown in segments that are made when asked for, at signed addresses', async (t) => {
    const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'workcell-e2e-film-'))
    t.after(() => fs.rmSync(dir, { recursive: true }))
    execFileSync('ffmpeg', ['-v', 'error', '-nostdin',
      '-f', 'lavfi', '-i', 'testsrc2=s=96x54:r=25:d=5', '-f', 'lavfi', '-i', 'sine=d=5',
      '-c:v', 'libx264', '-preset', 'ultrafast', '-pix_fmt', 'yuv420p', '-c:a', 'aac', path.join(dir, 'film.mp4')])
    const film = fs.readFileSync(path.join(dir, 'film.mp4'))
    const origin = await there(t, () => ({ body: film, headers: { 'Content-Type': 'video/mp4' } }))
    const sdk = client(on), variants = { low: { width: 64, height: 36 }, high: {} }
    await sdk.createTemplate({ name: 'shown', require_signature_auth: 1, template: { steps: {
      film: { robot: '/http/import', url: `${origin.url}/\${fields.input}`, return_file_stubs: true },
      stream: { robot: '/video/ondemand', use: 'film', variants, segment_duration: 2, sign_urls_for: 60,
        asset: '${fields.part}', asset_param_name: 'part' },
      served: { robot: '/file/serve', use: 'stream' } } } })
    const signed = (urlParams) => sdk.getSignedSmartCDNUrl({ workspace: 'default', template: 'shown', input: 'film.mp4',
      urlParams, baseUrl: `${on.url}/cdn/{workspace}` })
    const playlist = async (address) => {
      const res = await fetch(address), text = await res.text()
      assert.equal(res.status, 200, text)
      assert.equal(res.headers.get('cache-control'), 'private, max-age=30')
      assert.match(res.headers.get('content-type'), /^application\/vnd\.apple\.mpegurl/)
      return text.split('\n').filter((l) => l.startsWith('?')).map((l) => new URL(l, address).href)
    }
    const lists = await playlist(signed({ v: 'a b' }))
    assert.equal(lists.length, 2)
    assert.match(lists[0], /\?v=a%20b&part=low%2Fplaylist\.m3u8&auth_key=.*&exp=\d+&sig=sha256%3A[0-9a-f]{64}$/)
    const segments = await playlist(lists[0])
    assert.equal(segments.length, 3)
    const before = made(on), got = await fetch(segments[1]), bytes = Buffer.from(await got.arrayBuffer())
    assert.deepEqual([got.status, bytes[0], bytes.length % 188], [200, 0x47, 0])
    assert.match(got.headers.get('cache-control'), /^public/)
    assert.deepEqual(Buffer.from(await (await fetch(segments[1])).arrayBuffer()), bytes)
    assert.equal(made(on), before + 1, 'a segment is made once')
    await refused(await fetch(segments[1].replace('seg_0001', 'seg_0002')), 400, 'INVALID_SIGNATURE')
    await refused(await fetch(segments[1].replace(/&auth_key.*/, '')), 400, 'NO_SIGNATURE_FIELD')
    await refused(await fetch(signed({ part: 'low/seg_0003.ts' })), 404, 'VIDEO_ONDEMAND_NOT_FOUND')
  })

  await top.test('what is not signed, or not for this, is refused by the contract\'s codes', async (t) => {
    const { name, count, sdk, signed, at } = await begin(t, { on, template: { require_signature_auth: 1 } })
    const good = signed('a.txt', { w: 1 }), sig = new URL(good).searchParams.get('sig')
    const without = (param) => {
      const u = new URL(good)
      u.searchParams.delete(param)
      return fetch(u)
    }
    await refused(await fetch(`${at}/a.txt`), 400, 'NO_SIGNATURE_FIELD')
    await refused(await without('sig'), 400, 'NO_SIGNATURE_FIELD')
    await refused(await without('auth_key'), 400, 'NO_AUTH_KEY_PARAMETER')
    await refused(await without('exp'), 400, 'NO_AUTH_EXPIRES_PARAMETER')
    await refused(await fetch(good.replace(/exp=\d+/, 'exp=soon')), 400, 'INVALID_AUTH_EXPIRES_PARAMETER')
    await refused(await fetch(good.replace(/exp=\d+/, 'exp=9999999999999')), 400, 'INVALID_SIGNATURE')
    await refused(await fetch(good.replace('w=1', 'w=2')), 400, 'INVALID_SIGNATURE')
    await refused(await fetch(`${good}&x=1`), 400, 'INVALID_SIGNATURE')
    await refused(await fetch(`${good}&sig=${sig}`), 400, 'INVALID_SIGNATURE')
    await refused(await fetch(good.replace('a.txt', 'b.txt')), 400, 'INVALID_SIGNATURE')
    await refused(await fetch(good.replace('sha256%3A', 'sha1%3A')), 400, 'INVALID_SIGNATURE')
    await refused(await fetch(good.replace(KEY, 'nobody')), 400, 'GET_ACCOUNT_UNKNOWN_AUTH_KEY')
    await sdk.createTemplate({ name: 'others', template: { steps: {} } })
    await refused(await fetch(good.replace(`/${name}/`, '/others/')), 400, 'INVALID_SIGNATURE')
    await refused(await fetch(signed('a', {}, { expiresAt: Date.now() - 1 })), 403, 'AUTH_EXPIRED')
    await refused(await fetch(signed('a', {}, { by: client(on, Newer, KEY, 'guess') })), 400, 'INVALID_SIGNATURE')
    const { auth_key: weak } = await on.signedPost('/auth_keys', { scopes: ['templates:read'] })
    const by = client(on, Newer, weak.key, weak.secret)
    await refused(await fetch(signed('a', {}, { by })), 403, 'INSUFFICIENT_AUTH_SCOPE')
    await refused(await fetch(good.replace('/default/', '/nobody/')), 404, 'TEMPLATE_NOT_FOUND')
    await refused(await fetch(good.replace(`/${name}/`, '/nothing/')), 404, 'TEMPLATE_NOT_FOUND')
    assert.equal(count(), 0)
    assert.equal((await fetch(good)).status, 200)
    // an open Template: what is signed must be right all the same
    await sdk.editTemplate(name, { require_signature_auth: 0 })
    assert.equal((await fetch(`${at}/a.txt`)).status, 200)
    await refused(await fetch(good.replace('w=1', 'w=2')), 400, 'INVALID_SIGNATURE')
  })

  await top.test('what was made once is sent in parts, to a HEAD, or not at all when the client has it', async (t) => {
    const headers = { 'x-of': '${file.basename} for ${fields.who}', 'Cache-Control': 'max-age=60' }
    const { count, at, origin } = await begin(t, { on, serve: { download_name: 'Ä.txt', headers } })
    const first = await fetch(`${at}/abc.txt?who=me`), text = await first.text()
    assert.equal(text, 'file /abc.txt')
    for (const [name, value] of Object.entries({
      'x-of': 'abc for me',
      'cache-control': 'max-age=60',
      'content-disposition': "attachment; filename=\"__.txt\"; filename*=UTF-8''%C3%84.txt",
      'content-type': 'text/plain; charset=utf-8',
      'access-control-allow-origin': '*',
      'accept-ranges': 'bytes',
      'content-length': '13',
      age: '0',
      'x-content-type-options': 'nosniff',
      'transloadit-requestid': first.headers.get('x-request-id'),
    }))
      assert.equal(first.headers.get(name), value, name)
    assert.equal((await on.get(first.headers.get('transloadit-assembly'))).ok, 'ASSEMBLY_COMPLETED')
    const etag = first.headers.get('etag'), since = first.headers.get('last-modified')
    for (const [asked, status, body, method] of [
      [{ Range: 'bytes=5-8' }, 206, '/abc'],
      [{ Range: 'bytes=-3' }, 206, 'txt'],
      [{ Range: 'bytes=99-' }, 416, ''],
      [{ Range: 'bytes=0-1', 'If-Range': etag }, 206, 'fi'],
      [{ Range: 'bytes=0-1', 'If-Range': '"other"' }, 200, text],
      [{ 'If-None-Match': etag }, 304, ''],
      [{ 'If-None-Match': '"other"' }, 200, text],
      [{ 'If-Modified-Since': since }, 304, ''],
      [{ 'If-Match': '"other"' }, 412, ''],
      [{}, 200, '', 'HEAD'],
    ]) {
      const res = await fetch(`${at}/abc.txt?who=me`, { headers: asked, method })
      assert.deepEqual([res.status, await res.text()], [status, body], JSON.stringify(asked))
      assert.equal(res.headers.get('etag'), etag)
    }
    assert.deepEqual([origin.got.length, count()], [1, 1])
    const head = await fetch(`${at}/new.txt?who=me`, { method: 'HEAD' }) // made for a HEAD, and there for a GET
    assert.deepEqual([head.status, head.headers.get('content-length')], [200, '13'])
    assert.equal(await (await fetch(`${at}/new.txt?who=me`)).text(), 'file /new.txt')
    assert.equal(count(), 2)
    for (const same of ['abc.txt?who=you&a=1', 'abc.txt?a=1&who=you', '%61bc.txt?who=yo%75&&a=1&s=old'])
      await fetch(`${at}/${same}`)
    assert.equal(count(), 3)
    const preflight = await fetch(`${at}/abc.txt`, { method: 'OPTIONS' })
    assert.match(preflight.headers.get('access-control-allow-headers'), /Range/)
    assert.equal((await fetch(`${at}/abc.txt`, { method: 'POST' })).status, 405)
  })

  await top.test('a changed Template, another one of its name and a removed key count at once', async (t) => {
    const { name, sdk, at, content, signed } = await begin(t, { on, serve: { headers: { 'x-v': '1' } } })
    const version = async () => {
      const r = await fetch(`${at}/a`)
      return r.headers.get('x-v') ?? (await r.json()).error
    }
    assert.equal(await version(), '1')
    content.steps.out.headers = { 'x-v': '2' }
    await sdk.editTemplate(name, { template: content })
    assert.equal(await version(), '2')
    await sdk.deleteTemplate(name)
    assert.equal(await version(), 'TEMPLATE_NOT_FOUND')
    content.steps.out.headers = { 'x-v': '3' }
    await sdk.createTemplate({ name, template: content })
    assert.equal(await version(), '3')
    const { auth_key: more } = await on.signedPost('/auth_keys', { scopes: ['assemblies:write'] })
    const url = signed('a', {}, { by: client(on, Newer, more.key, more.secret) })
    assert.equal((await fetch(url)).status, 200)
    await on.signedPost(`/auth_keys/${more.id}`, {}, 'DELETE')
    await refused(await fetch(url), 400, 'GET_ACCOUNT_UNKNOWN_AUTH_KEY')
    assert.equal((await fetch(signed('a'))).status, 200)
  })

  await top.test('failures have their own status, are for a moment the same for all, and are not kept', async (t) => {
    let status = 404
    const answer = () => ({ status, body: 'x' })
    const { sdk, at, origin } = await begin(t, { on, answer, serve: { headers: { 'x-a': '${fields.a}' } } })
    for (let i = 0; i < 5; i++) await refused(await fetch(`${at}/a`), 404, 'HTTP_IMPORT_NOT_FOUND')
    assert.equal(origin.got.length, 1)
    status = 200
    await wait(async () => (await fetch(`${at}/a?a=`)).status === 200, () => 'still refused')
    const split = encodeURIComponent('b\r\nSet-Cookie: c')
    await refused(await fetch(`${at}/a?a=${split}`), 400, 'FILE_SERVE_VALIDATION')

    const get = { robot: '/http/import', url: `${origin.url}/a` }, serve = { robot: '/file/serve', use: 'a' }
    const small = { robot: '/image/resize', width: 5 }
    const by_url = async (name, steps) => {
      await sdk.createTemplate({ name, template: { steps } })
      return fetch(`${on.url}/cdn/default/${name}/a`)
    }
    const many = Object.fromEntries(Array(20).fill(0).map((_, i) => [`s${i}`, serve]))
    await refused(await by_url('no-step', { a: get }), 400, 'NO_RESULT_STEP_FOUND')
    await refused(await by_url('hashes', { a: get, b: { robot: '/file/hash', use: 'a' }, c: serve }), 400,
      'ASSEMBLY_DISALLOWED_ROBOTS_USED')
    await refused(await by_url('too-many', { a: get, ...many }), 400, 'ASSEMBLY_INVALID_STEPS')
    await refused(await by_url('no-file', { a: get, b: { ...small, use: 'a' }, c: { ...serve, use: 'b' } }), 404,
      'FILE_SERVE_NO_RESULT')
    await refused(await by_url('wrong', { a: get, c: { ...serve, cache_duration: -1 } }), 400, 'FILE_SERVE_VALIDATION')
    // used by another step, and served all the same
    assert.equal((await by_url('used', { a: get, b: serve, c: { ...small, use: 'b' } })).status, 200)
    // not for uploads, and not again
    const id = (await fetch(`${at}/a?a=1`)).headers.get('transloadit-assembly')
    assert.equal((await sdk.replayAssembly(id).catch((e) => e)).code, 'ASSEMBLY_CANNOT_BE_REPLAYED')
    await refused(await fetch(`${on.url}/assemblies/${id}/reserve_file`, { method: 'POST' }), 400,
      'ASSEMBLY_NOT_CAPABLE')
    // by the API it is a Step like any other: its file is a result
    const plain = await on.until((await on.create({ a: get, b: serve })).assembly_id)
    assert.deepEqual([plain.ok, plain.results.b.length], ['ASSEMBLY_COMPLETED', 1])
  })

  await top.test('hostile addresses are refused before anything is made', async (t) => {
    const { name, count, at } = await begin(t, { on })
    const params = (n) => Array(n).fill(0).map((_, i) => `a${i}`).join('&')
    for (const [status, error, ...targets] of [
      [400, 'INVALID_URL_ENCODING', 'a%00b', 'a%zz', '%ff%fe', 'a?b=%ff', 'a?b=%00', 'a?b=%1'],
      [400, 'INVALID_FORM_DATA', '../secret', 'a%2F..%2Fb', '%2e%2E/b', '%252e%252e/b', 'a%5C..%5Cb', 'a/.', '..%3Fa'],
      [400, 'INVALID_FORM_DATA', 'a'.repeat(9000), `a?${params(101)}`],
      [414, 'INVALID_FORM_DATA', `a?${params(1000)}`],
    ])
      for (const target of targets) {
        const res = await ask(on, `/cdn/default/${name}/${target}`)
        assert.deepEqual([res.status, JSON.parse(res.body).error], [status, error], target.slice(0, 80))
      }
    const nothing = [`/cdn/default/${name}`, '/cdn/', '/cdn//files/a', '/cdn/default//a', "/cdn/x'%20or%201=1/b/a"]
    for (const target of nothing)
      assert.equal((await ask(on, target)).status, 404, target)
    assert.equal(count(), 0)
    for (const fine of ['..a', 'a..', '...', 'a.b/.c', '.a/b'])
      assert.equal((await fetch(`${at}/${fine}`)).status, 200, fine)
  })
})

test('a hundred that ask for the same at a time get one Assembly', async (t) => {
  const answer = async (q) => {
    await sleep(300)
    return { body: `file ${q.path}` }
  }
  const { s, at, origin } = await begin(t, { answer, args: ['--create-rate', '2'] })
  const all = await Promise.all(Array(100).fill(0).map(async (_, i) => {
    const r = await fetch(`${at}/a?x=1&y=2`, { method: i % 5 ? 'GET' : 'HEAD' })
    return [r.status, await r.text()]
  }))
  assert.deepEqual(all, all.map((_, i) => [200, i % 5 ? 'file /a' : '']))
  assert.deepEqual([origin.got.length, made(s)], [1, 1])
  await fetch(`${at}/b`)
  const limited = await fetch(`${at}/c`) // the workspace's rate holds here, too
  assert.ok(Number(limited.headers.get('retry-after')) > 0)
  await refused(limited, 429, 'RATE_LIMIT_REACHED')
  assert.equal((await fetch(`${at}/b`)).status, 200)
})

test('by a Host of the CDN\'s domain only files are served, whose scripts run in an origin of their own', async (t) => {
  const html = '<script>alert(1)</script>', answer = () => ({ body: html, headers: { 'Content-Type': 'text/html' } })
  const args = ['--cdn-domain', 'cdn.test', '--public-url', 'http://api.cdn.test:8080/']
  const { s, at } = await begin(t, { args, answer })
  const by = (target, host = 'DEFAULT.cdn.test:1234', method) => ask(s, target, { Host: host }, method)
  const page = await by('/files/a/b.html?x=1')
  assert.deepEqual([page.status, page.body, page.headers['content-security-policy'], page.headers['content-type']],
    [200, html, undefined, 'text/html; charset=utf-8'])
  const here = await fetch(`${at}/a/b.html?x=1`)
  assert.match(here.headers.get('content-security-policy'), /^sandbox; default-src 'none'/)
  assert.equal(made(s), 1) // it is the same file
  for (const target of ['/', '/healthz', '/templates', '/console/', '/cdn/default', '/openapi.json', '/assemblies/x'])
    assert.equal((await by(target)).status, 404, target)
  assert.equal((await by('/files/a', undefined, 'DELETE')).status, 405)
  assert.equal((await by('/files/a', undefined, 'OPTIONS')).status, 200)
  for (const host of ['cdn.test', '.cdn.test', 'a.b.cdn.test', 'xcdn.test', 'default.cdn.test.evil',
    'api.cdn.test:8080', 'api.cdn.test', '127.0.0.1'])
    assert.notEqual((await by('/files/a/b.html?x=1', host)).status, 200, host)
  for (const host of ['api.cdn.test:8080', '127.0.0.1']) assert.equal((await by('/healthz', host)).status, 200, host)
  // the client signs the name as it is written, the host has no capitals
  const opts = { workspace: 'default', template: 'files', input: 'c d', urlParams: { x: 'é' } }
  const u = new URL(client(s).getSignedSmartCDNUrl(opts))
  assert.equal((await by(u.pathname + u.search, u.host.replace('tlcdn.com', 'cdn.test'))).status, 200)
})

test('the last client that leaves ends the work; one that stays has its file', async (t) => {
  let let_go
  const left = [], gate = new Promise((r) => { let_go = r })
  const answer = async (q, i, res) => {
    res.on('close', () => { if (!res.writableFinished) left.push(q.path) })
    if (q.path !== '/fast') await gate
    return { body: `file ${q.path}` }
  }
  const { s, at, origin } = await begin(t, { answer, args: ['--cdn-assemblies', '2', '--cdn-wait-s', '4'] })
  assert.equal((await fetch(`${at}/fast?first`)).status, 200)
  const a = new AbortController(), b = new AbortController(), gone = () => 'left'
  const one = fetch(`${at}/slow`, { signal: a.signal }).catch(gone), two = fetch(`${at}/slow`)
  const three = fetch(`${at}/alone`, { signal: b.signal }).catch(gone)
  await wait(() => origin.got.length === 3, () => `${origin.got.length} of 3 imports`)
  await refused(await fetch(`${at}/third`), 429, 'RATE_LIMIT_REACHED')
  a.abort()
  b.abort()
  assert.deepEqual([await one, await three], ['left', 'left'])
  await wait(() => canceled(s) === 1, () => s.log)
  await wait(() => left.length === 1, () => left) // the import itself has ended
  assert.deepEqual([left, made(s)], [['/alone'], 3])
  assert.equal((await fetch(`${at}/fast`)).status, 200) // its place is free again
  await refused(await two, 504, 'INTERNAL_COMMAND_TIMEOUT') // and nobody waits for ever
  await wait(() => canceled(s) === 2 && left.length === 2, () => s.log)
  let_go()
  assert.equal(await (await fetch(`${at}/slow`)).text(), 'file /slow')
})

test('what is kept is bounded, outlives a restart, and leaves no blob behind', async (t) => {
  const big = 'x'.repeat(100_000)
  const answer = (q) => ({ body: q.path.startsWith('/huge') ? big.repeat(5) : `${q.path}${big}` })
  const soon = ['--result-expiry-s', '1', '--memory-keep-s', '1', '--sweep-interval-s', '1']
  const { s, at } = await begin(t, { args: ['--cdn-cache-size', '350K', ...soon], answer })
  for (const name of ['a', 'b', 'c']) assert.equal((await fetch(`${at}/${name}`)).status, 200)
  await fetch(`${at}/a`) // used: b is the oldest now
  await fetch(`${at}/d`)
  await fetch(`${at}/huge`) // larger than all may be: not kept, and pushes nothing out
  const kept = () => sql(s, 'select count(*) from served')
  await wait(() => kept() === '3', kept)
  const before = made(s)
  for (const name of ['a', 'c', 'd']) assert.equal((await fetch(`${at}/${name}`)).status, 200)
  assert.equal(made(s), before)
  // Assemblies' own files go; what is kept has names of its own
  const blobs = () => fs.readdirSync(path.join(s.dir, 'blobs'), { recursive: true })
    .filter((f) => /[/][0-9a-f]{32}$/.test(f)).length
  await wait(() => blobs() === 3, () => `${blobs()} blobs`)
  assert.equal((await s.stop()).code, 0)
  assert.match(execFileSync(s.program, ['fsck', '--data', s.dir]).toString(), /clean/)
  await s.boot()
  for (const name of ['a', 'c', 'd']) {
    const res = await fetch(`${at}/${name}`)
    assert.deepEqual([res.status, (await res.text()).slice(0, 2)], [200, `/${name}`])
    assert.equal(res.headers.get('cache-control'), 'public, max-age=259200, s-maxage=86400')
  }
  assert.equal(made(s), before)
  await fetch(`${at}/b`)
  assert.equal(made(s), before + 1)
})

test('an Assembly whose server dies is canceled by the next one, as nobody waits for it', async (t) => {
  const { s, at, origin } = await begin(t, { answer: () => new Promise(() => {}) })
  const gone = fetch(`${at}/a`).catch(() => 'gone')
  await wait(() => origin.got.length === 1, () => 'no import')
  await s.kill9()
  assert.equal(await gone, 'gone')
  await s.boot()
  await wait(() => canceled(s) === 1, () => s.log)
  assert.equal(origin.got.length, 1)
  const again = fetch(`${at}/a`).catch(() => 'gone') // one that ends well tells its clients, and cancels
  await wait(() => origin.got.length === 2, () => 'no second import')
  assert.equal((await s.stop()).code, 0)
  assert.equal((await again).status, 503)
  await s.boot()
  assert.equal(canceled(s), 2)
})

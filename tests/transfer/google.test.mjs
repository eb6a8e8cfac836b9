// /google/store and /google/import against a stand-in for Google's services (google.mjs), which can't run here.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { Server, sleep } from '../e2e/server.mjs'
import { conform } from './conform.mjs'
import { Google } from './google.mjs'

const MB = 1024 * 1024
const PATIENCE = 180000
const over = (st) => !['ASSEMBLY_UPLOADING', 'ASSEMBLY_EXECUTING'].includes(st.ok)

async function keep(server, name, content) {
  const said = await server.signedPost('/template_credentials', { name, type: 'google', content })
  assert.equal(said.ok, 'TEMPLATE_CREDENTIALS_CREATED', JSON.stringify(said))
}

conform({
  name: 'google',
  store: true,
  imports: true,
  codes: { denied: 'WORKER_JOB_ERROR', failed: 'WORKER_JOB_ERROR' },
  import_codes: { denied: 'GOOGLE_IMPORT_ACCESS_DENIED', failed: 'GOOGLE_IMPORT_FAILURE',
    missing: 'GOOGLE_IMPORT_NOT_FOUND' },
  import_refuses: { 'a newline': /control character/ },
  async start(t) {
    const g = await Google.start()
    t.after(() => g.stop())
    const list = (bucket) => (prefix) => [...g.objects(bucket).keys()].filter((n) => n.startsWith(prefix))
    return {
      host: g.host, port: g.port, complaints: g.complaints,
      args: (line) => ['--endpoint', `google=${line.url}`],
      ready: (server) => keep(server, 'stored', { ...g.account, bucket: 'things' }),
      store: (to) => ({ robot: '/google/store', credentials: 'stored', path: to }),
      import: (from) => ({ robot: '/google/import', credentials: 'stored', path: from }),
      wrong: { private_key: g.otherKey },
      readOnly: { more: () => ({ bucket: 'read-only' }), list: list('read-only') },
      full: { more: () => ({ bucket: 'full' }), list: list('full') },
      list: list('things'),
      open: () => g.open(),
      read: (name) => g.objects().get(name).data,
      put: (name, data) => { g.put('things', name, data) },
      directory: { count: 60, more: { files_per_page: 25 } },
      lie: (name) => { g.put('things', name, Buffer.from('abc'), { size: '300' }) },
    }
  },
})

// ---- what is Google's own ----

async function bed(t, { bucket = 'things', ...more } = {}) {
  const g = await Google.start()
  t.after(() => g.stop())
  const s = await Server.start(t, { args: ['--import-allow', '127.0.0.1', '--endpoint', `google=${g.url}`],
    env: { WORKCELL_TEST_RETRY_MS: '20' }, allow: [/worker/], ...more })
  await keep(s, 'mine', { ...g.account, bucket })
  const run = async (step, files, fields) => {
    const a = await s.create({ out: step }, { files, fields })
    return a.assembly_id ? s.until(a.assembly_id, over, PATIENCE) : a
  }
  const good = async (...args) => {
    const st = await run(...args)
    assert.equal(st.ok, 'ASSEMBLY_COMPLETED', `${st.error}: ${st.message}`)
    return st
  }
  return { g, s, run, good,
    store: (more = {}, data = 'hello') => good({ robot: '/google/store', use: ':original', credentials: 'mine',
      path: 'a.txt', ...more }, { 'a b.txt': data }),
    storing: (more = {}, data = 'hello') => run({ robot: '/google/store', use: ':original', credentials: 'mine',
      path: 'a.txt', ...more }, { 'a b.txt': data }),
    fetch: (more) => good({ robot: '/google/import', credentials: 'mine', result: true, ...more }),
    fetching: (more) => run({ robot: '/google/import', credentials: 'mine', result: true, ...more }),
  }
}

test('an object has the type, rights and headers that were asked for, and its address is in the Status', async (t) => {
  const { g, store } = await bed(t)
  const st = await store({ path: '/${fields.dir}/${file.url_name}', cache_control: 'public, max-age=60' }, 'hello')
  const [name, o] = [...g.objects()][0]
  assert.equal(name, '/a-b.txt') // ${fields.dir} is not there
  assert.deepEqual([o.contentType, o.cacheControl, o.acl, String(o.data)],
    ['text/plain', 'public, max-age=60', 'publicRead', 'hello'])
  assert.equal(st.uploads[0].url, `https://${new URL(g.url).host}/things/a-b.txt`)
  for (const [acl, is] of [['private', 'private'], ['project-private', 'projectPrivate'],
    ['authenticated-read', 'authenticatedRead'], ['bucket-owner-full-control', 'bucketOwnerFullControl'],
    [null, undefined]]) {
    await store({ path: `acl-${acl}`, acl })
    assert.equal(g.objects().get(`acl-${acl}`).acl, is)
  }
  const at = await store({ path: 'x/y z.txt', url_template: 'http://cdn.example/{PATH}',
    ssl_url_template: 'https://{HOST}/${file.ext}' })
  assert.equal(at.uploads[0].url, 'http://cdn.example/x/y%20z.txt')
  assert.match(at.uploads[0].ssl_url, /\/things\/txt$/)
  assert.deepEqual(g.complaints, [])
})

test('a bucket with uniform access says what to do, and takes what has no acl', async (t) => {
  const { g, s, store, storing } = await bed(t)
  const st = await storing({ bucket: 'uniform' })
  assert.equal(st.error, 'GOOGLE_STORE_INVALID_INPUT', st.message)
  assert.match(st.message, /uniform bucket-level access.*set 'acl' to null/)
  await store({ bucket: 'uniform', acl: null })
  assert.equal(g.objects('uniform').size, 1)
  assert.ok(!s.log.includes('upload_id'), 'no address of a session in the log')
  assert.ok(!s.log.includes('PRIVATE KEY'), 'nor the key')
})

test('many pieces, a lost answer, 503 and 429 with a pause: one whole object', async (t) => {
  const { g, store } = await bed(t)
  const data = randomBytes(18 * MB + 5)
  const faults = [
    (req) => req.method === 'POST' && req.url.startsWith('/upload') &&
      ((res, say) => say(503, {}, { 'retry-after': '1' })),
    (req) => req.method === 'PUT' && /^bytes 0-/.test(req.headers['content-range']) &&
      ((res, say) => say(429, {}, { 'retry-after': '0' })),
    (req) => req.method === 'PUT' && /^bytes 8388608-/.test(req.headers['content-range']) &&
      ((res, say) => say(500, {})),
  ]
  g.fault = (req) => {
    for (const [i, f] of faults.entries()) {
      const hit = f(req)
      if (hit) { faults.splice(i, 1); return hit }
    }
  }
  await store({ path: 'big' }, data)
  assert.equal(faults.length, 0, 'each has happened')
  assert.ok(g.objects().get('big').data.equals(data))
  assert.ok(g.asked.filter((l) => l.startsWith('PUT')).length >= 7, 'three pieces, two of them twice and asked about')
  assert.deepEqual([g.complaints, g.open()], [[], []])
})

test('a token that is revoked in the middle is renewed; one that stays refused is an error', async (t) => {
  const { g, s, store, storing } = await bed(t)
  await store({ path: 'one' })
  g.revoke()
  await store({ path: 'two' })
  assert.ok(g.objects().has('two'))
  g.life = -1
  g.revoke()
  const st = await storing({ path: 'three' })
  assert.equal(st.error, 'WORKER_JOB_ERROR')
  assert.match(st.message, /Google Cloud Storage answered 401: Invalid Credentials/)
  assert.ok(!g.objects().has('three'))
  assert.ok(!s.log.includes('ya29.'))
})

test('an answer that is another object than was sent is no success, and the copy is removed', async (t) => {
  const { g, storing } = await bed(t)
  for (const lie of [{ md5Hash: 'AAAAAAAAAAAAAAAAAAAAAA==' }, { crc32c: 'AAAAAA==' }, { size: '4' },
    { name: 'other' }, { md5Hash: undefined, crc32c: undefined }]) {
    g.twist = (o) => ({ ...o, ...lie })
    const st = await storing({ path: 'a' })
    assert.equal(st.error, 'WORKER_JOB_ERROR', JSON.stringify(lie))
    assert.match(st.message, /what it stored is not what was sent/)
    assert.equal(g.objects().size, 0)
  }
  assert.deepEqual(g.complaints, [])
})

test('a session somewhere else, or one that is forgotten, and ranges that can not be', async (t) => {
  const { g, store, storing } = await bed(t)
  const elsewhere = ['http://127.0.0.1:1/upload?upload_id=x', 'https://storage.googleapis.com.evil.example/u',
    `${g.url}.evil.example/u`, `http://user@${new URL(g.url).host}/u`, '', 'nonsense']
  for (const location of elsewhere) {
    g.fault = (req) => req.method === 'POST' && req.url.startsWith('/upload') &&
      ((res, say) => say(200, undefined, { location }))
    const st = await storing()
    assert.match(st.message ?? '', /begins a session, but not at an address of its own/, location)
  }
  for (const range of ['bytes=0-999999', 'bytes=1-2', '0-1', 'bytes=0-', 'bytes=0-99999999999999999999']) {
    g.fault = (req) => req.method === 'PUT' && ((res, say) => say(308, undefined, { range }))
    const st = await storing()
    assert.match(st.message ?? '', /other bytes than were sent/, range)
  }
  let n = 0
  g.fault = (req) => req.method === 'PUT' && ((res, say) => { n++; say(308, undefined) })
  assert.match((await storing()).message, /does not go on with what it has/)
  assert.ok(n < 20, `${n} requests`)
  let gone = 1
  g.fault = (req) => req.method === 'PUT' && gone-- > 0 && ((res, say) => say(404, {}))
  await store({ path: 'after all' })
  assert.ok(g.objects().has('after all'))
})

test('a directory: its files, or all below it page by page; markers are none', async (t) => {
  const { g, fetch, fetching } = await bed(t)
  for (const n of ['d/', 'd/b.txt', 'd/a.txt', 'd/sub/', 'd/sub/c.txt', 'd/sub/d.txt', 'top.txt',
    '/slash.txt']) g.put('things', n, n)
  const names = (st) => st.results.out.map((r) => r.name).sort()
  assert.deepEqual(names(await fetch({ path: 'd/' })), ['a.txt', 'b.txt'])
  assert.deepEqual(names(await fetch({ path: '/d/' })), ['a.txt', 'b.txt'])
  assert.deepEqual(names(await fetch({ path: '/' })), ['top.txt'])
  assert.deepEqual(names(await fetch({ path: ['/top.txt', '//slash.txt'] })), ['slash.txt', 'top.txt'])
  const one = await fetch({ path: 'd/', recursive: true, files_per_page: 3 })
  assert.deepEqual(names(one), ['a.txt', 'b.txt', 'c.txt'])
  const token = one.results.out[0].meta.next_page_token
  assert.ok(token)
  assert.equal(one.results.out.find((r) => r.name === 'c.txt').original_path, '/d/sub/')
  const beside = await fetch({ path: ['d/', 'top.txt'], recursive: true, files_per_page: 3 })
  assert.deepEqual(beside.results.out.filter((r) => r.meta.next_page_token).map((r) => r.name).sort(),
    ['a.txt', 'b.txt', 'c.txt'])
  const two = await fetch({ path: 'd/', recursive: true, files_per_page: 3, next_page_token: token })
  assert.deepEqual(names(two), ['d.txt'])
  assert.equal(two.results.out[0].meta.next_page_token, undefined)
  assert.equal((await fetching({ path: 'nothing/' })).error, 'GOOGLE_IMPORT_NOT_FOUND')
  assert.equal((await fetching({ path: 'd/', next_page_token: 'wrong' })).error, 'GOOGLE_IMPORT_FAILURE')
  assert.deepEqual(g.complaints, [])
})

test('what comes is compared with the checksums; what is stored compressed is unpacked', async (t) => {
  const { g, fetch, fetching } = await bed(t)
  for (const more of [{ md5Hash: 'AAAAAAAAAAAAAAAAAAAAAA==' }, { md5Hash: undefined, crc32c: 'AAAAAA==' }]) {
    g.put('things', 'bad', 'abc', more)
    const st = await fetching({ path: 'bad' })
    assert.equal(st.error, 'GOOGLE_IMPORT_FAILURE')
    assert.match(st.message, /checksum/)
  }
  g.put('things', 'composite', 'abc', { md5Hash: undefined })
  assert.equal((await fetch({ path: 'composite' })).results.out[0].size, 3)
  const text = 'hello '.repeat(10000)
  g.put('things', 'page.html', gzipSync(text), { contentType: 'text/html', contentEncoding: 'gzip' })
  assert.equal((await fetch({ path: 'page.html' })).results.out[0].size, text.length)
})

test('a list without an end, or that is none, ends', async (t) => {
  const { g, fetching } = await bed(t)
  let n = 0
  const list = (body) => { g.fault = (req) => /\/o\?maxResults/.test(req.url) &&
    ((res, say) => { n++; say(200, body()) }) }
  list(() => ({ nextPageToken: `t${n}` }))
  assert.match((await fetching({ path: '/' })).message, /has no end/)
  assert.ok(n <= 2001, `${n} requests`)
  for (const body of [{ items: {} }, { items: [{}] }, { items: [{ name: 3 }] }, { items: ['x'] },
    { items: [{ name: 'n'.repeat(2000) }] }, { nextPageToken: {} }, [], { items: [{ name: 'x' }] },
    { items: [{ name: 'x', size: '-1', generation: '1' }] },
    { items: [{ name: 'x', size: 'many', generation: '1' }] }]) {
    list(() => body)
    const st = await fetching({ path: '/' })
    assert.match(st.message ?? '', /answered oddly/, JSON.stringify(body))
  }
})

test('a credential that lacks something says what; the note of a session holds no secret', async (t) => {
  const { g, s, storing } = await bed(t)
  await keep(s, 'bare', g.account)
  const bare = await storing({ credentials: 'bare' })
  assert.deepEqual([bare.error, bare.message.includes("'bucket'")], ['GOOGLE_STORE_VALIDATION', true], bare.message)
  const broken = await storing({ private_key: 'nonsense' })
  assert.equal(broken.error, 'GOOGLE_STORE_VALIDATION', broken.message)

  const waits = new Promise((r) => { g.fault = (req) => req.method === 'PUT' && (() => r()) })
  const a = await s.create({ out: { robot: '/google/store', use: ':original', credentials: 'mine', path: 'a' } },
    { files: { 'a.txt': 'abc' } })
  await waits
  const id = [...g.sessions.keys()].at(-1)
  g.fault = () => undefined
  await s.cancel(a.assembly_id)
  await s.until(a.assembly_id, (st) => st.cancel?.settled, PATIENCE)
  for (const end = Date.now() + PATIENCE; g.open().length &&
    Date.now() < end;) await new Promise((r) => setTimeout(r, 50))
  assert.deepEqual(g.open(), [], 'the session is ended')
  for (const f of fs.readdirSync(s.dir).filter((n) => n.startsWith('workcell.db')))
    assert.ok(!fs.readFileSync(path.join(s.dir, f)).includes(id), `${f} does not hold the address of the session`)
  assert.ok(!s.log.includes(id))
})

test('stored credentials are tried with a probe, and nothing of it is left', async (t) => {
  const { g, s } = await bed(t)
  await keep(s, 'wrong', { ...g.account, private_key: g.otherKey, bucket: 'things' })
  await keep(s, 'reader', { ...g.account, bucket: 'read-only' })
  const attempt = async (name) => {
    for (const end = Date.now() + PATIENCE; ; await sleep(50)) { // the one before may not be over for the server
      const said = await s.signedPost(`/template_credentials/${name}/test`, {})
      if (!/being tried already/.test(said.message) || Date.now() > end) return said
    }
  }
  const good = await attempt('mine')
  assert.deepEqual([good.ok, good.works, good.robot], ['TEMPLATE_CREDENTIALS_TESTED', true, '/google/store'],
    JSON.stringify(good))
  const wrong = await attempt('wrong')
  assert.match(wrong.message, /could not be written: .*Invalid JWT Signature/)
  assert.match((await attempt('reader')).message, /storage.objects.create/)
  assert.deepEqual([g.objects().size, g.open(), g.complaints], [0, [], []])
})

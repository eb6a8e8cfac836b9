// /cloudfiles/store and /cloudfiles/import against the Swift interface of Ceph radosgw, by its own sign-in (version 1).
// Rackspace's sign-in (version 2) is that of a stand-in.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, before, test } from 'node:test'
import { Server } from '../e2e/server.mjs'
import { conform, NEWLINE } from './conform.mjs'
import { Identity, Swift } from './swift.mjs'

let swift
const ends = []
before(async () => { swift = await Swift.start({ after: (fn) => ends.push(fn) }) }, { timeout: 300000 })
after(() => { for (const fn of ends) fn() })

const place = { user: Swift.user, key: Swift.key, container: 'tests' }

conform({
  name: 'cloudfiles',
  store: true,
  imports: true,
  cannot: {
    'a size that is not true fails, and is no file': 'the gateway tells the truth; test_cloudfiles.c has one that lies',
  },
  codes: { denied: 'CLOUDFILES_STORE_ACCESS_DENIED', failed: 'CLOUDFILES_STORE_ERROR' },
  import_codes: { denied: 'CLOUDFILES_IMPORT_ACCESS_DENIED', failed: 'CLOUDFILES_IMPORT_FAILURE',
    missing: 'CLOUDFILES_IMPORT_NOT_FOUND' },
  import_refuses: { [NEWLINE]: /control character/ },
  async start() {
    await swift.makeContainer('tests')
    const { gate } = swift
    for (const [uid, key] of [['reader', 'reader-key'], ['small', 'small-key']]) {
      gate.admin('user', 'create', '--uid', uid, '--display-name', uid)
      gate.admin('subuser', 'create', '--uid', uid, '--subuser', `${uid}:swift`, '--access', 'full', '--secret-key',
        key, '--key-type', 'swift')
    }
    gate.admin('quota', 'set', '--uid', 'small', '--quota-scope', 'user', '--max-size', '100000')
    gate.admin('quota', 'enable', '--uid', 'small', '--quota-scope', 'user')
    const small = Object.assign(new Swift(), { url: swift.url })
    await small.signIn('small:swift', 'small-key')
    await small.makeContainer('narrow')
    return {
      host: swift.url.hostname, port: Number(swift.url.port),
      args: (line) => ['--endpoint', `rackspace=${line.url}/auth/v1.0`],
      store: (path) => ({ robot: '/cloudfiles/store', ...place, path }),
      import: (path) => ({ robot: '/cloudfiles/import', ...place, path }),
      wrong: { key: 'wrong' },
      readOnly: { more: () => ({ user: 'reader:swift', key: 'reader-key' }) },
      full: { more: () => ({ user: 'small:swift', key: 'small-key', container: 'narrow' }),
        list: async (prefix) =>
          [...await small.list('narrow', prefix), ...await small.list('narrow_segments', prefix)] },
      list: (prefix) => swift.list('tests', prefix),
      // segments that make no object
      open: async () => {
        const objects = new Set(await swift.list('tests'))
        return (await swift.list('tests_segments')).filter((s) => !objects.has(s.replace(/\/workcell-[^/]*\/\d+$/, '')))
      },
      read: (path) => swift.read('tests', path),
      put: (path, data) => swift.put('tests', path, data),
      directory: { count: 12, more: { files_per_page: 5 } },
    }
  },
})

test('what only Swift has', { timeout: 600000 }, async (t) => {
  await swift.makeContainer('more')
  const cdn = { 'X-Cdn-Enabled': 'True', 'X-Cdn-Uri': 'http://cdn.example', 'X-Cdn-Ssl-Uri': 'https://ssl.cdn.example' }
  const identity = await Identity.start(t, swift)
  const s = await Server.start(t, { args: ['--import-allow', '127.0.0.1', '--endpoint', `rackspace=${identity.url}`],
    env: { WORKCELL_TEST_S3_MULTIPART_THRESHOLD: '1000000' } })
  const login = { user: identity.user, key: identity.key, container: 'more', account_type: 'us', data_center: 'dfw' }
  const run = async (step, data) => s.until((await s.create({ out: step },
    data ? { files: { 'a.bin': data } } : {})).assembly_id, undefined, 120000)
  const done = async (...args) => {
    const st = await run(...args)
    assert.equal(st.ok, 'ASSEMBLY_COMPLETED', `${st.error}: ${st.message}`)
    return st
  }
  const store = (path, data, more) => done({ robot: '/cloudfiles/store', use: ':original', result: true, ...login,
    path, ...more }, data)
  const get = (path, more) => done({ robot: '/cloudfiles/import', result: true, ...login, path, ...more })
  const fresh = () => swift.signIn()

  await t.test('Rackspace\'s sign-in: a key, a catalog, a data center; and what is wrong with them', async () => {
    const data = randomBytes(5000)
    const [file] = (await store('a/é =+(1)&%25.bin', data)).results.out
    await fresh()
    assert.deepEqual(await swift.read('more', 'a/é =+(1)&%25.bin'), data)
    assert.equal(file.url, `${identity.url}/swift/v1/more/a/%C3%A9%20%3D%2B%281%29%26%2525.bin`)
    await store('a/own-data-center.bin', data, { data_center: '' })
    assert.equal((await run({ robot: '/cloudfiles/store', use: ':original', ...login, key: 'wrong', path: 'x' },
      data)).error, 'CLOUDFILES_STORE_ACCESS_DENIED')
    const st = await run({ robot: '/cloudfiles/import', ...login, data_center: 'SYD', path: 'x' })
    assert.equal(st.error, 'CLOUDFILES_IMPORT_FAILURE')
    assert.match(st.message, /data center/)
    assert.ok(!s.log.includes(identity.key))
  })

  await t.test('a large file is one object, and one that replaces it leaves nothing of it', async () => {
    for (const size of [2500000, 3500000, 10]) {
      const data = randomBytes(size)
      await store('big.bin', data)
      await fresh()
      assert.deepEqual(await swift.read('more', 'big.bin'), data)
      assert.equal((await swift.list('more_segments')).length, size > 10 ? Math.ceil(size / 1e6) : 0)
    }
    const data = randomBytes(2500000)
    await store('big.bin', data)
    const [got] = (await get('big.bin')).results.out
    assert.deepEqual(Buffer.from(await (await fetch(got.url)).arrayBuffer()), data)
  })

  await t.test('stored credentials work, are tried, and leave no probe', async () => {
    const keep = (name, content) => s.signedPost('/template_credentials', { name, type: 'rackspace', content })
    assert.equal((await keep('swift-good', login)).ok, 'TEMPLATE_CREDENTIALS_CREATED')
    assert.equal((await keep('swift-bad', { ...login, key: 'wrong' })).ok, 'TEMPLATE_CREDENTIALS_CREATED')
    await done({ robot: '/cloudfiles/store', use: ':original', credentials: 'swift-good', path: 'by/credentials' },
      'abc')
    const good = await s.signedPost('/template_credentials/swift-good/test', {})
    assert.deepEqual([good.works, good.robot], [true, '/cloudfiles/store'], JSON.stringify(good))
    const bad = await s.signedPost('/template_credentials/swift-bad/test', {})
    assert.deepEqual([bad.works, bad.code], [false, 'CLOUDFILES_STORE_ACCESS_DENIED'], JSON.stringify(bad))
    await fresh()
    assert.deepEqual(await swift.list('more', 'workcell-probe'), [])
  })

  await t.test('a container that the network delivers', async () => {
    identity.cdn = cdn
    const [file] = (await store('a/b c.bin', Buffer.from('abc'))).results.out
    assert.equal(file.url, 'http://cdn.example/a/b%20c.bin')
    assert.equal(file.ssl_url, 'https://ssl.cdn.example/a/b%20c.bin')
    identity.cdn = undefined
  })

  await t.test('directories, their pages and what lies below them', async () => {
    await fresh()
    for (const name of ['d/1', 'd/2', 'd/e/3', 'd/e/f/4', 'd/g/5', 'd/h']) await swift.put('more', name, name)
    await swift.put('more', 'd/i', '', { 'Content-Type': 'application/directory' })
    const names = (st) => st.results.out.map((f) => f.name).sort()
    for (const files_per_page of [1, 2, 1000])
      assert.deepEqual(names(await get('d/', { files_per_page })).map((n) => n.slice(0, 1)), ['1', '2', 'h'])
    assert.equal((await get('/d/', { recursive: true })).results.out.length, 6)
    const pages = []
    for (const page_number of [1, 2, 3]) pages.push(...names(await get('d/', { recursive: true, files_per_page: 2,
      page_number })))
    assert.equal(new Set(pages).size, 6)
    await swift.put('more', '/lead', 'its name begins with a slash')
    assert.deepEqual(names(await get('//', {})), ['lead'])
    assert.equal((await run({ robot: '/cloudfiles/import', ...login, container: 'missing', path: 'a' })).error,
      'CLOUDFILES_IMPORT_NOT_FOUND')
  })

  assert.deepEqual(identity.complaints, [], 'requests that the identity service would not have taken')
})

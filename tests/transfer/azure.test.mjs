// /azure/store and /azure/import against Azurite, which checks every signature.
import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { Server } from '../e2e/server.mjs'
import { Azurite } from './azurite.mjs'
import { conform, NEWLINE } from './conform.mjs'

const place = { account: Azurite.account, key: Azurite.key, container: 'tests' }

conform({
  name: 'azure',
  store: true,
  imports: true,
  cannot: {
    'a target that is full is said, and nothing is left on it': 'an account has no end that a test could reach',
    'a size that is not true fails, and is no file': 'Azurite tells the truth; test_azure.c has a server that lies',
  },
  codes: { denied: 'AZURE_STORE_ACCESS_DENIED', failed: 'WORKER_JOB_ERROR' },
  import_codes: { denied: 'AZURE_IMPORT_ACCESS_DENIED', failed: 'AZURE_IMPORT_FAILURE',
    missing: 'AZURE_IMPORT_NOT_FOUND' },
  import_refuses: { [NEWLINE]: /control character/ },
  async start(t) {
    const azure = await Azurite.start(t)
    await azure.makeContainer('tests')
    return {
      host: '127.0.0.1', port: azure.port,
      args: (line) => ['--endpoint', `azure=${line.url}`],
      store: (path) => ({ robot: '/azure/store', ...place, path }),
      import: (path) => ({ robot: '/azure/import', ...place, path }),
      wrong: { key: Buffer.from('wrong').toString('base64') },
      readOnly: { more: () => ({ key: Azurite.sas('tests', 'rl') }) },
      list: (prefix) => azure.list('tests', prefix),
      read: (path) => azure.read('tests', path),
      put: (path, data) => azure.put('tests', path, data),
      directory: { count: 12, more: { files_per_page: 5 } },
    }
  },
})

test('what only Azure has', { timeout: 600000 }, async (t) => {
  const azure = await Azurite.start(t)
  await azure.makeContainer('tests')
  const s = await Server.start(t, { args: ['--import-allow', '127.0.0.1', '--endpoint',
    `azure=http://127.0.0.1:${azure.port}`], env: { WORKCELL_TEST_S3_MULTIPART_THRESHOLD: '1000000' } })
  const run = async (step, data) => s.until((await s.create({ out: step },
    data ? { files: { 'a.txt': data } } : {})).assembly_id, undefined, 120000)
  const done = async (...args) => {
    const st = await run(...args)
    assert.equal(st.ok, 'ASSEMBLY_COMPLETED', `${st.error}: ${st.message}`)
    return st
  }
  const store = (more, data) => done({ robot: '/azure/store', use: ':original', result: true, ...place, ...more }, data)

  for (const [what, data] of [['in one request', randomBytes(5000)], ['in blocks', randomBytes(2500000)]])
    await t.test(`headers and metadata of the blob, and its MD5: ${what}`, async () => {
      await store({ path: 'odd/é =+(1)&%25.bin', content_type: 'x/y', content_encoding: 'identity',
        content_language: 'de', content_disposition: 'attachment', cache_control: 'no-store', metadata: { a: 'b',
        a_b: 1, a1: true } }, data)
      const { status, headers, body } = await azure.call('GET', Azurite.place('tests', 'odd/é =+(1)&%25.bin'))
      assert.equal(status, 200)
      assert.deepEqual(body, data)
      assert.deepEqual(['content-type', 'content-encoding', 'content-language', 'content-disposition',
        'cache-control', 'x-ms-meta-a', 'x-ms-meta-a_b', 'x-ms-meta-a1', 'content-md5'].map((h) => headers[h]),
        ['x/y', 'identity', 'de', 'attachment', 'no-store', 'b', '1', 'true',
          createHash('md5').update(data).digest('base64')])
    })

  await t.test('an address that is signed opens the blob, for what it is meant', async () => {
    const data = randomBytes(3000)
    const [file] = (await store({ path: 'signed/a b.bin', sas_expires_in: 3600, sas_permissions: 'dr' },
      data)).results.out
    const got = await fetch(file.ssl_url)
    assert.equal(got.status, 200, await got.clone().text())
    assert.deepEqual(Buffer.from(await got.arrayBuffer()), data)
    assert.equal((await fetch(file.ssl_url, { method: 'PUT', body: 'x',
      headers: { 'x-ms-blob-type': 'BlockBlob' } })).status, 403, 'not to write')
    assert.equal((await fetch(file.ssl_url.replace('signed', 'other'))).status, 403, 'nor another')
    assert.equal((await fetch(file.ssl_url, { method: 'DELETE' })).status, 202, 'but to delete')
    const [plain] = (await store({ path: 'signed/c.bin' }, data)).results.out
    assert.equal(plain.ssl_url, `http://127.0.0.1:${azure.port}/devstoreaccount1/tests/signed/c.bin`)
    assert.notEqual((await fetch(plain.ssl_url)).status, 200)
  })

  await t.test('a directory, its pages and what lies below it; stored bytes come as they are', async () => {
    for (const name of ['d/1.txt', 'd/2.txt', 'd/e/3.txt', 'd/e/f/4.txt', 'd/'])
      await azure.put('tests', name, Buffer.from(name), { 'x-ms-blob-content-encoding': 'gzip' })
    const names = (st) => st.results.out.map((f) => f.name).sort()
    const get = (more) => done({ robot: '/azure/import', result: true, ...place, ...more })
    assert.deepEqual(names(await get({ path: 'd/' })), ['1.txt', '2.txt'])
    assert.deepEqual(names(await get({ path: '/d/', recursive: true })), ['1.txt', '2.txt', '3.txt', '4.txt'])
    const seen = []
    for (let token = '', i = 0; i < 9; i++) {
      const st = await get({ path: 'd/', recursive: true, files_per_page: 2, next_page_token: token })
      seen.push(...names(st))
      token = st.results.out[0].meta.next_page_token
      if (!token) break
    }
    assert.deepEqual(seen.sort(), ['1.txt', '2.txt', '3.txt', '4.txt'])
    const [one] = (await get({ path: ['d/e/3.txt', 'd/1.txt'], force_name: ['x.txt', 'y.txt'] })).results.out
      .filter((f) => f.name === 'x.txt')
    assert.equal(await (await fetch(one.url)).text(), 'd/e/3.txt')
    assert.equal(one.original_path, '/d/e/')
  })

  await t.test('stored credentials work, are tried, and leave no probe', async () => {
    const keep = (name, content) => s.signedPost('/template_credentials', { name, type: 'azure', content })
    assert.equal((await keep('azure-good', place)).ok, 'TEMPLATE_CREDENTIALS_CREATED')
    assert.equal((await keep('azure-bad', { ...place, key: 'd3Jvbmc=' })).ok, 'TEMPLATE_CREDENTIALS_CREATED')
    await azure.put('tests', 'by/credentials.txt', Buffer.from('abc'))
    await done({ robot: '/azure/import', credentials: 'azure-good', path: 'by/credentials.txt' })
    const good = await s.signedPost('/template_credentials/azure-good/test', {})
    assert.deepEqual([good.works, good.robot], [true, '/azure/store'], JSON.stringify(good))
    const bad = await s.signedPost('/template_credentials/azure-bad/test', {})
    assert.deepEqual([bad.works, bad.code], [false, 'AZURE_STORE_ACCESS_DENIED'], JSON.stringify(bad))
    assert.deepEqual(await azure.list('tests', 'workcell-probe'), [])
  })

  await t.test('a shared access signature lets in as the key does, for what it allows', async () => {
    const sas = Azurite.sas('tests', 'racwdl'), by = { ...place, key: sas }
    const data = randomBytes(2500000)
    await store({ ...by, path: 'sas/in blocks+%.bin' }, data)
    assert.deepEqual(await azure.read('tests', 'sas/in blocks+%.bin'), data)
    await store({ ...by, key: `?${sas}`, path: 'sas/whole.bin' }, data.subarray(0, 5000))
    const all = await done({ robot: '/azure/import', result: true, ...by, path: 'sas/', files_per_page: 1 })
    assert.deepEqual(all.results.out.map((f) => f.size).sort(), [2500000, 5000])
    const kept = await s.signedPost('/template_credentials', { name: 'azure-sas', type: 'azure', content: by })
    assert.equal(kept.ok, 'TEMPLATE_CREDENTIALS_CREATED')
    const tried = await s.signedPost('/template_credentials/azure-sas/test', {})
    assert.deepEqual([tried.works, tried.robot], [true, '/azure/store'], JSON.stringify(tried))
    await done({ robot: '/azure/import', credentials: 'azure-sas', path: 'sas/whole.bin' })
    const refused = async (more, code) => {
      const step = { robot: '/azure/store', use: ':original', ...by, path: 'sas/no.bin', ...more }
      const made = await s.create({ out: step }, { files: { 'a.txt': 'abc' } })
      const got = made.assembly_id ? await s.until(made.assembly_id, undefined, 120000) : made
      assert.equal(got.error, code, JSON.stringify(got).slice(0, 400))
      return got.message
    }
    await refused({ key: Azurite.sas('tests', 'rl') }, 'AZURE_STORE_ACCESS_DENIED')
    await refused({ key: Azurite.sas('tests', 'racwdl', -60) }, 'AZURE_STORE_ACCESS_DENIED')
    await refused({ key: Azurite.sas('others', 'racwdl') }, 'AZURE_STORE_ACCESS_DENIED')
    await refused({ key: sas.replace(/sig=.*/, 'sig=d3Jvbmc%3D') }, 'AZURE_STORE_ACCESS_DENIED')
    assert.match(await refused({ key: 'sv=2020-12-06&sp=r' }, 'AZURE_STORE_VALIDATION'), /sv and sig/)
    assert.match(await refused({ key: `${sas}&a= b` }, 'AZURE_STORE_VALIDATION'), /character/)
    assert.match(await refused({ sas_expires_in: 60 }, 'AZURE_STORE_VALIDATION'), /sas_expires_in/)
    assert.deepEqual(await azure.list('tests', 'sas/no'), [])
    const sig = sas.match(/sig=([^&]+)/)[1]
    assert.ok(!s.log.includes(sig) && !JSON.stringify(all).includes(sig))
  })

  await t.test('a container that is missing is said', async () => {
    assert.equal((await run({ robot: '/azure/import', ...place, container: 'missing', path: 'a' })).error,
      'AZURE_IMPORT_NOT_FOUND')
    assert.equal((await run({ robot: '/azure/store', use: ':original', ...place, container: 'missing', path: 'a' },
      'abc')).error, 'WORKER_JOB_ERROR')
    assert.ok(!s.log.includes(Azurite.key))
  })
})

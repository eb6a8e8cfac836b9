// /box/store and /box/import against a stand-in of Box (box.mjs).
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { generateKeyPairSync, randomBytes } from 'node:crypto'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { test } from 'node:test'
import { binary, Server } from '../e2e/server.mjs'
import { Box, tooManyRequests } from './box.mjs'
import { conform } from './conform.mjs'
import { Line } from './line.mjs'

const MB = 1024 * 1024
const done = (st) => !['ASSEMBLY_UPLOADING', 'ASSEMBLY_EXECUTING'].includes(st.ok)
const PATIENCE = 180000
const keys = generateKeyPairSync('rsa', {
  modulusLength: 2048, publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'open sesame' },
})
const keyFile = (app) => JSON.stringify({ boxAppSettings: { clientID: app.clientID, clientSecret: app.clientSecret,
  appAuth: { publicKeyID: app.publicKeyID, privateKey: keys.privateKey, passphrase: 'open sesame' } },
  enterpriseID: app.enterpriseID })

async function bed(t, credentials) {
  const cloud = await Box.start(t, { publicKey: keys.publicKey })
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'workcell-e2e-'))
  if (credentials) execFileSync(binary, ['credential', 'add', 'mine', 'box', ...credentials(cloud.app), '--data', dir])
  const server = await Server.start(t, { dir, args: ['--import-allow', '127.0.0.1', '--endpoint', `box=${cloud.url}`],
    env: { WORKCELL_TEST_RETRY_MS: '20' } })
  const by = credentials ? { credentials: 'mine' } : { access_token: cloud.token }
  const run = async (step, files) => {
    const a = await server.create({ out: { ...by, ...step } }, files ? { files } : {})
    return a.assembly_id ? server.until(a.assembly_id, done, PATIENCE) : a
  }
  const store = (to, data, more) => run({ robot: '/box/store', use: ':original', path: to, ...more },
    { 'file.bin': data })
  const bring = (from, more) => run({ robot: '/box/import', result: true, path: from, ...more })
  const good = (st) => { assert.equal(st.ok, 'ASSEMBLY_COMPLETED', `${st.error}: ${st.message}`); return st }
  return { cloud, server, store, bring, good }
}

conform({
  name: 'box',
  store: true,
  imports: true,
  codes: { denied: 'WORKER_JOB_ERROR', failed: 'WORKER_JOB_ERROR' },
  import_codes: { denied: 'BOX_IMPORT_ACCESS_DENIED', failed: 'BOX_IMPORT_FAILURE', missing: 'BOX_IMPORT_NOT_FOUND' },
  refuses: { '1,000 bytes': /too long|has no/ },
  import_refuses: { 'a newline': /control character/ },
  async start(t) {
    const cloud = await Box.start(t)
    // sessions for files that are smaller than Box's, so that the table's go by one; the bytes come over the line, too
    Object.assign(cloud, { farIsHere: true, page: 7, least: 1000, partSize: 2 * MB })
    return {
      host: cloud.host, port: cloud.port, complaints: cloud.complaints,
      args: (line) => ['--endpoint', `box=${line.url}`],
      store: (to) => ({ robot: '/box/store', access_token: cloud.token, path: to }),
      import: (from) => ({ robot: '/box/import', access_token: cloud.token, path: from }),
      wrong: { access_token: 'wrong' },
      readOnly: { more: (to) => ({ path: `readonly/${to}` }), list: (prefix) => cloud.list(`readonly/${prefix}`) },
      full: { more: (to) => ({ path: `full/${to}` }), list: (prefix) => cloud.list(`full/${prefix}`) },
      list: (prefix) => cloud.list(prefix),
      open: () => [...cloud.sessions.keys()],
      read: (at) => cloud.read(at),
      put: (at, data) => { cloud.put(at, data) },
      lie: (at) => cloud.lie(at),
      directory: { count: 30 },
    }
  },
})

test('a key file signs in by a token of its own making, which serves several jobs', async (t) => {
  const { cloud, server, store, good } = await bed(t, (app) => [`key_file_contents=${keyFile(app)}`])
  const tried = await server.signedPost('/template_credentials/mine/test', {})
  assert.deepEqual([tried.works, tried.message],
    [true, '/box/store signed in, wrote a probe, listed what lies there and removed the probe'])
  assert.deepEqual(cloud.list(''), [], 'no probe is left')
  cloud.granted.length = 0
  for (const name of ['a', 'b', 'c']) good(await store(`${name}.txt`, 'abc'))
  assert.ok(cloud.granted.length < 3, `${cloud.granted.length} tokens for three jobs`)
  cloud.tokens.clear()
  const st = good(await store('d.txt', 'abc'))
  assert.ok(!JSON.stringify(st).includes('sesame') && !server.log.includes('sesame') &&
    !server.log.includes('PRIVATE KEY'))
  cloud.app.publicKey = generateKeyPairSync('rsa',
    { modulusLength: 2048, publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' } }).publicKey
  cloud.tokens.clear()
  assert.match((await store('e.txt', 'abc')).message, /signature is wrong/)
  const odd = await store('f.txt', 'abc', { credentials: undefined,
    key_file_contents: keyFile(cloud.app).replace('open sesame', 'shut') })
  assert.equal(odd.error, 'BOX_STORE_VALIDATION')
  assert.match(odd.message, /private key/)
  cloud.quiet()
})

test('an app without a key signs in by its secret, for its enterprise or for a user', async (t) => {
  const { cloud, store, good } = await bed(t, (app) =>
    [`client_id=${app.clientID}`, `client_secret=${app.clientSecret}`, `enterprise_id=${app.enterpriseID}`])
  good(await store('a.txt', 'abc'))
  good(await store('b.txt', 'abc', { user_id: cloud.app.userID }))
  assert.deepEqual(cloud.granted, ['client_credentials', 'client_credentials'])
  assert.match((await store('c.txt', 'abc', { user_id: '1' })).message, /no such subject/)
  cloud.quiet()
})

test('a large file goes by a session, whatever is lost on the way, and becomes a version of what is there',
  async (t) => {
  const { cloud, store, good } = await bed(t)
  const data = randomBytes(21 * MB + 5)
  cloud.slow = 2
  cloud.fault({ on: /PUT .*upload_sessions/, late: true, status: 500, body: 'lost' })
  cloud.fault({ on: /POST .*upload_sessions$/, ...tooManyRequests })
  good(await store('deep/b\u00fccher/a.bin', data))
  assert.ok(cloud.read('deep/b\u00fccher/a.bin').equals(data))
  const more = randomBytes(22 * MB)
  cloud.fault({ on: /commit$/, late: true, status: 502, body: 'lost' })
  cloud.slow = 0
  const st = good(await store('deep/b\u00fccher/A.bin', more))
  const file = cloud.fileAt('deep/b\u00fccher/a.bin')
  assert.deepEqual([file.versions.length, st.uploads[0].url], [2, `https://app.box.com/file/${file.id}`])
  assert.ok(cloud.read('deep/b\u00fccher/a.bin').equals(more))
  good(await store('deep/b\u00fccher/a.bin', more)) // the same bytes are there already
  assert.equal(file.versions.length, 2)
  assert.equal(cloud.sessions.size, 0)
  cloud.quiet()
})

test('two that make one folder share it, and who may make none writes into the one that is there', async (t) => {
  const { cloud, store, good } = await bed(t)
  for (const st of await Promise.all(Array.from({ length: 6 }, (_, i) => store(`one/two/${i}.txt`, `${i}`)))) good(st)
  assert.equal(cloud.list('one/two/').length, 6)
  cloud.page = 2
  cloud.put('aa/x.txt', 'x')
  cloud.put('mine/there/x.txt', 'x')
  cloud.mayNotMake = cloud.fileAt('mine').id
  good(await store('mine/there/a.txt', 'abc'))
  const st = await store('mine/new/a.txt', 'abc')
  assert.match(st.message, /insufficient permissions/)
  assert.match((await store('mine/there/x.txt/a.txt', 'abc')).message, /can't be a folder/)
  assert.match((await store('mine/there', 'abc')).message, /can't be a file/)
  cloud.quiet()
})

test('a link for everybody is the address of the file', async (t) => {
  const { cloud, store, good } = await bed(t)
  const { url, ssl_url } = good(await store('a.txt', 'abc', { create_sharing_link: true })).uploads[0]
  assert.deepEqual([url, ssl_url], [cloud.fileAt('a.txt').link, cloud.fileAt('a.txt').link])
  cloud.oddLinks = true
  assert.equal((await store('a.txt', 'abc', { create_sharing_link: true })).error, 'BOX_STORE_COULD_NOT_PARSE_URL')
  cloud.quiet()
})

test('a directory comes with all that lies below, and a token goes nowhere but to Box', async (t) => {
  const { cloud, bring, good } = await bed(t)
  cloud.page = 2
  cloud.notReady = 1
  for (const p of ['in/a.txt', 'in/B/c d.txt', 'in/B/e/\u00e9.txt', 'in/z.txt', 'in/y.txt',
    'other/no.txt']) cloud.put(p, p)
  const all = good(await bring('/in/')).results.out
  assert.deepEqual(all.map((f) => [f.original_path, f.name]).sort(),
    [['/in/', 'a.txt'], ['/in/', 'y.txt'], ['/in/', 'z.txt'], ['/in/B/', 'c d.txt'], ['/in/B/e/', '\u00e9.txt']])
  assert.equal(good(await bring('/')).results.out.length, 6)
  assert.deepEqual(good(await bring('in/B/c d.txt')).results.out.map((f) =>
    [f.original_path, f.name, f.from_batch_import]), [['/in/B/', 'c d.txt', false]])
  cloud.quiet()
})

test('a file that is changed while it comes is the one that was asked for, and bytes that are not its own are refused',
  async (t) => {
  const { cloud, server, bring, good } = await bed(t)
  const data = randomBytes(12 * MB)
  cloud.put('a.bin', data)
  cloud.change = true
  const line = await Line.start('127.0.0.1', cloud.far.address().port)
  t.after(() => line.stop())
  cloud.farPort = line.port
  line.suffer('cut', { way: 'received', after: 10 * MB }) // some of it is in buffers then, and lost
  const [got] = good(await bring('a.bin')).results.out
  assert.ok(Buffer.from(await (await fetch(got.url)).arrayBuffer()).equals(data))
  assert.ok(line.received < 21 * MB, `${line.received} bytes came`)
  cloud.damage = true
  assert.match((await bring('a.bin')).message, /sha1/)
  cloud.put('denied/a.txt', 'abc')
  assert.equal((await bring('denied/')).error, 'BOX_IMPORT_ACCESS_DENIED')
  assert.equal((await bring('no/such/')).error, 'BOX_IMPORT_NOT_FOUND')
  assert.ok(server.url)
  cloud.quiet()
})

// /dropbox/store and /dropbox/import against a stand-in of Dropbox (dropbox.mjs).
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { test } from 'node:test'
import { binary, Server } from '../e2e/server.mjs'
import { conform } from './conform.mjs'
import { Dropbox, tooManyRequests, tooManyWrites } from './dropbox.mjs'

const MB = 1024 * 1024
const done = (st) => !['ASSEMBLY_UPLOADING', 'ASSEMBLY_EXECUTING'].includes(st.ok)
const PATIENCE = 180000

async function bed(t, credentials) {
  const cloud = await Dropbox.start(t)
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'workcell-e2e-'))
  if (credentials) execFileSync(binary, ['credential', 'add', 'mine', 'dropbox', ...credentials(cloud), '--data', dir])
  const server = await Server.start(t, { dir, args: ['--import-allow', '127.0.0.1', '--endpoint',
    `dropbox=${cloud.url}`], env: { WORKCELL_TEST_RETRY_MS: '20' } })
  const run = async (step, files) => {
    const a = await server.create({ out: { access_token: cloud.token, ...step } }, files ? { files } : {})
    return a.assembly_id ? server.until(a.assembly_id, done, PATIENCE) : a
  }
  const store = (to, data, more) => run({ robot: '/dropbox/store', use: ':original', path: to, ...more },
    { 'file.bin': data })
  const bring = (from, more) => run({ robot: '/dropbox/import', result: true, path: from, ...more })
  const good = (st) => { assert.equal(st.ok, 'ASSEMBLY_COMPLETED', `${st.error}: ${st.message}`); return st }
  return { cloud, server, store, bring, good }
}

conform({
  name: 'dropbox',
  store: true,
  imports: true,
  codes: { denied: 'WORKER_JOB_ERROR', failed: 'WORKER_JOB_ERROR' },
  import_codes: { denied: 'DROPBOX_IMPORT_ACCESS_DENIED', failed: 'DROPBOX_IMPORT_FAILURE',
    missing: 'DROPBOX_IMPORT_NOT_FOUND' },
  refuses: { '1,000 bytes': /malformed_path/ },
  import_refuses: { 'a newline': /control character/ },
  async start(t) {
    const cloud = await Dropbox.start(t)
    cloud.page = 7
    return {
      host: cloud.host, port: cloud.port, complaints: cloud.complaints,
      args: (line) => ['--endpoint', `dropbox=${line.url}`],
      store: (path) => ({ robot: '/dropbox/store', access_token: cloud.token, path }),
      import: (path) => ({ robot: '/dropbox/import', access_token: cloud.token, path }),
      wrong: { access_token: 'sl.wrong' },
      readOnly: { more: (path) => ({ path: `readonly/${path}` }), list: (prefix) => cloud.list(`readonly/${prefix}`) },
      full: { more: (path) => ({ path: `full/${path}` }), list: (prefix) => cloud.list(`full/${prefix}`) },
      list: (prefix) => cloud.list(prefix),
      read: (path) => cloud.read(path),
      put: (path, data) => { cloud.put(path, data) },
      lie: (path) => cloud.lie(path),
      directory: { count: 30 },
    }
  },
})

test('stored credentials with a refresh token sign in, and do so again when Dropbox has forgotten the token',
  async (t) => {
  const { cloud, server, store, good } = await bed(t,
    ({ refresh }) => ['access_token=sl.old', `refresh_token=${refresh.token}`, `app_key=${refresh.key}`,
    `app_secret=${refresh.secret}`])
  const { token, secret } = cloud.refresh
  const tried = await server.signedPost('/template_credentials/mine/test', {})
  assert.ok(tried.works, tried.message)
  assert.deepEqual(cloud.list(''), [], 'no probe is left')
  const by = { access_token: undefined, credentials: 'mine' }
  good(await store('a.txt', 'abc', by))
  good(await store('b.txt', 'abc', by))
  cloud.tokens.clear()
  const st = good(await store('c.txt', 'abc', by))
  assert.equal(cloud.read('c.txt').toString(), 'abc')
  assert.ok(!JSON.stringify(st).includes(token) && !server.log.includes(token) && !server.log.includes(secret))
  cloud.refresh.token = 'another'
  cloud.tokens.clear()
  const refused = await store('d.txt', 'abc', by)
  assert.equal(refused.error, 'WORKER_JOB_ERROR')
  assert.match(refused.message, /refresh token is invalid/)
  cloud.quiet()
})

test('a large file goes by a session, whatever is lost on the way', async (t) => {
  const { cloud, store, good } = await bed(t)
  const data = randomBytes(35 * MB + 5)
  cloud.fault({ on: /append_v2/, late: true, status: 500, body: 'lost' })
  cloud.fault({ on: /upload_session\/start/, ...tooManyRequests })
  cloud.fault({ on: /session\/finish/, ...tooManyWrites, times: 2 })
  cloud.fault({ on: /session\/finish/, late: true, status: 503, body: 'lost' })
  const st = good(await store('deep/b\u00fccher \u{1f600}/a.bin', data))
  assert.deepEqual(cloud.list('deep'), ['deep/b\u00fccher \u{1f600}/a.bin'])
  assert.ok(cloud.read('deep/b\u00fccher \u{1f600}/a.bin').equals(data))
  assert.equal(st.uploads[0].ssl_url, 'https://www.dropbox.com/home/deep/b%C3%BCcher%20%F0%9F%98%80/a.bin')
  cloud.quiet()
})

test('a session that Dropbox has lost is begun anew, and one that it cut back goes on from there', async (t) => {
  const { cloud, store, good } = await bed(t)
  const data = randomBytes(40 * MB)
  const { handle } = Object.getPrototypeOf(cloud)
  let turns = 0
  cloud.handle = function (q) {
    if (/append_v2/.test(q.path) && ++turns === 2) cloud.sessions.clear()
    if (/session\/finish/.test(q.path) && turns < 100) {
      turns = 100
      for (const s of cloud.sessions.values()) { s.chunks.pop(); s.length = s.chunks.reduce((n, c) => n + c.length, 0) }
    }
    return handle.call(this, q)
  }
  good(await store('a.bin', data))
  assert.ok(cloud.read('a.bin').equals(data))
  cloud.quiet()
})

test('a link for everybody is made, and one that there is already is taken', async (t) => {
  const { cloud, store, good } = await bed(t)
  const share = { create_sharing_link: true }
  const first = good(await store('a.txt', 'abc', share)).uploads[0]
  assert.match(first.url, /^https:\/\/www\.dropbox\.com\/scl\//)
  assert.equal(good(await store('a.txt', 'abcd', share)).uploads[0].url, first.url)
  cloud.silentLinks = true
  assert.equal(good(await store('a.txt', 'abcde', share)).uploads[0].ssl_url, first.url)
  cloud.oddLinks = true
  assert.equal((await store('b.txt', 'abc', share)).error, 'DROPBOX_STORE_COULD_NOT_PARSE_URL')
  cloud.quiet()
})

test('what Dropbox refuses is said in its words, and a hash that is not true is a failure', async (t) => {
  const { cloud, store, bring } = await bed(t)
  assert.match((await store('full/a.txt', 'abc')).message, /insufficient_space/)
  assert.match((await store('readonly/a.txt', 'abc')).message, /no_write_permission/)
  assert.match((await store('a.txt', 'abc', { access_token: 'sl.no' })).message, /401/)
  cloud.put('x/a.txt', 'abc')
  cloud.put('denied/a.txt', 'abc')
  assert.equal((await bring('y/')).error, 'DROPBOX_IMPORT_NOT_FOUND')
  assert.equal((await bring('x')).error, 'DROPBOX_IMPORT_NOT_FOUND')
  assert.equal((await bring('denied/a.txt')).error, 'DROPBOX_IMPORT_ACCESS_DENIED')
  assert.equal((await bring('denied/')).error, 'DROPBOX_IMPORT_ACCESS_DENIED')
  cloud.damage = true
  assert.match((await bring('x/a.txt')).message, /content_hash/)
  cloud.damage = false
  cloud.wrongHash = true
  assert.match((await store('a.txt', 'abc')).message, /content_hash/)
  cloud.complaints.length = 0
})

test('a directory comes with all that lies below, and each file says where it lay', async (t) => {
  const { cloud, bring, good } = await bed(t)
  cloud.page = 2
  for (const p of ['in/a.txt', 'in/B/c d.txt', 'in/B/e/\u00e9.txt', 'in/z.txt', 'other/no.txt']) cloud.put(p, p)
  const all = good(await bring('/in/')).results.out
  assert.deepEqual(all.map((f) => [f.original_path, f.name, f.from_batch_import]).sort(),
    [['/in/', 'a.txt', true], ['/in/', 'z.txt', true], ['/in/B/', 'c d.txt', true], ['/in/B/e/', '\u00e9.txt', true]])
  assert.equal(good(await bring('/')).results.out.length, 5)
  cloud.quiet()
})

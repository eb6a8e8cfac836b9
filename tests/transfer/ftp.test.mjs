// /ftp/store and /ftp/import where the server is encrypted from the first byte, and where its disk is full. What else
// FTP must do is in tests/e2e/ftp.test.mjs: its data connections go past the line of the conformance table.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { Server } from '../e2e/server.mjs'
import { smallDisk, Vsftpd } from './vsftpd.mjs'

const PATIENCE = 180000
const root = process.getuid() === 0
const run = async (s, step, data) => {
  const a = await s.create({ out: step }, data === undefined ? {} : { files: { 'a.bin': data } })
  return a.assembly_id ? s.until(a.assembly_id, undefined, PATIENCE) : a
}
const good = (st) => { assert.equal(st.ok, 'ASSEMBLY_COMPLETED', `${st.error}: ${st.message}`); return st }

// Port 990 is what says that it is so, and only root may listen there; the address is one that nobody else is likely to
// have.
test('implicit TLS: nothing is said before it, and a file goes there and back',
  { skip: !root && 'NOT RUN: port 990 needs root' }, async (t) => {
  const [a, b] = randomBytes(2)
  const v = await Vsftpd.start(t, { host: `127.${64 + (a & 63)}.${b}.7`, port: 990, implicit: true })
  const s = await Server.start(t, { args: ['--import-allow', '127.0.0.0/8', '--ftp-ca', v.at('cert.pem')] })
  const data = randomBytes(300000), step = v.login({ secure: true })
  good(await run(s, { robot: '/ftp/store', use: ':original', path: 'one/two/a.bin', ...step }, data))
  assert.deepEqual(fs.readFileSync(path.join(v.root, 'one/two/a.bin')), data)
  assert.deepEqual(fs.readdirSync(path.join(v.root, 'one/two')), ['a.bin'])
  const [file] = good(await run(s, { robot: '/ftp/import', result: true, path: 'one/', ...step })).results.out
  assert.deepEqual(Buffer.from(await (await fetch(file.url)).arrayBuffer()), data)
  assert.equal(v.logged('"AUTH TLS"'), 0, 'it is encrypted already')
  assert.ok(v.logged('"PROT P"') > 0, 'the data as well')
})

// A sender that leaves the session tickets of TLS 1.3 unread resets what it has just sent: a server on a busy machine
// took every third file for a broken one.
for (const tls of [undefined, 'TLSv1.3'])
  test(`encrypted files arrive at the first try${tls ? `, where ${tls} alone is spoken` : ''}`, async (t) => {
    const v = await Vsftpd.start(t, { tls })
    const s = await Server.start(t, { args: ['--import-allow', '127.0.0.1', '--ftp-ca', v.at('cert.pem')] })
    const step = { robot: '/ftp/store', use: ':original', ...v.login({ secure: true }) }
    const files = Array.from({ length: 24 }, () => randomBytes(300000))
    for (const st of await Promise.all(files.map((data, i) => run(s, { ...step, path: `${i}.bin` }, data)))) good(st)
    for (const [i, data] of files.entries()) assert.deepEqual(fs.readFileSync(path.join(v.root, `${i}.bin`)), data)
    assert.equal(v.logged('"426'), 0, 'a try that the server took for broken')
  })

test('a target that is full is said, and nothing is left on it', async (t) => {
  const { dir, why } = smallDisk(t)
  if (why) { t.skip(`NOT RUN: ${why}`); return }
  const v = await Vsftpd.start(t, { root: dir })
  const s = await Server.start(t, { args: ['--import-allow', '127.0.0.1', '--ftp-ca', v.at('cert.pem')],
    env: { WORKCELL_TEST_RETRY_MS: '50' } })
  for (const secure of [false, true]) {
    const step = { robot: '/ftp/store', use: ':original', ...v.login({ secure }) }
    const st = await run(s, { ...step, path: 'big/a.bin' }, randomBytes(3 << 20))
    assert.equal(st.error, 'WORKER_JOB_ERROR', JSON.stringify(st).slice(0, 300))
    assert.match(st.message, /can't store 'big\/a\.bin'/)
    const all = fs.readdirSync(dir, { recursive: true, withFileTypes: true }).filter((e) => !e.isDirectory())
    assert.deepEqual(all.map((e) => e.name), [])
    good(await run(s, { ...step, path: 'small.bin' }, 'abc'))
    fs.rmSync(path.join(dir, 'small.bin'))
  }
})

test('stored credentials are tried by a probe, of which nothing is left', async (t) => {
  const v = await Vsftpd.start(t)
  const s = await Server.start(t, { args: ['--import-allow', '127.0.0.1', '--ftp-ca', v.at('cert.pem')] })
  const tried = async (name, content) => {
    const made = await s.signedPost('/template_credentials', { name, type: 'ftp', content: { host: v.host,
      port: String(v.port), user: 'anonymous', password: 'letmein', ...content } })
    assert.equal(made.ok, 'TEMPLATE_CREDENTIALS_CREATED', JSON.stringify(made))
    return s.signedPost(`/template_credentials/${name}/test`, {})
  }
  for (const secure of ['true', 'false'])
    assert.equal((await tried(`good_${secure}`, { secure })).message,
      '/ftp/store signed in, wrote a probe and removed the probe')
  const wrong = await tried('wrong', { password: 'shut' })
  assert.equal(wrong.works, false)
  assert.match(wrong.message, /could not be written: .* does not let 'anonymous' in with this password/)
  fs.chmodSync(v.root, 0o555)
  if (!root) assert.equal((await tried('reader', {})).works, false)
  assert.deepEqual(fs.readdirSync(v.root), [])
})

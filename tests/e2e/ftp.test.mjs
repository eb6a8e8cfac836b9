// /ftp/store and /ftp/import with a real vsftpd of the test's own.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { execFileSync, spawn } from 'node:child_process'
import fs from 'node:fs'
import net from 'node:net'
import os from 'node:os'
import path from 'node:path'
import { after, before, test } from 'node:test'
import { binary, freePort, Server, sleep } from './server.mjs'

const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'workcell-vsftpd-'))
const at = (name) => path.join(dir, name)
const there = (name) => at(`root/${name}`)
let vsftpd, port

const listening = () => new Promise((r) => {
  const c = net.connect(port, '127.0.0.1', () => { c.destroy(); r(true) }).on('error', () => r(false))
})

before(async () => {
  for (const name of ['root', 'empty']) fs.mkdirSync(at(name))
  fs.writeFileSync(at('passwords'), 'letmein\n')
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes']
  const openssl = (...words) => execFileSync('openssl', words, { cwd: dir, stdio: 'pipe' })
  openssl('req', '-x509', ...curve, '-keyout', 'key.pem', '-out', 'cert.pem', '-days', '30', '-subj', '/CN=x',
    '-addext', 'subjectAltName=IP:127.0.0.1')
  port = await freePort()
  const yes = ['listen', 'anonymous_enable', 'write_enable', 'anon_upload_enable', 'anon_mkdir_write_enable',
    'anon_other_write_enable', 'allow_writeable_chroot', 'run_as_launching_user', 'secure_email_list_enable',
    'ssl_enable', 'allow_anon_ssl', 'xferlog_enable', 'log_ftp_protocol']
  const no = ['background', 'local_enable', 'anon_world_readable_only', 'seccomp_sandbox', 'force_anon_logins_ssl',
    'force_anon_data_ssl', 'require_ssl_reuse', 'connect_from_port_20']
  fs.writeFileSync(at('config'), [...yes.map((n) => `${n}=YES`), ...no.map((n) => `${n}=NO`),
    'listen_address=127.0.0.1', `listen_port=${port}`, 'anon_umask=022',
    `anon_root=${at('root')}`, `secure_chroot_dir=${at('empty')}`,
    `email_password_file=${at('passwords')}`, 'ssl_ciphers=HIGH', `rsa_cert_file=${at('cert.pem')}`,
    `rsa_private_key_file=${at('key.pem')}`, `vsftpd_log_file=${at('log')}`, ''].join('\n'))
  vsftpd = spawn('/usr/sbin/vsftpd', [at('config')], { stdio: 'ignore' })
  for (let i = 0; !await listening(); i++) { assert.ok(i < 1000, 'vsftpd does not listen'); await sleep(50) }
})
after(() => { vsftpd.kill(); fs.rmSync(dir, { recursive: true, force: true }) })

const logged = (what) => fs.readFileSync(at('log'), 'utf8').split(what).length - 1
const serve = (t, args = [], more = {}) => Server.start(t, { args: ['--import-allow', '127.0.0.1', ...args], ...more })
const login = (more = {}) => ({ host: '127.0.0.1', port, user: 'anonymous', password: 'letmein', ...more })
const store = (to, more) => ({ out: { robot: '/ftp/store', use: ':original', path: to, ...login(more) } })
const soon = async (what, done, ms = 120000) => {
  for (const end = Date.now() + ms; !await done(); await sleep(20))
    assert.ok(Date.now() < end, `not within ${ms} ms: ${what}`)
}

test('what is stored encrypted is imported again, and the password of stored credentials is not shown', async (t) => {
  const base = fs.mkdtempSync(path.join(os.tmpdir(), 'workcell-e2e-'))
  execFileSync(binary, ['credential', 'add', 'mine', 'ftp', 'host=127.0.0.1', `port=${port}`, 'user=anonymous',
    'password=letmein', 'secure=true', '--data', base])
  const s = await serve(t, ['--ftp-ca', at('cert.pem')], { dir: base }) // it is signed by itself
  const steps = { out: { robot: '/ftp/store', use: ':original', credentials: 'mine', path: 'both/${file.url_name}' } }
  const a = await s.create(steps, { files: { 'a.txt': 'first', 'b.txt': 'second' } })
  const done = await s.until(a.assembly_id)
  assert.equal(done.ok, 'ASSEMBLY_COMPLETED', done.message)
  assert.equal(done.uploads[0].ssl_url, `https://127.0.0.1/both/${done.uploads[0].name}`)
  assert.deepEqual(fs.readdirSync(there('both')).sort(), ['a.txt', 'b.txt'])
  assert.ok(logged('"AUTH TLS"') > 0 && logged('"PROT P"') > 0)
  const b = await s.create({ in: { robot: '/ftp/import', credentials: 'mine', path: 'both/', result: true } })
  const back = await s.until(b.assembly_id)
  assert.equal(back.ok, 'ASSEMBLY_COMPLETED', back.message)
  assert.deepEqual(back.results.in.map((f) => f.name).sort(), ['a.txt', 'b.txt'])
  assert.ok(!JSON.stringify([done, back]).includes('letmein') && !s.log.includes('letmein'))
  assert.equal(logged('"PORT ') + logged('"EPRT '), 0)
})

test('a certificate of nobody that is trusted gets no file, and a wrong password no look', async (t) => {
  const s = await serve(t)
  const run = async (steps) => s.until((await s.create(steps, { files: { 'a.txt': 'abc' } })).assembly_id)
  const untrusted = await run(store('never.txt', { secure: true }))
  assert.equal(untrusted.error, 'WORKER_JOB_ERROR')
  assert.match(untrusted.message, /is not trusted/)
  const bad = { in: { robot: '/ftp/import', path: 'a', ...login({ password: 'no' }) } }
  const wrong = await s.until((await s.create(bad)).assembly_id)
  assert.equal(wrong.error, 'FTP_IMPORT_ACCESS_DENIED')
  const active = await s.create({ in: { robot: '/ftp/import', path: 'a', passive_mode: false, ...login() } })
  assert.equal(active.error, 'FTP_IMPORT_VALIDATION')
  assert.ok(!fs.existsSync(there('never.txt')))
})

// vsftpd takes so many bytes a second, for what is to happen in the middle.
async function slowly(t) {
  const rate = fs.readFileSync(at('config'), 'utf8')
  const again = async (text) => {
    vsftpd.kill()
    while (await listening()) await sleep(20)
    fs.writeFileSync(at('config'), text)
    vsftpd = spawn('/usr/sbin/vsftpd', [at('config')], { stdio: 'ignore' })
    while (!await listening()) await sleep(20)
  }
  await again(`${rate}anon_max_rate=2000000\n`)
  t.after(() => again(rate))
}
const part = (name) => fs.readdirSync(there(name))
  .find((n) => n.startsWith('.workcell-') && fs.statSync(there(`${name}/${n}`)).size > 100000)

test('a cancel in the middle leaves nothing there, and a worker that is killed is followed by another', async (t) => {
  await slowly(t)
  for (const name of ['cancel', 'killed']) fs.mkdirSync(there(name))
  const s = await serve(t, [], { allow: [/worker/] })
  const data = randomBytes(12e6)
  const a = await s.create(store('cancel/big.bin'), { files: { 'big.bin': data } })
  await soon('some of it is there', () => part('cancel'))
  const got = await s.cancel(a.assembly_id)
  assert.equal(got.ok, 'ASSEMBLY_CANCELED')
  await soon('it is taken back', () => fs.readdirSync(there('cancel')).length === 0)
  await s.until(a.assembly_id, (st) => st.cancel.settled)
  assert.deepEqual(fs.readdirSync(there('cancel')), [])
  const b = await s.create(store('killed/big.bin'), { files: { 'big.bin': data } })
  await soon('some of it is there', () => part('killed'))
  const busy = s.busyWorkers()
  assert.equal(busy.length, 1)
  process.kill(busy[0], 'SIGKILL')
  const done = await s.until(b.assembly_id, undefined, 120000)
  assert.equal(done.ok, 'ASSEMBLY_COMPLETED', done.message)
  assert.deepEqual(fs.readFileSync(there('killed/big.bin')), data)
  assert.deepEqual(fs.readdirSync(there('killed')), ['big.bin'])
})

test('a thousand small files come by one login', { skip: !process.env.FULL && 'FULL=1 runs it' }, async (t) => {
  for (let i = 0; i < 1000; i++) {
    fs.mkdirSync(there(`many/${i % 10}`), { recursive: true })
    fs.writeFileSync(there(`many/${i % 10}/${i}.txt`), `${i}`)
  }
  const s = await serve(t)
  const before = logged('OK LOGIN')
  const a = await s.create({ in: { robot: '/ftp/import', path: 'many/', ...login() } })
  const done = await s.until(a.assembly_id, undefined, 300000)
  assert.equal(done.ok, 'ASSEMBLY_COMPLETED', done.message)
  assert.equal(logged('OK DOWNLOAD') >= 1000, true)
  assert.equal(logged('OK LOGIN') - before, 1)
})

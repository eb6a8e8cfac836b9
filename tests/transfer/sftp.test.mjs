// /sftp/store and /sftp/import against OpenSSH. What a key may do is forced by sshd: read only, or write to a disk of
// 1 MB.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { Server } from '../e2e/server.mjs'
import { Sshd } from '../e2e/sshd.mjs'
import { conform, NEWLINE } from './conform.mjs'
import { Line } from './line.mjs'
import { PasswordServer } from './sshpassword.mjs'

async function start(t) {
  const sshd = await Sshd.start({ forced: { reader: 'internal-sftp -R' } })
  const small = sshd.at('small')
  fs.mkdirSync(small)
  let mounted = true
  const mount = ['-t', 'tmpfs', '-o', 'size=1m', 'none', small]
  try { execFileSync('mount', mount, { stdio: 'ignore' }) } catch { mounted = false }
  t.after(() => {
    if (mounted) execFileSync('umount', ['-l', small])
    sshd.stop()
  })
  const home = sshd.at('home')
  fs.mkdirSync(home)
  const below = (base) => (prefix) => {
    const top = path.join(base, prefix)
    if (!fs.existsSync(top)) return []
    const all = fs.readdirSync(top, { recursive: true, withFileTypes: true }).filter((e) => !e.isDirectory())
    return all.map((e) => path.relative(base, path.join(e.parentPath ?? e.path, e.name)))
  }
  return {
    host: '127.0.0.1', port: sshd.port,
    args: () => ['--sftp-key', sshd.at('own')],
    store: (to, line) => ({
      robot: '/sftp/store', host: line.host, port: line.port, user: sshd.user, path: `${home}/${to}`,
    }),
    import: (from, line) => ({
      robot: '/sftp/import', host: line.host, port: line.port, user: sshd.user, path: `${home}/${from}`,
    }),
    wrong: { private_key: sshd.text('other') },
    readOnly: { more: () => ({ private_key: sshd.text('reader') }) },
    full: !mounted ? { why: 'no mount(2) here' } : { more: (to) => ({ path: `${small}/${to}` }), list: below(small) },
    list: below(home),
    directory: { count: 12, more: {} },
    read: (file) => fs.readFileSync(path.join(home, file)),
    put: (file, data) => {
      fs.mkdirSync(path.dirname(path.join(home, file)), { recursive: true })
      fs.writeFileSync(path.join(home, file), data)
    },
  }
}

conform({
  name: 'sftp',
  store: true,
  imports: true,
  import_codes: { denied: 'SFTP_IMPORT_ACCESS_DENIED', failed: 'SFTP_IMPORT_FAILURE',
    missing: 'SFTP_IMPORT_NOT_FOUND' },
  codes: { denied: 'WORKER_JOB_ERROR', failed: 'WORKER_JOB_ERROR' },
  refuses: { '1,000 bytes': /./ },
  import_refuses: { [NEWLINE]: /control character/, '1,000 bytes': /./ },
  cannot: {
    'a size that is not true fails, and is no file': 'a disk tells no lies; a server that does is in test_sftp.c',
  },
  start,
})

const PATIENCE = 180000
const run = async (s, step, data) => {
  const a = await s.create({ out: step }, data === undefined ? {} : { files: { 'a.bin': data } })
  return a.assembly_id ? s.until(a.assembly_id, undefined, PATIENCE) : a
}
const good = (st) => { assert.equal(st.ok, 'ASSEMBLY_COMPLETED', `${st.error}: ${st.message}`); return st }
const serve = (t) => Server.start(t, { args: ['--import-allow', '127.0.0.1'], env: { WORKCELL_TEST_RETRY_MS: '50' } })
// There and back, by stored credentials.
async function thereAndBack(s, name, content, to) {
  const made = await s.signedPost('/template_credentials', { name, type: 'sftp', content })
  assert.equal(made.ok, 'TEMPLATE_CREDENTIALS_CREATED', JSON.stringify(made))
  const data = randomBytes(100000)
  good(await run(s, { robot: '/sftp/store', use: ':original', credentials: name, path: to }, data))
  const [file] = good(await run(s, { robot: '/sftp/import', result: true, credentials: name, path: to })).results.out
  assert.deepEqual(Buffer.from(await (await fetch(file.url)).arrayBuffer()), data)
}

test('keys of each kind log in, those with a passphrase by it alone', async (t) => {
  const few = ['rsa-open', 'rsa-locked', 'rsa-pem-locked', 'ed25519-locked'], all = process.env.FULL === '1'
  const kinds = { rsa: ['-t', 'rsa', '-b', '2048'], 'rsa-pem': ['-t', 'rsa', '-b', '2048', '-m', 'PEM'],
    ecdsa: ['-t', 'ecdsa', '-b', '256'], ed25519: ['-t', 'ed25519'] }
  const sshd = await Sshd.start()
  t.after(() => sshd.stop())
  const s = await serve(t)
  for (const [kind, words] of Object.entries(kinds))
    for (const passphrase of ['', 'open sesame']) {
      const name = `${kind}-${passphrase ? 'locked' : 'open'}`
      if (!all && !few.includes(name)) continue
      execFileSync('ssh-keygen', ['-q', ...words, '-N', passphrase, '-f', sshd.at(name)])
      fs.appendFileSync(sshd.at('authorized'), sshd.text(`${name}.pub`))
      const content = { host: '127.0.0.1', port: String(sshd.port), user: sshd.user, private_key: sshd.text(name) }
      // of RSA sshd takes SHA-2 alone, and nothing here opens OpenSSH's own form for that: it says what does
      if (name === 'rsa-locked') {
        const step = { robot: '/sftp/store', use: ':original', ...content, passphrase, path: sshd.at('no.bin') }
        assert.match((await run(s, step, 'abc')).message, /`ssh-keygen -p -m PEM`/)
        continue
      }
      await thereAndBack(s, name, passphrase ? { ...content, passphrase } : content, sshd.at(`to-${name}.bin`))
      if (!passphrase) continue
      for (const wrong of [{}, { passphrase: 'shut' }]) {
        const step = { robot: '/sftp/store', use: ':original', ...content, ...wrong, path: sshd.at('no.bin') }
        assert.match((await run(s, step, 'abc')).message, /passphrase missing or wrong/, name)
      }
    }
  assert.equal(fs.existsSync(sshd.at('no.bin')), false)
  assert.ok(!s.log.includes('sesame') && !s.log.includes('PRIVATE KEY'))
})

// Password and questions by a server that is no OpenSSH: sshd would ask for users of the machine.
for (const methods of [['password'], ['keyboard-interactive'], ['keyboard-interactive', 'password']])
  test(`a password logs in where the server takes ${methods.join(' or ')}, and a wrong one does not`, async (t) => {
    const there = await PasswordServer.start(t, { methods })
    const s = await serve(t)
    const content = { host: '127.0.0.1', port: String(there.port), user: 'alice', password: there.password }
    await thereAndBack(s, 'by_password', content, 'deep/er/a.bin')
    assert.deepEqual(fs.readdirSync(path.join(there.root, 'deep/er')), ['a.bin'])
    assert.ok(there.logins > 0)
    const step = { robot: '/sftp/store', use: ':original', ...content, path: 'no.bin' }
    for (const wrong of [{ password: 'shut' }, { user: 'bob' }])
      assert.match((await run(s, { ...step, ...wrong }, 'abc')).message,
        /does not let '(alice|bob)' in with this password/)
    assert.deepEqual(fs.readdirSync(there.root), ['deep'])
    assert.ok(!s.log.includes('sesame'))
  })

test('what a server asks for openly does not get the password', async (t) => {
  const there = await PasswordServer.start(t, { methods: ['keyboard-interactive'],
    prompts: [{ prompt: 'Your name: ', echo: true }, { prompt: 'Password: ', echo: false }] })
  const s = await serve(t)
  good(await run(s, { robot: '/sftp/store', use: ':original', host: '127.0.0.1', port: there.port, user: 'alice',
    password: there.password, path: 'a.bin' }, 'abc'))
  assert.deepEqual(there.answers, [['', there.password]])
})

// A key that was sent and got no answer is not one that was refused.
test('a connection that breaks anywhere while it signs in is made again', { timeout: 300000 }, async (t) => {
  const sshd = await Sshd.start()
  t.after(() => sshd.stop())
  const args = ['--import-allow', '127.0.0.1', '--sftp-key', sshd.at('own')]
  const s = await Server.start(t, { args, env: { WORKCELL_TEST_RETRY_MS: '20' } })
  const lines = []
  // what goes out until it is let in has some 3,500 bytes, and the last requests are short
  const points = Array.from({ length: 12 }, (_, i) => i * 200 + 1700)
  const ids = await Promise.all(points.map(async (after) => {
    const line = await Line.start('127.0.0.1', sshd.port)
    lines.push(line)
    t.after(() => line.stop())
    line.suffer('cut', { after })
    const place = { host: line.host, port: line.port, user: sshd.user, path: sshd.at(`${after}.bin`) }
    const a = await s.create({ out: { robot: '/sftp/store', use: ':original', ...place } }, { files: { f: 'abc' } })
    return a.assembly_id
  }))
  for (const [i, id] of ids.entries()) {
    const st = await s.until(id, undefined, 180000)
    assert.equal(st.ok, 'ASSEMBLY_COMPLETED', `cut after ${points[i]} bytes: ${st.message}`)
  }
})

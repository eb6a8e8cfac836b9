// Stored credentials tried on the other side, by the API and by the command, and changed while the server runs.
import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { createHmac } from 'node:crypto'
import fs from 'node:fs'
import net from 'node:net'
import os from 'node:os'
import path from 'node:path'
import { after, before, test } from 'node:test'
import { Sshd } from './sshd.mjs'
import { alive, binary, Server, sleep } from './server.mjs'

let sshd
before(async () => { sshd = await Sshd.start({ forced: { reader: 'internal-sftp -R' } }) })
after(() => sshd.stop())

const content = (key, more = {}) =>
  ({ host: '127.0.0.1', port: String(sshd.port), user: sshd.user, private_key: sshd.text(key), ...more })
const serve = (t, more = {}) => Server.start(t, { args: ['--import-allow', '127.0.0.1'], ...more })
const keep = async (s, name, what, type = 'sftp') => {
  const made = await s.signedPost('/template_credentials', { name, type, content: what })
  assert.equal(made.ok, 'TEMPLATE_CREDENTIALS_CREATED', JSON.stringify(made))
}
const attempt = (s, name) => s.signedPost(`/template_credentials/${name}/test`, {})
// what a probe leaves where the login leads to
const probes = () => fs.readdirSync(os.userInfo().homedir).filter((n) => n.startsWith('workcell-probe-'))
const trials = () => fs.readdirSync('/tmp').filter((n) => n.startsWith('workcell-trial-'))

// A host that takes connections and says nothing.
async function silent(t) {
  const open = new Set()
  const server = net.createServer((c) => { open.add(c); c.on('error', () => {}).on('close', () => open.delete(c)) })
  await new Promise((r) => server.listen(0, '127.0.0.1', r))
  t.after(() => { for (const c of open) c.destroy(); server.close() })
  return { port: server.address().port, open }
}
const soon = async (what, is) => {
  for (const end = Date.now() + 120000; !await is(); await sleep(20))
    assert.ok(Date.now() < end, `not in time: ${what}`)
}

test('a test of stored credentials says that they work, or in words and by a code what does not', async (t) => {
  const s = await serve(t)
  await keep(s, 'good', content('own'))
  await keep(s, 'wrong_key', content('other'))
  await keep(s, 'reader', content('reader'))
  await keep(s, 'closed', content('own', { port: '1' }))
  await keep(s, 'hidden', content('own', { host: '10.255.255.1' }))
  const good = await attempt(s, 'good')
  const { ok, works, robot, code } = good
  assert.deepEqual([ok, works, robot, code], ['TEMPLATE_CREDENTIALS_TESTED', true, '/sftp/store', undefined],
    JSON.stringify(good))
  assert.equal(good.message, '/sftp/store signed in, wrote a probe and removed the probe')
  for (const [name, says] of Object.entries({
    wrong_key: /could not be written: .* does not let .* in with this key/, reader: /could not be written/,
    closed: /can't reach/, hidden: /--import-allow/,
  })) {
    const bad = await attempt(s, name)
    assert.deepEqual([bad.ok, bad.works, bad.code], ['TEMPLATE_CREDENTIALS_TESTED', false, 'WORKER_JOB_ERROR'], name)
    assert.match(bad.message, says)
    assert.ok(!JSON.stringify(bad).includes(sshd.text('other').split('\n')[2]))
  }
  assert.deepEqual(probes(), [], 'no probe is left')
  assert.equal((await attempt(s, 'no-such')).error, 'TEMPLATE_CREDENTIALS_NOT_READ')
  await keep(s, 'header', { headers: '{"A": "b"}' }, 'http')
  const none = await attempt(s, 'header')
  assert.equal(none.error, 'TEMPLATE_CREDENTIALS_INJECTION_ERROR', 'of a kind that nobody signs in with')
})

test('credentials are tested one at a time of an account, only by a key that may change them', async (t) => {
  const s = await serve(t)
  const there = await silent(t)
  await keep(s, 'good', content('own'))
  await keep(s, 'mute', content('own', { port: String(there.port) }))
  const first = attempt(s, 'mute')
  await soon('it is connected', () => there.open.size > 0)
  const second = await attempt(s, 'good')
  assert.equal(second.error, 'RATE_LIMIT_REACHED', JSON.stringify(second))
  for (const c of there.open) c.destroy()
  const bad = await first
  assert.equal(bad.works, false, JSON.stringify(bad))
  assert.equal((await attempt(s, 'good')).works, true)
  const scopes = async (...of) => (await s.signedPost('/auth_keys', { description: 'r', scopes: of })).auth_key
  for (const [verb, ok] of [['read', false], ['write', true]]) {
    const key = await scopes(`template_credentials:${verb}`)
    const params = JSON.stringify({ auth: { key: key.key, expires: '2099-01-01T00:00:00Z' } })
    const signature = `sha384:${createHmac('sha384', key.secret).update(params).digest('hex')}`
    const body = new URLSearchParams({ params, signature })
    const got = await (await fetch(`${s.url}/template_credentials/good/test`, { method: 'POST', body })).json()
    assert.equal(got.works, ok || undefined, JSON.stringify(got))
  }
  const plain = await (await fetch(`${s.url}/template_credentials/good/test`,
    { method: 'POST', body: new URLSearchParams({ params: '{}' }) })).json()
  assert.ok(plain.error, 'nor by nobody')
})

test('a stop of the server ends a test in the middle, and nothing of it is left', async (t) => {
  const s = await serve(t)
  const there = await silent(t)
  await keep(s, 'mute', content('own', { port: String(there.port) }))
  const before = trials()
  const answer = attempt(s, 'mute').catch((e) => e)
  await soon('it is connected', () => there.open.size > 0)
  const pids = s.processes().map((p) => p.pid)
  const { code } = await s.stop()
  assert.equal(code, 0)
  await answer
  await soon('no process is left', () => !pids.some(alive))
  assert.deepEqual(trials().filter((n) => !before.includes(n)), [])
})

test('a job that starts after a change of the credentials uses the new ones, with no restart', async (t) => {
  const s = await serve(t)
  const to = sshd.at('rotated')
  fs.mkdirSync(to)
  const store = async (name) => {
    const out = { robot: '/sftp/store', use: ':original', credentials: 'turning', path: path.join(to, name) }
    return s.until((await s.create({ out }, { files: { f: 'abc' } })).assembly_id, undefined, 120000)
  }
  await keep(s, 'turning', content('other'))
  assert.match((await store('a')).message, /does not let/)
  const put = (key) => s.signedPost('/template_credentials/turning', { content: content(key) }, 'PUT')
  assert.equal((await put('own')).ok, 'TEMPLATE_CREDENTIALS_UPDATED')
  assert.equal((await store('b')).ok, 'ASSEMBLY_COMPLETED')
  await put('other')
  assert.match((await store('c')).message, /does not let/)
  assert.deepEqual(fs.readdirSync(to), ['b'])
})

test('the command does the same with a data directory', () => {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'workcell-e2e-'))
  const add = (name, key) => execFileSync(binary, ['credential', 'add', name, 'sftp',
    ...Object.entries(content(key)).map(([k, v]) => `${k}=${v}`), '--data', dir])
  const run = (name, ...more) =>
    spawnSync(binary, ['credential', 'test', name, '--data', dir, ...more], { encoding: 'utf8' })
  add('good', 'own')
  add('wrong_key', 'other')
  const good = run('good', '--import-allow', '127.0.0.1')
  assert.deepEqual([good.status, good.stderr], [0, ''])
  assert.match(good.stdout, /credentials 'good' work: \/sftp\/store/)
  const bad = run('wrong_key', '--import-allow', '127.0.0.1')
  assert.equal(bad.status, 1)
  assert.match(bad.stderr, /do not work: WORKER_JOB_ERROR: .* does not let/)
  assert.match(run('good').stderr, /--import-allow/, 'a private host is not reached without leave')
  assert.match(run('none').stderr, /there are no credentials 'none'/)
  assert.deepEqual(probes(), [])
  fs.rmSync(dir, { recursive: true })
})

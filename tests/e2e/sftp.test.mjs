// /sftp/store with a real sshd of the test's own, from the official client's upload to the file that lies there.
import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import fs from 'node:fs'
import net from 'node:net'
import os from 'node:os'
import path from 'node:path'
import { after, before, test } from 'node:test'
import { Transloadit } from 'transloadit'
import { Sshd } from './sshd.mjs'
import { binary, KEY, picture, SECRET, Server, sleep } from './server.mjs'

let dir, at, text, user, port, sshd
before(async () => {
  sshd = await Sshd.start();
  ({ dir, at, text, user, port } = sshd)
})
after(() => sshd.stop())

const serve = (t, args = [], more = {}) =>
  Server.start(t, { args: ['--import-allow', '127.0.0.1', '--sftp-key', at('own'), ...args], ...more })
const store = (to, more = {}) =>
  ({ out: { robot: '/sftp/store', use: ':original', host: '127.0.0.1', port, user, path: to, ...more } })
const made = (name) => { fs.mkdirSync(at(name)); return (f) => at(`${name}/${f}`) }
const soon = async (what, done, ms = 20000) => {
  for (const end = Date.now() + ms; !await done(); await sleep(20))
    assert.ok(Date.now() < end, `not within ${ms} ms: ${what}`)
}

// A slow line to sshd, so that something can happen in the middle.
async function slow(t, { perChunk = 20 } = {}) {
  const line = { cut: false }
  const server = net.createServer((c) => {
    const up = net.connect(port, '127.0.0.1')
    c.on('error', () => up.destroy())
    up.on('error', () => c.destroy())
    up.pipe(c)
    c.on('data', (d) => { up.write(d); c.pause(); setTimeout(() => c.resume(), line.fast ? 0 : perChunk) })
    c.on('close', () => up.destroy())
  }).listen(0, '127.0.0.1')
  await new Promise((r) => server.on('listening', r))
  t.after(() => server.close())
  line.port = server.address().port
  return line
}

test('what the official client sends lies on the server, and its addresses are in the Status', async (t) => {
  const s = await serve(t)
  const client = new Transloadit({ authKey: KEY, authSecret: SECRET, endpoint: s.url, validateResponses: true })
  const steps = {
    resized: { robot: '/image/resize', use: ':original', width: 40, result: true },
    out: {
      ...store(`${at('client')}/\${unique_prefix}/\${file.url_name}`).out,
      use: ['resized', ':original'],
      file_chmod: '640',
    },
  }
  const done = await client.createAssembly({ params: { steps }, files: { file: picture }, waitForCompletion: true })
  assert.equal(done.ok, 'ASSEMBLY_COMPLETED', done.message)
  const { id, url, ssl_url } = done.uploads[0]
  const file = `${at('client')}/${id.slice(0, 2)}/${id.slice(2)}/astronaut.png`
  assert.deepEqual(fs.readFileSync(file), fs.readFileSync(picture))
  assert.equal(fs.statSync(file).mode & 0o777, 0o640)
  assert.deepEqual([url, ssl_url], [`http://127.0.0.1${file}`, `https://127.0.0.1${file}`])
  assert.deepEqual(Object.keys(done.results).sort(), [':original', 'resized'])
  assert.ok(done.results.resized[0].url.startsWith('http://127.0.0.1/'), done.results.resized[0].url)
})

test('stored credentials log in with their own key, which is kept encrypted and never shown', async (t) => {
  const base = fs.mkdtempSync(path.join(os.tmpdir(), 'workcell-e2e-'))
  execFileSync(binary, ['credential', 'add', 'mine', 'sftp', 'host=127.0.0.1', `port=${port}`, `user=${user}`,
    `private_key=${text('own')}`, '--data', base])
  const line = text('own').split('\n')[2]
  assert.ok(!fs.readFileSync(path.join(base, 'workcell.db')).includes(line), 'kept encrypted')
  const s = await Server.start(t, { args: ['--import-allow', '127.0.0.1'], dir: base })
  const steps = { out: { robot: '/sftp/store', use: ':original', credentials: 'mine', path: at('stored/a.txt') } }
  const a = await s.create(steps, { files: { 'a.txt': 'abc' } })
  const done = await s.until(a.assembly_id)
  assert.equal(done.ok, 'ASSEMBLY_COMPLETED', done.message)
  assert.equal(text('stored/a.txt'), 'abc')
  // in a Step it goes as well, and is masked
  const b = await s.create(store(at('stored/b.txt'), { private_key: text('own') }), { files: { 'b.txt': 'abc' } })
  const open = await s.until(b.assembly_id)
  assert.equal(open.ok, 'ASSEMBLY_COMPLETED', open.message)
  assert.ok(!JSON.stringify([done, open]).includes(line) && !s.log.includes(line))
})

test('a wrong key, one that is not let in and a private network are said, and nothing lands', async (t) => {
  const there = made('refused')
  const run = async (s) => s.until((await s.create(store(there('a.txt')), { files: { 'a.txt': 'abc' } })).assembly_id)
  const wrong = await run(await serve(t, ['--sftp-key', at('other')]))
  assert.equal(wrong.error, 'WORKER_JOB_ERROR')
  assert.match(wrong.message, /does not let '.*' in with this key/)
  const unknown = await run(await Server.start(t, { args: ['--import-allow', '127.0.0.1'] }))
  assert.equal(unknown.error, 'WORKER_JOB_ERROR')
  assert.match(unknown.message, /with this key of this server \(`workcell ssh-key` prints it\)/)
  const far = await run(await Server.start(t, { args: ['--sftp-key', at('own')] }))
  assert.equal(far.error, 'WORKER_JOB_ERROR')
  assert.equal(far.is_private_address, true)
  assert.match(far.message, /--import-allow/)
  assert.deepEqual(fs.readdirSync(there('')), [])
})

test('with sftp_known_hosts a host with another key gets no file', async (t) => {
  const there = made('known')
  const list = (name) => {
    const f = at(`known-${name}`)
    fs.writeFileSync(f, `[127.0.0.1]:${port} ${text(`${name}.pub`)}`)
    return f
  }
  const run = async (s, to) => s.until((await s.create(store(there(to)), { files: { 'a.txt': 'abc' } })).assembly_id)
  const good = await run(await serve(t, ['--sftp-known-hosts', list('host')]), 'good.txt')
  assert.equal(good.ok, 'ASSEMBLY_COMPLETED', good.message)
  const bad = await run(await serve(t, ['--sftp-known-hosts', list('other')]), 'bad.txt')
  assert.equal(bad.error, 'WORKER_JOB_ERROR')
  assert.match(bad.message, /SHA256:/)
  assert.deepEqual(fs.readdirSync(there('')), ['good.txt'])
})

test('the server has a key of its own, one however many make it at once, which ssh-key shows', async (t) => {
  const there = made('own-key')
  const base = fs.mkdtempSync(path.join(os.tmpdir(), 'workcell-e2e-'))
  const show = () => new Promise((r) => {
    const p = spawn(binary, ['ssh-key', '--data', base], { stdio: ['ignore', 'pipe', 'inherit'] })
    let out = ''
    p.stdout.on('data', (d) => { out += d })
    p.on('close', (code) => { assert.equal(code, 0); r(out) })
  })
  const shown = await Promise.all(Array.from({ length: 8 }, show))
  assert.equal(new Set(shown).size, 1)
  assert.match(shown[0], /^ssh-ed25519 AAAA\S+ workcell\n$/)
  assert.deepEqual(fs.readdirSync(base), ['ssh_key'])
  assert.equal(fs.statSync(path.join(base, 'ssh_key')).mode & 0o777, 0o600)
  assert.equal(execFileSync('ssh-keygen', ['-yf', path.join(base, 'ssh_key')], { encoding: 'utf8' }), shown[0])
  fs.appendFileSync(at('authorized'), shown[0])
  const s = await Server.start(t, { args: ['--import-allow', '127.0.0.1'], dir: base })
  assert.equal(await show(), shown[0]) // while it runs
  const a = await s.create(store(there('a.txt')), { files: { 'a.txt': 'abc' } })
  const done = await s.until(a.assembly_id)
  assert.equal(done.ok, 'ASSEMBLY_COMPLETED', done.message)
  const secret = fs.readFileSync(path.join(base, 'ssh_key'), 'utf8').split('\n')[2]
  assert.ok(!JSON.stringify(done).includes(secret) && !s.log.includes(secret))
  await s.stop?.()
  fs.chmodSync(path.join(base, 'ssh_key'), 0o644)
  assert.throws(() => execFileSync(binary, ['ssh-key', '--data', base], { stdio: 'pipe' }), /others could read/)
})

test('files are imported, a directory with all below it, and one that is not there is said by its code', async (t) => {
  const there = made('import')
  fs.mkdirSync(there('below'))
  fs.writeFileSync(there('a.txt'), 'first')
  fs.writeFileSync(there('below/b.txt'), 'second')
  fs.symlinkSync('.', there('circle'))
  const s = await serve(t)
  const from = (more) => ({ in: { robot: '/sftp/import', host: '127.0.0.1', port, user, result: true, ...more } })
  const run = async (more) => s.until((await s.create(from(more))).assembly_id)
  const all = await run({ path: there(''), recursive: true })
  assert.equal(all.ok, 'ASSEMBLY_COMPLETED', all.message)
  assert.deepEqual(all.results.in.map((f) => f.name).sort(), ['a.txt', 'b.txt'])
  const one = await run({ path: there('a.txt') })
  assert.equal(await (await fetch(one.results.in[0].ssl_url)).text(), 'first')
  const nothing = await run({ path: there('nothing') })
  assert.equal(nothing.error, 'SFTP_IMPORT_NOT_FOUND')
})

test('the first key of a host is remembered, after a restart as well, and another refused', async (t) => {
  const there = made('remembered')
  const base = fs.mkdtempSync(path.join(os.tmpdir(), 'workcell-e2e-'))
  t.after(async () => { await sshd.again('host') })
  const s = await serve(t, [], { dir: base })
  // several at once: each asks, and one is first
  const run = async (name) => s.until((await s.create(store(there(name)), { files: { 'a.txt': 'abc' } })).assembly_id)
  for (const done of await Promise.all(['1', '2', '3', '4'].map(run)))
    assert.equal(done.ok, 'ASSEMBLY_COMPLETED', done.message)
  await sshd.again('other')
  await s.kill9()
  await s.boot()
  const refused = await run('5')
  assert.equal(refused.error, 'WORKER_JOB_ERROR')
  assert.match(refused.message, /SHA256:\S+, is another than the one that it had at first.*ssh-key forget/)
  await s.kill9()
  const how = { encoding: 'utf8', stdio: 'pipe' }
  const command = (...words) => execFileSync(binary, ['ssh-key', ...words, '--data', base], how)
  const host = text('host.pub').split(' ').slice(0, 2).join(' ')
  assert.match(command('hosts'), new RegExp(`^127\\.0\\.0\\.1\\t${port}\\t\\S+\\t${host.replace(/[+/]/g, '\\$&')}\\n$`))
  command('forget', '127.0.0.1', `${port}`)
  assert.equal(command('hosts'), '')
  assert.throws(() => command('forget', '127.0.0.1', `${port}`), /no key of '127.0.0.1', port \d+, is known/)
  await s.boot()
  const again = await run('6')
  assert.equal(again.ok, 'ASSEMBLY_COMPLETED', again.message)
  assert.deepEqual(fs.readdirSync(there('')).sort(), ['1', '2', '3', '4', '6'])
})

test('a cancel in the middle leaves nothing there, neither the file nor what was its beginning', async (t) => {
  const there = made('cancel')
  const line = await slow(t)
  const s = await serve(t)
  const a = await s.create(store(there('big.bin'), { port: line.port }), { files: { 'big.bin': randomBytes(40e6) } })
  const half = () => fs.readdirSync(there(''))
    .find((n) => n.startsWith('.workcell-') && fs.statSync(there(n)).size > 100000)
  await soon('some of it is there', half)
  line.fast = true // for what takes it back
  const got = await s.cancel(a.assembly_id)
  assert.equal(got.ok, 'ASSEMBLY_CANCELED')
  assert.equal(got.cancel.jobs_stopped, 1)
  await soon('it is taken back', () => fs.readdirSync(there('')).length === 0)
  await s.until(a.assembly_id, (st) => st.cancel.settled)
  await sleep(300)
  assert.deepEqual(fs.readdirSync(there('')), [])
})

test('a worker that is killed in the middle is followed by another, and the file is whole and alone', async (t) => {
  const there = made('killed')
  const line = await slow(t)
  const s = await serve(t, [], { allow: [/worker/] })
  const data = randomBytes(20e6)
  const a = await s.create(store(there('big.bin'), { port: line.port }), { files: { 'big.bin': data } })
  await soon('some of it is there', () => fs.readdirSync(there('')).some((n) => fs.statSync(there(n)).size > 100000))
  const busy = s.busyWorkers()
  assert.equal(busy.length, 1)
  line.fast = true
  process.kill(busy[0], 'SIGKILL')
  const done = await s.until(a.assembly_id, undefined, 60000)
  assert.equal(done.ok, 'ASSEMBLY_COMPLETED', done.message)
  assert.deepEqual(fs.readFileSync(there('big.bin')), data)
  assert.deepEqual(fs.readdirSync(there('')), ['big.bin'])
})

test('after a kill of the server in the middle the next one takes back and stores', async (t) => {
  const there = made('server')
  const line = await slow(t)
  const s = await serve(t)
  const data = randomBytes(20e6)
  const a = await s.create(store(there('big.bin'), { port: line.port }), { files: { 'big.bin': data } })
  await soon('some of it is there', () => fs.readdirSync(there('')).some((n) => fs.statSync(there(n)).size > 100000))
  await s.kill9()
  line.fast = true
  await s.boot()
  const done = await s.until(a.assembly_id, undefined, 60000)
  assert.equal(done.ok, 'ASSEMBLY_COMPLETED', done.message)
  assert.deepEqual(fs.readFileSync(there('big.bin')), data)
  await soon('it is alone', () => fs.readdirSync(there('')).length === 1)
})

test('a key file that is none, or is not there, is said at the start', async (t) => {
  const cases = [
    [['--sftp-key', at('nothing')], /sftp_key: can't read/],
    [['--sftp-key', at('own.pub')], /holds no private key/],
    [['--sftp-known-hosts', dir], /is no file/],
  ]
  for (const [args, says] of cases) {
    const s = new Server()
    const own = fs.mkdtempSync(path.join(os.tmpdir(), 'workcell-e2e-'))
    Object.assign(s, { program: binary, args, env: {}, allow: [], dir: own, log: '', sockets: [] })
    await assert.rejects(s.boot(), says)
    fs.rmSync(s.dir, { recursive: true, force: true })
  }
})

// Stored credentials of Box with a refresh token, each of which works once: a stand-in (box.mjs) that ends the whole
// chain when one comes twice.
import assert from 'node:assert/strict'
import { execFile, execFileSync, spawnSync } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { binary, Server } from '../e2e/server.mjs'
import { Box } from './box.mjs'

const done = (st) => !['ASSEMBLY_UPLOADING', 'ASSEMBLY_EXECUTING'].includes(st.ok)

async function until(what, fn) {
  for (const end = Date.now() + 20000; Date.now() < end; await sleep(10)) if (await fn()) return
  assert.fail(`it takes too long: ${what}`)
}

async function bed(t, { credentials } = {}) {
  const cloud = await Box.start(t)
  const chain = cloud.grant(), first = chain.last
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'workcell-e2e-'))
  const args = ['--import-allow', '127.0.0.1', '--endpoint', `box=${cloud.url}`]
  const fields = (c) => [`client_id=${cloud.app.clientID}`, `client_secret=${cloud.app.clientSecret}`,
    `refresh_token=${c.last}`]
  execFileSync(binary, ['credential', 'add', 'mine', 'box', ...(credentials ?? fields)(chain), '--data', dir])
  const server = await Server.start(t, { dir, args, env: { WORKCELL_TEST_RETRY_MS: '20' } })
  cloud.put('in/a.txt', 'abc')
  const begin = (step) => server.create({ out: { credentials: 'mine', result: true, ...step } })
  const end = async (a) => a.assembly_id ? server.until(a.assembly_id, done, 60000) : a
  const bring = async (more) => end(await begin({ robot: '/box/import', path: 'in/a.txt', ...more }))
  const store = async (to) => end(await server.create({ out: { robot: '/box/store', use: ':original',
    credentials: 'mine', path: to } }, { files: { 'file.bin': 'abc' } }))
  const good = (st) => { assert.equal(st.ok, 'ASSEMBLY_COMPLETED', `${st.error}: ${st.message}`); return st }
  const put = (content) => server.signedPost('/template_credentials/mine', { content }, 'PUT')
  // beside the stand-in, which is in this process
  const cli = (words, env) => new Promise((r) => execFile(binary, ['credential', ...words, '--data', dir, ...args],
    { env: { ...process.env, ...env } },
    (e, stdout, stderr) => r({ status: e ? e.code : 0, signal: e?.signal, stderr })))
  const renewals = () => cloud.seen.filter((s) => s === 'POST /oauth2/token').length
  const held = () => { let let_go; cloud.hold = new Promise((r) => { let_go = r }); return () => { cloud.hold = null
    let_go() } }
  const written = () => fs.existsSync(path.join(dir, 'renewed')) &&
    fs.readdirSync(path.join(dir, 'renewed')).filter((n) => /^[0-9a-f]{64}$/.test(n)).length
  const app = { client_id: cloud.app.clientID, client_secret: cloud.app.clientSecret }
  return { cloud, chain, first, dir, server, begin, end, bring, store, good, put, cli, renewals, held, written, app }
}

test('jobs that begin at once, and those that follow, share one renewal, also after a restart', async (t) => {
  const { cloud, chain, first, dir, server, bring, store, good, renewals } = await bed(t)
  for (const st of await Promise.all([bring(), bring(), bring(), store('o/1.txt'), store('o/2.txt')])) good(st)
  good(await bring())
  assert.equal(renewals(), 1)
  await server.stop()
  await server.boot()
  good(await store('o/3.txt'))
  assert.equal(renewals(), 1)
  for (const name of fs.readdirSync(dir, { recursive: true })) {
    const file = path.join(dir, name)
    if (!fs.statSync(file).isFile()) continue
    const bytes = fs.readFileSync(file)
    for (const secret of [first, chain.last, chain.given[0], cloud.app.clientSecret])
      assert.ok(!bytes.includes(secret), `a secret lies in ${name}`)
  }
  for (const secret of [first, chain.last, chain.given[0]]) assert.ok(!server.log.includes(secret))
  assert.equal(cloud.replays, 0)
  cloud.quiet()
})

test('a token that comes to its end is renewed by the next of its chain, again and again', async (t) => {
  const { cloud, chain, server, bring, good, renewals } = await bed(t)
  cloud.life = 4 // used for two seconds: how many there are is a matter of the machine's speed
  good(await bring())
  let before = renewals()
  await sleep(2100)
  for (const st of await Promise.all([bring(), bring()])) good(st)
  assert.ok(renewals() > before)
  before = renewals()
  await server.stop()
  await sleep(2100)
  await server.boot()
  good(await bring())
  assert.ok(renewals() > before)
  assert.deepEqual([chain.used.size, cloud.replays], [renewals(), 0])
  cloud.quiet()
})

test('a token that Box has forgotten is replaced while its job goes on', async (t) => {
  const { cloud, bring, good, renewals } = await bed(t)
  cloud.page = 2
  for (let i = 0; i < 9; i++) cloud.put(`dir/${i}.txt`, `${i}`)
  cloud.forgetAt = 4
  assert.equal(good(await bring({ path: 'dir/' })).results.out.length, 9)
  assert.equal(renewals(), 2)
  cloud.forgetAt = cloud.callers.length
  for (const st of await Promise.all([bring(), bring(), bring()])) good(st)
  assert.equal(renewals(), 3)
  cloud.revoke(cloud.chains[0])
  assert.equal((await bring()).error, 'BOX_IMPORT_ACCESS_DENIED')
  assert.deepEqual([renewals(), cloud.replays], [4, 0])
  cloud.quiet()
})

test('a server that is killed while Box answers loses nothing', async (t) => {
  const { cloud, server, begin, end, bring, good, renewals, held, written } = await bed(t)
  const let_go = held()
  const open = await begin({ robot: '/box/import', path: 'in/a.txt' })
  await until('the renewal', () => cloud.granted.length === 1)
  await server.kill9()
  let_go() // Box's answer comes when nobody waits for it but who asked
  await until('what is written', written)
  await server.boot()
  good(await end(open))
  good(await bring())
  assert.deepEqual([renewals(), cloud.replays], [1, 0])
  cloud.quiet()
})

test('a server that begins while its forerunner\'s renewal is under way waits for that one', async (t) => {
  const { cloud, server, begin, end, good, renewals, held } = await bed(t)
  const let_go = held()
  const open = await begin({ robot: '/box/import', path: 'in/a.txt' })
  await until('the renewal', () => cloud.granted.length === 1)
  const { code } = await server.stop()
  assert.equal(code, 0)
  await server.boot()
  await sleep(500)
  assert.equal(renewals(), 1)
  let_go()
  good(await end(open))
  assert.deepEqual([renewals(), cloud.replays], [1, 0])
  cloud.quiet()
})

test('credentials that are changed while they are renewed are the ones that count', async (t) => {
  const { cloud, chain, bring, begin, end, good, put, renewals, held, app } = await bed(t)
  const let_go = held()
  const open = await begin({ robot: '/box/import', path: 'in/a.txt' })
  await until('the renewal', () => cloud.granted.length === 1)
  const other = cloud.grant()
  assert.equal((await put({ ...app, refresh_token: other.last })).ok, 'TEMPLATE_CREDENTIALS_UPDATED')
  cloud.revoke(chain)
  let_go()
  good(await end(open))
  good(await bring())
  assert.equal(renewals(), 2)
  assert.ok(cloud.callers.length && cloud.callers.every((c) => c === other))
  cloud.quiet()
})

test('a refusal has the Robot\'s code, and Box is asked again when the credentials have changed', async (t) => {
  const { cloud, chain, server, bring, store, good, put, renewals, app } = await bed(t)
  cloud.revoke(chain)
  const st = await bring()
  assert.equal(st.error, 'BOX_IMPORT_ACCESS_DENIED')
  assert.match(st.message, /Box answered 400: Refresh token has expired/)
  const stored = await store('o/1.txt')
  assert.equal(stored.error, 'WORKER_JOB_ERROR')
  assert.match(stored.message, /Refresh token has expired/)
  assert.equal(renewals(), 1)
  await server.stop()
  await server.boot()
  assert.equal((await bring()).error, 'BOX_IMPORT_ACCESS_DENIED')
  assert.equal(renewals(), 1)
  assert.equal((await put({ ...app, refresh_token: cloud.grant().last })).ok, 'TEMPLATE_CREDENTIALS_UPDATED')
  good(await bring())
  assert.equal(renewals(), 2)
  // a secret that is wrong now, and right again: the chain goes on where it was
  cloud.life = 2
  const kept = cloud.grant()
  await put({ ...app, client_secret: 'wrong', refresh_token: kept.last })
  assert.match((await bring()).message, /client credentials are invalid/)
  await put({ ...app, refresh_token: kept.last })
  good(await bring())
  await sleep(2100)
  cloud.app.clientSecret = 'another'
  const first = [...kept.used][0]
  assert.equal((await bring()).error, 'BOX_IMPORT_ACCESS_DENIED')
  await put({ ...app, client_secret: 'another', refresh_token: first })
  good(await bring())
  assert.equal(cloud.replays, 0)
  cloud.quiet()
})

test('Box out of order fails the jobs that wait, and the next one tries again', async (t) => {
  const { cloud, bring, good, renewals } = await bed(t)
  cloud.fault({ on: /oauth2/, times: 100, status: 503, body: 'later' })
  const st = await bring()
  assert.equal(st.error, 'BOX_IMPORT_FAILURE')
  assert.match(st.message, /Box answered 503/)
  cloud.faults.length = 0
  const before = renewals()
  good(await bring())
  assert.equal(renewals(), before + 1)
  cloud.quiet()
})

test('credentials are tried, and the server\'s key is changed, without a token that is used twice', async (t) => {
  const { cloud, chain, server, bring, good, cli, renewals } = await bed(t)
  const tried = await server.signedPost('/template_credentials/mine/test', {})
  assert.deepEqual([tried.works, tried.message],
    [true, '/box/store signed in, wrote a probe, listed what lies there and removed the probe'])
  good(await bring())
  await server.stop()
  const said = await cli(['test', 'mine'])
  assert.equal(said.status, 0, said.stderr)
  assert.equal(renewals(), 1)
  assert.equal((await cli(['rotate'])).status, 0)
  for (const point of ['key', 'renewed', 'rows', 'commit', 'replace']) {
    assert.equal((await cli(['rotate'], { WORKCELL_TEST_ROTATE_KILL: point })).signal, 'SIGKILL', point)
    assert.equal((await cli(['test', 'mine'])).status, 0, point)
  }
  assert.equal(renewals(), 1)
  await server.boot()
  cloud.forgetAt = cloud.callers.length
  const again = await server.signedPost('/template_credentials/mine/test', {})
  assert.deepEqual([again.works, renewals()], [true, 2])
  cloud.revoke(chain)
  const denied = await server.signedPost('/template_credentials/mine/test', {})
  assert.deepEqual([denied.works, renewals()], [false, 3])
  assert.match(denied.message, /Refresh token has expired/)
  cloud.quiet()
})

test('what can\'t work is refused by name', async (t) => {
  const { cloud, dir, server, bring, cli, put, app } = await bed(t)
  const st = await bring({ credentials: undefined, refresh_token: 'r', client_id: 'c', client_secret: 's' })
  assert.match(st.message, /refresh_token.*store it as credentials of type box/)
  assert.match((await put({ ...app, refresh_token: 'r', enterprise_id: '1' })).message, /not by both/)
  assert.match((await put({ client_id: 'c', refresh_token: 'r' })).message, /client_secret/)
  await server.stop()
  assert.match((await cli(['add', 'more', 'box', 'refresh_token=r'])).stderr, /client_id/)
  const steps = path.join(dir, 'steps.json')
  fs.writeFileSync(steps, JSON.stringify({ steps: { in: { robot: '/box/import', path: 'a', refresh_token: 'r' } } }))
  const run = spawnSync(binary, ['run', steps, '-o', path.join(dir, 'out')], { encoding: 'utf8' })
  assert.notEqual(run.status, 0)
  assert.match(run.stderr + run.stdout, /store it as credentials of type box/)
  cloud.quiet()
})

// The power fails: after each flush that the daemon makes, what was flushed by then, and nothing else, is put together again,
// a new daemon starts on it, and everything that a client had been told before the next flush must be there.
// POINTS=n (default 200), SEED=n. WORKCELL names the binary, POWER_SO the library of power.c.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Random } from '../chaos/random.mjs'
import { sql } from '../e2e/copies.mjs'
import { binary, KEY, picture, root, Server, sign } from '../e2e/server.mjs'

const library = process.env.POWER_SO || path.join(root, 'build/tests/libpower.so')
const seed = process.env.SEED || String(Math.floor(Math.random() * 1e9))
const wanted = Number(process.env.POINTS || 200)
const FLUSHES = 300 // of one life; more of them make its copies of the log large
const place = fs.existsSync('/dev/shm') ? '/dev/shm' : os.tmpdir()
const md5 = (b) => createHash('md5').update(b).digest('hex')
const now = () => process.hrtime.bigint()
const original = { ':original': { robot: '/upload/handle', result: true } }
const resize = { small: { robot: '/image/resize', use: ':original', width: 40, result: true } }
const over = (s) => s.error || !['ASSEMBLY_UPLOADING', 'ASSEMBLY_EXECUTING'].includes(s.ok)
const args = ['--workers-media', '1', '--drain-timeout-s', '1']

async function call(s, method, where, params) {
  const text = JSON.stringify({ auth: { key: KEY, expires: '2099-01-01T00:00:00Z' }, ...params })
  const form = new URLSearchParams({ params: text, signature: sign(text) })
  const res = await (method === 'GET' ? fetch(`${s.url}${where}?${form}`) : fetch(`${s.url}${where}`, { method, body: form }))
  return { http: res.status, ...(await res.json()) }
}

// ---- a life: some clients, and what each was told, when ----

async function client(s, random, told, until) {
  const tell = (what) => told.push({ at: now(), ...what })
  const image = fs.readFileSync(picture)
  const jobs = [
    async () => {
      const data = randomBytes(random.int(1, 5000))
      const a = await s.create(original, { files: { 'a.bin': data, 'b.bin': 'b' } })
      if (a.http === 200 && !a.error) tell({ id: a.assembly_id, files: [md5(data), md5('b')] })
    },
    async () => {
      const a = await s.create(original, { expected: 1 })
      tell({ id: a.assembly_id, files: [] })
      const data = randomBytes(random.int(2, 9000))
      const cut = random.int(1, data.length - 1)
      const loc = await s.tusCreate(a, data.length)
      await s.patch(loc, 0, data.subarray(0, cut))
      tell({ partial: new URL(loc).pathname, data: data.toString('base64'), id: a.assembly_id, files: [] })
      if ((await s.patch(loc, cut, data.subarray(cut))).status === 204) tell({ id: a.assembly_id, files: [md5(data)] })
    },
    async () => {
      const a = await s.create(original, { expected: 1 })
      const data = randomBytes(random.int(2, 9000))
      const cut = random.int(1, data.length - 1)
      const parts = []
      for (const piece of [data.subarray(0, cut), data.subarray(cut)]) {
        const res = await s.tus('POST', `${s.url}/resumable/files/`, { 'Upload-Length': String(piece.length), 'Upload-Concat': 'partial' })
        parts.push(res.headers.get('location'))
        if ((await s.patch(parts.at(-1), 0, piece)).status === 204) tell({ part: new URL(parts.at(-1)).pathname, length: piece.length, id: a.assembly_id, files: [] })
      }
      const res = await s.tus('POST', `${s.url}/resumable/files/`, { 'Upload-Concat': `final;${parts.join(' ')}`, 'Upload-Metadata': s.tusMeta(a) })
      if (res.status === 201) tell({ id: a.assembly_id, files: [md5(data)] })
    },
    async () => {
      const a = await s.create(resize, { expected: random.int(1, 2), files: { 'a.png': image } })
      tell({ id: a.assembly_id, files: [md5(image)] })
      const c = await s.cancel(a.assembly_id)
      if (c.ok === 'ASSEMBLY_CANCELED') tell({ id: a.assembly_id, files: [], ended: c.ok, receipt: c.cancel.settled && c.cancel })
    },
    async () => {
      const a = await s.create(random.chance(0.5) ? resize : original, { files: { 'a.png': image } })
      tell({ id: a.assembly_id, files: [md5(image)] })
      let st = a
      for (const end = Date.now() + 5000; !over(st) && Date.now() < end; await sleep(10)) st = await s.get(a.assembly_id)
      if (over(st)) tell({ id: a.assembly_id, files: [md5(image)], ended: st.ok || st.error, results: Object.values(st.results).flat().map((f) => ({ url: f.url, md5: f.md5hash })) })
    },
    async () => {
      const name = `t${randomBytes(6).toString('hex')}`
      const t = await call(s, 'POST', '/templates', { name, template: JSON.stringify({ steps: original }) })
      assert.equal(t.ok, 'TEMPLATE_CREATED', JSON.stringify(t))
      tell({ template: t.id, name })
      if (random.chance(0.5) && (await call(s, 'DELETE', `/templates/${t.id}`)).ok) tell({ template: t.id, name: null })
    },
  ]
  while (!until()) await random.pick(jobs)()
}

const flushes = (log) => fs.readFileSync(path.join(log, 'events'), 'utf8').split('\n').slice(0, -1).map((line) => {
  const [type, key, at, copy, mode] = line.split(' ')
  return { type, key, at: BigInt(at), copy: path.join(log, copy), mode: mode === '-' ? null : parseInt(mode, 8) }
})

async function live(random, dir, log, more) {
  const env = { LD_PRELOAD: library, WORKCELL_POWER_ROOT: dir, WORKCELL_POWER_LOG: log }
  const told = []
  const s = await Server.start({ after() {} }, { dir, args: [...args, ...more], env })
  const enough = () => fs.statSync(path.join(log, 'events')).size > FLUSHES * 45
  const until = now() + 20000000000n
  await Promise.all(Array.from({ length: 3 }, (_, i) => client(s, new Random(`${random.seed}.${i}`, 'client'), told, () => enough() || now() > until)))
  await s.kill9()
  return told
}

// ---- after the power failed ----

// What is durable after the first `count` flushes.
function rebuild(all, count, to) {
  const files = new Map()
  const dirs = new Map()
  const modes = new Map()
  for (const e of all.slice(0, count)) {
    (e.type === 'f' ? files : dirs).set(e.key, e.copy)
    if (e.mode !== null) modes.set(e.key, e.mode)
  }
  const put = (key, at) => {
    fs.mkdirSync(at)
    if (!dirs.has(key)) return fs.chmodSync(at, 0o700) // it was never flushed itself: its name is there, and nothing in it
    for (const line of fs.readFileSync(dirs.get(key), 'utf8').split('\n').slice(0, -1)) {
      const [type, child] = line.split(' ', 2)
      const name = path.join(at, line.slice(type.length + child.length + 2))
      if (type === 'd') put(child, name)
      else if (files.has(child)) fs.copyFileSync(files.get(child), name)
      else fs.writeFileSync(name, '')
      if (type === 'f') fs.chmodSync(name, modes.get(child) ?? 0o600)
    }
    fs.chmodSync(at, modes.get(key) ?? 0o700)
  }
  // the root was looked at last of what was there at the start
  put(all.filter((e) => e.at === 0n).at(-1).key, to)
}

let resumed = 0

async function check(all, count, told, deep) {
  const dir = path.join(fs.mkdtempSync(path.join(place, 'workcell-power-')), 'data')
  const next = count < all.length ? all[count].at : now()
  let s
  try {
    rebuild(all, count, dir)
    s = await Server.start({ after() {} }, { dir, args })
    for (const t of told.filter((e) => e.at < next)) {
      const what = `told ${Number(next - t.at) / 1e6} ms before the next flush: ${JSON.stringify(t, (k, v) => (k === 'at' || k === 'data' ? undefined : v))}`
      if (t.template) {
        const later = told.find((e) => e.template === t.template && e.name === null)
        const got = await call(s, 'GET', `/templates/${t.template}`)
        if (t.name === null) assert.equal(got.error, 'TEMPLATE_NOT_FOUND', what)
        else if (!later) assert.equal(got.name, t.name, what)
        continue
      }
      const st = await s.get(t.id)
      assert.equal(st.assembly_id, t.id, `${what}: ${JSON.stringify(st)}`)
      if (t.part) {
        const head = await s.tus('HEAD', `${s.url}${t.part}`)
        // a part goes when what it was joined into is the Assembly's, and not before; its row may go later (410)
        if (head.status === 404 || head.status === 410) assert.equal(st.uploads.length, 1, what)
        else assert.deepEqual([head.status, head.headers.get('upload-offset')], [200, String(t.length)], what)
      }
      for (const f of t.files) assert.ok(st.uploads.some((u) => u.md5hash === f), `${what}: ${JSON.stringify(st.uploads)}`)
      if (t.ended) assert.equal(st.ok || st.error, t.ended, what)
      if (t.receipt) assert.deepEqual(st.cancel, t.receipt, what)
      for (const r of t.results || []) {
        const res = await fetch(r.url.replace(/:\/\/[^/]+/, `://127.0.0.1:${s.port}`))
        assert.deepEqual([res.status, md5(Buffer.from(await res.arrayBuffer()))], [200, r.md5], what)
      }
    }
    // what an upload has of its bytes after that, nobody promised; but what it says it has is right
    for (const t of told.filter((e) => e.at < next && e.partial && (deep || next - e.at < 20000000n))) {
      const data = Buffer.from(t.data, 'base64')
      const head = await s.tus('HEAD', `${s.url}${t.partial}`)
      if (head.status === 404 || head.status === 410) continue
      const at = Number(head.headers.get('upload-offset'))
      assert.ok(head.status === 200 && at <= data.length, `${t.partial}: ${head.status}, ${at} of ${data.length}`)
      resumed++
      if (at < data.length) assert.equal((await s.patch(`${s.url}${t.partial}`, at, data.subarray(at))).status, 204)
      await s.until(t.id, (st) => st.uploads.length > 0 || over(st))
      assert.equal((await s.get(t.id)).uploads[0].md5hash, md5(data), `${t.partial} went on at ${at} of ${data.length}`)
    }
    const usage = new Map()
    if (deep) for (const id of new Set(told.filter((e) => e.at < next && e.id).map((e) => e.id))) {
      // what waits for an upload that is not there any more waits for its client
      for (const end = Date.now() + 20000, soon = Date.now() + 1000; ; await sleep(20)) {
        const st = await s.get(id)
        assert.ok(!st.error, `it failed: ${JSON.stringify(st).slice(0, 800)}`)
        usage.set(id, st.bytes_usage)
        if (over(st) || (st.ok === 'ASSEMBLY_UPLOADING' && Date.now() > soon)) break
        assert.ok(Date.now() < end, `stuck: ${JSON.stringify(st).slice(0, 500)}`)
      }
    }
    assert.deepEqual(s.log.split('\n').filter((l) => / error /.test(l)), [])
    for (const id of usage.keys()) usage.set(id, (await s.get(id)).bytes_usage) // jobs may have ended meanwhile
    await s.kill9()
    if (deep) {
      const billed = new Map(sql({ dir }, 'select assembly_id, sum(bytes) from ledger group by 1').split('\n').map((row) => row.split('|')))
      for (const [id, bytes] of usage) assert.equal(Number(billed.get(id) || 0), bytes, `the bill of ${id}`)
      assert.equal(sql({ dir }, 'select count(*), sum(bytes) from ledger'), sql({ dir }, 'select sum(jobs), sum(bytes) from bill').replace(/^\|/, '0|'))
      let found
      try { found = JSON.parse(execFileSync(binary, ['fsck', '--json', '--data', dir], { stdio: 'pipe' })) } catch (e) { found = JSON.parse(e.stdout) }
      assert.deepEqual(found.findings.filter((f) => !['blob_without_row', 'leftover', 'upload_without_row'].includes(f.kind)), [])
    }
  } catch (e) {
    e.message = `flush ${count} of ${all.length} (${path.basename(dir)}): ${e.message}\n${s?.log?.slice(-3000) || ''}`
    throw e
  } finally {
    if (s && s.child.exitCode === null && s.child.signalCode === null) await s.kill9()
    if (!process.env.KEEP) fs.rmSync(path.dirname(dir), { recursive: true, force: true })
  }
}

// One life, and so many of its flushes. broken(message) hears what is lost.
async function round(name, most, more, broken) {
  const base = fs.mkdtempSync(path.join(place, 'workcell-power-'))
  const dir = path.join(base, 'data')
  const log = path.join(base, 'log')
  fs.mkdirSync(dir)
  fs.mkdirSync(log)
  const told = await live({ seed: name }, dir, log, more)
  const all = flushes(log)
  const from = all.filter((e) => e.at === 0n).length
  const todo = Array.from({ length: all.length - from + 1 }, (_, i) => from + i)
  const random = new Random(name, 'points')
  while (todo.length > most) todo.splice(random.int(0, todo.length - 1), 1)
  const points = todo.length
  await Promise.all(Array.from({ length: 2 }, async () => {
    for (let n; (n = todo.pop()) !== undefined;) try { await check(all, n, told, n % 10 === 0) } catch (e) { broken(e.message) }
  }))
  fs.rmSync(base, { recursive: true, force: true })
  return { points, told: told.length }
}

console.log(`seed ${seed}: repeat with SEED=${seed} POINTS=${wanted} dev/power`)
let seen = 0
const blind = await round(`${seed}.blind`, 30, ['--no-fsync-uploads'], () => seen++)
console.log(`power: with --no-fsync-uploads, which promises less, ${seen} of ${blind.points} points have lost something: this test sees it`)
let points = 0
let failed = 0
let acknowledged = 0
for (let i = 0; points < wanted; i++) {
  const r = await round(`${seed}.${i}`, Math.min(wanted - points, FLUSHES), [], (message) => { if (failed++ < 10) console.log(`  BROKEN ${message}`) })
  points += r.points
  acknowledged += r.told
}
console.log(`power: it failed after ${points} flushes; ${acknowledged} answers were compared, each with all that came later; ${resumed} uploads went on; ${failed} of the points broke a promise`)
if (!seen) console.log('  BROKEN the test is blind')
if (!failed && seen) console.log('  all promises kept')
process.exit(failed || !seen ? 1 : 0)

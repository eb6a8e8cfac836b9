// One scenario (create, upload, resize, cancel, stop), played again and again with another call site failing each time, under
// sanitizers. Then a start without faults: everything that was acknowledged must be there, and every Assembly must end.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { picture, Server, sleep } from '../e2e/server.mjs'

const parts = process.argv.length > 2 ? process.argv.slice(2) : ['replay', 'store', 'blob', 'spool', 'wire', 'sqlite', 'alloc']
const places = parts.filter((p) => p !== 'replay') // that one has no sites: see poisoned()
const most = Number(process.env.FAULTS_MOST || Infinity)
const byCalls = Number(process.env.FAULTS_CALLS || 0)
const workers = Number(process.env.FAULTS_AT_ONCE || 2)
const image = fs.readFileSync(picture)
const md5 = (b) => createHash('md5').update(b).digest('hex')
const original = { ':original': { robot: '/upload/handle', result: true } }
const resize = { small: { robot: '/image/resize', use: ':original', width: 40, result: true } }
const over = (s) => s.error || !['ASSEMBLY_UPLOADING', 'ASSEMBLY_EXECUTING'].includes(s.ok)
const options = {
  ASAN_OPTIONS: 'detect_leaks=1:exitcode=99:allocator_may_return_null=1', UBSAN_OPTIONS: 'halt_on_error=1:print_stacktrace=1',
  LSAN_OPTIONS: 'exitcode=98:report_objects=0', TRANSLOADIT_KEY: '', TRANSLOADIT_SECRET: '',
}

// A body that takes its time: two files, and a field after them. What came first was taken in long before the end.
async function slowBody(s, id) {
  const part = (head, text) => `--b\r\nContent-Disposition: form-data; ${head}\r\n\r\n${text}\r\n`
  const pieces = [
    part('name="params"', JSON.stringify({ auth: { key: 'test-key' }, steps: original })) + part('name="f"; filename="one.txt"', 'one'),
    part('name="f"; filename="two.txt"', 'two'),
    part('name="late"', 'yes') + '--b--\r\n',
  ]
  const c = s.raw()
  c.write(`POST /assemblies/${id} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: ${Buffer.byteLength(pieces.join(''))}\r\n\r\n`)
  for (const p of pieces) { c.write(p); await sleep(150) }
  await c.ended
  const st = JSON.parse(c.text.slice(c.text.indexOf('\r\n\r\n') + 4))
  return /^HTTP\/1.1 200/.test(c.text) && !st.error
}

const timed = (p, ms = 8000) => Promise.race([p, sleep(ms).then(() => { throw new Error('timed out') })])
// Whatever fails is as if it had not been said: only answers count.
const attempt = async (fn) => { try { return await timed(fn()) } catch { return null } }

async function scenario(s) {
  const said = { created: [], offsets: {}, complete: [], canceled: [], ended: {} }
  const create = async (steps, more) => {
    const a = await attempt(() => s.create(steps, more))
    if (a?.http === 200 && a.assembly_id) said.created.push(a.assembly_id)
    return a?.http === 200 ? a : null
  }
  const upload = async (a, pieces) => {
    const total = Buffer.concat(pieces)
    const loc = a && await attempt(() => s.tusCreate(a, total.length, { filename: 'a.png' }))
    if (!loc) return
    const name = new URL(loc).pathname
    let at = 0
    said.offsets[name] = { at, assembly: a.assembly_id, md5: md5(total), total }
    for (const piece of pieces) {
      const res = await attempt(() => s.patch(`${s.url}${name}`, at, piece))
      if (res?.status !== 204) return
      at += piece.length
      said.offsets[name].at = at
    }
    said.complete.push(name)
  }
  const a = await create(resize, { expected: 1 })
  await upload(a, [image.subarray(0, 100000), image.subarray(100000)])
  const b = await create(original, { expected: 2 })
  if (b) {
    const loc = await attempt(() => s.tusCreate(b, 10))
    if (loc) await attempt(() => s.patch(loc, 0, 'half'))
    const c = await attempt(() => s.cancel(b.assembly_id))
    if (c?.http === 200 && c.ok === 'ASSEMBLY_CANCELED') said.canceled.push(b.assembly_id)
    else assert.ok(!c || c.http >= 500 || c.ok !== undefined || c.error, `cancel: ${JSON.stringify(c)}`)
  }
  await create(original, { files: { 'c.txt': 'inline' } })
  const joined = await create(original, { expected: 1 })
  const parts = []
  for (const piece of joined ? ['first ', 'second'] : []) {
    const res = await attempt(() => s.tus('POST', `${s.url}/resumable/files/`, { 'Upload-Length': String(piece.length), 'Upload-Concat': 'partial' }))
    const loc = res?.status === 201 && res.headers.get('location')
    if (loc && (await attempt(() => s.patch(loc, 0, piece)))?.status === 204) parts.push(loc)
  }
  said.parts = parts.map((p) => new URL(p).pathname)
  if (parts.length === 2) {
    said.joining = joined.assembly_id
    const res = await attempt(() => s.tus('POST', `${s.url}/resumable/files/`, { 'Upload-Concat': `final;${parts.join(' ')}`, 'Upload-Metadata': s.tusMeta(joined) }))
    if (res?.status === 201) said.joined = joined.assembly_id
  }
  const id = randomBytes(16).toString('hex')
  if (await attempt(() => slowBody(s, id))) { said.created.push(id); said.whole = id } else said.refused = id
  for (const id of said.created) {
    for (const end = Date.now() + 1500; Date.now() < end; await sleep(20)) {
      const st = await attempt(() => s.get(id))
      if (!st) break
      assert.notEqual(st.error, 'ASSEMBLY_NOT_FOUND', `${id} was acknowledged`)
      if (st.assembly_id && over(st)) { said.ended[id] = st.ok || st.error; break }
    }
    for (const list of Object.values((await attempt(() => s.get(id)))?.results || {})) {
      const res = await attempt(() => fetch(list[0].url.replace(/:\/\/[^/]+/, `://127.0.0.1:${s.port}`)))
      assert.notEqual(res?.status, 404, `${list[0].url} was told`)
    }
  }
  return said
}

// A call that failed once leaves a server behind that does its work.
async function stillWorks(s) {
  for (const end = Date.now() + 60000; ;) {
    const a = await attempt(() => s.create(resize, { files: { 'a.png': image } }))
    let st = a
    while (st?.assembly_id && !over(st) && Date.now() < end) { await sleep(50); st = await attempt(() => s.get(a.assembly_id)) }
    if (st?.ok === 'ASSEMBLY_COMPLETED' || s.child.exitCode !== null || s.child.signalCode !== null) return
    assert.ok(Date.now() < end, `it does not work any more: ${JSON.stringify(st)}\n${s.log}`)
  }
}

// No request is open that could go on with it.
async function noOrphan(s, id) {
  let st
  for (const end = Date.now() + 10000; id && Date.now() < end; await sleep(50)) {
    st = await attempt(() => s.get(id))
    if (s.child.exitCode !== null || s.child.signalCode !== null || (st && over(st))) return
  }
  assert.ok(!id, `it was refused, and is open: ${JSON.stringify(st)}\n${s.log}`)
}

async function check(s, said) {
  for (const [name, u] of Object.entries(said.offsets)) {
    if (said.canceled.includes(u.assembly)) continue
    const st = await s.get(u.assembly)
    if (over(st)) continue
    const head = await s.tus('HEAD', `${s.url}${name}`)
    if (head.status === 410) continue // its bytes could not be trusted, and that was said
    assert.equal(head.status, 200, `${name}: ${head.status}`)
    const at = Number(head.headers.get('upload-offset'))
    assert.ok(at >= u.at, `${name}: ${at}, acknowledged were ${u.at}`)
    if (said.complete.includes(name)) continue
    // 423: the server is just handing over by itself what was complete when it was killed; any client tries again
    let status = 423
    for (let tries = 0; status === 423 && tries < 50; tries++) {
      if (tries) await sleep(100)
      status = (await s.patch(`${s.url}${name}`, at, u.total.subarray(at))).status
    }
    assert.equal(status, 204)
  }
  // parts that were used are forgotten with the process that used them: the Assembly has the joined file, or is over
  const joining = said.joining && await s.get(said.joining)
  const used = joining && (over(joining) || joining.uploads.length > 0)
  for (const part of said.parts || []) {
    const head = await s.tus('HEAD', `${s.url}${part}`)
    if (head.status !== 410 && !(used && head.status === 404)) assert.deepEqual([head.status, head.headers.get('upload-offset')], [200, '6'], part)
  }
  for (const id of said.created) {
    let st = await s.get(id)
    assert.equal(st.assembly_id, id, `lost: ${JSON.stringify(st)}`)
    if (said.canceled.includes(id)) assert.equal(st.ok, 'ASSEMBLY_CANCELED')
    const told = Object.values(said.offsets).filter((u) => u.assembly === id)
    // what waits for an upload that nobody acknowledged as whole waits for ever, and is not waited for here
    const waits = () => st.ok === 'ASSEMBLY_UPLOADING' && !told.some((u) => u.at === u.total.length)
    for (const end = Date.now() + 60000, soon = Date.now() + 2000; !over(st) && Date.now() < (waits() ? soon : end); await sleep(20)) st = await s.get(id)
    if (!over(st)) {
      assert.ok(waits(), `stuck: ${JSON.stringify(st).slice(0, 300)}`)
      st = await s.cancel(id)
      assert.equal(st.ok, 'ASSEMBLY_CANCELED')
    }
    if (id === said.joined && st.ok === 'ASSEMBLY_COMPLETED') assert.equal(st.uploads[0].md5hash, md5('first second'))
    if (id === said.whole && st.ok === 'ASSEMBLY_COMPLETED') assert.deepEqual([st.uploads.map((u) => u.name).sort(), st.fields.late], [['one.txt', 'two.txt'], 'yes'], 'all of the body')
    if (said.ended[id]) assert.equal(st.ok || st.error, said.ended[id], 'the end was told')
    for (const list of Object.values(st.results || {})) for (const f of list) if (st.ok === 'ASSEMBLY_COMPLETED') assert.equal(md5(Buffer.from(await (await fetch(f.url.replace(/:\/\/[^/]+/, `://127.0.0.1:${s.port}`))).arrayBuffer())), f.md5hash, 'a result')
    for (const [name, u] of Object.entries(said.offsets)) if (u.assembly === id && said.complete.includes(name) && st.ok === 'ASSEMBLY_COMPLETED') assert.equal(st.uploads[0].md5hash, u.md5)
  }
}

const boot = async (dir, env) => {
  const s = await Server.start({ after() {} }, { dir, args: ['--drain-timeout-s', '1'], env: { ...options, TRANSLOADIT_KEY: 'test-key', TRANSLOADIT_SECRET: 'test-secret-0001', ...env } }).catch((e) => e)
  return s
}
const end = async (s) => {
  const died = s.child.exitCode !== null || s.child.signalCode !== null
  if (!died) s.child.kill('SIGTERM')
  const how = await Promise.race([s.exited, sleep(40000).then(() => null)])
  if (!how) { s.child.kill('SIGKILL'); await s.exited; throw new Error(`did not end on SIGTERM\n${s.log}`) }
  return { ...how, died }
}

async function play(fault) {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'workcell-faults-'))
  const counts = path.join(os.tmpdir(), `${path.basename(dir)}.counts`)
  try {
    const s = await boot(dir, { WORKCELL_FAULT: fault, WORKCELL_FAULT_COUNTS: counts, ...(fault ? {} : { WORKCELL_FAULT_SITES: '1' }) })
    let said = { created: [], offsets: {}, complete: [], canceled: [], ended: {} }
    const [place] = fault.split(':')
    const met = () => { if (/fault: now\n/.test(s instanceof Error ? s.message : s.log)) reached.add(fault) }
    const memory = place === 'alloc'
    const bad = (log) => /Sanitizer|runtime error|Assertion/.test(log)
    if (s instanceof Error) {
      assert.ok(!bad(s.message), s.message)
      met()
      assert.match(s.message, memory ? /out of memory/ : /workcell: /, 'it says why it does not start')
    } else {
      try { said = await scenario(s) } catch (e) { s.child.kill('SIGKILL'); throw e }
      if (fault.endsWith(':once') && s.child.exitCode === null && s.child.signalCode === null) {
        await stillWorks(s)
        await noOrphan(s, said.refused)
      }
      const how = await end(s)
      met()
      assert.ok(!bad(s.log), s.log)
      if (memory && how.code !== 0) assert.match(s.log, /out of memory/)
      else if (how.code === 70 && place === 'store') assert.match(s.log, / error .*ending, to start again from what is on the disk/)
      else assert.deepEqual([how.code, how.died], [0, false], `ended with ${how.code} ${how.signal}\n${s.log}`)
    }
    const again = await boot(dir, { WORKCELL_FAULT: '' })
    assert.ok(!(again instanceof Error), again.message)
    try {
      await check(again, said)
    } catch (e) {
      e.message += `\n${JSON.stringify(said, (k, v) => (k === 'total' ? undefined : v))}\nfirst: ${s.log || s.message}\nagain: ${again.log}`
      throw e
    } finally {
      await end(again)
    }
    let found
    try { found = JSON.parse(execFileSync(process.env.WORKCELL, ['fsck', '--json', '--data', dir], { stdio: 'pipe', env: { ...process.env, ASAN_OPTIONS: 'detect_leaks=0' } })) } catch (e) { found = JSON.parse(e.stdout) }
    assert.deepEqual(found.findings.filter((f) => !['blob_without_row', 'leftover'].includes(f.kind)), [])
    return fs.existsSync(counts) ? fs.readFileSync(counts, 'utf8').trim().split('\n').map((l) => l.split(' ')) : []
  } finally {
    fs.rmSync(dir, { recursive: true, force: true })
    fs.rmSync(counts, { force: true })
  }
}

// An Assembly that ends the process that reads it: some starts die of it, then one sets it aside. Everything else goes on.
async function poisoned() {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'workcell-faults-'))
  try {
    const s = await boot(dir, { WORKCELL_FAULT: '' })
    const a = await s.create(resize, { expected: 1 })
    await end(s)
    let deaths = 0, now
    for (; deaths < 10; deaths++) {
      now = await boot(dir, { WORKCELL_FAULT: 'replay:1:always' })
      if (!(now instanceof Error)) break
      assert.match(now.message, /fault: now/, 'it died while it read')
    }
    assert.equal(deaths, 3, `it started after ${deaths} deaths`)
    const st = await now.get(a.assembly_id)
    assert.deepEqual([st.error, st.assembly_id], ['ASSEMBLY_CRASHED', a.assembly_id])
    assert.match(st.message, /ended 3 times while it read/)
    assert.match(now.log, new RegExp(`error .*${a.assembly_id}.* is set aside`))
    const b = await now.create(original, { files: { a: 'x' } })
    assert.equal((await now.until(b.assembly_id)).ok, 'ASSEMBLY_COMPLETED')
    const c = await now.create(original, { expected: 1 })
    await end(now)
    const again = await boot(dir, { WORKCELL_FAULT: '' })
    assert.ok(!(again instanceof Error), again.message)
    assert.equal((await again.get(a.assembly_id)).error, 'ASSEMBLY_CRASHED', 'its document is stored')
    assert.equal((await again.get(c.assembly_id)).ok, 'ASSEMBLY_UPLOADING')
    assert.equal((await again.cancel(a.assembly_id)).error, 'ASSEMBLY_CRASHED')
    await again.cancel(c.assembly_id)
    await end(again)
    let found
    try { found = JSON.parse(execFileSync(process.env.WORKCELL, ['fsck', '--json', '--data', dir], { stdio: 'pipe', env: { ...process.env, WORKCELL_FAULT: 'replay:1:always', ASAN_OPTIONS: 'detect_leaks=0' } })) } catch (e) { found = JSON.parse(e.stdout) }
    assert.deepEqual(found.findings.map((f) => [f.kind, f.id]), [['set_aside', a.assembly_id]])
    console.log(`replay: an Assembly that ends who reads it was set aside after ${deaths} deaths`)
  } finally {
    fs.rmSync(dir, { recursive: true, force: true })
  }
}
if (parts.includes('replay')) await poisoned()
if (!places.length) process.exit(0)

const reached = new Set() // the runs in which the call that was to fail came
// What is passed differs a little from run to run: all of what three runs passed.
const passed = {}
const sites = {}
for (let i = 0; i < 3; i++) {
  for (const [name, n, ...frames] of await play('')) {
    if (name.includes('@')) sites[name] = frames
    else passed[name] = Math.max(passed[name] || 0, Number(n))
  }
}
const sitesOf = (place) => Object.keys(sites).filter((k) => k.startsWith(`${place}@`)).sort()
console.log(`in a run without faults: ${places.map((p) => `${p} ${passed[p]} calls from ${sitesOf(p).length} sites`).join(', ')}`)

// The functions of this program that lead to a site.
function way(fault) {
  const frames = sites[fault.replace(/:(@.*):.*/, '$1')]
  if (!frames) return ''
  const lines = execFileSync('addr2line', ['-sf', '-e', process.env.WORKCELL, ...frames.map((f) => `0x${f}`)], { encoding: 'utf8' }).trim().split('\n')
  return lines.filter((_, i) => i % 2).map((at, i) => `${lines[2 * i]} ${at}`).filter((l) => !l.includes('?')).join(' < ')
}

function plan(place) {
  const spread = (n, count) => Array.from({ length: Math.min(n, count) }, (_, i) => Math.floor(i * Math.max(1, n / count)))
  const all = sitesOf(place)
  const at = byCalls ? spread(Math.ceil(passed[place] * 1.1), byCalls).map((i) => i + 1) : spread(all.length, most).map((i) => all[i].replace(`${place}@`, '@'))
  // memory that can't be had ends the process: once and always are the same
  return at.flatMap((x) => (place === 'alloc' ? ['once'] : ['once', 'always']).map((mode) => `${place}:${x}:${mode}`))
}

let failed = 0
let played = 0
const start = Date.now()
for (const place of places) {
  const todo = plan(place)
  const all = todo.length
  await Promise.all(Array.from({ length: workers }, async () => {
    for (let fault; (fault = todo.shift());) {
      played++
      try { await play(fault) } catch (e) {
        failed++
        console.log(`not ok ${fault} ${way(fault)}: ${e.message}`)
      }
    }
  }))
  console.log(`${place}: ${all} runs, ${[...reached].filter((f) => f.startsWith(`${place}:`)).length} met their fault, ${failed} failed so far, ${Math.round((Date.now() - start) / 1000)} s`)
}
console.log(`${played - failed} passed, ${failed} failed`)
process.exit(failed ? 1 : 0)

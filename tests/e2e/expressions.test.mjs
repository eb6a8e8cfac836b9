// ${...} as JavaScript in the real jail: typed values, errors that say what to change, programs that do not end, and
// nothing left.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import { test } from 'node:test'
import { alive, binary, Server, sleep } from './server.mjs'

const loop = '${(() => { for (;;); })()}'
const hash = (more) => ({ h: { robot: '/file/hash', use: ':original', result: true, ...more } })
const file = { files: { 'Some Name.txt': 'text of 21 characters' } }
const run = async (s, steps, more = file) => s.until((await s.create(steps, more)).assembly_id)
const scripts = (s) => s.processes().map((p) => p.pid).filter((pid) => {
  try { return fs.readlinkSync(`/proc/${pid}/cwd`).includes('/scratch/script-') } catch { return false }
})
const events = (s, id) => {
  const query = `select body from event where assembly_id = '${id}' order by seq`
  const rows = execFileSync('sqlite3', [`${s.dir}/workcell.db`, query], { encoding: 'utf8' }).trim()
  return rows.split('\n').map((l) => JSON.parse(l))
}
const busyFor = (ms) => `\${(() => { const end = Date.now() + ${ms}; while (Date.now() < end); return "md5" })()}`
const script = (more) => ({ robot: '/script/run', use: ':original', result: true, ...more })

test('values keep their type, join text, reach lists and objects, and are not given when undefined', async (t) => {
  const s = await Server.start(t)
  const letters = '{"w":${JSON.stringify([...file.basename])}}'
  const end = await run(s, {
    ...hash({
      algorithm: "${'md' + 5}",
      partial: '${file.size > 5 ? "first" : "full"}',
      partial_size: '${Math.max(2, Number(fields.n))}',
    }),
    d: hash({ algorithm: '${fields.none?.x}', partial_size: '${undefined}' }).h,
    s: script({ interpolate: { script: true }, script: 'const o = ${({ n: [1, file.name.length] })}; o.n' }),
    m: script({ script: '`${file.name}|${fields.n}|${previous_step.name}|${assembly.id.length}|${typeof file.id}`' }),
    c: script({ script: 'context.w.length', contextJSON: letters }),
  }, { ...file, fields: { n: '7' } })
  assert.equal(end.ok, 'ASSEMBLY_COMPLETED', JSON.stringify(end))
  const meta = (step) => end.results[step][0].meta
  assert.deepEqual([meta('h').hash_partial, meta('h').hash_partial_size, meta('h').hash.length], ['first', 7, 32])
  assert.deepEqual([meta('d').hash.length, meta('d').hash_partial], [64, undefined], 'the defaults')
  assert.deepEqual([meta('s').result, meta('s').isError], [[1, 13], false])
  assert.equal(meta('m').result, 'Some Name.txt|7|:original|32|string')
  assert.equal(meta('c').result, 9)
  await s.scratchEmpty()
})

test('what goes wrong fails the Step by its code, says where and why, and harms nobody else', async (t) => {
  const s = await Server.start(t, { args: ['--workers-script', '1', '--script-memory-mb', '64'] })
  const wrong = {
    '${1 +}': /the expression \$\{1 \+\} can't be used: SyntaxError/,
    '${file.none.x()}': /TypeError: undefined is not an object/,
    '${(() => { throw new Error("of mine") })()}': /Error: of mine/,
    '${"x".repeat(200000)}': /it gives more than 64 KB/,
    '${(() => { const a = {}; a.a = a; return a })()}': /cyclic/,
    '${({ toJSON() { throw new Error("hostile") } })}': /hostile/,
    '${Promise.resolve(1)}': /nothing is waited for/,
    '${(function f() { return f() + 1 })()}': /Maximum call stack size/,
    '${fetch("http://127.0.0.1/")}': /Can't find variable: fetch/,
    '${(() => { const a = []; for (;;) a.push(new Uint8Array(1e6).fill(1)) })()}':
      /it needs more than the 64 MB of memory that it may have \(script_memory_mb\)/,
    [loop]: /it used more than the 1 s of processor time that it may|it took longer than 20 s/,
    '${[1]}': /'algorithm' is \[1\], but must be one of/,
  }
  for (const [algorithm, why] of Object.entries(wrong)) {
    const end = await run(s, hash({ algorithm }))
    assert.equal(end.error, 'FILE_HASH_VALIDATION', `${algorithm}: ${JSON.stringify(end)}`)
    assert.equal(end.step, 'h')
    assert.match(end.message, why)
    assert.ok(end.execution_duration < 25, `${algorithm} took ${end.execution_duration} s`)
    const next = await run(s, hash({ algorithm: '${"md5"}' }))
    assert.equal(next.ok, 'ASSEMBLY_COMPLETED', `after ${algorithm}`)
  }
  const k = script({ script: '1' })
  const ignored = await run(s, { ...hash({ algorithm: '${no.such}', ignore_errors: true }), k })
  assert.equal(ignored.ok, 'ASSEMBLY_COMPLETED')
  assert.match(ignored.ignored_errors[0].message, /Can't find variable: no/)
  await s.scratchEmpty()
})

test('what is filled in for each file of a bundle is evaluated for each; a script of a filter is one', async (t) => {
  const s = await Server.start(t)
  const files = { 'a.txt': 'a', 'bb.txt': 'bb', 'ccc.txt': 'ccc' }
  const filter = (accepts, use) => s.create({ f: { robot: '/file/filter', use, accepts, result: true } }, { files })
  const names = (end) => (end.results.f || []).map((f) => f.name).sort()
  const bundle = { steps: ':original', bundle_steps: true }
  const own = [['${file.name.length - 4}', '=', '${Math.max(file.size, 1 + file.size % 2)}']]
  for (const use of [bundle, ':original']) {
    for (const [accepts, want] of [[own, ['bb.txt', 'ccc.txt']], ['${file.size % 2 == 1}', ['a.txt', 'ccc.txt']]]) {
      const end = await s.until((await filter(accepts, use)).assembly_id)
      assert.equal(end.ok, 'ASSEMBLY_COMPLETED', JSON.stringify(end))
      assert.deepEqual(names(end), want, JSON.stringify([accepts, use]))
    }
  }
})

test('user_meta is evaluated for each file that a Step makes, passes on or takes in', async (t) => {
  const s = await Server.start(t, { args: ['--workers-script', '1'] })
  const words = '${file.name.split(" ").map((w) => w[0])}'
  const of = (more) => ({ user_meta: { n: '${file.size * 2}', w: words, ...more } })
  const even = [['${file.user_meta.n}', '=', '42']]
  const steps = {
    ':original': { robot: '/upload/handle', user_meta: { up: '${file.name.toUpperCase()}' } },
    h: { robot: '/file/hash', use: ':original', result: true, ...of({ hash: '${file.meta.hash.slice(0, 4)}' }) },
    f: {
      robot: '/file/filter', use: 'h', result: true, accepts: even, user_meta: { passed: '${file.user_meta.n + 1}' },
    },
    c: { robot: '/file/compress', use: { steps: ['h'], bundle_steps: true }, result: true, ...of() },
    bad: { robot: '/file/hash', use: ':original', result: true, user_meta: { x: '${file.none.x()}' } },
    loop: { robot: '/file/hash', use: ':original', result: true, user_meta: { x: loop } },
  }
  const end = await run(s, steps)
  assert.equal(end.ok, 'ASSEMBLY_COMPLETED', JSON.stringify(end))
  const meta = (step) => end.results[step][0].user_meta
  assert.equal(end.uploads[0].user_meta.up, 'SOME NAME.TXT')
  const { hash: digits, passed, ...rest } = meta('h') // one file, also where it was passed on
  assert.match(digits, /^[0-9a-f]{4}$/)
  assert.deepEqual(rest, { up: 'SOME NAME.TXT', n: 42, w: ['S', 'N'] }, 'types stay')
  assert.deepEqual([meta('f').passed, passed], [43, 43])
  assert.equal(meta('c').n, end.results.c[0].size * 2)
  assert.deepEqual([meta('bad'), meta('loop')], [{ up: 'SOME NAME.TXT' }, { up: 'SOME NAME.TXT' }])
  const said = end.warnings.map((w) => w.msg).join()
  assert.match(said, /`user_meta` of the step 'bad' is left out: .*TypeError/)
  assert.match(said, /`user_meta` of the step 'loop' is left out: /)
  await s.scratchEmpty()
})

test('what can be seen at creation is told at creation, with expressions in place', async (t) => {
  const s = await Server.start(t)
  for (const [more, why] of [
    [{ algorithm: '${f()}', partial_size: 0 }, /'partial_size' is 0/],
    [{ algorithm: '${f()}', partail: 1 }, /unknown parameter 'partail'/],
    [{ interpolate: 'maybe' }, /'interpolate' must be/],
    [{ interpolate: { algorithm: 1 } }, /'interpolate' must say true or false of 'algorithm'/],
  ]) {
    const a = await s.create(hash(more))
    assert.equal(a.error, 'FILE_HASH_VALIDATION', JSON.stringify(a))
    assert.match(a.message, why)
  }
})

test('credentials are out of reach, and what an expression gives is not evaluated again', async (t) => {
  const s = await Server.start(t)
  const look = 'JSON.stringify([Object.keys(globalThis).sort(), typeof credentials, typeof params, typeof steps])'
  const end = await run(s, {
    s: script({ script: look }),
    e: script({ script: 'context', contextJSON: '${JSON.stringify("$" + "{1+1}")}' }),
  })
  const [names, ...types] = JSON.parse(end.results.s[0].meta.result)
  assert.deepEqual(names, ['account', 'assembly', 'context', 'fields', 'file', 'previous_step', 'template',
    'unique_original_prefix', 'unique_prefix'])
  assert.deepEqual(types, ['undefined', 'undefined', 'undefined'])
  assert.equal(end.results.e[0].meta.result, '${1+1}')
})

test('a cancel in the middle of an evaluation ends it, counts it and leaves nothing', async (t) => {
  const s = await Server.start(t)
  const a = await s.create(hash({ algorithm: loop }), file)
  await s.until(a.assembly_id, (st) => st.running_jobs.includes('h:::original'))
  await s.computing('', (pid) => scripts(s).includes(pid))
  const busy = scripts(s)
  const got = await s.cancel(a.assembly_id)
  assert.equal(got.ok, 'ASSEMBLY_CANCELED')
  assert.equal(got.cancel.settled, true)
  assert.equal(got.cancel.jobs_stopped, 1)
  assert.equal(got.cancel.processes_killed, 2, 'the worker, and the child that evaluated')
  assert.ok(busy.filter(alive).length < busy.length)
  assert.deepEqual(s.scratchFiles(), [])
  assert.equal((await run(s, hash({ algorithm: '${"md5"}' }))).ok, 'ASSEMBLY_COMPLETED')
})

test('a server that dies in the middle of an evaluation evaluates again; what was evaluated stays', async (t) => {
  const s = await Server.start(t)
  const a = await s.create(hash({ algorithm: busyFor(700) }), file)
  await s.until(a.assembly_id, (st) => st.running_jobs.includes('h:::original'))
  await s.kill9()
  assert.ok(!events(s, a.assembly_id).some((e) => e.e === 'job_values'))
  await s.boot()
  const done = await s.until(a.assembly_id)
  assert.equal(done.ok, 'ASSEMBLY_COMPLETED', JSON.stringify(done))
  assert.deepEqual(done.started_jobs, [':original:::original', 'h:::original'])
  const kept = events(s, a.assembly_id).filter((e) => e.e === 'job_values')
  assert.equal(kept.length, 1)
  assert.ok(kept[0].d.sealed && !kept[0].d.values, 'sealed in the store')

  // the job itself dies with the server: it has the same values when it runs again
  const p = { robot: '/progress/simulate', output_files: 1, emit_progress: true, predict_output: false }
  const b = await s.create({ p: { ...p, use: ':original', duration: '${1 + Math.random()}', result: true } }, file)
  await s.until(b.assembly_id, () => events(s, b.assembly_id).some((e) => e.e === 'job_values'))
  await s.kill9()
  await s.boot()
  assert.equal((await s.until(b.assembly_id)).ok, 'ASSEMBLY_COMPLETED')
  assert.equal(events(s, b.assembly_id).filter((e) => e.e === 'job_values').length, 1)
})

test('a script worker that dies is replaced, and the job is tried again', async (t) => {
  const s = await Server.start(t, { args: ['--workers-script', '1'] })
  const a = await s.create(hash({ algorithm: busyFor(600) }), file)
  await s.until(a.assembly_id, (st) => st.running_jobs.includes('h:::original'))
  await sleep(50)
  const pids = scripts(s)
  assert.ok(pids.length)
  for (const pid of pids) try { process.kill(pid, 'SIGKILL') } catch { /* it ended with another */ }
  assert.equal((await s.until(a.assembly_id)).ok, 'ASSEMBLY_COMPLETED')
})

test('many at once, of which some never end: each gets its answer', async (t) => {
  const s = await Server.start(t, { args: ['--workers-script', '2'] })
  const expression = (i) => (i % 8 === 7 ? loop : `\${["md5", "sha1"][${i} % 2]}`)
  const ends = await Promise.all([...Array(12).keys()].map((i) => run(s, hash({ algorithm: expression(i) }))))
  ends.forEach((end, i) => {
    const got = end.error || end.results.h[0].meta.hash.length
    assert.equal(got, i % 8 === 7 ? 'FILE_HASH_VALIDATION' : i % 2 ? 40 : 32)
  })
})

test('workcell run and doctor know the engine', async (t) => {
  const s = await Server.start(t)
  const steps = { s: script({ script: 'file.size', contextJSON: '${"1"}' }) }
  fs.writeFileSync(`${s.dir}/a.json`, JSON.stringify({ steps }))
  fs.writeFileSync(`${s.dir}/a.txt`, 'abc')
  execFileSync(binary, ['run', `${s.dir}/a.json`, `${s.dir}/a.txt`, '-o', `${s.dir}/out`], { stdio: 'ignore' })
  assert.equal(JSON.parse(fs.readFileSync(`${s.dir}/out/status.json`)).results.s[0].meta.result, 3)
  let said
  try {
    said = execFileSync(binary, ['doctor', '--json', '--data', s.dir], { encoding: 'utf8' })
  } catch (e) { // something else of this machine
    said = e.stdout
  }
  const { checks } = JSON.parse(said)
  const found = (name) => JSON.stringify(checks.find((c) => c.check === name))
  assert.match(found('javascript'), /"ok".*the engine evaluates/)
  assert.match(found('jail.script'), /"ok".*tried and closed/)
})

// The conformance table: what every store and every import must do, whatever it talks to. A target is described by
//
//   name       of the test
//   store      true, or in words why there are no rows for stores; imports: the same for imports
//   env, allow of the server under test: environment, log lines that may be errors
//   cannot     {row: why}: rows that make no sense here. They are listed by name in the output. 'to resume' is no row,
//              but the promise of some, that an import does not read again what it has
//   refuses    {name of a file (`files` below): pattern}: what the protocol can't have, and how it is refused.
//              NEWLINE is in it for every store: a path holds no control characters
//              (`import_refuses`: those of the imports)
//   codes      of errors of the store: {denied, failed, full (else failed)}; import_codes: {denied, failed, missing}
//   start(t)   begins the other side; resolves to a side:
//
//     host, port           where it listens: everything goes over a Line to there (or line(): makes a Line of its own)
//     args(line)           of the server under test, e.g. --endpoint
//     ready(server)        before the first row: stored credentials that the Steps name
//     store(path, line)    the parameters of a store Step that puts its file at path (relative, may have slashes)
//     import(path, line)   of an import Step; a path that ends in a slash is a directory
//     wrong                parameters that replace others: a wrong password
//     readOnly, full       {more(path): parameters that replace others, list(prefix) of that place if it is another
//                          one}, or {why}: it can't be had on this machine
//     list(prefix)         every path that begins so and lies there, names of parts and temporary files as well
//     open(prefix)         what else can be left: open multipart uploads, sessions, of paths that begin so, or all of
//                          them where that can't be told; [] where there is no such thing
//     read(path), put(path, bytes)
//     directory            {count, more}: how many files make several pages, and what parameters make pages small
//     lie(path)            puts a file there that says it is larger than it is
//     complaints           what a stand-in noted of requests that the real one would not take; empty in the end
//
// conform(target) makes a test of it, each row a test below it. FULL=1: the long rows as well.
import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { Server, sleep } from '../e2e/server.mjs'
import { connected, Line } from './line.mjs'

const full = process.env.FULL === '1'
const MB = 1024 * 1024
const PATIENCE = 180000 // for what must happen, on a slow machine
const BIG = 6 * MB + 17 // of what something happens to in the middle
// random, but never by chance what looks like a film or a picture
const bytes = (size) => { const d = randomBytes(size); d.write('conform:'); return d }
const md5 = (d) => createHash('md5').update(d).digest('hex')
const done = (st) => !['ASSEMBLY_UPLOADING', 'ASSEMBLY_EXECUTING'].includes(st.ok)

const sizes = {
  'an empty file': 0, 'one byte': 1, 'a byte less than 5 MB': 5 * MB - 1, 'a byte more than 5 MB': 5 * MB + 1,
}
if (full) sizes['200 MB'] = 200 * MB

export const NEWLINE = 'a newline'
export const files = {
  'spaces': 'a b  c.bin', 'unicode': 'gr\u00fc\u00df \u65e5\u672c \u{1f600}.bin', 'a percent sign': '100% %41%2f.bin',
  'a plus': 'a+b.bin', 'a hash': 'a#b.bin', 'a question mark': 'a?b=c.bin',
  'an ampersand and quotes': 'a&b;"c\'d.bin', [NEWLINE]: 'a\nb.bin',
  '255 bytes': 'n'.repeat(251) + '.bin', '1,000 bytes': 'n'.repeat(996) + '.bin',
}

async function soon(what, is, ms = PATIENCE) {
  for (const end = Date.now() + ms; !await is(); await sleep(25))
    assert.ok(Date.now() < end, `not within ${ms} ms: ${what}`)
}

// ---- the bench that a target is put on ----

class Bench {
  constructor(target, side) { Object.assign(this, { target, side }) }

  async open(t) {
    this.line = await this.side.line?.() ?? await Line.start(this.side.host, this.side.port)
    t.after(() => this.line.stop())
    this.server = await Server.start(t, {
      args: ['--import-allow', '127.0.0.1', ...(this.side.args?.(this.line) ?? [])],
      env: { WORKCELL_TEST_IDLE_S: '5', WORKCELL_TEST_RETRY_MS: '50', WORKCELL_TEST_S3_MULTIPART_THRESHOLD: String(5 * MB), ...this.target.env },
      allow: [/worker/, ...(this.target.allow ?? [])],
    })
    await this.side.ready?.(this.server)
    this.rows = 0
  }

  // A row has a prefix of its own; after it nothing is left of what is only there on the way.
  async row(name, fn, { allow = [] } = {}) {
    const prefix = `row${++this.rows}-${randomBytes(3).toString('hex')}`
    const from = this.server.log.length
    this.line.reset()
    try {
      await fn(prefix)
    } finally {
      this.line.calm()
    }
    const parts = async () => (await this.side.list(prefix)).filter((p) => /workcell|\.part|\.old/.test(p))
    const open = async () => await this.side.open?.(prefix) ?? []
    const rubbish = async () => [...this.server.scratchFiles(), ...await open(), ...await parts()]
    let left
    await soon('nothing is left', async () => (left = await rubbish()).length === 0)
      .catch((e) => assert.fail(`${e.message}: ${left}; the server said:\n${this.server.log.slice(from)}`))
    const wrong = (l) => / error |Sanitizer/.test(l) && !allow.some((a) => a.test(l))
    const errors = this.server.log.slice(from).split('\n').filter(wrong)
    assert.deepEqual(errors, [], `error lines in the log after "${name}"`)
    assert.deepEqual(this.side.complaints ?? [], [], 'what the other side would not have taken')
  }

  async begin(step, data) {
    const a = await this.server.create({ out: step }, data === undefined ? {} : { files: { 'file.bin': data } })
    assert.ok(a.assembly_id, JSON.stringify(a))
    return a.assembly_id
  }

  async end(id) { return this.server.until(id, done, PATIENCE) }

  storing(path, data, more = {}) {
    return this.begin({ use: ':original', ...this.side.store(path, this.line), ...more }, data)
  }

  importing(path, more = {}) { return this.begin({ result: true, ...this.side.import(path, this.line), ...more }) }

  async stored(path, data, more) {
    const st = await this.end(await this.storing(path, data, more))
    assert.equal(st.ok, 'ASSEMBLY_COMPLETED', `${st.error}: ${st.message}`)
    return st
  }

  async imported(path, more) {
    const st = await this.end(await this.importing(path, more))
    assert.equal(st.ok, 'ASSEMBLY_COMPLETED', `${st.error}: ${st.message}`)
    return st
  }

  async fails(id, code) {
    const st = await this.end(id)
    assert.equal(st.error, code, `${st.ok ?? ''} ${st.message ?? ''}`)
    assert.ok(st.message, 'in words')
    return st
  }

  // The bytes lie at path, and nothing else lies below prefix.
  async alone(prefix, path, data) {
    let there
    await soon('it lies there alone', async () => (there = await this.side.list(prefix)).length === 1)
      .catch(() => assert.deepEqual(there, [path]))
    assert.deepEqual(there, [path])
    assert.equal(md5(await this.side.read(path)), md5(data))
  }

  async nothing(prefix) {
    let there
    await soon('nothing is there', async () => (there = await this.side.list(prefix)).length === 0)
      .catch(() => assert.deepEqual(there, []))
  }

  async same(result, data) {
    const got = Buffer.from(await (await fetch(result.url)).arrayBuffer())
    assert.equal(got.length, data.length)
    assert.equal(md5(got), md5(data))
  }

  // The fault has happened; an Assembly that ends instead is a failure of the row.
  async when(hit, id) {
    let is = false
    hit.then(() => { is = true })
    await soon('it gets so far', async () => {
      if (is) return true
      const st = await this.server.get(id)
      assert.ok(!done(st), `it ended before: ${st.ok ?? st.error} ${st.message ?? ''}`)
      return false
    })
  }

  async cancel(id) {
    const canceling = this.server.cancel(id)
    this.line.calm() // what takes back gets through
    const got = await canceling
    assert.equal(got.ok, 'ASSEMBLY_CANCELED', JSON.stringify(got).slice(0, 300))
    await this.server.until(id, (st) => st.cancel?.settled, PATIENCE)
  }

  // The worker of the only job: it has a file that goes out or comes in.
  async kill() {
    let busy
    const workers = () => [...this.server.busyWorkers(), ...connected(this.server, this.line.port)]
    await soon('a worker is busy', () => (busy = workers()).length > 0)
    this.line.calm()
    process.kill(busy[0], 'SIGKILL')
  }
}

// ---- stores ----

// Where something happens to a transfer of BIG bytes.
const phases = {
  // until it is over: on a slow machine a worker gives a held connection up, and would be through by another
  'before it is connected': (line) => line.suffer('hold', { after: 0, times: Infinity }),
  'in the middle of the bytes': (line) => line.suffer('hold', { after: BIG / 2, times: Infinity }),
  'before the commit': (line) => line.suffer('deaf', { after: BIG }),
}

const stores = {}
for (const [what, size] of Object.entries(sizes)) {
  stores[`${what} is stored`] = async (b, prefix) => {
    const data = bytes(size)
    await b.stored(`${prefix}/a.bin`, data)
    await b.alone(prefix, `${prefix}/a.bin`, data)
  }
}

stores['names are kept as they are, or refused in words'] = async (b, prefix) => {
  const refuses = { [NEWLINE]: /control character/, ...b.target.refuses }
  await Promise.all(Object.entries(files).map(async ([what, name]) => {
    const data = Buffer.from(what), path = `${prefix}/${name}`
    const step = { use: ':original', ...b.side.store(path, b.line) }
    const a = await b.server.create({ out: step }, { files: { 'file.bin': data } })
    const st = a.assembly_id ? await b.end(a.assembly_id) : a
    if (refuses[what]) {
      assert.ok(st.error, `${what}: refused`)
      assert.match(st.message, refuses[what], what)
      assert.ok(!(await b.side.list(prefix)).includes(path), what)
      return
    }
    assert.equal(st.ok, 'ASSEMBLY_COMPLETED', `${what}: ${st.error} ${st.message}`)
    assert.ok((await b.side.list(prefix)).includes(path), `${what}: ${JSON.stringify(await b.side.list(prefix))}`)
    assert.deepEqual(await b.side.read(path), data, what)
  }))
  const taken = Object.keys(files).filter((what) => !refuses[what])
  assert.equal((await b.side.list(prefix)).length, taken.length, 'and nothing else')
}

stores['a directory that is missing is made'] = async (b, prefix) => {
  await b.stored(`${prefix}/one/two/three/a.bin`, Buffer.from('abc'))
  await b.alone(prefix, `${prefix}/one/two/three/a.bin`, Buffer.from('abc'))
}

stores['what is there is replaced, by less as by more'] = async (b, prefix) => {
  const path = `${prefix}/a.bin`
  for (const data of [bytes(70000), bytes(300), bytes(90000)]) {
    await b.stored(path, data)
    await b.alone(prefix, path, data)
  }
}

stores['the same job twice gives one object'] = async (b, prefix) => {
  const data = bytes(100000), path = `${prefix}/a.bin`
  const ids = await Promise.all([b.storing(path, data), b.storing(path, data)])
  for (const id of ids) {
    const st = await b.end(id)
    assert.equal(st.ok, 'ASSEMBLY_COMPLETED', `${st.error}: ${st.message}`)
  }
  await b.alone(prefix, path, data)
}

stores['with a wrong password nothing lands, and it is said'] = async (b, prefix) => {
  await b.fails(await b.storing(`${prefix}/a.bin`, Buffer.from('abc'), b.side.wrong), b.target.codes.denied)
  await b.nothing(prefix)
}

stores['a target that is read-only is said, and nothing lands'] = async (b, prefix) => {
  const path = `${prefix}/a.bin`
  await b.fails(await b.storing(path, Buffer.from('abc'), b.side.readOnly.more(path)), b.target.codes.denied)
  assert.deepEqual(await (b.side.readOnly.list ?? b.side.list)(prefix), [])
}

stores['a target that is full is said, and nothing is left on it'] = async (b, prefix) => {
  const { more, list } = b.side.full, { full: code, failed } = b.target.codes, path = `${prefix}/a.bin`
  await b.fails(await b.storing(path, bytes(BIG), more(path)), code ?? failed)
  const left = async () => (await (list ?? b.side.list)(prefix)).length
  await soon('nothing is left there', async () => await left() === 0)
}

const once = {
  'stalls once': (line) => line.suffer('hold', { after: BIG / 2 }),
  'resets the connection in the middle': (line) => line.suffer('cut', { after: BIG / 2 }),
  'resets the connection before it answers': (line) => line.suffer('cut', { after: 0 }),
  'closes early': (line) => line.suffer('close', { after: BIG / 2 }),
}
for (const [what, fault] of Object.entries(once)) {
  stores[`a server that ${what} gets the whole file all the same`] = async (b, prefix) => {
    const data = bytes(BIG)
    const hit = fault(b.line)
    const id = await b.storing(`${prefix}/a.bin`, data)
    await b.when(hit, id)
    const st = await b.end(id)
    assert.equal(st.ok, 'ASSEMBLY_COMPLETED', `${st.error}: ${st.message}`)
    await b.alone(prefix, `${prefix}/a.bin`, data)
  }
}

stores['a server that answers slowly gets the whole file'] = async (b, prefix) => {
  const data = bytes(100000)
  b.line.answer_ms = 30
  await b.stored(`${prefix}/a.bin`, data)
  await b.alone(prefix, `${prefix}/a.bin`, data)
}

stores['a server that never lets a file through fails it by name, and keeps nothing of it'] = async (b, prefix) => {
  b.line.suffer('cut', { after: BIG / 3, times: Infinity })
  const id = await b.storing(`${prefix}/a.bin`, bytes(BIG))
  await b.fails(id, b.target.codes.failed)
  b.line.calm()
  await b.nothing(prefix)
}

if (full)
  stores['a server that stalls for ever fails it by name, and keeps nothing of it'] = async (b, prefix) => {
    b.line.suffer('hold', { after: BIG / 2, times: Infinity })
    await b.fails(await b.storing(`${prefix}/a.bin`, bytes(BIG)), b.target.codes.failed)
    b.line.calm()
    await b.nothing(prefix)
  }

for (const [where, fault] of Object.entries(phases)) {
  stores[`a cancel ${where} leaves nothing`] = async (b, prefix) => {
    const data = bytes(BIG), path = `${prefix}/a.bin`
    const hit = fault(b.line)
    const id = await b.storing(path, data)
    await b.when(hit, id)
    await b.cancel(id)
    b.line.calm()
    // a server that had all of it may have made an object of it before the answer: a whole one, or none
    let there
    const open = async () => (await b.side.open?.(prefix) ?? []).length
    const clean = async () => (there = await b.side.list(prefix)).every((p) => p === path) && !await open()
    await soon('nothing of a part is left', clean).catch(() => assert.deepEqual(there, []))
    if (where !== 'before the commit') await b.nothing(prefix)
    else if (there.length) assert.equal(md5(await b.side.read(path)), md5(data), 'whole or not at all')
  }
  stores[`a kill -9 of the worker ${where} leaves one whole object`] = async (b, prefix) => {
    const data = bytes(BIG), path = `${prefix}/a.bin`
    const hit = fault(b.line)
    const id = await b.storing(path, data)
    await b.when(hit, id)
    await b.kill()
    b.line.calm()
    const st = await b.end(id)
    assert.equal(st.ok, 'ASSEMBLY_COMPLETED', `${st.error}: ${st.message}`)
    await b.alone(prefix, path, data)
  }
}

// ---- imports ----

const imports = {}
for (const [what, size] of Object.entries(sizes)) {
  imports[`${what} is imported`] = async (b, prefix) => {
    const data = bytes(size)
    await b.side.put(`${prefix}/a.bin`, data)
    const st = await b.imported(`${prefix}/a.bin`)
    assert.equal(st.results.out.length, 1)
    assert.equal(st.results.out[0].name, 'a.bin')
    assert.equal(st.results.out[0].size, size)
    await b.same(st.results.out[0], data)
  }
}

imports['names come as they are'] = async (b, prefix) => {
  await Promise.all(Object.entries(files).map(async ([what, name]) => {
    const data = Buffer.from(what), path = `${prefix}/${name}`
    const refused = b.target.refuses?.[what] ?? b.target.import_refuses?.[what]
    if (refused) {
      const a = await b.server.create({ out: { result: true, ...b.side.import(path, b.line) } })
      const st = a.assembly_id ? await b.end(a.assembly_id) : a
      assert.ok(st.error, `${what}: refused`)
      assert.match(st.message, refused, what)
      return
    }
    await b.side.put(path, data)
    const [result] = (await b.imported(path)).results.out
    await b.same(result, data)
    // no control characters; at most 255 bytes, the extension kept
    const said = b.side.says?.(name) ?? name.replace(/[\u0000-\u001f\u007f]/g, '')
    if (Buffer.byteLength(said) <= 255) assert.equal(result.name, said, what)
    else assert.ok(Buffer.byteLength(result.name) <= 255 && result.name.startsWith('nnn'), what)
  }))
}

imports['a directory of several pages is imported whole'] = async (b, prefix) => {
  const { count, more = {} } = b.side.directory
  const all = Array.from({ length: count }, (_, i) => `f${String(i).padStart(4, '0')}.txt`)
  for (let i = 0; i < count; i += 16)
    await Promise.all(all.slice(i, i + 16).map((name) => b.side.put(`${prefix}/${name}`, Buffer.from(name))))
  const st = await b.imported(`${prefix}/`, more)
  assert.deepEqual(st.results.out.map((r) => r.name).sort(), all)
  await b.same(st.results.out[count - 1], Buffer.from(st.results.out[count - 1].name))
}

imports['a file that is missing is said'] = async (b, prefix) => {
  await b.fails(await b.importing(`${prefix}/no-such.bin`), b.target.import_codes.missing)
}

imports['a wrong password is said'] = async (b, prefix) => {
  await b.side.put(`${prefix}/a.bin`, Buffer.from('abc'))
  await b.fails(await b.importing(`${prefix}/a.bin`, b.side.wrong), b.target.import_codes.denied)
}

const received = {
  'stalls once': (line) => line.suffer('hold', { way: 'received', after: BIG * 0.75 }),
  'resets the connection in the middle': (line) => line.suffer('cut', { way: 'received', after: BIG * 0.75 }),
  'closes early': (line) => line.suffer('close', { way: 'received', after: BIG * 0.75 }),
}
for (const [what, fault] of Object.entries(received)) {
  imports[`from a server that ${what} the whole file comes, and what came is not read again`] = async (b, prefix) => {
    const data = bytes(BIG)
    await b.side.put(`${prefix}/a.bin`, data)
    const hit = fault(b.line)
    const id = await b.importing(`${prefix}/a.bin`)
    await b.when(hit, id)
    const st = await b.end(id)
    assert.equal(st.ok, 'ASSEMBLY_COMPLETED', `${st.error}: ${st.message}`)
    await b.same(st.results.out[0], data)
    // what was on its way when it broke, in the buffers of both ends, is lost
    if (b.target.cannot?.['to resume']) return
    assert.ok(b.line.received < BIG * 1.6, `${b.line.received} bytes came for a file of ${BIG}`)
  }
}

imports['from a server that answers slowly the whole file comes'] = async (b, prefix) => {
  const data = bytes(300000)
  await b.side.put(`${prefix}/a.bin`, data)
  b.line.answer_ms = 30
  await b.same((await b.imported(`${prefix}/a.bin`)).results.out[0], data)
}

imports['a server that never sends it whole fails it by name'] = async (b, prefix) => {
  await b.side.put(`${prefix}/a.bin`, bytes(BIG))
  b.line.suffer('cut', { way: 'received', after: 20000, times: Infinity })
  await b.fails(await b.importing(`${prefix}/a.bin`), b.target.import_codes.failed)
}

imports['a size that is not true fails, and is no file'] = async (b, prefix) => {
  await b.side.lie(`${prefix}/a.bin`)
  await b.fails(await b.importing(`${prefix}/a.bin`), b.target.import_codes.failed)
}

const fetching = {
  'before it is connected': (line) => line.suffer('hold', { after: 0, times: Infinity }),
  'in the middle of the bytes': (line) => line.suffer('hold', { way: 'received', after: BIG / 2, times: Infinity }),
}
for (const [where, fault] of Object.entries(fetching)) {
  imports[`a cancel of an import ${where} leaves nothing`] = async (b, prefix) => {
    await b.side.put(`${prefix}/a.bin`, bytes(BIG))
    const hit = fault(b.line)
    const id = await b.importing(`${prefix}/a.bin`)
    await b.when(hit, id)
    await b.cancel(id)
    b.line.calm()
  }
  imports[`a kill -9 of an importing worker ${where}: another brings the file`] = async (b, prefix) => {
    const data = bytes(BIG)
    await b.side.put(`${prefix}/a.bin`, data)
    const hit = fault(b.line)
    const id = await b.importing(`${prefix}/a.bin`)
    await b.when(hit, id)
    await b.kill()
    b.line.calm()
    const st = await b.end(id)
    assert.equal(st.ok, 'ASSEMBLY_COMPLETED', `${st.error}: ${st.message}`)
    assert.equal(st.results.out.length, 1)
    await b.same(st.results.out[0], data)
  }
}

// ---- the table ----

const LANES = 2 // rows at a time, each lane with a server and a line of its own; one more for those who stall

// The rows that a target has, as [name, fn]; what it has not is added to missing, with the reason.
function rowsOf(target, side, missing) {
  const all = [], known = new Set(['to resume'])
  for (const [kind, rows] of [['store', stores], ['imports', imports]]) {
    for (const name of Object.keys(rows)) known.add(name)
    if (target[kind] === true) all.push(...Object.entries(rows))
    else {
      assert.ok(target[kind], `${target.name} says nothing of ${kind}`)
      missing.push(`every row of ${kind}: ${target[kind]}`)
    }
  }
  for (const [row, why] of Object.entries(target.cannot ?? {})) {
    assert.ok(known.has(row), `there is no row "${row}"`)
    missing.push(`${row}: ${why}`)
  }
  return all.filter(([name]) => {
    const why = (/read-only/.test(name) && side.readOnly?.why) || (/is full/.test(name) && side.full?.why)
    if (why) missing.push(`${name}: ${why}`)
    return !why && !target.cannot?.[name]
  })
}

export function conform(target) {
  test(`${target.name} keeps the table of transfers`, { timeout: 900000, concurrency: LANES + 1 }, async (t) => {
    const side = await target.start(t), missing = []
    const rows = rowsOf(target, side, missing)
    const stalls = ([name]) => / stalls /.test(name)
    const [usual, patient] = [rows.filter((r) => !stalls(r)), rows.filter(stalls)]
    const lane = async (list) => {
      const b = new Bench(target, side)
      await b.open(t)
      for (let row; (row = list.shift());) {
        const [name, fn] = row, allow = /kill/.test(name) ? [/worker/] : []
        await t.test(name, { timeout: 600000 }, () => b.row(name, (prefix) => fn(b, prefix), { allow }))
      }
    }
    await Promise.all([lane(patient), ...Array.from({ length: LANES }, () => lane(usual))])
    for (const line of missing) t.diagnostic(`not with ${target.name}: ${line}`)
    if (!full) t.diagnostic('with FULL=1 also: 200 MB; a server that stalls for ever')
  })
}

// In the end: is everything that was acknowledged there, once, and over?
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import { descriptors } from './census.mjs'
import { sleep } from './daemon.mjs'
import { outcome, over } from './journal.mjs'

const md5 = (data) => createHash('md5').update(data).digest('hex')

async function each(list, at_once, work) {
  const queue = [...list]
  await Promise.all(Array.from({ length: at_once }, async () => { while (queue.length) await work(queue.pop()) }))
}

// Every acknowledged Assembly reaches its end. One whose client never got its files in is canceled first: it would wait
// for them for hours.
export async function settle(daemon, journal, ms) {
  const waiting = new Set()
  await each(journal.entries.values(), 16, async (e) => {
    const s = await daemon.get(e.id)
    e.last = s
    if (s.error === 'ASSEMBLY_NOT_FOUND') {
      if (e.created) journal.problem(e, 'was acknowledged and is lost')
      return
    }
    journal.status(e, s)
    if (over(s)) return
    const complete = e.uploads.size > 0 && [...e.uploads.values()].filter((u) => u.offset === u.length).length >= e.files.length
    const fed = e.kind === 'import' || e.kind === 'bring' || complete || s.ok === 'ASSEMBLY_EXECUTING'
    if (!fed) {
      e.cancel_asked = true
      journal.canceled(e, await daemon.cancel(e.id))
    }
    waiting.add(e)
  })
  for (const end = Date.now() + ms; waiting.size && Date.now() < end; await sleep(50))
    await each([...waiting], 16, async (e) => {
      const s = e.last = await daemon.get(e.id)
      journal.status(e, s)
      if (over(s)) waiting.delete(e)
    })
  for (const e of waiting) journal.problem(e, `is ${e.last.ok} for ever: ${JSON.stringify({ tus: e.last.tus_uploads, running: e.last.running_jobs, started: e.last.started_jobs, known: [...e.uploads.values()] })}`)
}

// What a transfer says when the other server could not be reached.
const unreached = /^(S3_STORE_FAILURE|S3_IMPORT_FAILURE|SFTP_IMPORT_FAILURE|AZURE_IMPORT_FAILURE|WORKER_JOB_ERROR)$/

// The files of what completed are listed once, and their contents are those of what went in. harm: other servers
// failed.
export async function contents(daemon, journal, { harm } = {}) {
  let files = 0
  await each(journal.entries.values(), 8, async (e) => {
    const s = e.last
    if (!s || s.error === 'ASSEMBLY_NOT_FOUND' || !over(s)) return
    if (e.terminal === 'ASSEMBLY_CANCELED' && !e.cancel_asked) journal.problem(e, 'is canceled, and nobody asked')
    const fate = harm && (e.target || e.kind === 'bring') && unreached.test(s.error)
    if (s.error && s.error !== 'REQUEST_ABORTED' && !fate)
      journal.problem(e, `failed: ${s.error} ${s.message} ${s.reason || ''}`)
    if (s.ok !== 'ASSEMBLY_COMPLETED') return
    for (const [step, want] of Object.entries(e.results)) {
      const list = s.results[step] || []
      if (list.length !== want) journal.problem(e, `${list.length} results of ${step}, not ${want}`)
    }
    const want = [...e.files.map((f) => f.md5), ...(e.imported ? [e.imported.md5] : [])].sort()
    const have = (s.results[':original'] || s.results.i || []).map((f) => f.md5hash).sort()
    if ((want.length || e.kind !== 'bare') && want.join() !== have.join()) journal.problem(e, `files are ${have}, not ${want}`)
    if (e.target) return // it is at its target: exports()
    for (const f of Object.values(s.results).flat()) {
      const res = await fetch(daemon.url + new URL(f.url).pathname)
      const data = Buffer.from(await res.arrayBuffer())
      files++
      if (res.status !== 200 || data.length !== f.size || (f.md5hash && md5(data) !== f.md5hash))
        journal.problem(e, `result ${f.url}: HTTP ${res.status}, ${data.length} bytes of ${f.size}`)
    }
  })
  return files
}

// What completed is at its target, whole and alone; of all others there is the whole file or nothing. What the death of
// the other server left is taken back when it is there again, and the receipt says so then.
export async function exports(daemon, journal, abroad, ms) {
  const kept = 'whole, of one that was canceled or failed'
  const out = { whole: 0, nothing: 0, [kept]: 0, 'named by its receipt': 0, 'settled later': 0 }
  const end = Date.now() + ms
  const stores = [...journal.entries.values()]
    .filter((e) => e.target && e.last && e.last.error !== 'ASSEMBLY_NOT_FOUND')
  await each(stores, 8, async (e) => {
    const s = e.last
    let rest, late = false
    while ((rest = await abroad.rest(e.target)).length && Date.now() < end) await sleep(100)
    if (rest.length) journal.problem(e, `left at ${e.target.place.name}: ${rest}`)
    while (s.cancel && !e.last.cancel.settled && Date.now() < end) {
      late = true
      await sleep(100)
      e.last = await daemon.get(e.id)
    }
    if (late) out['settled later']++
    if (s.cancel && !e.last.cancel.settled)
      journal.problem(e, `its cancel never settles: ${JSON.stringify(e.last.cancel)}`)
    const state = await abroad.state(e.target)
    const how = state === 'whole' && s.ok !== 'ASSEMBLY_COMPLETED' ? kept : state
    out[how] = (out[how] ?? 0) + 1
    if (state !== 'whole' && (s.ok === 'ASSEMBLY_COMPLETED' || state !== 'nothing'))
      journal.problem(e, `it is ${outcome(s)}, and at ${e.target.place.name} there is ${state}`)
    if (state === 'whole' && e.last.cancel?.exports_kept.length) out['named by its receipt']++
    if (state !== 'whole' && s.cancel?.exports_kept.length)
      journal.problem(e, `its receipt speaks of ${s.cancel.exports_kept}, and there is ${state}`)
  })
  return out
}

// Each job was billed once: an Assembly's rows in the ledger are what its status says, and the bill is the sum of all rows.
export function usage(daemon, journal) {
  const sql = (text) => execFileSync('sqlite3', [path.join(daemon.dir, 'workcell.db'), text], { encoding: 'utf8', maxBuffer: 1 << 28 }).trim()
  const rows = sql('select assembly_id, count(*), sum(bytes) from ledger group by 1').split('\n').filter(Boolean)
  const billed = new Map(rows.map((r) => r.split('|')).map(([id, jobs, bytes]) => [id, { jobs: Number(jobs), bytes: Number(bytes) }]))
  let jobs = 0
  for (const e of journal.entries.values()) {
    if (!e.last || e.last.error === 'ASSEMBLY_NOT_FOUND') continue
    const have = billed.get(e.id) || { jobs: 0, bytes: 0 }
    jobs += have.jobs
    if (have.bytes !== e.last.bytes_usage) journal.problem(e, `billed ${have.bytes} bytes in ${have.jobs} jobs, its status says ${e.last.bytes_usage}`)
  }
  const [all, sums] = [sql('select count(*), sum(bytes) from ledger'), sql('select sum(jobs), sum(bytes) from bill')]
  if (all !== sums) journal.problem(null, `the bill is ${sums}, its rows are ${all}`)
  return jobs
}

// Nothing is left of anything: files in the scratch space, partial uploads, blobs that no Assembly names.
export async function leftovers(daemon, journal) {
  for (let i = 0; i < 100 && (daemon.scratchFiles().length || daemon.partialUploads().length); i++) await sleep(50)
  for (const f of daemon.scratchFiles()) journal.problem(null, `left in the scratch space: ${f}`)
  for (const f of descriptors(daemon)) journal.problem(null, `a descriptor of the server is left: ${f}`)
  for (const f of daemon.partialUploads()) journal.problem(null, `left of an upload: ${f}`)
}

// The same again after a clean restart: nothing that was told changes.
export async function again(daemon, journal) {
  await each(journal.entries.values(), 16, async (e) => {
    const s = await daemon.get(e.id)
    journal.status(e, s)
    if (e.terminal && JSON.stringify(s.results) !== JSON.stringify(e.last.results)) journal.problem(e, 'its results changed with a restart')
    if (e.last?.cancel?.settled && JSON.stringify(s.cancel) !== JSON.stringify(e.last.cancel)) journal.problem(e, 'its receipt changed with a restart')
  })
}

export function summary(journal) {
  const out = {}
  for (const e of journal.entries.values()) {
    const k = e.last && e.last.error === 'ASSEMBLY_NOT_FOUND' ? 'never acknowledged' : e.last ? outcome(e.last) : 'unknown'
    out[k] = (out[k] || 0) + 1
  }
  return out
}

// From the start of the process to the first answer (G19): an empty directory, and one with very many open Assemblies, each
// with a job to run. They are copies of a real one, made in the database while the server is down.
import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import path from 'node:path'
import { Daemon } from './daemon.mjs'
import { Series } from './stats.mjs'

const sql = (db, text) => execFileSync('sqlite3', [db], { input: text, maxBuffer: 1 << 28 }).toString()

// Multiplies an Assembly that is over into many that are not: its events up to its first job, under new ids. Sealed steps
// are bound to their Assembly; the copies have them in the open, as the first versions wrote them.
function multiply(db, source, steps, count) {
  sql(db, `update event set body = json_remove(json_set(body, '$.d.steps', json('${JSON.stringify(steps)}')), '$.d.sealed') where assembly_id = '${source}' and seq = 1`)
  const first = sql(db, `select min(seq) from event where assembly_id = '${source}' and body like '%"job_started"%'`).trim()
  const values = Array.from({ length: count }, () => `('${randomBytes(16).toString('hex')}')`)
  sql(db, `create temp table copy(id text);
    insert into copy values ${values.join(',')};
    begin;
    insert into assembly(id, workspace, created_us) select copy.id, a.workspace, a.created_us from copy, assembly a where a.id = '${source}';
    insert into event(assembly_id, seq, at_us, body)
      select copy.id, e.seq, e.at_us, replace(e.body, '${source}', copy.id) from copy, event e where e.assembly_id = '${source}' and e.seq < ${Number(first)};
    commit;`)
}

async function starts(d, times) {
  const s = new Series()
  for (let i = 0; i < times; i++) {
    await d.crash()
    const began = performance.now()
    await d.boot()
    if ((await fetch(`${d.url}/healthz`)).status !== 200) throw new Error('it does not answer')
    s.add(performance.now() - began)
  }
  return s
}

export async function restart({ open, say = console.log }) {
  const problems = []
  const steps = { ':original': { robot: '/upload/handle' } }
  const d = await Daemon.start(['--workers-media', '1', '--max-assemblies', '0'])
  const empty = await starts(d, 9)
  const a = await d.create(steps, { files: { 'a.bin': 'some bytes' } })
  await d.until(a.assembly_id)
  await d.crash()
  multiply(path.join(d.dir, 'workcell.db'), a.assembly_id, steps, open)
  await d.boot()
  const full = await starts(d, 3)
  const rss = d.rss()
  const began = performance.now()
  const answered = await d.create(steps, { files: { 'b.bin': 'other bytes' } })
  const first = performance.now() - began
  const sleeping = sql(path.join(d.dir, 'workcell.db'), 'select id from assembly order by id desc limit 1 offset 3').trim()
  const asked = performance.now()
  const other = await d.get(sleeping)
  const found = performance.now() - asked
  if (other.ok !== 'ASSEMBLY_EXECUTING') problems.push(`the last of them: ${other.error || other.ok} ${other.message || ''}`)
  if (answered.ok !== 'ASSEMBLY_EXECUTING' && answered.ok !== 'ASSEMBLY_COMPLETED') problems.push(`a new Assembly beside them: ${answered.error || answered.ok}`)
  if (!(empty.at(0.5) <= 300)) problems.push(`empty: ${empty.at(0.5).toFixed(0)} ms, not 300`)
  if (!(full.at(0.5) <= 3000)) problems.push(`${open} open: ${full.at(0.5).toFixed(0)} ms, not 3000`)
  say(`restart, from exec to the first answer: empty ${empty}; with ${open} open Assemblies ${full}; ${(rss / 1e6).toFixed(0)} MB then; a new one is answered after ${first.toFixed(0)} ms, the last of the old ones after ${found.toFixed(0)} ms`)
  // the copies share one file: that a job of one of them can't name it is not what this is about
  problems.push(...d.errors().filter((l) => !/belongs to another Assembly/.test(l)).slice(0, 5).map((l) => `log: ${l}`))
  await d.crash()
  return { problems }
}

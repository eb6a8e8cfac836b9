// From the start of the process to the first answer (G19): an empty directory, and one with very many open Assemblies, each
// with a job to run. They are copies of a real one, made in the database while the server is down.
import { multiply } from '../e2e/copies.mjs'
import { Daemon } from './daemon.mjs'
import { Series } from './stats.mjs'

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
  const ids = multiply(d, a.assembly_id, steps, open).sort()
  await d.boot()
  const full = await starts(d, 3)
  const rss = d.rss()
  const began = performance.now()
  const answered = await d.create(steps, { files: { 'b.bin': 'other bytes' } })
  const first = performance.now() - began
  const asked = performance.now()
  const other = await d.get(ids.at(-1))
  const found = performance.now() - asked
  if (!/^ASSEMBLY_(EXECUTING|COMPLETED)$/.test(other.ok)) problems.push(`the last of them: ${other.error || other.ok} ${other.message || ''}`)
  if (!/^ASSEMBLY_(EXECUTING|COMPLETED)$/.test(answered.ok)) problems.push(`a new Assembly beside them: ${answered.error || answered.ok}`)
  if (!(empty.at(0.5) <= 300)) problems.push(`empty: ${empty.at(0.5).toFixed(0)} ms, not 300`)
  if (!(full.at(0.5) <= 3000)) problems.push(`${open} open: ${full.at(0.5).toFixed(0)} ms, not 3000`)
  say(`restart, from exec to the first answer: empty ${empty}; with ${open} open Assemblies ${full}; ${(rss / 1e6).toFixed(0)} MB then; a new one is answered after ${first.toFixed(0)} ms, the last of the old ones after ${found.toFixed(0)} ms`)
  problems.push(...d.errors().slice(0, 5).map((l) => `log: ${l}`))
  await d.crash()
  return { problems }
}

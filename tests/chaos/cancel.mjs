// DELETE in every phase, one at a time: what is there before, what the answer says, what is there after it.
import fs from 'node:fs'
import { Abroad } from './abroad.mjs'
import { census, nothing, text } from './census.mjs'
import { Daemon, picture, sleep, until } from './daemon.mjs'
import { farPhases } from './far.mjs'
import { Origin } from './origin.mjs'
import { huge, phases, resize } from './phases.mjs'
import { png } from './png.mjs'
import { Series } from './stats.mjs'

async function one(d, name, phase, r, origin, problems, times) {
  const p = await phase(d, r, origin)
  if (!await until(p.ready, 15000, 5)) {
    p.end?.()
    const s = await d.cancel(p.id)
    if (!p.optional) problems.push(`${name}: the phase was not reached (${s.ok || s.error})`)
    return p.optional ? 'not reached' : 'failed'
  }
  if (p.wait_ms) await sleep(p.wait_ms)
  const before = census(d)
  let s = await d.cancel(p.id)
  // another server may need more time than a DELETE waits, and the answer says so
  if (p.far && s.cancel && !s.cancel.settled)
    s = { ...await d.until(p.id, (now) => now.cancel.settled, 60000), ms: s.ms }
  const after = census(d)
  const bad = (what) => problems.push(`${name}: ${what}`)
  if (p.over) {
    times.add(s.ms)
    if (s.ok !== 'ASSEMBLY_COMPLETED') bad(`the answer is ${s.ok || s.error}`)
    const said = await p.after()
    if (said !== true) bad(said)
    return `${s.ms.toFixed(0)} ms; it is over, and its delivery goes on`
  }
  if (s.ok !== 'ASSEMBLY_CANCELED') {
    p.end?.()
    if (!p.may_complete || s.ok !== 'ASSEMBLY_COMPLETED') bad(`the answer is ${s.ok || s.error}`)
    return 'completed first'
  }
  if (!p.far) times.add(s.ms)
  if (!s.cancel.settled) bad(`not settled when answered (${JSON.stringify(s.cancel)})`)
  if (!nothing(after)) bad(`left after the answer: ${text(after)}`)
  const c = s.cancel
  if (p.least && before.busy.length < p.least) bad(`${before.busy.length} processes were at it, not ${p.least}`)
  if (c.processes_killed < before.busy.length || (before.busy.length && c.processes_killed > before.busy.length + 2)) bad(`the receipt counts ${c.processes_killed} processes, the census ${before.busy.length}`)
  if (p.uploads !== undefined && c.uploads_stopped !== p.uploads) bad(`the receipt counts ${c.uploads_stopped} uploads`)
  if (c.bytes_freed < before.partial_bytes) bad(`the receipt counts ${c.bytes_freed} bytes, the census ${before.partial_bytes}`)
  if (p.queued && c.jobs_dropped < 1) bad('no job was dropped')
  const now = await d.get(p.id)
  if (now.ok !== 'ASSEMBLY_CANCELED' || JSON.stringify(now.cancel) !== JSON.stringify(c)) bad(`GET says ${now.ok}, ${JSON.stringify(now.cancel)}`)
  const said = p.after ? await p.after() : true
  if (said !== true) bad(said)
  await sleep(30)
  const later = await d.get(p.id)
  if (later.ok !== 'ASSEMBLY_CANCELED') bad(`later it is ${later.ok || later.error}`)
  return `${s.ms.toFixed(0)} ms; ${c.processes_killed} processes, ${c.jobs_stopped}+${c.jobs_dropped} jobs, ${c.uploads_stopped} uploads, ${c.bytes_freed} bytes`
}

// Twice at once, from two clients, and a race with the end.
async function together(d, r, problems) {
  for (let i = 0; i < 10; i++) {
    const a = await d.create(huge, { files: { 'a.png': fs.readFileSync(picture) } })
    await sleep(r.int(0, 200))
    const all = await Promise.all(Array.from({ length: 4 }, () => d.cancel(a.assembly_id)))
    for (const s of all) if (s.ok !== 'ASSEMBLY_CANCELED' || JSON.stringify(s.cancel) !== JSON.stringify(all[0].cancel)) problems.push(`cancels at once: ${s.ok}, ${JSON.stringify(s.cancel)} and ${JSON.stringify(all[0].cancel)}`)
    const left = census(d)
    if (!nothing(left)) problems.push(`cancels at once left ${text(left)}`)
  }
  const won = { ASSEMBLY_CANCELED: 0, ASSEMBLY_COMPLETED: 0 }
  let end = 20 // ms: where it is about as likely to be over as not
  for (let i = 0; i < 60; i++) {
    const a = await d.create(resize({ width: 20 }), { files: { 'a.png': png(50, 50) } })
    const until = performance.now() + end * (0.5 + r.next())
    await sleep(Math.max(0, until - performance.now() - 2))
    while (performance.now() < until) ; // a timer is too coarse for this
    const s = await d.cancel(a.assembly_id)
    won[s.ok]++
    end *= s.ok === 'ASSEMBLY_CANCELED' ? 1.15 : 1 / 1.15
    const later = await d.get(a.assembly_id)
    if (later.ok !== s.ok || (s.ok === 'ASSEMBLY_CANCELED' && JSON.stringify(later.results) !== JSON.stringify(s.results))) problems.push(`the race: was ${s.ok}, is ${later.ok}`)
  }
  return won
}

export async function cancel({ random, say = console.log, only }) {
  const origin = await Origin.start(), abroad = await Abroad.start()
  const all = { ...phases, ...farPhases(abroad) }
  const args = ['--import-allow', '127.0.0.1', '--notify-allow', '127.0.0.1', ...abroad.args]
  const d = await Daemon.start(args, { env: abroad.env })
  await sleep(1000) // its first workers warm up
  const problems = []
  const times = new Series()
  say('cancel, phase by phase (answer; what the receipt counts):')
  for (const name of only ?? Object.keys(all)) {
    const said = await one(d, name, all[name], random.stream(name), origin, problems, times)
    say(`  ${name}: ${said}`)
  }
  const won = await together(d, random, problems)
  say(`  at once and again: 10 Assemblies with 4 DELETEs each; races with the end: ${Object.entries(won).map(([k, n]) => `${k} ${n}`).join(', ')}`)
  say(`  answers: ${times}`)
  problems.push(...await d.end())
  origin.stop()
  await abroad.stop()
  return { problems, times }
}

// DELETE at random moments of random phases, under load, very many times (G4, G5). Right after each answer: what process
// still holds a file of this Assembly? The load comes from another thread, so that it does not stand in the way of the clock.
import fs from 'node:fs'
import path from 'node:path'
import { Worker } from 'node:worker_threads'
import { descriptors } from './census.mjs'
import { Daemon, sleep } from './daemon.mjs'
import { Origin } from './origin.mjs'
import { huge, phases, resize } from './phases.mjs'
import { png } from './png.mjs'
import { Series } from './stats.mjs'

const thumb = png(50, 50)
const more = {
  async 'races with the end'(d) { return { id: (await d.create(resize({ width: 20 }), { files: { 'a.png': thumb } })).assembly_id } },
  async 'an import trickles in'(d, r, origin) { return { id: (await d.create({ i: { robot: '/http/import', url: `${origin.url}/trickle` } })).assembly_id } },
  async 'faces are searched'(d) { return { id: (await d.create({ r: { robot: '/image/facedetect', use: ':original' } }, { files: { 'a.png': png(1500, 1500) } })).assembly_id } },
  async 'created this moment'(d, r) {
    const id = r.hex(32)
    const made = d.create(huge, { id, expected: 1 })
    return { id, end: () => made, early: true }
  },
}
const all = { ...phases, ...more }

const started = (pid) => { try { return fs.readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1).split(' ')[19] } catch { return null } }

// The blobs of an Assembly by inode: a hard link in a worker's in/ tells whose job it does.
function inodes(d, status) {
  const out = new Set()
  for (const f of [...status.uploads || [], ...Object.values(status.results || {}).flat()])
    try { out.add(fs.statSync(path.join(d.dir, 'blobs', f.id.slice(0, 2), f.id)).ino) } catch { /* gone */ }
  return out
}

function workersOf(d, inos) {
  return inos.size === 0 ? [] : d.processes().filter(({ pid }) => {
    try {
      const cwd = fs.readlinkSync(`/proc/${pid}/cwd`)
      return cwd.includes('/scratch/') && fs.readdirSync(path.join(cwd, 'in')).some((n) => inos.has(fs.statSync(path.join(cwd, 'in', n)).ino)) && started(pid)
    } catch { return false }
  }).map((p) => p.pid)
}

// Where the time of an answer went, by the daemon's own log: until the cancel was applied, until nothing was left, until it was told.
function parts(d, id, asked, ms) {
  const at = (what) => Date.parse(d.log.match(new RegExp(`^(\\S+) .*assembly=${id} ${what}`, 'm'))?.[1])
  const applied = at('over: ASSEMBLY_CANCELED') - asked, settled = at('canceled: ') - asked
  return Number.isNaN(applied + settled) ? '' : `${applied} + ${settled - applied} + ${Math.round(ms) - settled}`
}

export async function cancels({ random, count, say = console.log }) {
  const problems = []
  const origin = await Origin.start()
  const d = await Daemon.start(['--import-allow', '127.0.0.1', '--notify-allow', '127.0.0.1', '--worker-jobs', '20'])
  await sleep(1000) // its first workers warm up
  const load = new Worker(new URL('./small.mjs', import.meta.url), { workerData: { url: d.url, lanes: 3 } })
  const answers = new Series(), gone = new Series()
  const came = {}
  const slow = []
  let exact = 0, late = 0
  for (let i = 0; i < count; i++) {
    const name = random.pick(Object.keys(all))
    const r = random.stream(`${i}`)
    const p = await all[name](d, r, origin)
    await sleep(p.early ? r.int(0, 6) : Math.floor(Math.exp(r.next() * 6.5)) - 1)
    const before = await d.get(p.id)
    const inos = inodes(d, before)
    // one that stands still can't end its job between the census and the cancel
    const hold = r.chance(0.4) ? workersOf(d, inos) : []
    for (const pid of hold) try { process.kill(pid, 'SIGSTOP') } catch { /* it ended */ }
    const still = hold.length > 0 && workersOf(d, inos).length === hold.length
    const second = !p.early && r.chance(0.2) && d.cancel(p.id)
    const t = performance.now(), asked = Date.now()
    const s = await d.cancel(p.id)
    // one whose job ended just before it was made to stand still has not been killed, and gets other work
    for (const pid of hold) try { process.kill(pid, 'SIGCONT') } catch { /* gone, as it should be */ }
    for (;;) {
      const left = workersOf(d, inos)
      if (!left.length || s.ok !== 'ASSEMBLY_CANCELED') break
      if (performance.now() - t > 5000) { problems.push(`${name}: processes ${left} are still there 5 s after the answer`); break }
      problems.push(`${name}: after the answer ${left.length} processes hold its files`)
      await sleep(1)
    }
    const bad = (what) => problems.push(`${name} (${p.id}): ${what}`)
    const end = s.error || s.ok
    came[end] = (came[end] || 0) + 1
    // nobody has been told yet that it exists, and the DELETE can overtake its creation
    if (end === 'ASSEMBLY_NOT_FOUND' && (p.early || p.unanswered)) { await p.end(); await d.cancel(p.id); continue }
    answers.add(s.ms)
    slow.push([s.ms, name, s.cancel, parts(d, p.id, asked, s.ms)])
    gone.add(performance.now() - t)
    const other = second && ((await second).error || (await second).ok)
    // as above: this DELETE was sent first, and can have overtaken a creation that nobody has been told of
    if (second && other !== end && !(p.unanswered && other === 'ASSEMBLY_NOT_FOUND')) bad(`two answers: ${end} and ${other}`)
    if (s.ok === 'ASSEMBLY_COMPLETED') late++
    else if (s.ok !== 'ASSEMBLY_CANCELED') bad(`${end}: ${s.message}`)
    else {
      if (!s.cancel.settled) bad('not settled when answered')
      if (s.running_jobs.length) bad('jobs run in a canceled status')
      // a job that began meanwhile may have been given to a process that was only about to be
      if (still && s.cancel.jobs_stopped === hold.length && s.started_jobs.length === before.started_jobs.length) {
        exact++
        if (s.cancel.processes_killed < hold.length) bad(`${hold.length} processes stood still, the receipt says ${s.cancel.processes_killed}`)
      }
      if (p.uploads !== undefined && s.cancel.uploads_stopped > p.uploads) bad(`${s.cancel.uploads_stopped} uploads stopped`)
    }
    await p.end?.()
    const now = await d.get(p.id)
    if ((now.error || now.ok) !== end || JSON.stringify(now.cancel) !== JSON.stringify(s.cancel)) bad(`the answer was ${end}, GET says ${now.error || now.ok}`)
  }
  load.postMessage('stop')
  const served = await new Promise((r) => load.on('message', r))
  problems.push(...served.problems)
  // create requests that were deserted before anybody knew of their Assembly are let go within two seconds
  // (and a new worker's first exercise takes a moment)
  for (let i = 0; i < 100 && (d.scratchFiles().length || d.partialUploads().length || descriptors(d).length); i++) await sleep(50)
  if (d.scratchFiles().length) problems.push(`left in the scratch space: ${d.scratchFiles()}`)
  if (d.partialUploads().length) problems.push(`left of uploads: ${d.partialUploads()}`)
  if (descriptors(d).length) problems.push(`descriptors left: ${descriptors(d)}`)
  // the 99th percentile of a short run is its slowest, and that is chance; so is what else the machine does then
  const tail = count >= 1000 ? 0.99 : 0.5
  for (const [series, what, limit] of [[answers, 'answers came', 50], [gone, 'everything was gone', 250]])
    if (!(series.at(tail) <= limit)) problems.push(`${what} after ${series.at(tail).toFixed(0)} ms at p${tail * 100}, not ${limit}`)
  say(`cancels: ${count} at random moments: ${Object.entries(came).map(([k, n]) => `${k} ${n}`).join(', ')}; ${exact} receipts compared with a census of stopped processes; ${served.done} other Assemblies meanwhile`)
  say(`  answers: ${answers}; ${answers.histogram()}`)
  say(`  the slowest (until it was applied + until nothing was left + until it was told): ${slow.sort((a, b) => b[0] - a[0]).slice(0, 8).map(([ms, name, c, how]) => `${ms.toFixed(0)} ms ${name}${how && ` (${how}, ${c.processes_killed} killed)`}`).join(', ')}`)
  say(`  nothing left: ${gone}`)
  problems.push(...await d.end())
  origin.stop()
  return { problems, answers, gone, late }
}

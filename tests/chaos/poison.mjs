// A file that kills its worker each time (here: whoever holds it is killed) fails its Assembly after the attempts that are
// allowed, by name, and does no harm to others.
import fs from 'node:fs'
import path from 'node:path'
import { Daemon, sleep } from './daemon.mjs'
import { big, resize } from './phases.mjs'
import { png } from './png.mjs'

const attempts = 3

export async function poison({ say = console.log }) {
  const problems = []
  const d = await Daemon.start(['--job-attempts', String(attempts)])
  const bad = await d.create(resize({ width: 100 }), { files: { 'poison.png': big(), 'good.png': png(40, 30) } })
  const deaths = new Set()
  let others = 0
  for (const end = Date.now() + 30000; Date.now() < end;) {
    const s = await d.get(bad.assembly_id)
    if (s.error || s.ok === 'ASSEMBLY_COMPLETED') break
    const blob = s.uploads.find((u) => u.name === 'poison.png')
    const ino = blob && fs.statSync(path.join(d.dir, 'blobs', blob.id.slice(0, 2), blob.id)).ino
    for (const { pid, pgrp } of d.processes()) {
      if (pid !== pgrp) continue // helpers of a worker die with it
      try {
        const cwd = fs.readlinkSync(`/proc/${pid}/cwd`)
        if (!cwd.includes('/scratch/') || !fs.readdirSync(path.join(cwd, 'in')).some((n) => fs.statSync(path.join(cwd, 'in', n)).ino === ino)) continue
        process.kill(pid, 'SIGKILL')
        deaths.add(pid)
      } catch { /* it ended */ }
    }
    if (others < 20) {
      const other = await d.create(resize({ width: 10 }), { files: { 'a.png': png(30, 30) } })
      const o = await d.until(other.assembly_id)
      if (o.ok !== 'ASSEMBLY_COMPLETED') problems.push(`another Assembly: ${o.error || o.ok}`)
      others++
    }
    await sleep(2)
  }
  const s = await d.get(bad.assembly_id)
  if (!s.error) problems.push(`it is ${s.ok}`)
  if (!JSON.stringify([s.message, s.reason, s.error_details]).includes('poison.png')) problems.push(`its error does not name the file: ${JSON.stringify([s.message, s.reason])}`)
  // two jobs hold the file, one after the other: its metadata, which may be quicker than the killer, and the resize
  if (deaths.size < attempts || deaths.size >= 2 * attempts) problems.push(`it was tried ${deaths.size} times, with ${attempts} attempts for each of two jobs`)
  if (!s.message?.includes(`tried ${attempts} times`)) problems.push(`its error says ${s.message}`)
  say(`poison: ${s.error} after ${deaths.size} deaths (${attempts} attempts allowed): ${s.message}; ${others} others completed meanwhile`)
  problems.push(...await d.end())
  return { problems }
}

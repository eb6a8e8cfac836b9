// What the machine knows of one Assembly or of all: processes, scratch bytes, descriptors, partial files. From /proc and the
// data directory, never from the server.
import fs from 'node:fs'
import path from 'node:path'

const link = (p) => { try { return fs.readlinkSync(p) } catch { return '' } }
const list = (p) => { try { return fs.readdirSync(p) } catch { return [] } }

// a new worker's first exercise, and the code page of a library, not a job's
const warm = (file) => /(^|\/)(warm\.jpg$|orcexec\.)/.test(file)

// Workers whose in/ holds a file, with everything in their process group.
export function busy(daemon) {
  const all = daemon.processes()
  const groups = new Set(all.filter((p) => p.pid === p.pgrp).filter((p) => {
    const cwd = link(`/proc/${p.pid}/cwd`)
    return cwd.includes('/scratch/') && [...list(path.join(cwd, 'in')), ...list(path.join(cwd, 'out'))].some((f) => !warm(f))
  }).map((p) => p.pgrp))
  return all.filter((p) => groups.has(p.pgrp))
}

export function processesOf(daemon, pids) {
  return pids.filter((pid) => {
    try {
      const stat = fs.readFileSync(`/proc/${pid}/stat`, 'utf8')
      return !/^[ZX]/.test(stat.slice(stat.lastIndexOf(')') + 2))
    } catch { return false }
  })
}

const bytes = (files) => files.reduce((sum, f) => { try { return sum + fs.statSync(f).size } catch { return sum } }, 0)

// Descriptors of the daemon on files that jobs and uploads write, also removed ones.
export function descriptors(daemon) {
  return list(`/proc/${daemon.child.pid}/fd`).map((n) => link(`/proc/${daemon.child.pid}/fd/${n}`))
    .filter((t) => t.startsWith(daemon.dir) && /\/(scratch|uploads)\//.test(t) && !/\/scratch\/[^/]+\/out$/.test(t)) // of a warm worker the directory is kept open
}

export function census(daemon) {
  const scratch = daemon.scratchFiles().filter((f) => !warm(f))
  const partial = daemon.partialUploads().map((n) => path.resolve(daemon.dir, 'uploads', n))
  return { busy: busy(daemon).map((p) => p.pid), scratch, scratch_bytes: bytes(scratch), partial, partial_bytes: bytes(partial), descriptors: descriptors(daemon) }
}

export const nothing = (c) => !c.busy.length && !c.scratch.length && !c.partial.length && !c.descriptors.length
export const text = (c) => JSON.stringify({ busy: c.busy, scratch: c.scratch, partial: c.partial, descriptors: c.descriptors })

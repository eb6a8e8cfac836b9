// kill -9 in the middle of an encode: of the program, of its worker, the worker's init, the zygote, the daemon. Each
// time the film is there in the end, once, nothing of the run that died goes on, and nothing of it is left.
import fs from 'node:fs'
import { census, nothing, processesOf, text } from './census.mjs'
import { Daemon, sleep, until } from './daemon.mjs'
import { encoding, film, lines, sizes, subtitles } from './phases.mjs'

const comm = (pid) => { try { return fs.readFileSync(`/proc/${pid}/comm`, 'utf8').trim() } catch { return '' } }

// pid of what is to die, among those that are at the job
function victim(d, kind) {
  const at = d.processes()
  const program = at.find((p) => comm(p.pid) === 'ffmpeg')
  const worker = at.find((p) => p.pid === program?.ppid)
  const init = at.find((p) => p.pid === worker?.ppid)
  const zygote = at.find((p) => p.pid === init?.ppid)
  return { program, worker, init, zygote }[kind]?.pid
}

async function one(d, kind, bad, together) {
  const data = film('640x360', 8), steps = together ? sizes : subtitles
  const p = await encoding(d, steps, together ? { 'a.mp4': data } : { 'a.mp4': data, 'a.srt': lines })
  if (!await until(p.ready, 20000, 5)) return bad('the encode did not begin')
  await sleep(p.wait_ms)
  const before = census(d).busy
  const began = performance.now()
  if (kind === 'daemon') {
    await d.crash()
    await d.boot()
  } else {
    const pid = victim(d, kind)
    if (!pid) return bad('there is nothing to kill')
    process.kill(pid, 'SIGKILL')
  }
  const gone = await until(() => processesOf(d, before).length === 0, kind === 'program' ? 20000 : 2000, 5)
  const ms = performance.now() - began
  if (!gone && kind !== 'program') bad(`${processesOf(d, before).map(comm)} went on for two seconds`)
  const s = await d.until(p.id, undefined, 240000)
  const once = ([film0, ...more] = []) => film0?.meta.duration > 7.9 && !more.length
  const made = s.ok === 'ASSEMBLY_COMPLETED' && Object.keys(steps).every((name) => once(s.results[name]))
  // how a program ends is a failure of the command, which is not tried again: but where it was at work for several jobs
  const fails = kind === 'program' && !together
  if (fails ? s.error !== 'INTERNAL_COMMAND_ERROR' : !made)
    bad(`it is ${s.error || s.ok}: ${s.message}, ${JSON.stringify(s.results.r)}`)
  if (!await until(() => nothing(census(d)), 3000)) bad(`left: ${text(census(d))}`)
  if (fails) return 'the job failed'
  return `${before.length} processes gone after ${ms.toFixed(0)} ms, and the film was made again`
}

export async function encodes({ say = console.log }) {
  const problems = []
  const d = await Daemon.start(['--encode-threads', '1']) // so that sizes are made together on any machine
  await sleep(1000)
  say('encodes, kill -9 in the middle of one:')
  for (const together of [false, true]) {
    for (const kind of ['program', 'worker', 'init', 'zygote', 'daemon']) {
      const name = together ? `${kind}, two sizes by one program` : kind
      say(`  ${name}: ${await one(d, kind, (what) => problems.push(`${name}: ${what}`), together) ?? 'failed'}`)
    }
  }
  problems.push(...await d.end())
  return { problems }
}

// DELETE in every phase, one at a time: what is there before, what the answer says, what is there after it.
import fs from 'node:fs'
import { census, nothing, text } from './census.mjs'
import { Daemon, KEY, picture, sleep, until } from './daemon.mjs'
import { Origin } from './load.mjs'
import { png } from './png.mjs'
import { Series } from './stats.mjs'

const resize = (more) => ({ r: { robot: '/image/resize', use: ':original', result: true, ...more } })
const huge = resize({ width: 9000, format: 'avif' })
const params = (steps) => JSON.stringify({ auth: { key: KEY }, steps })

// Each sets something going and returns {id, ready, check}: ready says that the phase is reached, check gets the status.
const phases = {
  async 'a multipart body arrives'(d, r) {
    const id = r.hex(32)
    const c = d.raw()
    c.write(`POST /assemblies/${id} HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: 9000000\r\n\r\n` +
      `--b\r\nContent-Disposition: form-data; name="params"\r\n\r\n${params(huge)}\r\n--b\r\nContent-Disposition: form-data; name="f"; filename="f"\r\n\r\n`)
    c.write(r.bytes(700000))
    return { id, ready: () => census(d).partial_bytes >= 600000, uploads: 1, after: async () => { await c.ended; return /ASSEMBLY_CANCELED/.test(c.text) || 'the create request was not answered with the canceled status' } }
  },
  async 'a PATCH sends'(d, r) { return patching(d, r, true) },
  async 'a PATCH stalls'(d, r) { return patching(d, r, false) },
  async 'jobs are queued'(d) {
    const data = fs.readFileSync(picture)
    const a = await d.create(huge, { files: Object.fromEntries(Array.from({ length: 6 }, (_, i) => [`${i}.png`, data])) })
    return { id: a.assembly_id, ready: async () => census(d).busy.length >= 2 && (await d.get(a.assembly_id)).running_jobs.some((j) => j.startsWith('r')), queued: true }
  },
  async 'metadata is read (ffprobe, a grandchild)'(d) {
    // a sound that ffprobe takes its time for: no header says how long it is
    const a = await d.create(huge, { files: { 'a.mp3': slowSound() } })
    return { id: a.assembly_id, ready: () => census(d).busy.length >= 2, least: 2, optional: true }
  },
  async 'libvips decodes'(d) { return working(d, resize({ width: 100 }), big(), 0) },
  async 'libvips resizes'(d) { return working(d, resize({ width: 7000, height: 7000, resize_strategy: 'stretch', format: 'jpg' }), fs.readFileSync(picture), 100) },
  async 'libvips encodes AVIF'(d) { return working(d, huge, fs.readFileSync(picture), 500) },
  async 'libvips encodes WebP'(d) { return working(d, resize({ width: 9000, format: 'webp' }), fs.readFileSync(picture), 600) },
  async 'an import waits for ever'(d, r, origin) {
    const a = await d.create({ i: { robot: '/http/import', url: `${origin.url}/never` } })
    return { id: a.assembly_id, ready: async () => (await d.get(a.assembly_id)).running_jobs.length === 1 && origin.waiting() > 0, process: true }
  },
}

async function patching(d, r, sending) {
  const a = await d.create(huge, { expected: 2 })
  const size = 8 << 20
  const loc = await d.tusCreate(a, size)
  const c = d.raw()
  c.write(`PATCH ${new URL(loc).pathname} HTTP/1.1\r\nHost: x\r\nTus-Resumable: 1.0.0\r\nUpload-Offset: 0\r\nContent-Type: application/offset+octet-stream\r\nContent-Length: ${size}\r\n\r\n`)
  c.write(r.bytes(300000))
  const timer = sending && setInterval(() => c.write(r.bytes(20000)), 5)
  return {
    id: a.assembly_id, ready: () => census(d).partial_bytes >= 300000, uploads: 1,
    after: async () => { await c.ended; clearInterval(timer); return /^HTTP\/1\.1 410/.test(c.text) || `the PATCH was answered ${c.text.slice(0, 40)}` },
    stop: () => clearInterval(timer),
  }
}

async function working(d, steps, data, wait_ms) {
  const a = await d.create(steps, { files: { 'a.png': data } })
  return { id: a.assembly_id, ready: async () => (await d.get(a.assembly_id)).running_jobs.some((j) => j.startsWith('r')) && census(d).busy.length > 0, wait_ms, process: true, may_complete: true }
}

let cached
const big = () => (cached ??= png(7000, 7000))
function slowSound() {
  // MPEG 1 layer III frames, 128 kbit/s, 44.1 kHz: 417 bytes each, silent
  const frame = Buffer.alloc(417)
  frame.set([0xff, 0xfb, 0x90, 0x00])
  return Buffer.concat(Array(40000).fill(frame))
}

async function one(d, name, r, origin, problems, times) {
  const p = await phases[name](d, r, origin)
  if (!await until(p.ready, 15000, 5)) {
    p.stop?.()
    const s = await d.cancel(p.id)
    if (!p.optional) problems.push(`${name}: the phase was not reached (${s.ok || s.error})`)
    return p.optional ? 'not reached' : 'failed'
  }
  if (p.wait_ms) await sleep(p.wait_ms)
  const before = census(d)
  const s = await d.cancel(p.id)
  const after = census(d)
  const bad = (what) => problems.push(`${name}: ${what}`)
  if (s.ok !== 'ASSEMBLY_CANCELED') {
    p.stop?.()
    if (!p.may_complete || s.ok !== 'ASSEMBLY_COMPLETED') bad(`the answer is ${s.ok || s.error}`)
    return 'completed first'
  }
  times.add(s.ms)
  if (!s.cancel.settled) bad(`not settled when answered (${JSON.stringify(s.cancel)})`)
  if (!nothing(after)) bad(`left after the answer: ${text(after)}`)
  const c = s.cancel
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
    if (!nothing(census(d))) problems.push(`cancels at once left ${text(census(d))}`)
  }
  const won = { ASSEMBLY_CANCELED: 0, ASSEMBLY_COMPLETED: 0 }
  for (let i = 0; i < 40; i++) {
    const a = await d.create(resize({ width: 20 }), { files: { 'a.png': png(50, 50) } })
    await sleep(r.int(0, 300))
    const s = await d.cancel(a.assembly_id)
    won[s.ok]++
    const later = await d.get(a.assembly_id)
    if (later.ok !== s.ok || (s.ok === 'ASSEMBLY_CANCELED' && JSON.stringify(later.results) !== JSON.stringify(s.results))) problems.push(`the race: was ${s.ok}, is ${later.ok}`)
  }
  return won
}

export async function cancel({ random, say = console.log, only = Object.keys(phases) }) {
  const origin = await Origin.start()
  const sockets = new Set()
  origin.server.on('connection', (c) => { sockets.add(c); c.on('close', () => sockets.delete(c)) })
  origin.waiting = () => sockets.size
  const d = await Daemon.start(['--import-allow', '127.0.0.1'])
  await sleep(1000) // its first workers warm up
  const problems = []
  const times = new Series()
  say('cancel, phase by phase (answer; what the receipt counts):')
  for (const name of only) say(`  ${name}: ${await one(d, name, random.stream(name), origin, problems, times)}`)
  const won = await together(d, random, problems)
  say(`  at once and again: 10 Assemblies with 4 DELETEs each; races with the end: ${Object.entries(won).map(([k, n]) => `${k} ${n}`).join(', ')}`)
  say(`  answers: ${times}`)
  problems.push(...await d.end())
  origin.stop()
  return { problems, times }
}

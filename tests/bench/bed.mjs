// What the rows of make bench share. Every comparison is made in one run, both sides in turn, ROUNDS times; the table
// shows medians and their ratio. Nothing is deleted before the end (about 8 GB): ext4 looks for a new file's inode past all
// that were freed in the last minutes, and whoever comes second would pay for the first one's cleaning.
import { execFileSync, spawn } from 'node:child_process'
import { createHmac } from 'node:crypto'
import fs from 'node:fs'
import http from 'node:http'
import os from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

export const here = path.dirname(fileURLToPath(import.meta.url))
export const root = path.resolve(here, '../..')
export const build = path.join(root, 'build')
export const quick = !!process.env.BENCH_QUICK
export const ROUNDS = quick ? 1 : 3
export const tmp = fs.mkdtempSync(path.join(build, 'bench-'))
export const started = []
process.on('exit', () => { for (const child of started) child.kill() }) // whatever it is that ends us
export const sleep = (ms) => new Promise((r) => setTimeout(r, ms))
export const median = (v) => [...v].sort((a, b) => a - b)[Math.floor(v.length / 2)]
export const percentile = (v, p) => [...v].sort((a, b) => a - b)[Math.min(v.length - 1, Math.floor(v.length * p))]
// BEFORE=PATH: another build of workcell, which takes its turn beside this one and has a column of its own
export const binaries = [process.env.WORKCELL ?? path.join(build, 'workcell'), process.env.BEFORE].filter(Boolean)
const rows = []
// before: the same of the other build
export const row = (work, ours, against, ratio, reach, met, before = '') => {
  rows.push([work, ours, ...binaries[1] ? [before] : [], against, ratio, reach, met ? 'yes' : 'no'])
  console.error(rows.at(-1).join(' | '))
}
// ROUNDS of work(binary) for each build in turn, and of each of the others: the medians, of builds and of others.
export async function turns(work, ...others) {
  const found = [...binaries, ...others].map(() => [])
  for (let r = 0; r < ROUNDS; r++) {
    for (const [i, binary] of binaries.entries()) found[i].push(await work(binary))
    for (const [i, other] of others.entries()) found[binaries.length + i].push(await other())
  }
  const medians = found.map((v) => Array.isArray(v[0]) ? v[0].map((_, k) => median(v.map((one) => one[k]))) : median(v))
  return { ours: medians[0], before: binaries[1] && medians[1], others: medians.slice(binaries.length) }
}

export function start(cmd, args, env = {}) {
  const child = spawn(cmd, args, { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'inherit'] })
  started.push(child)
  return new Promise((resolve, reject) => {
    let out = ''
    child.stdout.on('data', (d) => {
      out += d
      const m = out.match(/listening on (http:\/\/\S+)/)
      if (m) resolve({ child, url: m[1], port: new URL(m[1]).port })
    })
    child.on('exit', (c) => reject(new Error(`${cmd} ended with ${c}`)))
  })
}
export async function end({ child }) {
  child.removeAllListeners('exit')
  const gone = new Promise((r) => child.on('exit', r))
  child.kill('SIGTERM')
  await gone
}
let serial = 0
export const dir = () => { const d = path.join(tmp, `d${serial++}`); fs.mkdirSync(d); return d }
export const load = (...args) => JSON.parse(execFileSync(path.join(build, 'bench-load'), args.map(String)).toString())
const keys = { TRANSLOADIT_KEY: 'k', TRANSLOADIT_SECRET: 'secret' }
export const serveBy = (binary, ...args) => start(binary,
  ['serve', '--listen', '127.0.0.1:0', '--data', dir(), '--log-level', 'error', ...args], keys)
export const serve = (...args) => serveBy(binaries[0], ...args)
// All that it began has begun: it is ready, and none of its processes has work to do.
export async function warm(s) {
  const family = [s.child.pid]
  const busy = () => family.reduce((sum, pid) => {
    try {
      const fields = fs.readFileSync(`/proc/${pid}/stat`, 'utf8').replace(/^.*\) /, '').split(' ')
      return sum + Number(fields[11]) + Number(fields[12])
    } catch { return sum }
  }, 0)
  const grow = (pid) => {
    const tasks = fs.readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').filter(Boolean)
    for (const child of tasks.map(Number)) { family.push(child); grow(child) }
  }
  while ((await fetch(`${s.url}/readyz`)).status !== 200) await sleep(20)
  for (let before = -1, calm = 0; calm < 3; await sleep(100)) {
    family.length = 1
    try { grow(s.child.pid) } catch { /* one of them has just ended */ }
    const now = busy()
    calm = now - before <= 1 ? calm + 1 : 0 // a tick of the clock is 10 ms
    before = now
  }
  return s
}
// The fields of a request that has to be signed.
export function signed(more) {
  const params = JSON.stringify({ auth: { key: 'k', expires: '2099-01-01T00:00:00Z' }, ...more })
  const signature = `sha384:${createHmac('sha384', keys.TRANSLOADIT_SECRET).update(params).digest('hex')}`
  return new URLSearchParams({ params, signature })
}
export async function create(s, steps, expected) {
  const params = JSON.stringify({ auth: { key: 'k' }, steps })
  const body = new URLSearchParams({ params, num_expected_upload_files: expected })
  return (await fetch(`${s.url}/assemblies`, { method: 'POST', body })).json()
}
// What lies in that directory, by HTTP.
export async function nginx(www) {
  const temp = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((n) => `${n}_temp_path ${www}/${n};`).join(' ')
  const port = 18000 + (process.pid % 1000), origin = `http://127.0.0.1:${port}`
  fs.writeFileSync(path.join(www, 'nginx.conf'), `daemon off; user root; worker_processes auto;
    pid ${www}/pid; error_log ${www}/errors;
    events { worker_connections 1024; }
    http { access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000000; types { image/jpeg jpg; } ${temp}
      server { listen 127.0.0.1:${port}; root ${www}; } }`)
  const child = spawn('/usr/sbin/nginx', ['-c', path.join(www, 'nginx.conf')], { stdio: 'inherit' })
  started.push(child)
  for (let i = 0; i < 100 && !(await fetch(origin).catch(() => null)); i++) await sleep(50)
  return { child, origin, port }
}
// A form of params and files, made once, and sent by what costs little: the load shares the cores with what it measures
// (with fetch(), which collects its garbage, a DELETE of 7 ms took 60 now and then).
export function form(params, files) {
  const boundary = '----------------bench'
  const part = (more) => `--${boundary}\r\nContent-Disposition: form-data; ${more}\r\n\r\n`
  const body = Buffer.concat([
    `${part('name="params"')}${JSON.stringify({ auth: { key: 'k' }, ...params })}\r\n`,
    ...Object.entries(files).flatMap(([name, data]) => [part(`name="file"; filename="${name}"`), data, '\r\n']),
    `--${boundary}--\r\n`,
  ].map((piece) => Buffer.from(piece)))
  const headers = { 'Content-Type': `multipart/form-data; boundary=${boundary}`, 'Content-Length': body.length }
  return { body, headers }
}
const agent = new http.Agent({ keepAlive: true })
export const ask = (url, { method = 'GET', headers = {}, body } = {}) => new Promise((resolve, reject) => {
  const req = http.request(url, { method, headers, agent }, (res) => {
    const parts = []
    res.on('data', (d) => parts.push(d))
    res.on('end', () => resolve(Buffer.concat(parts).toString()))
    res.on('error', reject)
  })
  req.on('error', reject)
  req.end(body)
})
// A virtual machine is given memory when it touches it for the first time, which costs whoever does so a multiple of
// what it costs later: so that is done before.
export function touch() {
  const bytes = Math.min(os.freemem() * 0.6, 16e9), script = `
    const all = []
    for (let n = 0; n < ${bytes}; n += 1 << 28) all.push(Buffer.alloc(1 << 28, 1))`
  execFileSync('node', ['-e', script])
}
const base64 = (text) => Buffer.from(text).toString('base64')
export const meta = (a, name = 'a.bin') =>
  `assembly_url ${base64(a.assembly_url)},fieldname ZmlsZQ==,filename ${base64(name)}`
export const original = { ':original': { robot: '/upload/handle' } }
// [ms of answers, ms until nothing was left] of n DELETEs, each in the middle of a job of the Step "huge"
export const canceled = async (s, n, steps, files, wait) => {
  const answer = [], gone = [], read = {}
  for (const [name, data] of Object.entries(files)) read[name] = Buffer.from(await data.arrayBuffer())
  const posted = { method: 'POST', ...form({ steps }, read) }
  for (let i = 0; i < n; i++) {
    const a = JSON.parse(await ask(`${s.url}/assemblies`, posted))
    const status = async () => JSON.parse(await ask(a.assembly_url))
    while (!(await status()).running_jobs.some((j) => j.startsWith('huge'))) await sleep(5)
    await sleep(wait + Math.random() * 300)
    const t = performance.now()
    const c = JSON.parse(await ask(a.assembly_url, { method: 'DELETE' }))
    answer.push(performance.now() - t)
    if (!c.cancel.settled || c.cancel.processes_killed < 1) throw new Error(JSON.stringify(c.cancel))
    gone.push(c.cancel.duration * 1000)
  }
  return [answer, gone]
}
export const cancelRows = (what, [answer, gone], soon = 50, late = 250, before) => {
  const said = (ms) => `${percentile(ms, 0.99).toFixed(0)} ms (median ${median(ms).toFixed(0)})`
  const p99 = percentile(answer, 0.99), reaped = percentile(gone, 0.99)
  row(`DELETE of ${what}: answer, p99`, said(answer), '', '', `<= ${soon} ms`, p99 <= soon, before && said(before[0]))
  row('same: every process reaped, p99', `${reaped.toFixed(0)} ms`, '', '', `<= ${late} ms`, reaped <= late,
    before && `${percentile(before[1], 0.99).toFixed(0)} ms`)
}
// What a ratio to somebody who never flushes is a property of.
function disk() {
  const file = path.join(tmp, 'flushes'), block = Buffer.alloc(8192, 1), fd = fs.openSync(file, 'w')
  const flushes = (at) => median(Array.from({ length: 50 }, (_, i) => {
    fs.writeSync(fd, block, 0, block.length, at(i))
    const t = performance.now()
    fs.fdatasyncSync(fd)
    return performance.now() - t
  }))
  const append = flushes((i) => i * block.length), over = flushes(() => 0)
  const mount = execFileSync('findmnt', ['-nro', 'SOURCE,FSTYPE,OPTIONS', '-T', tmp]).toString().trim()
  const [source, kind, options] = mount.split(' ')
  let journal = ''
  try {
    const said = execFileSync('dumpe2fs', ['-h', source], { stdio: ['ignore', 'pipe', 'ignore'] }).toString()
    journal = /has_journal/.test(said) ? ', with a journal' : ', without a journal'
  } catch { /* another kind, or not for us to read */ }
  return `${kind}${journal} (${options}); a flush of 8 KB: ${append.toFixed(2)} ms appended, ${over.toFixed(2)} ms ` +
    'over what was there'
}
export function finish() {
  console.log(`Disk: ${disk()}\n`)
  const head = ['Work', 'Ours', ...binaries[1] ? ['The build before'] : [], 'Against', 'Ratio', 'Reach', 'Met']
  console.log(`| ${head.join(' | ')} |\n| ${head.map(() => '---').join(' | ')} |`)
  for (const r of rows) console.log(`| ${r.join(' | ')} |`)
  fs.rmSync(tmp, { recursive: true, force: true })
  process.exit(0)
}

// The real binary on its own port and directory, watched by the test: any error line, sanitizer report, file left
// in the scratch space or exit code other than 0 fails it.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { createHmac } from 'node:crypto'
import fs from 'node:fs'
import net from 'node:net'
import os from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..')
export const binary = process.env.WORKCELL || path.join(root, 'build/workcell')
export const picture = path.join(root, 'build/pictures/astronaut.png')
export const KEY = 'test-key'
export const SECRET = 'test-secret-0001'
export const sleep = (ms) => new Promise((r) => setTimeout(r, ms))

// For a program that can't say which one it took. Below those that the kernel gives to whoever connects: one of them
// may be somebody's by the time that the program listens.
export async function freePort(host = '127.0.0.1') {
  for (;;) {
    const port = 10000 + Math.floor(Math.random() * 22000)
    const probe = net.createServer()
    const free = await new Promise((r) => probe.once('error', () => r(false)).listen(port, host, () => r(true)))
    if (!free) continue
    await new Promise((r) => probe.close(r))
    return port
  }
}

export class Server {
  static async start(t, { args = [], env = {}, allow = [], dir, program = binary } = {}) {
    const s = new this()
    s.program = program
    s.args = args
    s.env = env
    s.allow = allow
    s.dir = dir || fs.mkdtempSync(path.join(os.tmpdir(), 'workcell-e2e-'))
    s.log = ''
    s.sockets = []
    await s.boot()
    t.after(() => s.finish())
    return s
  }

  async boot() {
    this.child = spawn(this.program, ['serve', '--listen', `127.0.0.1:${this.port || 0}`, '--data', this.dir, ...this.args], {
      env: { ...process.env, TRANSLOADIT_KEY: KEY, TRANSLOADIT_SECRET: SECRET, ...this.env },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    this.exited = new Promise((r) => this.child.on('exit', (code, signal) => r({ code, signal })))
    this.child.stderr.on('data', (d) => { this.log += d })
    let out = ''
    this.url = await new Promise((resolve, reject) => {
      this.child.stdout.on('data', (d) => {
        out += d
        const m = out.match(/workcell listening on (http:\/\/\S+)/)
        if (m) resolve(m[1])
      })
      this.exited.then(({ code }) => sleep(100).then(() => reject(new Error(`the server ended with ${code}: ${this.log}`)))) // its last words may come later
    })
    this.port = Number(new URL(this.url).port)
    this.faults ??= []
    await globalThis.contract?.watch(this.url, this.faults)
  }

  async kill9() {
    this.child.kill('SIGKILL')
    await this.exited
  }

  async stop() {
    this.child.kill('SIGTERM')
    return this.exited
  }

  async finish() {
    try {
      await this.checkOut()
    } finally {
      for (const c of this.sockets) c.destroy() // one that nobody reads would keep the tests' process for ever
    }
  }

  async checkOut() {
    if (this.child.exitCode === null && this.child.signalCode === null) {
      const { code } = await this.stop()
      assert.equal(code, 0, `exit code after SIGTERM: ${code}\n${this.log}`)
    } else if (this.child.signalCode !== 'SIGKILL') { // that one is the tests' own
      assert.deepEqual([this.child.exitCode, this.child.signalCode], [0, null], `it had ended by itself\n${this.log}`)
    }
    const bad = this.log.split('\n').filter((l) => / error |Sanitizer|runtime error/.test(l) && !this.allow.some((a) => a.test(l)))
    assert.deepEqual(bad, [], `error lines in the log:\n${this.log}`)
    assert.deepEqual(this.faults, [], 'answers that openapi.json does not describe')
    fs.rmSync(this.dir, { recursive: true, force: true })
  }

  // Files that jobs left behind, apart from the empty directories of warm workers, and the first exercise of a new one.
  scratchFiles() {
    const out = []
    const entries = (d) => {
      try { return fs.readdirSync(d, { withFileTypes: true }) } catch (e) {
        if (e.code === 'ENOENT') return [] // a worker that ended took it away while we looked
        throw e
      }
    }
    const walk = (d) => {
      for (const e of entries(d)) {
        const p = path.join(d, e.name)
        if (e.isDirectory()) walk(p)
        else if (e.name !== 'warm.jpg') out.push(p)
      }
    }
    walk(path.join(this.dir, 'scratch'))
    return out
  }

  // A job's files are thrown away beside its answer, so right after it some may be there still. After a cancel none is:
  // there scratchFiles() is asked.
  async scratchEmpty() {
    for (const end = Date.now() + 60000; this.scratchFiles().length && Date.now() < end;) await sleep(20)
    assert.deepEqual(this.scratchFiles(), [])
  }

  // Names in `uploads`, and paths of what has none.
  partialUploads() { return [...fs.readdirSync(path.join(this.dir, 'uploads')), ...this.unnamed()] }

  // files that have no name yet: small bodies and those of forms (O_TMPFILE)
  unnamed() {
    const fds = `/proc/${this.child.pid}/fd`
    const to = (fd) => { try { return fs.readlinkSync(fd) } catch { return '' } }
    return (fs.existsSync(fds) ? fs.readdirSync(fds) : []).map((n) => `${fds}/${n}`)
      .filter((fd) => to(fd).startsWith(this.dir) && /\/blobs\/..\/#\d+/.test(to(fd)))
  }

  // of a sanitized daemon a share: it keeps what was freed, and more beside each block (dev/sanitize)
  rss() { return Number(fs.readFileSync(`/proc/${this.child.pid}/status`, 'utf8').match(/VmRSS:\s+(\d+)/)[1]) * 1024 / Number(process.env.E2E_MEMORY_FACTOR || 1) }

  // Every process below the daemon: {pid, comm, state}.
  processes() {
    const all = []
    for (const pid of fs.readdirSync('/proc').filter((n) => /^\d+$/.test(n))) {
      try {
        const stat = fs.readFileSync(`/proc/${pid}/stat`, 'utf8')
        const rest = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
        all.push({ pid: Number(pid), ppid: Number(rest[1]), pgrp: Number(rest[2]), utime: Number(rest[11]) })
      } catch { /* it ended while we looked */ }
    }
    const below = new Set([this.child.pid])
    for (let grew = true; grew;) {
      grew = false
      for (const p of all) if (below.has(p.ppid) && !below.has(p.pid)) { below.add(p.pid); grew = true }
    }
    below.delete(this.child.pid)
    return all.filter((p) => below.has(p.pid))
  }

  // Waits until a program of this name (any, of those that `among` takes) computes: its pid. What is only being
  // started could not be counted by a cancel.
  async computing(comm, among = () => true) {
    for (const end = Date.now() + 30000; Date.now() < end; await sleep(20)) {
      const p = this.processes().find(({ pid, utime }) => {
        try {
          return utime >= 3 && among(pid) && (!comm || fs.readFileSync(`/proc/${pid}/comm`, 'utf8').trim() === comm)
        } catch { return false }
      })
      if (p) return p.pid
    }
    throw new Error(`${comm || 'nothing'} does not compute`)
  }

  // Workers whose directory holds the input of a job.
  busyWorkers() {
    return this.processes().map((p) => p.pid).filter((pid) => {
      try {
        const cwd = fs.readlinkSync(`/proc/${pid}/cwd`)
        return cwd.includes('/scratch/') && fs.readdirSync(path.join(cwd, 'in')).length > 0
      } catch { return false }
    })
  }

  async create(steps, { expected, fields = {}, files = {}, params = {}, id, method = 'POST', signature } = {}) {
    const body = new FormData()
    const text = JSON.stringify({ auth: { key: KEY, expires: '2099-01-01T00:00:00Z' }, steps, ...params })
    body.set('params', text)
    if (signature) body.set('signature', signature === true ? sign(text) : signature)
    if (expected !== undefined) body.set('num_expected_upload_files', String(expected))
    for (const [k, v] of Object.entries(fields)) body.set(k, v)
    for (const [name, data] of Object.entries(files)) body.append('file', new Blob([data]), name)
    const res = await fetch(`${this.url}/assemblies${id ? `/${id}` : ''}`, { method, body })
    return { http: res.status, headers: res.headers, ...(await res.json()) }
  }

  async signedPost(where, params, method = 'POST') {
    const text = JSON.stringify({ auth: { key: KEY, expires: '2099-01-01T00:00:00Z' }, ...params })
    const body = new URLSearchParams({ params: text, signature: sign(text) })
    return (await fetch(this.url + where, { method, body })).json()
  }

  async get(id) { return (await fetch(`${this.url}/assemblies/${id}`)).json() }

  async cancel(id) {
    const start = performance.now()
    const res = await fetch(`${this.url}/assemblies/${id}`, { method: 'DELETE' })
    return { http: res.status, ms: performance.now() - start, ...(await res.json()) }
  }

  async until(id, done = (s) => !['ASSEMBLY_UPLOADING', 'ASSEMBLY_EXECUTING'].includes(s.ok), ms = 30000) {
    for (const end = Date.now() + ms; ;) {
      const s = await this.get(id)
      if (done(s)) return s
      assert.ok(Date.now() < end, `timed out in ${JSON.stringify(s).slice(0, 2000)}\n${this.log}`)
      await sleep(25)
    }
  }

  tusMeta(assembly, { filename = 'a.bin', fieldname = 'file', ...more } = {}) {
    const all = { assembly_url: assembly.assembly_ssl_url, filename, fieldname, ...more }
    return Object.entries(all).map(([k, v]) => `${k} ${Buffer.from(v).toString('base64')}`).join(',')
  }

  tus(method, url, headers = {}, body) {
    return fetch(url, { method, headers: { 'Tus-Resumable': '1.0.0', ...headers }, body, duplex: 'half' })
  }

  async tusCreate(assembly, length, meta, headers = {}) {
    const res = await this.tus('POST', `${this.url}/resumable/files/`,
      { 'Upload-Length': String(length), 'Upload-Metadata': this.tusMeta(assembly, meta), ...headers })
    assert.equal(res.status, 201, await res.text())
    return res.headers.get('location')
  }

  patch(location, offset, data, headers = {}) {
    return this.tus('PATCH', location, { 'Upload-Offset': String(offset), 'Content-Type': 'application/offset+octet-stream', ...headers }, data)
  }

  // A raw connection: what fetch would never send.
  raw() {
    const socket = net.connect(this.port, '127.0.0.1')
    this.sockets.push(socket)
    socket.text = ''
    socket.ended = new Promise((r) => socket.on('close', r))
    socket.on('data', (d) => { socket.text += d })
    socket.on('error', () => {})
    return socket
  }
}

// Still running? A zombie that nobody has reaped yet is not.
export function alive(pid) {
  try {
    const stat = fs.readFileSync(`/proc/${pid}/stat`, 'utf8')
    return !/^[ZX]/.test(stat.slice(stat.lastIndexOf(')') + 2))
  } catch { return false }
}

export const sign = (text, alg = 'sha384') => `${alg}:${createHmac(alg, SECRET).update(text).digest('hex')}`

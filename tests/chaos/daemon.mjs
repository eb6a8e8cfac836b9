// The server under test: started, killed and started again on the same directory and port.
import fs from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { Server } from '../e2e/server.mjs'
import { Series } from './stats.mjs'

export { alive, KEY, picture, root, SECRET, sleep } from '../e2e/server.mjs'

// what a killed zygote or a lost receiver makes the daemon say; anything else at this level is a finding
const expected = [/workcell-(media|transfer|script) ended \(status 0, signal 9\)/]

export class Daemon extends Server {
  static async start(args = [], more = {}) {
    const d = await super.start({ after: () => {} }, { args, allow: expected, ...more })
    process.on('exit', () => d.child.kill('SIGKILL')) // when a test dies, its server goes too
    d.starts = new Series()
    d.kills = { daemon: 0, zygote: 0, worker: 0 }
    return d
  }

  async boot() {
    const began = performance.now()
    const args = this.args
    if (this.late) this.args = [...args, '--start-wait-ms', '0']
    await super.boot()
    this.args = args
    this.starts?.add(performance.now() - began)
    this.up = true
    const child = this.child
    this.exited.then(({ code, signal }) => {
      if (!this.up || child !== this.child || code === 0) return
      console.log(`the daemon ended by itself (${signal || code}); its last words:\n${this.log.slice(-3000)}`)
      process.exit(1)
    })
  }

  async crash() {
    this.up = false
    await this.kill9()
    this.kills.daemon++
  }

  // Zygotes are the daemon's children, workers and their inits are below them. A program that a Robot runs is none of
  // them: how it ends is what it says of its job (encodes.mjs kills those).
  family() {
    const all = this.processes()
    const zygotes = all.filter((p) => p.ppid === this.child.pid)
    const ids = new Set(zygotes.map((p) => p.pid))
    const ours = (pid) => {
      try { return fs.readFileSync(`/proc/${pid}/comm`, 'utf8').startsWith('workcell') } catch { return false }
    }
    return { zygotes, workers: all.filter((p) => !ids.has(p.pid) && ours(p.pid)) }
  }

  kill(kind, random) {
    const list = this.family()[`${kind}s`]
    if (!list.length) return false
    try { process.kill(random.pick(list).pid, 'SIGKILL') } catch { return false }
    this.kills[kind]++
    return true
  }

  errors() { return this.log.split('\n').filter((l) => / error |Sanitizer|runtime error/.test(l) && !this.allow.some((a) => a.test(l))) }

  // stop politely; returns what was wrong
  async end() {
    const problems = this.errors().map((l) => `log: ${l}`)
    const { code } = await this.stop()
    if (code !== 0) problems.push(`exit code ${code} after SIGTERM`)
    fs.rmSync(this.dir, { recursive: true, force: true })
    return problems
  }
}

export async function until(what, ms, step = 20) {
  for (const end = performance.now() + ms; performance.now() < end; await sleep(step)) if (await what()) return true
  return false
}

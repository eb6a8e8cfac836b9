// An sshd of a test's own on loopback, with keys that it made: 'own' may log in, 'other' may not.
import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import fs from 'node:fs'
import net from 'node:net'
import os from 'node:os'
import path from 'node:path'
import { freePort, sleep } from './server.mjs'

export class Sshd {
  // forced: {name of another key: the command that whoever logs in with it gets}; level: of its log; more: lines of its
  // configuration
  static async start({ forced = {}, level = 'ERROR', more = [] } = {}) {
    const s = Object.assign(new Sshd(), { level, more })
    s.dir = fs.mkdtempSync(path.join(os.tmpdir(), 'workcell-sshd-'))
    s.at = (name) => path.join(s.dir, name)
    s.text = (name) => fs.readFileSync(s.at(name), 'utf8')
    s.user = os.userInfo().username
    for (const name of ['host', 'own', 'other', ...Object.keys(forced)])
      execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', s.at(name)])
    const lines = Object.entries(forced).map(([name, command]) => `command="${command}" ${s.text(`${name}.pub`)}`)
    fs.writeFileSync(s.at('authorized'), s.text('own.pub') + lines.join(''))
    s.port = await freePort()
    if (process.getuid() === 0) fs.mkdirSync('/run/sshd', { recursive: true })
    await s.listen('host')
    return s
  }

  // host: which key it has.
  async listen(host) {
    const config = ['ListenAddress 127.0.0.1', `Port ${this.port}`, `HostKey ${this.at(host)}`,
      `AuthorizedKeysFile ${this.at('authorized')}`, 'StrictModes no', 'UsePAM no', 'PasswordAuthentication no',
      'PidFile none', `LogLevel ${this.level}`,
      'Subsystem sftp internal-sftp', ...this.more]
    fs.writeFileSync(this.at('config'), config.join('\n') + '\n')
    this.child = spawn('/usr/sbin/sshd', ['-D', '-f', this.at('config'), '-E', this.at('log')], { stdio: 'ignore' })
    for (const end = Date.now() + 120000; !await this.up(); await sleep(50))
      assert.ok(Date.now() < end, 'sshd does not listen')
  }

  // Of all that its log has, which needs the level VERBOSE.
  logins() { return this.text('log').match(/Accepted (publickey|password|keyboard-interactive)/g)?.length ?? 0 }

  // The processes below the one that listens: they serve a client each, and outlive it.
  sessions() {
    const parent = new Map()
    for (const pid of fs.readdirSync('/proc').filter((n) => /^\d+$/.test(n))) {
      try {
        const stat = fs.readFileSync(`/proc/${pid}/stat`, 'utf8')
        parent.set(Number(pid), Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]))
      } catch { /* it ended while we looked */ }
    }
    const below = (pid) => parent.has(pid) && (parent.get(pid) === this.child.pid || below(parent.get(pid)))
    return [...parent.keys()].filter(below)
  }

  up() {
    return new Promise((r) => {
      const c = net.connect(this.port, '127.0.0.1', () => { c.destroy(); r(true) }).on('error', () => r(false))
    })
  }

  async again(host) {
    this.child.kill()
    while (await this.up()) await sleep(50)
    await this.listen(host)
  }

  stop() {
    this.child.kill()
    fs.rmSync(this.dir, { recursive: true, force: true })
  }
}

// A vsftpd of a test's own on loopback, with a certificate that it made: user anonymous, password letmein.
import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import fs from 'node:fs'
import net from 'node:net'
import os from 'node:os'
import path from 'node:path'
import { freePort, sleep } from '../e2e/server.mjs'

export class Vsftpd {
  // host, port: where it listens, any free port of 127.0.0.1 if they are left out; root: the directory it serves;
  // implicit: encrypted from the first byte; tls: the oldest version that it speaks
  static async start(t, { host = '127.0.0.1', port, root, implicit = false, tls } = {}) {
    const v = Object.assign(new Vsftpd(), { host })
    v.dir = fs.mkdtempSync(path.join(os.tmpdir(), 'workcell-vsftpd-'))
    v.at = (name) => path.join(v.dir, name)
    for (const name of ['root', 'empty']) fs.mkdirSync(v.at(name))
    v.root = root ?? v.at('root')
    fs.writeFileSync(v.at('passwords'), 'letmein\n')
    execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes',
      '-keyout', 'key.pem', '-out', 'cert.pem', '-days', '30', '-subj', '/CN=x', '-addext',
      `subjectAltName=IP:${host}`],
    { cwd: v.dir, stdio: 'pipe' })
    v.port = port ?? await freePort(host)
    const yes = ['listen', 'anonymous_enable', 'write_enable', 'anon_upload_enable', 'anon_mkdir_write_enable',
      'anon_other_write_enable', 'allow_writeable_chroot', 'run_as_launching_user', 'secure_email_list_enable',
      'ssl_enable', 'allow_anon_ssl', 'xferlog_enable', 'log_ftp_protocol']
    const no = ['background', 'local_enable', 'anon_world_readable_only', 'seccomp_sandbox', 'force_anon_logins_ssl',
      'force_anon_data_ssl', 'require_ssl_reuse', 'connect_from_port_20']
    fs.writeFileSync(v.at('config'), [...yes.map((n) => `${n}=YES`), ...no.map((n) => `${n}=NO`),
      `implicit_ssl=${implicit ? 'YES' : 'NO'}`, `listen_address=${host}`, `listen_port=${v.port}`, 'anon_umask=022',
      `anon_root=${v.root}`, `secure_chroot_dir=${v.at('empty')}`, `email_password_file=${v.at('passwords')}`,
      'ssl_ciphers=HIGH', `rsa_cert_file=${v.at('cert.pem')}`, `rsa_private_key_file=${v.at('key.pem')}`,
      `vsftpd_log_file=${v.at('log')}`, ''].join('\n'))
    fs.writeFileSync(v.at('openssl'), 'openssl_conf = a\n[a]\nssl_conf = b\n[b]\nsystem_default = c\n[c]\n' +
      (tls ? `MinProtocol = ${tls}\n` : ''))
    v.child = spawn('/usr/sbin/vsftpd', [v.at('config')],
      { stdio: 'ignore', env: { ...process.env, ...tls && { OPENSSL_CONF: v.at('openssl') } } })
    t.after(() => { v.child.kill(); fs.rmSync(v.dir, { recursive: true, force: true }) })
    for (const end = Date.now() + 120000; !await v.up(); await sleep(50))
      assert.ok(Date.now() < end && v.child.exitCode === null, 'vsftpd does not listen')
    return v
  }

  up() {
    return new Promise((r) => {
      const c = net.connect(this.port, this.host, () => { c.destroy(); r(true) }).on('error', () => r(false))
    })
  }

  logged(what) { return fs.readFileSync(this.at('log'), 'utf8').split(what).length - 1 }
  login(more = {}) { return { host: this.host, port: this.port, user: 'anonymous', password: 'letmein', ...more } }
}

// A directory on a disk of its own of that size, or why it can't be had: then a row is not run, and says so.
export function smallDisk(t, size = '1m') {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'workcell-small-'))
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${size},mode=777`, 'none', dir], { stdio: 'pipe' })
  } catch (e) {
    fs.rmdirSync(dir)
    return { why: `no small disk: ${e.stderr || e.message}`.trim() }
  }
  t.after(() => { execFileSync('umount', ['-l', dir]); fs.rmdirSync(dir) })
  return { dir }
}

// /sftp/store against OpenSSH. What a key may do is forced by sshd: read only, or write to a disk of 1 MB.
import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { Sshd } from '../e2e/sshd.mjs'
import { conform } from './conform.mjs'

async function start(t) {
  const sshd = await Sshd.start({ forced: { reader: 'internal-sftp -R' } })
  const small = sshd.at('small')
  fs.mkdirSync(small)
  let mounted = true
  const mount = ['-t', 'tmpfs', '-o', 'size=1m', 'none', small]
  try { execFileSync('mount', mount, { stdio: 'ignore' }) } catch { mounted = false }
  t.after(() => {
    if (mounted) execFileSync('umount', ['-l', small])
    sshd.stop()
  })
  const home = sshd.at('home')
  fs.mkdirSync(home)
  const below = (base) => (prefix) => {
    const top = path.join(base, prefix)
    if (!fs.existsSync(top)) return []
    const all = fs.readdirSync(top, { recursive: true, withFileTypes: true }).filter((e) => !e.isDirectory())
    return all.map((e) => path.relative(base, path.join(e.parentPath ?? e.path, e.name)))
  }
  return {
    host: '127.0.0.1', port: sshd.port,
    args: () => ['--sftp-key', sshd.at('own')],
    store: (to, line) => ({
      robot: '/sftp/store', host: line.host, port: line.port, user: sshd.user, path: `${home}/${to}`,
    }),
    wrong: { private_key: sshd.text('other') },
    readOnly: { more: () => ({ private_key: sshd.text('reader') }) },
    full: !mounted ? { why: 'no mount(2) here' } : { more: (to) => ({ path: `${small}/${to}` }), list: below(small) },
    list: below(home),
    read: (file) => fs.readFileSync(path.join(home, file)),
    put: (file, data) => {
      fs.mkdirSync(path.dirname(path.join(home, file)), { recursive: true })
      fs.writeFileSync(path.join(home, file), data)
    },
  }
}

conform({
  name: 'sftp',
  store: true,
  imports: '/sftp/import is not there yet',
  codes: { denied: 'WORKER_JOB_ERROR', failed: 'WORKER_JOB_ERROR' },
  refuses: { '1,000 bytes': /./ },
  start,
})

// A small SSH server of Node's (ssh2), beside the real sshd, for what that one does only with users of the machine: it
// takes a password, or asks for it (keyboard-interactive), and serves one directory by SFTP.
import { generateKeyPairSync } from 'node:crypto'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import ssh2 from 'ssh2'

const { Server, utils: { sftp: { OPEN_MODE, STATUS_CODE } } } = ssh2
const codes = { ENOENT: STATUS_CODE.NO_SUCH_FILE, EACCES: STATUS_CODE.PERMISSION_DENIED,
  EPERM: STATUS_CODE.PERMISSION_DENIED }

export class PasswordServer {
  // methods: which of 'password', 'keyboard-interactive' it offers; prompts: what it asks then, [{prompt, echo}]
  static async start(t, { methods = ['password'], prompts = [{ prompt: 'Password: ', echo: false }] } = {}) {
    const s = new PasswordServer()
    Object.assign(s, { user: 'alice', password: 'open sesame', methods, prompts, logins: 0, tried: [], answers: [] })
    s.root = fs.mkdtempSync(path.join(os.tmpdir(), 'workcell-ssh2-'))
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048,
      privateKeyEncoding: { type: 'pkcs1', format: 'pem' }, publicKeyEncoding: { type: 'pkcs1', format: 'pem' } })
    s.clients = new Set()
    s.server = new Server({ hostKeys: [privateKey] }, (c) => s.greet(c))
    await new Promise((r) => s.server.listen(0, '127.0.0.1', r))
    s.port = s.server.address().port
    t.after(() => {
      for (const c of s.clients) c.end()
      s.server.close()
      fs.rmSync(s.root, { recursive: true, force: true })
    })
    return s
  }

  greet(client) {
    this.clients.add(client)
    client.on('close', () => this.clients.delete(client)).on('error', () => {})
    client.on('authentication', (q) => {
      this.tried.push(q.method)
      const known = q.username === this.user && this.methods.includes(q.method)
      if (known && q.method === 'password' && q.password === this.password) { q.accept(); return }
      if (!known || q.method !== 'keyboard-interactive') { q.reject(this.methods); return }
      q.prompt(this.prompts, (answers) => {
        this.answers.push(answers)
        const right = this.prompts.every((p, i) => answers[i] === (p.echo ? '' : this.password))
        if (right) q.accept()
        else q.reject(this.methods)
      })
    })
    client.on('ready', () => {
      this.logins++
      client.on('session', (accept) => accept().on('sftp', (ready) => this.serve(ready())))
    })
  }

  serve(sftp) {
    const open = new Map()
    let next = 0
    const at = (name) => path.join(this.root, path.resolve('/', name))
    const keep = (what) => {
      const handle = Buffer.alloc(4)
      handle.writeUInt32BE(++next)
      open.set(next, what)
      return handle
    }
    const got = (handle) => open.get(handle.readUInt32BE(0))
    // each answers its request, or says by a status why not
    const on = (name, fn) => sftp.on(name, (id, ...args) => {
      try {
        fn(id, ...args)
      } catch (e) { sftp.status(id, codes[e.code] ?? STATUS_CODE.FAILURE) }
    })
    const attributes = (st) => ({ mode: st.mode, uid: st.uid, gid: st.gid, size: st.size,
      atime: Math.floor(st.atimeMs / 1000), mtime: Math.floor(st.mtimeMs / 1000) })
    const fine = (id) => sftp.status(id, STATUS_CODE.OK)
    on('OPEN', (id, name, flags) => {
      const mode = flags & OPEN_MODE.WRITE ? 'w' : 'r'
      sftp.handle(id, keep({ fd: fs.openSync(at(name), mode) }))
    })
    on('READ', (id, handle, offset, length) => {
      const data = Buffer.alloc(length)
      const n = fs.readSync(got(handle).fd, data, 0, length, offset)
      if (n) sftp.data(id, data.subarray(0, n))
      else sftp.status(id, STATUS_CODE.EOF)
    })
    on('WRITE', (id, handle, offset, data) => { fs.writeSync(got(handle).fd, data, 0, data.length, offset); fine(id) })
    on('CLOSE', (id, handle) => {
      const { fd } = got(handle)
      open.delete(handle.readUInt32BE(0))
      if (fd !== undefined) fs.closeSync(fd)
      fine(id)
    })
    on('OPENDIR', (id, name) => sftp.handle(id, keep({ names: fs.readdirSync(at(name)).map((n) =>
      ({ filename: n, longname: n, attrs: attributes(fs.lstatSync(path.join(at(name), n))) })) })))
    on('READDIR', (id, handle) => {
      const dir = got(handle)
      if (!dir.names.length) sftp.status(id, STATUS_CODE.EOF)
      else sftp.name(id, dir.names.splice(0, 10))
    })
    on('STAT', (id, name) => sftp.attrs(id, attributes(fs.statSync(at(name)))))
    on('LSTAT', (id, name) => sftp.attrs(id, attributes(fs.lstatSync(at(name)))))
    on('FSTAT', (id, handle) => sftp.attrs(id, attributes(fs.fstatSync(got(handle).fd))))
    on('MKDIR', (id, name) => { fs.mkdirSync(at(name)); fine(id) })
    on('REMOVE', (id, name) => { fs.unlinkSync(at(name)); fine(id) })
    on('RENAME', (id, from, to) => {
      if (fs.existsSync(at(to))) sftp.status(id, STATUS_CODE.FAILURE) // version 3 says so
      else { fs.renameSync(at(from), at(to)); fine(id) }
    })
  }
}

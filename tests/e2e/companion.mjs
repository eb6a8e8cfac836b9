// The real Companion as examples/companion starts it, and a stand-in for it that shows what reaches it.
import { spawn } from 'node:child_process'
import http from 'node:http'
import net from 'node:net'
import path from 'node:path'
import { freePort, root, Server } from './server.mjs'

// {s, companion}: the server, and Companion behind it.
export async function withCompanion(t, { args = [], env = {} } = {}) {
  const port = await freePort()
  let s
  const companion = {
    async start() {
      this.child = spawn(process.execPath, [path.join(root, 'examples/companion/companion.mjs')], {
        env: { ...process.env, WORKCELL_URL: s.url, COMPANION_PORT: String(port), COMPANION_SECRET: 'secret-of-a-test', COMPANION_ALLOW_LOCAL_URLS: 'true', ...env },
        stdio: ['ignore', 'pipe', 'pipe'],
      })
      this.exited = new Promise((r) => this.child.on('exit', r))
      let log = ''
      await new Promise((resolve, reject) => {
        for (const out of [this.child.stdout, this.child.stderr]) {
          out.on('data', (d) => {
            log += d
            if (/companion listening on/.test(log)) resolve()
          })
        }
        this.exited.then((code) => reject(new Error(`Companion ended with ${code}: ${log}`)))
      })
    },
    async stop(signal) {
      this.child?.kill(signal)
      await this.exited
    },
  }
  t.after(() => companion.stop()) // before the server's own: that one may fail
  s = await Server.start(t, { args: ['--companion', `http://127.0.0.1:${port}`, ...args] })
  await companion.start()
  return { s, companion }
}

// An HTTP server that keeps every request it gets, with its body, and answers with serve(req, res).
export async function standIn(t, serve = (req, res) => res.end('{}')) {
  const seen = []
  const server = http.createServer({ keepAlive: true }, async (req, res) => {
    const entry = { method: req.method, url: req.url, headers: req.headers, raw: req.rawHeaders, body: '', closed: false }
    seen.push(entry)
    res.on('close', () => { entry.closed = true })
    req.on('error', () => {})
    for await (const d of req) entry.body += d
    entry.whole = true
    serve(req, res, entry)
  })
  server.seen = seen
  server.listen(0, '127.0.0.1')
  await new Promise((r) => server.on('listening', r))
  server.url = `http://127.0.0.1:${server.address().port}`
  t.after(() => { server.closeAllConnections(); server.close() })
  return server
}

// A TCP server for answers that no HTTP library would give: talk(socket, head) once a request's headers are in.
export async function rawStandIn(t, talk) {
  const sockets = new Set()
  const server = net.createServer((socket) => {
    let head = ''
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
    socket.on('error', () => {})
    const listen = (d) => {
      head += d.toString('latin1')
      if (!head.includes('\r\n\r\n')) return
      socket.off('data', listen)
      talk(socket, head)
    }
    socket.on('data', listen)
  }).listen(0, '127.0.0.1')
  await new Promise((r) => server.on('listening', r))
  server.sockets = sockets
  server.url = `http://127.0.0.1:${server.address().port}`
  t.after(() => { for (const s of sockets) s.destroy(); server.close() })
  return server
}

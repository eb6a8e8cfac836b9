// The line between a worker and a target: tests/chaos' proxy, but what happens on it is said by the test, not by dice.
import fs from 'node:fs'
import net from 'node:net'
import { Proxy } from '../chaos/proxy.mjs'

// A fault happens on the connection that carries the byte that makes it so many since suffer(), over all connections:
//   hold      nothing passes any more, either way, until calm()
//   deaf      what is sent still arrives, but no answer comes back
//   cut       reset
//   close     an orderly end, too early
// and `slow` is no moment but a state: each piece of an answer waits.
export class Line extends Proxy {
  static async start(host, port) {
    const line = new Line()
    Object.assign(line, { open: new Set(), sick: null, answer_ms: 0, target: { host, port } })
    Object.assign(line, { now: 0, most: 0, sent: 0, received: 0 })
    line.server = net.createServer({ allowHalfOpen: true }, (c) => line.connection(c))
    await new Promise((r) => line.server.listen(0, '127.0.0.1', r))
    line.host = '127.0.0.1'
    line.port = line.server.address().port
    line.url = `http://127.0.0.1:${line.port}`
    return line
  }

  // way: 'sent' (to the target) or 'received'; after: bytes of it; times: on so many connections. Resolves when it has
  // happened for the first time.
  suffer(kind, { way = 'sent', after = 0, times = 1 } = {}) {
    return new Promise((hit) => { this.sick = { kind, way, after, times, hit, base: this[way] } })
  }

  reset() {
    this.calm()
    this.answer_ms = 0
    Object.assign(this, { sent: 0, received: 0, most: 0 })
  }

  calm() {
    this.sick = null
    super.calm()
  }

  // Has what this connection just carried made it ill?
  strike(c, way) {
    const f = this.sick
    if (!f || f.way !== way || this[way] - f.base < f.after || f.times <= 0) return
    f.times--
    if (f.kind === 'cut') { c.client.resetAndDestroy(); c.end() }
    if (f.kind === 'close') { c.client.end(); c.up.destroy(); c.state = 'hold' }
    if (f.kind === 'hold' || f.kind === 'deaf') c.state = f.kind
    f.hit()
  }

  connection(client) {
    const up = net.connect({ ...this.target, allowHalfOpen: true })
    const c = { client, up, state: '' }
    this.now++
    this.most = Math.max(this.most, this.now)
    c.end = () => {
      if (this.open.delete(c.end)) this.now--
      client.destroy()
      up.destroy()
    }
    this.open.add(c.end)
    for (const s of [client, up]) s.on('error', c.end)
    client.on('close', c.end)
    up.on('close', () => { client.end(); setTimeout(c.end, 50) })
    if (this.sick?.after === 0) this.strike(c, this.sick.way)
    const relay = (from, to, data) => {
      if (!to.writable || to.write(data)) return
      from.pause()
      to.once('drain', () => from.resume())
    }
    client.on('data', (data) => {
      this.sent += data.length
      if (!c.state) this.strike(c, 'sent')
      if (c.state === 'hold') client.pause()
      else relay(client, up, data)
    })
    client.on('end', () => { if (c.state !== 'hold') up.end() })
    up.on('data', (data) => {
      if (c.state) { up.pause(); return }
      this.received += data.length
      this.strike(c, 'received')
      if (c.state || client.destroyed) return
      if (!this.answer_ms) { relay(up, client, data); return }
      up.pause()
      setTimeout(() => { relay(up, client, data); up.resume() }, this.answer_ms)
    })
    up.on('end', () => { if (!c.state) client.end() })
  }
}

// Workers of a server that have a connection to this port. An import whose first answer has not come has no file yet.
export function connected(server, port) {
  const hex = `:${Number(port).toString(16).toUpperCase().padStart(4, '0')}`
  const rows = fs.readFileSync('/proc/net/tcp', 'utf8').split('\n').map((l) => l.trim().split(/\s+/))
  const sockets = new Set(rows.filter((w) => w[2]?.endsWith(hex)).map((w) => `socket:[${w[9]}]`))
  return server.processes().map((p) => p.pid).filter((pid) => {
    try {
      return fs.readdirSync(`/proc/${pid}/fd`).some((fd) => sockets.has(fs.readlinkSync(`/proc/${pid}/fd/${fd}`)))
    } catch { return false }
  })
}

// A TCP proxy that treats connections as bad networks do: cut after some bytes, silent for a while, a few bytes at a
// time, cut in the answer, one direction closed early, everything sent a second time over a connection of its own.
import net from 'node:net'

const kinds = ['cut', 'cut', 'cut-answer', 'stall', 'slow', 'half', 'twice']

export class Proxy {
  static async start(random, target, { badness = 0.4 } = {}) {
    const p = new Proxy()
    p.random = random
    p.badness = badness
    p.counts = {}
    p.open = new Set()
    p.server = net.createServer({ allowHalfOpen: true }, (c) => p.connection(c, target()))
    await new Promise((r) => p.server.listen(0, '127.0.0.1', r))
    p.port = p.server.address().port
    p.url = `http://127.0.0.1:${p.port}`
    return p
  }

  // no more harm, also to connections that are open
  calm() {
    this.badness = 0
    for (const end of this.open) end()
  }

  stop() {
    this.calm()
    this.server.close()
  }

  connection(client, port) {
    const r = this.random
    const kind = r.chance(this.badness) ? r.pick(kinds) : 'clean'
    const limit = Math.floor(Math.exp(r.next() * Math.log(600000))) + 1 // small numbers are as likely as large ones
    const wait = r.int(50, 1500)
    this.counts[kind] = (this.counts[kind] || 0) + 1
    const up = net.connect({ port, host: '127.0.0.1', allowHalfOpen: true })
    const end = () => { this.open.delete(end); client.destroy(); up.destroy() }
    this.open.add(end)
    client.on('error', end)
    up.on('error', end)
    client.on('close', end)
    up.on('close', () => { client.end(); setTimeout(end, 50) })
    // whoever sent it again does not read the answers to it
    const again = kind === 'twice' && net.connect(port, '127.0.0.1')
    if (again) {
      again.on('error', () => {})
      again.resume()
      up.on('close', () => setTimeout(() => again.destroy(), wait))
    }
    let up_bytes = 0
    let down_bytes = 0
    let stalled = false
    const relay = (from, to, data) => { if (!to.write(data)) { from.pause(); to.once('drain', () => from.resume()) } }

    client.on('data', (data) => {
      const before = up_bytes
      up_bytes += data.length
      if (again) again.write(data)
      if (kind === 'cut' && up_bytes >= limit) {
        up.write(data.subarray(0, limit - before), () => (r.chance(0.5) ? up.resetAndDestroy() : up.destroy()))
        client.resetAndDestroy()
      } else if (kind === 'half' && up_bytes >= limit) {
        up.end(data.subarray(0, limit - before))
        client.pause()
      } else if (kind === 'stall' && up_bytes >= limit && !stalled) {
        stalled = true
        client.pause()
        up.write(data.subarray(0, limit - before))
        setTimeout(() => { if (!up.destroyed) { up.write(data.subarray(limit - before)); client.resume() } }, wait)
      } else if (kind === 'slow') {
        client.pause()
        const step = (at) => {
          if (up.destroyed) return
          if (at >= data.length) { client.resume(); return }
          up.write(data.subarray(at, at + 8192))
          setTimeout(step, 10, at + 8192)
        }
        step(0)
      } else relay(client, up, data)
    })
    client.on('end', () => up.end())
    up.on('data', (data) => {
      down_bytes += data.length
      if (kind === 'cut-answer' && down_bytes >= limit % 3000) {
        client.write(data.subarray(0, r.int(0, data.length - 1)), () => client.resetAndDestroy())
        up.destroy()
      } else relay(up, client, data)
    })
    up.on('end', () => client.end())
  }
}

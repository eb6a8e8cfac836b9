// The way to another server: a proxy that carries bytes at a pace, so that a transfer takes its time, until they are
// held, all connections are reset, or nobody answers there any more.
import net from 'node:net'

export class Way {
  static async start(port, { bytes_s = 2 << 20 } = {}) {
    const w = new Way()
    Object.assign(w, { target: port, bytes_s, sent: 0, received: 0, held: null, ends: new Set() })
    await w.listen()
    w.url = `http://127.0.0.1:${w.port}`
    return w
  }

  async listen() {
    this.server = net.createServer({ allowHalfOpen: true }, (c) => this.connection(c))
    await new Promise((r) => this.server.listen(this.port ?? 0, '127.0.0.1', r))
    this.port = this.server.address().port
  }

  connection(client) {
    const up = net.connect({ port: this.target, host: '127.0.0.1', allowHalfOpen: true })
    const end = () => {
      this.ends.delete(end)
      client.resetAndDestroy()
      up.resetAndDestroy()
    }
    this.ends.add(end)
    for (const s of [client, up]) s.on('error', end)
    client.on('close', end)
    up.on('close', () => { client.end(); setTimeout(end, 50) })
    this.carry(client, up, 'sent')
    this.carry(up, client, 'received')
  }

  carry(from, to, way) {
    const go = (data) => {
      if (this.held) { this.held.push(() => go(data)); return }
      if (to.destroyed) return
      this[way] += data.length
      to.write(data)
      setTimeout(() => from.resume(), data.length / this.bytes_s * 1000)
    }
    from.on('data', (data) => { from.pause(); go(data) })
    from.on('end', () => to.end())
  }

  // Nothing passes until open().
  hold() { this.held ??= [] }

  open() {
    const all = this.held ?? []
    this.held = null
    for (const go of all) go()
  }

  cut() { for (const end of [...this.ends]) end() }

  // Nobody is there: connections are reset, and new ones are refused.
  async gone() {
    await new Promise((r) => { this.server.close(r); this.cut() })
  }

  async stop() {
    this.open()
    await this.gone()
  }
}

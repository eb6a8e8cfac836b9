// The other end of imports and webhooks: /N/BYTES is always the same bytes; /never never answers; /trickle never ends;
// a POST to /told/... is answered when release() says so.
import { createHash } from 'node:crypto'
import http from 'node:http'

export class Origin {
  static async start() {
    const o = new Origin()
    o.sockets = new Set()
    o.posts = new Map()
    o.server = http.createServer((req, res) => o.answer(req, res))
    o.server.on('connection', (c) => { o.sockets.add(c); c.on('close', () => o.sockets.delete(c)) })
    await new Promise((r) => o.server.listen(0, '127.0.0.1', r))
    o.url = `http://127.0.0.1:${o.server.address().port}`
    return o
  }

  answer(req, res) {
    if (req.url === '/never') return
    if (req.url === '/trickle') {
      res.writeHead(200, { 'content-length': '1000000' })
      const timer = setInterval(() => res.write('x'), 20)
      res.on('close', () => clearInterval(timer))
    } else if (req.method === 'POST') {
      const p = this.post(req.url)
      req.resume()
      req.on('end', () => (p.open ? this.accept(p, res) : p.waiting.push(res)))
    } else {
      res.setHeader('Content-Type', 'application/octet-stream')
      res.end(Origin.bytes(req.url))
    }
  }

  accept(p, res) { p.told++; res.end('ok') }

  post(path) {
    if (!this.posts.has(path)) this.posts.set(path, { waiting: [], told: 0, open: false })
    return this.posts.get(path)
  }

  holds(url) { return this.post(new URL(url).pathname).waiting.length > 0 }
  told(url) { return this.post(new URL(url).pathname).told }

  release(url) {
    const p = this.post(new URL(url).pathname)
    p.open = true
    for (const res of p.waiting.splice(0)) this.accept(p, res)
  }

  waiting() { return this.sockets.size }

  static bytes(url) {
    const [, seed, size] = url.split('/').map(Number)
    return Buffer.alloc(size, createHash('sha512').update(String(seed)).digest('hex'))
  }

  stop() { this.server.closeAllConnections(); this.server.close() }
}

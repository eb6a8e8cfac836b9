// What the stand-ins of services share (dropbox.mjs, box.mjs, vimeo.mjs): a server of Node's that is strict. It is
// written
// from the public descriptions of their interfaces. What the real one would not take is a 4xx, and stands in
// `complaints`
// as well, which a test wants to be empty; a wrong token or a file that is not there is no fault of the caller's, and
// stands
// nowhere.
import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import http from 'node:http'

export const random = (n = 12) => randomBytes(n).toString('hex')
export const digest = (name, data, form = 'hex') => createHash(name).update(data).digest(form)
export const ascii = (v) => JSON.stringify(v).replace(/[\u007f-\uffff]/g,
  (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`)

// An answer that ends the handling of a request.
export class Answer extends Error {
  constructor(status, body = '', headers = {}) { super(`${status}`); Object.assign(this, { status, body, headers }) }
}

export class Cloud {
  // The answers of `handle(request)`, which is {method, path, query, headers, body, text(), json(), form()}.
  static async start(t, ...more) {
    const s = new this(...more)
    Object.assign(s, { complaints: [], seen: [], faults: [] })
    s.server = http.createServer({ maxHeaderSize: 65536 }, (req, res) => s.take(req, res))
    s.server.requestTimeout = 0
    await new Promise((r) => s.server.listen(0, '127.0.0.1', r))
    s.host = '127.0.0.1'
    s.port = s.server.address().port
    s.url = `http://127.0.0.1:${s.port}`
    t.after(() => { s.server.closeAllConnections(); s.server.close() })
    return s
  }

  complain(what) { this.complaints.push(what) }

  // A request that the real one would not take.
  need(is, status, what, body = { error: what }) {
    if (is) return
    this.complain(what)
    throw new Answer(status, body)
  }

  // The next requests whose "METHOD path" matches: {on, times, status, body, headers} is answered in their place; with
  // `late` after they were carried out, as if the answer had been lost on its way.
  fault(fault) { this.faults.push({ times: 1, ...fault }) }

  faultOf(what) {
    const f = this.faults.find((f) => f.times > 0 && f.on.test(what))
    if (f) f.times--
    return f
  }

  async take(req, res) {
    const chunks = []
    try {
      for await (const c of req) chunks.push(c)
    } catch { return } // whoever breaks off says nothing
    const url = new URL(req.url, this.url), body = Buffer.concat(chunks)
    const q = { method: req.method, path: url.pathname, query: url.searchParams, headers: req.headers, body, res }
    q.json = () => { try { return JSON.parse(body) } catch { this.need(false, 400, `${q.method} ${q.path}: no JSON`) } }
    const what = `${q.method} ${q.path}`
    this.seen.push(what)
    const fault = this.faultOf(what)
    let answer
    try {
      if (fault && !fault.late) throw new Answer(fault.status, fault.body, fault.headers)
      answer = await this.handle(q)
      if (fault) answer = new Answer(fault.status, fault.body, fault.headers)
    } catch (e) {
      if (!(e instanceof Answer)) { this.complain(`${what}: ${e.stack}`); res.writeHead(500).end(); return }
      answer = e
    }
    if (!answer) return // it has answered
    if (answer.status === 0) { res.socket.destroy(); return }
    const raw = Buffer.isBuffer(answer.body) || typeof answer.body === 'string'
    const bytes = raw ? Buffer.from(answer.body) : Buffer.from(JSON.stringify(answer.body))
    const none = answer.status === 204 || answer.status === 304
    res.writeHead(answer.status, { ...(raw ? {} : { 'Content-Type': 'application/json' }),
      ...(none ? {} : { 'Content-Length': bytes.length }), ...answer.headers })
    res.end(none || q.method === 'HEAD' ? undefined : bytes)
  }

  // The bytes of a file, or of the range that is asked for. short: so many fewer than it says.
  bytes(q, data, { headers = {}, short = 0 } = {}) {
    const range = q.headers.range
    const m = range && /^bytes=(\d+)-$/.exec(range)
    if (range) this.need(m, 416, `a range that was not expected: ${range}`)
    const from = m ? Number(m[1]) : 0
    if (m && from >= data.length + short) return new Answer(416)
    const more = m ? { 'Content-Range': `bytes ${from}-${data.length + short - 1}/${data.length + short}` } : {}
    q.res.writeHead(m ? 206 : 200, { 'Content-Type': 'application/octet-stream',
      'Content-Length': data.length + short - from, ...more, ...headers })
    q.res.write(data.subarray(from), () => { if (short) q.res.socket.end() })
    if (!short) q.res.end()
    return undefined
  }

  quiet() { assert.deepEqual(this.complaints, [], 'what the real one would not have taken') }
}

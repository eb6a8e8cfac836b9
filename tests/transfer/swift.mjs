// Ceph radosgw by its own Swift interface, with requests that know nothing of what is tested; and a stand-in for
// Rackspace's identity service in front of it. The stand-in is written from the public description of the Identity API
// 2.0 and is strict: a request that the service would not take is refused, and noted in `complaints`.
import http from 'node:http'
import { Radosgw } from '../e2e/radosgw.mjs'

const encode = (name) => name.split('/').map(encodeURIComponent).join('/')

export class Swift {
  static user = 'tester:swift'
  static key = 'swift-secret-key'

  static async start(t) {
    const s = new Swift()
    s.gate = Radosgw.start()
    t.after(() => s.gate.stop())
    s.gate.admin('subuser', 'create', '--uid', 'tester', '--subuser', Swift.user, '--access', 'full', '--secret-key',
      Swift.key, '--key-type', 'swift')
    s.url = new URL(s.gate.endpoint)
    await s.signIn()
    return s
  }

  async signIn(user = Swift.user, key = Swift.key) {
    const r = await fetch(`${this.url.origin}/auth/v1.0`, { headers: { 'X-Auth-User': user, 'X-Auth-Key': key } })
    if (!r.ok) throw new Error(`sign in: ${r.status}`)
    this.token = r.headers.get('x-auth-token')
    return this.token
  }

  // rest: "container/name?query", encoded
  async call(method, rest, { headers = {}, body } = {}) {
    const r = await fetch(`${this.url.origin}/swift/v1/${rest}`, { method, headers: { 'X-Auth-Token': this.token,
      ...headers }, body })
    if (!r.ok) throw Object.assign(new Error(`${method} ${rest}: ${r.status} ${await r.text()}`), { status: r.status })
    return r
  }

  makeContainer(name) { return this.call('PUT', name) }
  put(container, name, body, headers = {}) { return this.call('PUT', `${container}/${encode(name)}`, { body,
    headers: { 'Content-Type': 'application/octet-stream', ...headers } }) }
  async read(container, name) { return Buffer.from(await (await this.call('GET',
    `${container}/${encode(name)}`)).arrayBuffer()) }

  async list(container, prefix = '') {
    const names = []
    for (let page; ; names.push(...page)) {
      const marker = names.length ? `&marker=${encodeURIComponent(names.at(-1))}` : ''
      const query = `format=json&prefix=${encodeURIComponent(prefix)}${marker}`
      const r = await this.call('GET', `${container}?${query}`).catch((e) => { if (e.status !== 404) throw e })
      page = r && r.status !== 204 ? (await r.json()).map((o) => o.name) : []
      if (!page.length) return names
    }
  }
}

// Tokens are the gateway's own.
export class Identity {
  static async start(t, swift, { region = 'DFW', user = 'alice', key = 'api-key', cdn } = {}) {
    const i = new Identity()
    Object.assign(i, { swift, region, user, key, cdn, complaints: [] })
    i.server = http.createServer((q, r) => i.answer(q, r)).listen(0, '127.0.0.1')
    await new Promise((up) => i.server.on('listening', up))
    i.url = `http://127.0.0.1:${i.server.address().port}`
    t.after(() => { i.server.closeAllConnections(); i.server.close() })
    return i
  }

  // What is asked of the storage and of the network goes through here too: its address is that of the catalog.
  answer(q, r) {
    const parts = []
    const url = new URL(q.url, 'http://x')
    if (url.pathname === '/v2.0/tokens') {
      q.on('data', (d) => parts.push(d))
      q.on('end', () => this.signIn(q, r,
        Buffer.concat(parts).toString()).catch((e) => { this.complaints.push(String(e)); r.writeHead(500).end() }))
      return
    }
    if (url.pathname.startsWith('/cdn/')) {
      if (q.method !== 'HEAD' || !q.headers['x-auth-token'])
        this.complaints.push(`${q.method} ${q.url} without a token`)
      r.writeHead(this.cdn ? 204 : 404, this.cdn ?? {}).end()
      return
    }
    if (!url.pathname.startsWith('/swift/v1/')) {
      this.complaints.push(`${q.method} ${q.url}`)
      q.resume()
      r.writeHead(404).end()
      return
    }
    const up = http.request({ host: this.swift.url.hostname, port: this.swift.url.port, method: q.method, path: q.url,
      headers: q.headers }, (a) => { r.writeHead(a.statusCode, a.rawHeaders); a.pipe(r) })
    up.on('error', () => r.destroy())
    q.pipe(up)
  }

  async signIn(q, r, text) {
    const say = (status, body) => r.writeHead(status, { 'Content-Type': 'application/json' }).end(JSON.stringify(body))
    const wrong = (why) => { this.complaints.push(why); say(400, { badRequest: { code: 400, message: why } }) }
    if (q.method !== 'POST') return wrong(`method ${q.method}`)
    if (q.headers['content-type'] !== 'application/json') return wrong(`content type ${q.headers['content-type']}`)
    if (q.headers['x-auth-token'] || q.headers.authorization) return wrong('whoever asks for a token has none')
    let who
    try { who = JSON.parse(text) } catch { return wrong('no JSON') }
    const login = who?.auth?.['RAX-KSKEY:apiKeyCredentials']
    if (Object.keys(who).join() !== 'auth' || Object.keys(who.auth).join() !== 'RAX-KSKEY:apiKeyCredentials'
      || Object.keys(login).sort().join() !== 'apiKey,username') return wrong(`unexpected members: ${text}`)
    if (login.username !== this.user || login.apiKey !== this.key) return say(401, { unauthorized: { code: 401,
      message: 'Unable to authenticate user with credentials provided.' } })
    const token = await this.swift.signIn()
    const here = `${this.url}/swift/v1`
    say(200, { access: {
      token: { id: token, expires: '2099-01-01T00:00:00.000Z', tenant: { id: '1', name: '1' } },
      user: { id: '1', name: this.user, 'RAX-AUTH:defaultRegion': this.region, roles: [] },
      serviceCatalog: [
        { name: 'cloudServers', type: 'compute', endpoints: [{ region: this.region,
          publicURL: 'http://127.0.0.1:1/' }] },
        { name: 'cloudFilesCDN', type: 'rax:object-cdn', endpoints: [{ region: this.region,
          publicURL: `${this.url}/cdn` }] },
        { name: 'cloudFiles', type: 'object-store', endpoints: [
          { region: 'HKG', publicURL: 'http://127.0.0.1:1/v1/other', internalURL: 'http://127.0.0.1:1/' },
          { region: this.region, publicURL: `${here}/`, internalURL: 'http://127.0.0.1:1/' }] },
      ] } })
  }
}

// A stand-in for Google's services, written from what their public descriptions say: the token endpoint (RFC 7523 and
// refresh tokens), Cloud Storage's JSON interface and YouTube's videos.insert, with resumable sessions. It is strict:
// what the real ones would not take is refused AND noted in `complaints`.
import { createHash, createVerify, generateKeyPairSync, randomBytes } from 'node:crypto'
import http from 'node:http'

const AUD = 'https://oauth2.googleapis.com/token'
const SCOPE = 'https://www.googleapis.com/auth/'
const ACLS = ['authenticatedRead', 'bucketOwnerFullControl', 'bucketOwnerRead', 'private', 'projectPrivate',
  'publicRead']
const GRANULE = 256 * 1024
const table = Uint32Array.from({ length: 256 }, (_, i) => {
  for (let bit = 0; bit < 8; bit++) i = i & 1 ? (i >>> 1) ^ 0x82f63b78 : i >>> 1
  return i
})
export const crc32c = (data) => {
  let c = 0xffffffff
  for (const b of data) c = (c >>> 8) ^ table[(c ^ b) & 255]
  const out = Buffer.alloc(4)
  out.writeUInt32BE((c ^ 0xffffffff) >>> 0)
  return out.toString('base64')
}
const md5 = (data) => createHash('md5').update(data).digest('base64')
const pair = () => generateKeyPairSync('rsa',
  { modulusLength: 2048, publicKeyEncoding: { type: 'spki', format: 'pem' },
  privateKeyEncoding: { type: 'pkcs8', format: 'pem' } })

class Refusal extends Error {
  constructor(status, reason, message, headers = {}) {
    super(message)
    Object.assign(this, { status, reason, headers })
  }
}

export class Google {
  static async start() {
    const g = new Google()
    Object.assign(g, {
      account: { project_id: 'p-1', client_email: 'robot@p-1.iam.gserviceaccount.com' },
        oauth: { client_id: 'c-1.apps', client_secret: 'cs-hush', refresh_token: '1//rt-hush' },
      life: 3600, tokens: new Map(), sessions: new Map(), buckets: new Map(), videos: new Map(), complaints: [],
        asked: [], granted: 0, generation: 1000,
      quota: Infinity,
      // (req, url) => a function(res) that answers in its place, or nothing
      fault: () => undefined,
      // what is answered about an object that is complete: (object) => object
      twist: (o) => o,
    })
    const own = pair()
    g.publicKey = own.publicKey
    g.account.private_key = own.privateKey
    g.otherKey = pair().privateKey
    for (const [name, more] of Object.entries({ things: {}, 'dotted.things': {}, 'read-only': { readOnly: true },
      full: { room: 1000000 }, uniform: { uniform: true } }))
      g.buckets.set(name, { objects: new Map(), ...more })
    g.server = http.createServer((req, res) => g.handle(req, res))
    g.server.keepAliveTimeout = 30000
    await new Promise((r) => g.server.listen(0, '127.0.0.1', r))
    g.host = '127.0.0.1'
    g.port = g.server.address().port
    g.url = `http://127.0.0.1:${g.port}`
    return g
  }

  stop() { this.server.closeAllConnections(); this.server.close() }
  complain(what) { this.complaints.push(what); return new Refusal(400, 'invalid', what) }
  objects(bucket = 'things') { return this.buckets.get(bucket).objects }
  open() {
    const all = [...this.sessions.values()].filter((s) => !s.done)
    return all.map((s) => `session of ${s.meta.name ?? s.meta.snippet?.title}`)
  }

  put(bucket, name, bytes, more = {}) {
    const data = Buffer.from(bytes)
    const o = { kind: 'storage#object', bucket, name, data, generation: String(++this.generation),
      size: String(data.length), md5Hash: md5(data), crc32c: crc32c(data), contentType: 'application/octet-stream',
      ...more }
    for (const [k, v] of Object.entries(o)) if (v === undefined) delete o[k]
    this.objects(bucket).set(name, o)
    return o
  }

  async handle(req, res) {
    const url = new URL(req.url, this.url)
    this.asked.push(`${req.method} ${req.url}`)
    const say = (status, body, headers = {}) => {
      const text = body === undefined ? '' : JSON.stringify(body)
      res.writeHead(status, { 'content-type': 'application/json; charset=UTF-8',
        'content-length': Buffer.byteLength(text), ...headers }).end(text)
    }
    req.on('error', () => {})
    res.on('error', () => {})
    try {
      const instead = this.fault(req, url)
      if (instead) { await this.body(req); return instead(res, say) }
      await this.route(req, url, res, say)
    } catch (e) {
      if (!(e instanceof Refusal)) { this.complaints.push(e.stack); e = new Refusal(500, 'backendError', 'broken') }
      req.resume()
      if (res.headersSent) return
      if (e.oauth) return say(e.status, { error: e.reason, error_description: e.message }, e.headers)
      say(e.status, { error: { code: e.status, message: e.message,
        errors: [{ domain: 'global', reason: e.reason, message: e.message }] } }, e.headers)
    }
  }

  async body(req, most = Infinity) {
    const parts = []
    let n = 0
    for await (const d of req) { parts.push(d); n += d.length; if (n > most) throw this.complain('a body is too long') }
    return Buffer.concat(parts)
  }

  async route(req, url, res, say) {
    const p = url.pathname
    if (p === '/token') return this.token(req, say)
    const upload = p.match(/^\/upload\/storage\/v1\/b\/([^/]+)\/o$/)
    const video = p === '/upload/youtube/v3/videos'
    if ((upload || video) && url.searchParams.has('upload_id')) return this.session(req, url, say)
    if (upload && req.method === 'POST') return this.begin(req, url, say, decodeURIComponent(upload[1]))
    if (video && req.method === 'POST') return this.beginVideo(req, url, say)
    if (p === '/youtube/v3/videos' && req.method === 'DELETE') {
      this.authorized(req, ['youtube'])
      if (!this.videos.delete(url.searchParams.get('id'))) throw new Refusal(404, 'videoNotFound', 'no such video')
      return say(204)
    }
    const object = p.match(/^\/storage\/v1\/b\/([^/]+)\/o(?:\/(.+))?$/)
    if (object) return this.object(req, url, res, say, decodeURIComponent(object[1]), object[2])
    throw this.complain(`${req.method} ${req.url} is nothing`)
  }

  // ---- who asks ----

  async token(req, say) {
    if (req.method !== 'POST' || req.headers['content-type'] !== 'application/x-www-form-urlencoded')
      throw this.complain('a token is asked for with a form')
    const form = new URLSearchParams((await this.body(req, 65536)).toString())
    const refuse = (reason, message, status = 400) => Object.assign(new Refusal(status, reason, message),
      { oauth: true })
    let scope
    if (form.get('grant_type') === 'urn:ietf:params:oauth:grant-type:jwt-bearer') {
      const jwt = form.get('assertion') ?? '', parts = jwt.split('.')
      if (parts.length !== 3 || !parts.every((x) => /^[A-Za-z0-9_-]+$/.test(x)))
        throw this.complain('the assertion is no JWT')
      const [head, claims] = parts.slice(0, 2).map((x) => JSON.parse(Buffer.from(x, 'base64url')))
      if (head.alg !== 'RS256' || head.typ !== 'JWT') throw this.complain(`the assertion is ${JSON.stringify(head)}`)
      const now = Date.now() / 1000
      if (claims.aud !== AUD) throw this.complain(`aud is ${claims.aud}`)
      if (!(claims.exp > now && claims.iat <= now + 60 && claims.exp - claims.iat <= 3600))
        throw this.complain('iat and exp')
      if (!String(claims.scope).startsWith(SCOPE)) throw this.complain(`scope is ${claims.scope}`)
      const good = createVerify('RSA-SHA256').update(parts.slice(0, 2).join('.')).verify(this.publicKey, parts[2],
        'base64url')
      if (claims.iss !== this.account.client_email || !good) throw refuse('invalid_grant', 'Invalid JWT Signature.')
      scope = claims.scope.slice(SCOPE.length)
    } else if (form.get('grant_type') === 'refresh_token') {
      if (form.get('client_id') !== this.oauth.client_id || form.get('client_secret') !== this.oauth.client_secret)
        throw refuse('invalid_client', 'The OAuth client was not found.', 401)
      if (form.get('refresh_token') !== this.oauth.refresh_token)
        throw refuse('invalid_grant', 'Token has been expired or revoked.')
      scope = 'youtube'
    } else throw this.complain(`grant_type is ${form.get('grant_type')}`)
    const token = `ya29.${randomBytes(20).toString('base64url')}`
    this.granted++
    this.tokens.set(token, { scope, until: Date.now() + this.life * 1000 })
    say(200, { access_token: token, expires_in: this.life, token_type: 'Bearer' })
  }

  revoke() { this.tokens.clear() }

  authorized(req, scopes) {
    const [kind, token] = (req.headers.authorization ?? '').split(' ')
    if (kind !== 'Bearer') throw this.complain(`${req.method} ${req.url} has no token`)
    const t = this.tokens.get(token)
    if (!t || t.until < Date.now()) throw new Refusal(401, 'authError', 'Invalid Credentials')
    if (scopes.includes(t.scope)) return
    this.complaints.push(`scope ${t.scope} is not one of ${scopes}`)
    throw new Refusal(403, 'insufficientPermissions', 'Insufficient Permission')
  }

  // ---- sessions ----

  async announced(req) {
    const type = req.headers['x-upload-content-type'], size = Number(req.headers['x-upload-content-length'])
    if (!type || !/^\d+$/.test(req.headers['x-upload-content-length'] ?? ''))
      throw this.complain('a session says no type and length')
    if (!/^application\/json; *charset=utf-8$/i.test(req.headers['content-type'] ?? ''))
      throw this.complain(`metadata is ${req.headers['content-type']}`)
    return { type, size, meta: JSON.parse((await this.body(req, 65536)).toString()) }
  }

  opens(req, url, say, session) {
    const id = randomBytes(24).toString('base64url')
    this.sessions.set(id, { data: Buffer.alloc(0), ...session })
    url.searchParams.set('upload_id', id)
    say(200, undefined, { location: `http://${req.headers.host}${url.pathname}${url.search}`,
      'x-guploader-uploadid': id })
  }

  async begin(req, url, say, bucket) {
    if (url.searchParams.get('uploadType') === 'media') return this.whole(req, url, say, bucket)
    const acl = url.searchParams.get('predefinedAcl'), b = this.buckets.get(bucket)
    this.authorized(req, acl ? ['devstorage.full_control'] : ['devstorage.read_write', 'devstorage.full_control'])
    const a = await this.announced(req)
    if (url.searchParams.get('uploadType') !== 'resumable') throw this.complain('uploadType')
    if (acl && !ACLS.includes(acl)) throw this.complain(`predefinedAcl is ${acl}`)
    if (!b) throw new Refusal(404, 'notFound', 'The specified bucket does not exist.')
    if (b.readOnly)
      throw new Refusal(403, 'forbidden', `${this.account.client_email} does not have storage.objects.create access`)
    if (b.uniform && acl)
      throw new Refusal(400, 'invalid',
        'Cannot insert legacy ACL for an object when uniform bucket-level access is enabled.')
    if (b.room < a.size) throw new Refusal(403, 'forbidden', 'There is no room left.')
    const { name } = a.meta
    if (typeof name !== 'string' || !name || Buffer.byteLength(name) > 1024 || /[\r\n]/.test(name))
      throw this.complain(`name is ${name}`)
    this.opens(req, url, say, { ...a, acl, bucket, finish: (s) => this.store(s) })
  }

  async whole(req, url, say, bucket) {
    this.authorized(req, ['devstorage.read_write', 'devstorage.full_control'])
    const b = this.buckets.get(bucket), name = url.searchParams.get('name')
    if (!b) throw new Refusal(404, 'notFound', 'The specified bucket does not exist.')
    if (b.readOnly) throw new Refusal(403, 'forbidden', 'does not have storage.objects.create access')
    if (!name || !req.headers['content-type']) throw this.complain('a whole object has a name and a type')
    const { data, ...o } = this.put(bucket, name, await this.body(req, 1e6),
      { contentType: req.headers['content-type'] })
    say(200, o)
  }

  store(s) {
    for (const [key, is] of [['md5Hash', md5(s.data)], ['crc32c', crc32c(s.data)]])
      if (s.meta[key] && s.meta[key] !== is) throw new Refusal(400, 'invalid', `Provided ${key} does not match`)
    if (!s.meta.md5Hash && !s.meta.crc32c) this.complaints.push('no checksum is announced')
    const { data, ...o } = this.put(s.bucket, s.meta.name, s.data,
      { contentType: s.meta.contentType, cacheControl: s.meta.cacheControl, acl: s.acl ?? undefined })
    return this.twist(o)
  }

  async session(req, url, say) {
    const s = this.sessions.get(url.searchParams.get('upload_id'))
    if (req.headers.authorization)
      this.authorized(req, ['devstorage.full_control', 'devstorage.read_write', 'youtube', 'youtube.upload'])
    if (!s || s.ended) { req.resume(); throw new Refusal(404, 'notFound', 'No such session') }
    if (req.method === 'DELETE') {
      if (!s.done) { this.sessions.delete(url.searchParams.get('upload_id')); return say(499) }
      return say(404)
    }
    if (req.method !== 'PUT') throw this.complain(`${req.method} of a session`)
    const range = (req.headers['content-range'] ?? '').match(/^bytes (?:\*|(\d+)-(\d+))\/(\d+)$/)
    if (!range || Number(range[3]) !== s.size)
      throw this.complain(`Content-Range is ${req.headers['content-range']}, of ${s.size} bytes`)
    const length = Number(req.headers['content-length'])
    if (range[1] === undefined) {
      if (length !== 0) throw this.complain('a question has a body')
      await this.body(req, 0)
      if (s.size === 0 && !s.done) s.done = s.finish(s)
      return this.tell(s, say)
    }
    if (s.done) { req.resume(); return say(200, s.done) }
    const [from, to] = [Number(range[1]), Number(range[2])]
    if (from !== s.data.length) throw this.complain(`bytes ${from} are sent, but ${s.data.length} come next`)
    if (to - from + 1 !== length || to >= s.size) throw this.complain(`${length} bytes are said to be ${range[0]}`)
    if (to + 1 < s.size && length % GRANULE) throw this.complain(`a piece has ${length} bytes`)
    const parts = []
    let n = 0
    try {
      for await (const d of req) { parts.push(d); n += d.length }
    } catch { /* it broke off */ }
    if (n < length) { // what is whole stays
      s.data = Buffer.concat([s.data, Buffer.concat(parts).subarray(0, n - n % GRANULE)])
      return
    }
    s.data = Buffer.concat([s.data, ...parts])
    if (s.data.length === s.size) {
      try { s.done = s.finish(s) } catch (e) { s.ended = true; throw e }
    }
    this.tell(s, say)
  }

  tell(s, say) {
    if (s.done) return say(200, s.done)
    say(308, undefined, s.data.length ? { range: `bytes=0-${s.data.length - 1}` } : {})
  }

  // ---- objects ----

  async object(req, url, res, say, bucket, encoded) {
    const b = this.buckets.get(bucket), q = url.searchParams
    this.authorized(req, req.method === 'DELETE' ? ['devstorage.full_control',
      'devstorage.read_write'] : ['devstorage.read_only', 'devstorage.read_write'])
    if (!b) throw new Refusal(404, 'notFound', 'The specified bucket does not exist.')
    if (encoded === undefined) return this.list(b, q, say)
    if (encoded.includes('/')) throw this.complain(`the name in ${req.url} is not encoded`)
    const name = decodeURIComponent(encoded), o = b.objects.get(name)
    if (!o || (q.has('generation') && q.get('generation') !== o.generation))
      throw new Refusal(404, 'notFound', `No such object: ${bucket}/${name}`)
    if (req.method === 'DELETE') { b.objects.delete(name); return say(204) }
    if (req.method !== 'GET') throw this.complain(`${req.method} of an object`)
    const { data, ...meta } = o
    if (q.get('alt') !== 'media') return say(200, meta)
    if (!q.has('generation') && !name.startsWith('workcell-probe-'))
      throw this.complain('bytes are asked for without a generation')
    const range = (req.headers.range ?? '').match(/^bytes=(\d+)-$/)
    if (req.headers.range && !range) throw this.complain(`Range is ${req.headers.range}`)
    const from = range ? Number(range[1]) : 0
    if (range && from >= data.length) throw this.complain(`Range is ${req.headers.range} of ${data.length} bytes`)
    const coded = o.contentEncoding && /gzip/.test(req.headers['accept-encoding'] ?? '')
    const out = data.subarray(from)
    res.writeHead(range ? 206 : 200, {
      'content-type': o.contentType, 'content-length': o.lies ?? out.length,
        ...(coded ? { 'content-encoding': 'gzip' } : {}),
      ...(range ? { 'content-range': `bytes ${from}-${data.length - 1}/${data.length}` } : {}),
    })
    res.end(out)
  }

  list(b, q, say) {
    const prefix = q.get('prefix') ?? '', delimiter = q.get('delimiter'), most = Number(q.get('maxResults') ?? 1000)
    if (!(most >= 1 && most <= 1000)) throw this.complain(`maxResults is ${q.get('maxResults')}`)
    if (!q.get('fields')?.startsWith('nextPageToken,items(')) throw this.complain(`fields is ${q.get('fields')}`)
    const from = q.has('pageToken') ? Buffer.from(q.get('pageToken'), 'base64url').toString() : ''
    if (q.has('pageToken') && !from.startsWith('after:')) throw new Refusal(400, 'invalid', 'Invalid pageToken')
    const after = from.slice('after:'.length)
    const names = [...b.objects.keys()].filter((n) => n.startsWith(prefix)).sort((x,
      y) => Buffer.compare(Buffer.from(x), Buffer.from(y)))
    const items = [], prefixes = new Set()
    let last, more = false
    for (const n of names) {
      const cut = delimiter ? n.indexOf(delimiter, prefix.length) : -1
      const key = cut >= 0 ? n.slice(0, cut + 1) : n
      if (after && Buffer.compare(Buffer.from(key), Buffer.from(after)) <= 0) continue
      if (prefixes.has(key)) continue
      if (items.length + prefixes.size >= most) { more = true; break }
      if (cut >= 0) prefixes.add(key)
      else { const { data, ...o } = b.objects.get(n); items.push(o) }
      last = key
    }
    say(200, { ...(items.length ? { items } : {}),
      ...(more ? { nextPageToken: Buffer.from(`after:${last}`).toString('base64url') } : {}) })
  }

  // ---- videos ----

  async beginVideo(req, url, say) {
    this.authorized(req, ['youtube'])
    const a = await this.announced(req), { snippet, status } = a.meta
    if (url.searchParams.get('uploadType') !== 'resumable' || url.searchParams.get('part') !== 'snippet,status')
      throw this.complain(url.search)
    if (!a.type.startsWith('video/') && a.type !== 'application/octet-stream')
      throw this.complain(`a video is ${a.type}`)
    if (!snippet?.title || [...snippet.title].length > 100 || /[<>]/.test(snippet.title))
      throw this.complain(`title is ${snippet?.title}`)
    if (!/^\d+$/.test(snippet.categoryId) || !['public', 'private', 'unlisted'].includes(status?.privacyStatus))
      throw this.complain(JSON.stringify(a.meta))
    if (snippet.tags && !Array.isArray(snippet.tags)) throw this.complain('tags')
    if (this.quota <= 0)
      throw new Refusal(403, 'quotaExceeded', 'The request cannot be completed because you have exceeded your quota.')
    this.quota--
    this.opens(req, url, say, { ...a, finish: (s) => {
      const id = randomBytes(8).toString('base64url')
      this.videos.set(id, { ...s.meta, data: s.data, type: s.type })
      return { kind: 'youtube#video', id, snippet: s.meta.snippet,
        status: { uploadStatus: 'uploaded', ...s.meta.status } }
    } })
  }
}

// A stand-in for Box's interface, version 2.0, as far as a store and an import need it. The bytes of a file lie on a
// host of
// their own, as they do at Box: a token that comes there is a complaint.
import { createPublicKey, verify } from 'node:crypto'
import http from 'node:http'
import { Answer, Cloud, digest, random } from './cloud.mjs'

const refuse = (status, code, more = {}, headers = {}) =>
  new Answer(status, { type: 'error', status, code, message: code.replaceAll('_', ' '), request_id: 'x', ...more },
  headers)
export const tooManyRequests = { status: 429, body: { type: 'error', status: 429, code: 'rate_limit_exceeded',
  message: 'slow down' }, headers: { 'Retry-After': '1' } }
const base64 = (sha1hex) => Buffer.from(sha1hex, 'hex').toString('base64')

export class Box extends Cloud {
  constructor(keys) {
    super()
    Object.assign(this, { items: new Map(), sessions: new Map(), jtis: new Set(), granted: [], lies: new Map(),
      page: 500, partSize: 8 << 20, least: 20000000, slow: 0, next: 100 })
    this.items.set('0', { type: 'folder', id: '0', name: 'All Files', parent: null })
    this.app = { clientID: 'client', clientSecret: 'client-secret', publicKeyID: 'kid1', enterpriseID: '4711',
      userID: '99', ...keys }
    this.token = random()
    this.tokens = new Set([this.token])
    // OAuth: what a user has granted the app is a chain of refresh tokens, of which the last one works
    Object.assign(this, { chains: [], life: 3900, ends: new Map(), replays: 0, callers: [] })
  }

  // A user signs in by his browser: the first token of a chain.
  grant() {
    const chain = { last: random(32), used: new Set(), given: [] }
    this.chains.push(chain)
    return chain
  }

  // He takes it back.
  revoke(chain) {
    chain.last = null
    for (const t of chain.given) this.tokens.delete(t)
  }

  static async start(t, keys) {
    const s = await super.start(t, keys)
    s.far = http.createServer((req, res) => s.takeFar(req, res))
    await new Promise((r) => s.far.listen(0, '127.0.0.1', r))
    t.after(() => { s.far.closeAllConnections(); s.far.close() })
    return s
  }

  // ---- what lies there ----

  children(id) { return [...this.items.values()].filter((i) => i.parent === id) }
  child(parent, name) { return this.children(parent).find((i) => i.name.toLowerCase() === name.toLowerCase()) }
  pathOf(item) { return item.parent === '0' ? item.name : `${this.pathOf(this.items.get(item.parent))}/${item.name}` }

  add(type, parent, name, more = {}) {
    const item = { type, id: String(this.next++), name, parent, ...more }
    this.items.set(item.id, item)
    return item
  }

  put(path, data) {
    const names = path.split('/').filter(Boolean), name = names.pop()
    let at = '0'
    for (const n of names) at = (this.child(at, n) ?? this.add('folder', at, n)).id
    return this.save(this.child(at, name) ?? this.add('file', at, name, { versions: [] }), Buffer.from(data))
  }

  save(item, data) {
    item.versions.push({ id: String(this.next++), data, sha1: digest('sha1', data) })
    return item
  }

  fileAt(path) {
    let at = '0'
    for (const n of path.split('/')) at = this.child(at, n)?.id
    return this.items.get(at)
  }

  list(prefix) { return [...this.items.values()].filter((i) => i.type === 'file').map((i) =>
    this.pathOf(i)).filter((p) => p.startsWith(prefix)) }
  read(path) { return this.fileAt(path).versions.at(-1).data }
  lie(path) { this.lies.set(this.put(path, Buffer.alloc(5000)).id, 1000) }

  describe(i) {
    const v = i.versions?.at(-1)
    return { type: i.type, id: i.id, etag: '0', name: i.name,
      ...(v ? { size: v.data.length + (this.lies.get(i.id) ?? 0), sha1: this.wrongHash ? '0'.repeat(40) : v.sha1,
      file_version: { type: 'file_version', id: v.id, sha1: v.sha1 } } : {}) }
  }

  // ---- requests ----

  handle(q) {
    if (q.path === '/oauth2/token') return this.giveToken(q)
    if (q.path.startsWith('/d/1/')) return this.bytesOf(q, q.path,
      q.query) // the table has one line only, for both hosts
    const auth = q.headers.authorization ?? ''
    this.need(auth.startsWith('Bearer '), 401, `${q.method} ${q.path}: no token`)
    const bearer = auth.slice(7)
    if (this.callers.length === this.forgetAt)
      for (const token of this.chains.flatMap((c) => c.given)) this.tokens.delete(token)
    this.callers.push(this.chains.find((c) => c.given.includes(bearer)))
    if (!this.tokens.has(bearer) || Date.now() > (this.ends.get(bearer) ?? Infinity)) throw new Answer(401, '',
      { 'WWW-Authenticate': 'Bearer realm="Service", error="invalid_token"' })
    const p = q.path.replace(/^\/2\.0/, '')
    const upload = q.path.startsWith('/api/2.0/') && q.path.slice('/api/2.0'.length)
    const at = upload ? `upload:${q.method} ${upload}` : `${q.method} ${p}`
    const rows = [
      [/^POST \/folders$/, this.makeFolder], [/^GET \/folders\/(\w+)\/items$/, this.listFolder],
        [/^OPTIONS \/files\/content$/, this.preflight],
      [/^PUT \/files\/(\w+)$/, this.share], [/^DELETE \/files\/(\w+)$/, this.remove],
        [/^GET \/files\/(\w+)\/content$/, this.download],
      [/^upload:POST \/files\/content$/, this.upload], [/^upload:POST \/files\/(\w+)\/content$/, this.upload],
      [/^upload:POST \/files\/upload_sessions$/, this.openSession],
        [/^upload:POST \/files\/(\w+)\/upload_sessions$/, this.openSession],
      [/^upload:PUT \/files\/upload_sessions\/(\w+)$/, this.part],
        [/^upload:GET \/files\/upload_sessions\/(\w+)\/parts$/, this.parts],
      [/^upload:POST \/files\/upload_sessions\/(\w+)\/commit$/, this.commit],
        [/^upload:DELETE \/files\/upload_sessions\/(\w+)$/, this.closeSession],
    ]
    for (const [form, fn] of rows) {
      const m = form.exec(at)
      if (m) return fn.call(this, q, m[1])
    }
    this.need(false, 404, `${at} is no call`)
  }

  // ---- tokens ----

  giveToken(q) {
    this.need(q.method === 'POST' && q.headers['content-type'] === 'application/x-www-form-urlencoded' &&
      !q.headers.authorization, 400, 'a token is asked for by a form')
    const form = new URLSearchParams(q.body.toString()),
      bad = (e, d) => new Answer(400, { error: e, error_description: d })
    if (form.get('client_id') !== this.app.clientID ||
      form.get('client_secret') !== this.app.clientSecret) throw bad('invalid_client',
      'The client credentials are invalid')
    const type = form.get('grant_type')
    if (type === 'client_credentials') {
      const subject = `${form.get('box_subject_type')}:${form.get('box_subject_id')}`
      if (![`enterprise:${this.app.enterpriseID}`,
        `user:${this.app.userID}`].includes(subject)) throw bad('invalid_grant', 'no such subject')
    } else if (type === 'refresh_token') {
      this.need([...form.keys()].sort().join() === 'client_id,client_secret,grant_type,refresh_token', 400,
        `fields ${[...form.keys()]}`)
      return this.renew(form.get('refresh_token'), bad)
    } else {
      this.need(type === 'urn:ietf:params:oauth:grant-type:jwt-bearer', 400, `grant_type ${type}`)
      this.checkAssertion(form.get('assertion'), bad)
    }
    const token = random()
    this.tokens.add(token)
    this.granted.push(type)
    return new Answer(200, { access_token: token, expires_in: 3900, restricted_to: [], token_type: 'bearer' })
  }

  // Each refresh token works once. One that comes again was stolen, as far as Box can tell: all of its chain ends.
  async renew(token, bad) {
    const chain = this.chains.find((c) => c.last === token || c.used.has(token))
    if (chain?.used.has(token)) {
      this.replays++
      this.revoke(chain)
    }
    if (!chain?.last) throw bad('invalid_grant', 'Refresh token has expired')
    const access = random(32)
    for (const t of chain.given) this.tokens.delete(t) // nobody is promised that the older ones last
    chain.used.add(token)
    chain.last = random(32)
    chain.given.push(access)
    this.tokens.add(access)
    this.ends.set(access, Date.now() + this.life * 1000)
    this.granted.push('refresh_token')
    const answer = new Answer(200, { access_token: access, refresh_token: chain.last, expires_in: this.life,
      restricted_to: [], token_type: 'bearer' })
    await this.hold
    return answer
  }

  checkAssertion(text, bad) {
    const [head, claims, signature] = text.split('.')
    const read = (part) => JSON.parse(Buffer.from(part, 'base64url'))
    const h = read(head), c = read(claims), now = Date.now() / 1000
    this.need(h.alg === 'RS256' && h.typ === 'JWT' && h.kid === this.app.publicKeyID, 400, `head ${JSON.stringify(h)}`)
    if (!verify('sha256', Buffer.from(`${head}.${claims}`), createPublicKey(this.app.publicKey),
      Buffer.from(signature, 'base64url'))) throw bad('invalid_grant', 'the signature is wrong')
    this.need(c.iss === this.app.clientID && c.aud === `${this.url}/oauth2/token`, 400, `claims ${JSON.stringify(c)}`)
    this.need(c.exp > now && c.exp <= now + 60, 400, `exp ${c.exp - now} s from now`)
    this.need(/^.{16,128}$/.test(c.jti) && !this.jtis.has(c.jti), 400, 'a jti that was used, or is too short')
    this.jtis.add(c.jti)
    if (`${c.box_sub_type}:${c.sub}` !== `enterprise:${this.app.enterpriseID}` &&
      `${c.box_sub_type}:${c.sub}` !== `user:${this.app.userID}`) throw bad('unauthorized_client', 'no such subject')
  }

  // ---- folders ----

  folder(id) {
    const f = this.items.get(id)
    if (f?.type !== 'folder') throw refuse(404, 'not_found')
    return f
  }

  nameOf(name) {
    if (typeof name !== 'string' || !name || /[/\\]/.test(name) || name.trim() !== name ||
      /^\.{1,2}$/.test(name)) { this.complain(`the name ${JSON.stringify(name)}`); throw refuse(400,
      'item_name_invalid') }
    if (name.length > 255) throw refuse(400, 'item_name_too_long')
    return name
  }

  inUse(item, list) { return refuse(409, 'item_name_in_use',
    { context_info: { conflicts: list ? [this.describe(item)] : this.describe(item) } }) }

  makeFolder(q) {
    this.need(q.headers['content-type'] === 'application/json', 400, 'a folder without JSON')
    const { name, parent } = q.json()
    const at = this.folder(parent.id)
    this.nameOf(name)
    if (at.id === this.mayNotMake) throw refuse(403, 'access_denied_insufficient_permissions')
    const there = this.child(at.id, name)
    if (there) throw this.inUse(there, true)
    return new Answer(201, { type: 'folder', id: this.add('folder', at.id, name).id })
  }

  listFolder(q, id) {
    const at = this.folder(id)
    this.need(q.query.get('usemarker') === 'true' && Number(q.query.get('limit')) <= 1000, 400,
      'items: usemarker, limit')
    if (at.name === 'denied') throw refuse(403, 'access_denied_insufficient_permissions')
    const all = [...this.children(id).map((i) => this.describe(i)),
      ...(id === '0' ? [{ type: 'web_link', id: '7', name: 'a bookmark' }] : [])]
    const marker = q.query.get('marker'), from = marker ? Number(Buffer.from(marker, 'base64')) : 0
    this.need(from >= 0, 400, `marker ${marker}`)
    const to = from + Math.min(this.page, Number(q.query.get('limit')))
    return new Answer(200, { entries: all.slice(from, to), limit: to - from,
      next_marker: to < all.length ? Buffer.from(String(to)).toString('base64') : '' })
  }

  // ---- files that come ----

  place(attributes) {
    const { name, parent } = attributes
    const at = this.folder(parent.id)
    this.nameOf(name)
    const top = this.pathOf({ name, parent: at.id }).split('/')[0]
    if (top === 'readonly') throw refuse(403, 'access_denied_insufficient_permissions')
    if (top === 'full') throw refuse(403, 'storage_limit_exceeded')
    const there = this.child(at.id, name)
    if (there) throw this.inUse(there, false)
    return { at, name }
  }

  file(id) {
    const f = this.items.get(id)
    if (f?.type !== 'file') throw refuse(404, 'not_found')
    return f
  }

  remove(q, id) {
    this.items.delete(this.file(id).id)
    return new Answer(204)
  }

  preflight(q) {
    const { size, ...where } = q.json()
    this.need(Number.isInteger(size), 400, 'a size')
    this.place(where)
    return new Answer(200, { upload_url: 'https://upload.box.com/x', upload_token: null })
  }

  formOf(q) {
    const boundary = /^multipart\/form-data; boundary=(\S+)$/.exec(q.headers['content-type'] ?? '')?.[1]
    this.need(boundary, 400, `an upload of ${q.headers['content-type']}`)
    const parts = []
    const line = Buffer.from(`--${boundary}`)
    let at = q.body.indexOf(line)
    this.need(at === 0 && q.body.subarray(-boundary.length - 6).toString() === `--${boundary}--\r\n`, 400,
      'a form without its ends')
    for (;;) {
      const end = q.body.indexOf(Buffer.from(`\r\n--${boundary}`), at + line.length)
      if (end < 0) break
      const text = q.body.indexOf('\r\n\r\n', at)
      parts.push({ head: q.body.subarray(at + line.length + 2, text).toString(), data: q.body.subarray(text + 4, end) })
      at = end + 2
    }
    return parts
  }

  upload(q, id) {
    const parts = this.formOf(q)
    this.need(parts.length === 2 && /name="attributes"/.test(parts[0].head) &&
      /name="file"; filename=/.test(parts[1].head), 400, 'metadata_after_file_contents')
    const data = Buffer.from(parts[1].data), sha1 = q.headers['content-md5']
    this.need(/^[0-9a-f]{40}$/.test(sha1 ?? ''), 400, 'Content-MD5 is the SHA-1 in hex')
    if (sha1 !== digest('sha1', data)) throw refuse(412, 'digest_mismatch')
    const attributes = JSON.parse(parts[0].data)
    if (id) return new Answer(201, { total_count: 1, entries: [this.describe(this.save(this.file(id), data))] })
    const { at, name } = this.place(attributes)
    return new Answer(201, { total_count: 1, entries: [this.describe(this.save(this.add('file', at.id, name,
      { versions: [] }), data))] })
  }

  openSession(q, id) {
    const { file_size: size, file_name: name, folder_id: folder } = q.json()
    if (!id) this.place({ name, parent: { id: folder } })
    else this.file(id)
    this.need(size >= this.least, 400, `a session for ${size} bytes`)
    const s = { id: random(16).toUpperCase(), size, name, folder, file: id, parts: [], asked: 0 }
    this.sessions.set(s.id, s)
    return new Answer(201, { id: s.id, type: 'upload_session', num_parts_processed: 0, part_size: this.partSize,
      total_parts: Math.ceil(size / this.partSize), session_endpoints: {} })
  }

  session(id) {
    const s = this.sessions.get(id)
    if (!s) throw refuse(404, 'session_not_found')
    return s
  }

  part(q, id) {
    const s = this.session(id), m = /^bytes (\d+)-(\d+)\/(\d+)$/.exec(q.headers['content-range'] ?? '')
    this.need(m && q.headers['content-type'] === 'application/octet-stream', 400,
      `a part of ${q.headers['content-range']}`)
    const [from, to, all] = m.slice(1).map(Number)
    this.need(all === s.size && from % this.partSize === 0 && to - from + 1 === q.body.length &&
      q.body.length === Math.min(this.partSize, s.size - from), 400, `the range ${m[0]} of ${q.body.length} bytes`)
    const sha1 = digest('sha1', q.body)
    this.need(q.headers.digest === `sha=${base64(sha1)}`, 412, 'Digest')
    if (s.parts.some((p) => p.offset === from)) throw refuse(409, 'range_overlaps_existing_range')
    const part = { part_id: random(4).toUpperCase(), offset: from, size: q.body.length, sha1, data: q.body }
    s.parts.push(part)
    return new Answer(200, { part: this.shown(part) })
  }

  shown({ data, ...part }) { return part }

  parts(q, id) {
    const s = this.session(id), from = Number(q.query.get('offset') ?? 0), limit = Number(q.query.get('limit') ?? 100)
    return new Answer(200, { entries: [...s.parts].sort((a, b) => a.offset - b.offset).slice(from,
      from + limit).map((p) => this.shown(p)), offset: from, limit, total_count: s.parts.length })
  }

  commit(q, id) {
    const s = this.session(id)
    if (s.asked++ < this.slow) return new Answer(202, '', { 'Retry-After': '1' })
    const { parts } = q.json()
    let at = 0
    for (const p of parts) {
      const mine = s.parts.find((m) => m.part_id === p.part_id)
      this.need(mine && p.offset === at && p.size === mine.size, 400, `the part ${JSON.stringify(p)} of a commit`)
      at += p.size
    }
    this.need(at === s.size, 400, `a commit of ${at} bytes of ${s.size}`)
    const data = Buffer.concat(parts.map((p) => s.parts.find((m) => m.part_id === p.part_id).data))
    this.need(q.headers.digest === `sha=${base64(digest('sha1', data))}`, 412, 'Digest of a commit')
    if (!s.file) this.place({ name: s.name, parent: { id: s.folder } })
    const item = s.file ? this.file(s.file) : this.add('file', s.folder, s.name, { versions: [] })
    this.save(item, data)
    this.sessions.delete(id)
    return new Answer(201, { total_count: 1, entries: [this.describe(item)] })
  }

  closeSession(q, id) {
    this.session(id)
    this.sessions.delete(id)
    return new Answer(204)
  }

  share(q, id) {
    const f = this.file(id), { shared_link: link } = q.json()
    this.need(link?.access === 'open' && q.query.get('fields') === 'shared_link', 400, 'a link')
    return new Answer(200, { type: 'file', id, shared_link: { url: this.oddLinks ? 'box:odd'
      : (f.link ??= `https://app.box.com/s/${random()}`), access: 'open' } })
  }

  // ---- files that go ----

  download(q, id) {
    const f = this.file(id), version = q.query.get('version')
    if (this.notReady > 0) { this.notReady--; return new Answer(202, '', { 'Retry-After': '1' }) }
    const v = version ? f.versions.find((v) => v.id === version) : f.versions.at(-1)
    if (!v) throw refuse(404, 'not_found')
    // in the table the bytes come over the line by which they were asked for
    const far = this.farIsHere ? q.headers.host : `127.0.0.1:${this.farPort ?? this.far.address().port}`
    return new Answer(302, '', { Location: `http://${far}/d/1/${v.id}/download?sig=${f.id}` })
  }

  takeFar(req, res) {
    const url = new URL(req.url, this.url)
    if (req.headers.authorization) this.complain('the token came to the host that has the bytes')
    this.bytesOf({ headers: req.headers, res }, url.pathname, url.searchParams)
  }

  bytesOf(q, path, query) {
    const f = this.items.get(query.get('sig')), v = f?.versions.find((v) => path === `/d/1/${v.id}/download`)
    if (!v) { q.res.writeHead(404).end(); return }
    if (this.change) { this.save(f, Buffer.from('another')); this.change = false }
    this.bytes(q, this.damage ? Buffer.from(v.data).fill(1, 0, 1) : v.data, { short: this.lies.get(f.id) ?? 0 })
  }
}

// A stand-in for Vimeo's interface, version 3.4, as far as a store and an import need it. Videos go to a host of their
// own
// by tus, and come from another: a token that comes there is a complaint.
import http from 'node:http'
import { Answer, Cloud, digest, random } from './cloud.mjs'

const refuse = (status, error, code, headers = {}) =>
  new Answer(status, { error, error_code: code, developer_message: error }, headers)
export const tooManyRequests = { status: 429, body: { error: 'Too many API requests.', error_code: 9000 },
  headers: { 'Retry-After': '1' } }
const VIEWS = ['anybody', 'contacts', 'disable', 'nobody', 'password', 'unlisted', 'users']

export class Vimeo extends Cloud {
  constructor() {
    super()
    Object.assign(this, { videos: new Map(), projects: new Map([['5', []]]), albums: new Map([['7', []], ['8', []]]),
      quota: Infinity, next: 1000, received: 0 })
    this.token = random()
  }

  static async start(t) {
    const s = await super.start(t)
    s.far = http.createServer((req, res) => s.takeFar(req, res))
    s.far.requestTimeout = 0
    await new Promise((r) => s.far.listen(0, '127.0.0.1', r))
    s.farPort = s.far.address().port
    t.after(() => { s.far.closeAllConnections(); s.far.close() })
    return s
  }

  add(name, more = {}) {
    const id = String(this.next++)
    const v = { id, uri: `/videos/${id}`, name, description: null, privacy: { view: 'anybody', download: true },
      data: Buffer.alloc(0), size: 0, at: 0, secret: random(), created: this.next, ...more }
    this.videos.set(id, v)
    return v
  }

  // A video that is there, in the renditions {name: bytes}.
  put(name, renditions, more) {
    const v = this.add(name, more)
    const file = ([rendition, data]) => ({ quality: rendition === 'source' ? 'source' : 'sd', rendition,
      type: 'video/mp4', size: data.length, md5: digest('md5', data),
      ...(rendition === 'source' ? {} : { height: parseInt(rendition) }),
        link: `http://127.0.0.1:${this.farPort}/get/${v.id}/${rendition}`, data })
    v.download = Object.entries(renditions).filter(([r]) => r !== '1080p').map(file)
    v.files = [{ quality: 'hls', rendition: 'adaptive', type: 'video/mp4',
      link: `http://127.0.0.1:${this.farPort}/hls` },
      ...Object.entries(renditions).filter(([r]) => r === '1080p').map(file)]
    return v
  }

  whole() { return [...this.videos.values()].filter((v) => v.at === v.size) }

  describe(v, fields) {
    const plain = (list) => list?.map(({ data, ...f }) => f)
    const all = { uri: v.uri, name: v.name, description: v.description, link: v.link ?? `https://vimeo.com/${v.id}`,
      privacy: v.privacy, download: plain(v.download), files: plain(v.files),
      upload: { status: v.at < v.size ? 'in_progress' : this.broken ? 'error' : 'complete',
        approach: v.size ? 'tus' : null, size: v.size || null,
        upload_link: v.at < v.size ? `http://127.0.0.1:${this.farPort}/files/${v.secret}` : null } }
    return fields ? Object.fromEntries(fields.split(',').map((f) => f.split('.')[0]).filter((f) =>
      all[f] !== undefined).map((f) => [f, all[f]])) : all
  }

  // ---- requests of the interface ----

  handle(q) {
    if (/^\/(files|get)\//.test(q.path)) return this.handleFar(q) // the table has one line only, for all hosts
    const auth = q.headers.authorization ?? ''
    this.need(/^application\/vnd\.vimeo\.\*\+json;version=3\.4$/.test(q.headers.accept ?? ''), 400,
      `${q.method} ${q.path}: Accept ${q.headers.accept}`)
    if (auth !== `Bearer ${this.token}`) throw refuse(401, 'The user credentials are invalid.', 8003)
    const rows = [
      [/^GET \/me$/, () => new Answer(200, { uri: '/users/1' })], [/^POST \/me\/videos$/, this.create],
        [/^GET \/(me\/videos|albums\/7\/videos)$/, this.list], [/^GET \/videos\/(\w+)$/, this.get],
      [/^PATCH \/videos\/(\w+)$/, this.edit], [/^DELETE \/videos\/(\w+)$/, this.remove],
        [/^PUT \/me\/(projects|albums)\/(\w+)\/videos\/(\w+)$/, this.place],
    ]
    for (const [form, fn] of rows) {
      const m = form.exec(`${q.method} ${q.path}`)
      if (m) return fn.call(this, q, ...m.slice(1))
    }
    throw refuse(404, "The requested resource couldn't be found.", 5000)
  }

  json(q) {
    this.need(q.headers['content-type'] === 'application/json', 400,
      `${q.method} ${q.path} with ${q.headers['content-type']}`)
    return q.json()
  }

  video(id) {
    const v = this.videos.get(id)
    if (!v) throw refuse(404, "The requested video couldn't be found.", 5000)
    return v
  }

  create(q) {
    const { upload, name, privacy, ...rest } = this.json(q)
    this.need(upload?.approach === 'tus' && Number.isInteger(upload.size) && upload.size > 0 &&
      !Object.keys(rest).length, 400, `a video ${q.body}`)
    this.need(VIEWS.includes(privacy?.view) && name.length <= 128, 400, 'a video without a name or a view')
    if (upload.size > this.quota) throw refuse(403, 'The upload quota of this account is used up.', 4101)
    const v = this.add(name, { size: upload.size, privacy })
    return new Answer(200, this.describe(v, q.query.get('fields')))
  }

  list(q) {
    const page = Number(q.query.get('page') ?? 1), per = Number(q.query.get('per_page') ?? 25)
    this.need(page >= 1 && per >= 1 && per <= 100, 400, `page ${page} of ${per}`)
    const all = [...this.videos.values()].sort((a, b) => b.created - a.created)
    if (page > 1 && (page - 1) * per >= all.length) throw refuse(404, "The requested page couldn't be found.", 2286)
    const more = page * per < all.length
    return new Answer(200, { total: all.length, page, per_page: per,
      paging: { next: more ? `/me/videos?page=${page + 1}` : null },
      data: all.slice((page - 1) * per, page * per).map((v) => this.describe(v, q.query.get('fields'))) })
  }

  get(q, id) { return new Answer(200, this.describe(this.video(id), q.query.get('fields'))) }

  edit(q, id) {
    const v = this.video(id), { name, description, privacy, password, ...rest } = this.json(q)
    this.need(!Object.keys(rest).length && VIEWS.includes(privacy.view) && typeof privacy.download === 'boolean', 400,
      `an edit ${q.body}`)
    this.need((privacy.view === 'password') === (typeof password === 'string'), 400, 'a password goes with that view')
    if (name.length > 128) throw refuse(400, 'The name is too long.', 2204)
    Object.assign(v, { name, description, privacy, password })
    return new Answer(200, this.describe(v, q.query.get('fields')))
  }

  remove(q, id) {
    this.videos.delete(this.video(id).id)
    return new Answer(204)
  }

  place(q, kind, id, video) {
    const list = this[kind].get(id)
    if (!list) throw refuse(404, `no such ${kind}`, 5000)
    list.push(this.video(video).id)
    return new Answer(204)
  }

  // ---- the hosts of the bytes ----

  async takeFar(req, res) {
    const url = new URL(req.url, this.url)
    if (req.headers.authorization) this.complain('the token came to the host that has the bytes')
    const got = /^\/get\//.test(url.pathname)
    if (got) { this.send({ headers: req.headers, res }, url.pathname); return }
    const chunks = []
    const v = [...this.videos.values()].find((v) => url.pathname === `/files/${v.secret}`)
    const head = this.tusHead(req, v)
    if (head) { res.writeHead(head.status, head.headers).end(); return }
    // what arrives is kept, even when the rest does not: that is what HEAD is for
    try { for await (const c of req) { chunks.push(c); v.data = Buffer.concat([v.data,
      c]); v.at += c.length; this.received += c.length } } catch { return }
    if (this.lost-- > 0) { res.socket.destroy(); return }
    res.writeHead(204, { 'Tus-Resumable': '1.0.0', 'Upload-Offset': v.at }).end()
  }

  tusHead(req, v) {
    const headers = { 'Tus-Resumable': '1.0.0' }
    if (req.headers['tus-resumable'] !== '1.0.0') { this.complain('no Tus-Resumable'); return { status: 412, headers } }
    if (!v) return { status: 404, headers }
    if (req.method === 'HEAD') return { status: 200,
      headers: { ...headers, 'Upload-Offset': v.at, 'Upload-Length': v.size } }
    if (req.method !== 'PATCH' ||
      req.headers['content-type'] !== 'application/offset+octet-stream') {
      this.complain(`${req.method} ${req.headers['content-type']}`)
      return { status: 415, headers }
    }
    const length = Number(req.headers['content-length'])
    if (Number(req.headers['upload-offset']) !== v.at) return { status: 409, headers }
    if (v.at + length > v.size) { this.complain('more than the video has'); return { status: 413, headers } }
  }

  handleFar(q) {
    if (q.path.startsWith('/get/')) return this.send(q, q.path)
    const v = [...this.videos.values()].find((v) => q.path === `/files/${v.secret}`)
    const head = this.tusHead(q, v)
    if (head) return new Answer(head.status, '', head.headers)
    v.data = Buffer.concat([v.data, q.body])
    v.at += q.body.length
    return new Answer(204, '', { 'Tus-Resumable': '1.0.0', 'Upload-Offset': v.at })
  }

  send(q, path) {
    const [, , id, rendition] = path.split('/'), v = this.videos.get(id)
    const f = [...(v?.download ?? []), ...(v?.files ?? [])].find((f) => f.rendition === rendition && f.data)
    if (!f) { q.res.writeHead(404).end(); return undefined }
    return this.bytes(q, this.damage ? Buffer.from(f.data).fill(1, 0, 1) : f.data,
      { headers: { ETag: `"${f.md5}"` }, short: this.short ?? 0 })
  }
}

// A stand-in for Dropbox's interface, version 2, as far as a store and an import need it.
import { Answer, ascii, Cloud, digest, random } from './cloud.mjs'

const MB = 1024 * 1024
export const contentHash = (data) => {
  const sums = []
  for (let i = 0; i < data.length; i += 4 * MB) sums.push(Buffer.from(digest('sha256', data.subarray(i, i + 4 * MB)),
    'hex'))
  return digest('sha256', Buffer.concat(sums))
}
// {'.tag': 'path', path: {...}} from 'path/not_found'; more: beside the innermost tag
const tagged = (tags, more = {}) => {
  const [first, ...rest] = tags.split('/')
  return rest.length ? { '.tag': first, [first]: tagged(rest.join('/'), more) } : { '.tag': first, ...more }
}
const refuse = (tags, more, status = 409, headers = {}) =>
  new Answer(status, { error_summary: `${tags}/..`, error: tagged(tags, more) }, headers)
export const tooManyWrites = { status: 409, body: { error_summary: 'path/too_many_write_operations/.',
  error: { '.tag': 'path', reason: { '.tag': 'too_many_write_operations' }, upload_session_id: 'x' } } }
export const tooManyRequests = { status: 429, body: { error_summary: 'too_many_requests/..',
  error: { reason: { '.tag': 'too_many_requests' }, retry_after: 1 } }, headers: { 'Retry-After': '1' } }

const ARGS = {
  'files/upload': ['path', 'mode', 'autorename', 'mute', 'content_hash', 'client_modified', 'strict_conflict'],
  'files/upload_session/start': ['close', 'session_type', 'content_hash'],
  'files/upload_session/append_v2': ['cursor', 'close', 'content_hash'],
  'files/upload_session/finish': ['cursor', 'commit', 'content_hash'],
  'files/download': ['path', 'rev'],
  'files/get_metadata': ['path'],
  'files/list_folder': ['path', 'recursive', 'limit', 'include_non_downloadable_files'],
  'files/list_folder/continue': ['cursor'],
  'files/delete_v2': ['path'],
  'sharing/create_shared_link_with_settings': ['path', 'settings'],
  'sharing/list_shared_links': ['path', 'direct_only', 'cursor'],
}

export class Dropbox extends Cloud {
  constructor() {
    super()
    Object.assign(this, { files: new Map(), revs: new Map(), sessions: new Map(), cursors: new Map(), links: new Map(),
      lies: new Map() })
    this.token = `sl.${random()}`
    this.tokens = new Set([this.token])
    this.refresh = { token: random(), key: 'app-key', secret: 'app-secret' }
    this.page = 2000
  }

  // ---- what lies there ----

  put(path, data) {
    const full = `/${path.replace(/^\//, '')}`
    data = Buffer.from(data)
    const file = { path: full, data, rev: random(8), id: `id:${random()}`, hash: contentHash(data) }
    this.files.set(full.toLowerCase(), file)
    this.revs.set(file.rev, file)
    return file
  }

  list(prefix) { return [...this.files.values()].map((f) => f.path.slice(1)).filter((p) => p.startsWith(prefix)) }
  read(path) { return this.files.get(`/${path}`.toLowerCase()).data }
  lie(path) { this.lies.set(this.put(path, Buffer.alloc(5000)).path, 1000) }

  describe(f, tag) {
    const lie = this.lies.get(f.path) ?? 0
    return { ...(tag ? { '.tag': 'file' } : {}), name: f.path.split('/').pop(), id: f.id, rev: f.rev,
      size: f.data.length + lie, path_lower: f.path.toLowerCase(),
      path_display: f.path, content_hash: this.wrongHash ? '0'.repeat(64) : f.hash, is_downloadable: true,
        client_modified: '2026-01-01T00:00:00Z', server_modified: '2026-01-01T00:00:00Z' }
  }

  pathOf(path, where) {
    this.need(typeof path === 'string' && /^(\/[^/]+)+$/.test(path), 400, `${where}: the path ${JSON.stringify(path)}`)
    return path
  }

  // ---- requests ----

  handle(q) {
    if (q.path === '/oauth2/token') return this.giveToken(q)
    const m = /^\/2\/(.*)$/.exec(q.path), name = m?.[1]
    this.need(name in ARGS, 400, `${q.method} ${q.path} is no call`)
    const auth = q.headers.authorization ?? ''
    if (!auth.startsWith('Bearer ')) { this.complain(`${name}: no token`); throw new Answer(400, 'no token') }
    if (!this.tokens.has(auth.slice(7))) throw refuse(this.expired === auth.slice(7) ? 'expired_access_token'
      : 'invalid_access_token', {}, 401)
    const args = this.argsOf(q, name)
    for (const key of Object.keys(args)) this.need(ARGS[name].includes(key), 400, `${name} does not know ${key}`)
    return this[name.replaceAll('/', '_')](args, q)
  }

  argsOf(q, name) {
    const content = /^files\/(upload|download)/.test(name)
    if (!content) {
      this.need(q.method === 'POST' && q.headers['content-type'] === 'application/json', 400,
        `${name}: ${q.method} with ${q.headers['content-type']}`)
      return q.json()
    }
    const text = q.headers['dropbox-api-arg']
    this.need(text && /^[\x20-\x7e]*$/.test(text), 400, `${name}: an argument in a header must be ASCII: ${text}`)
    if (name === 'files/download') this.need(!q.body.length && !q.headers['content-type'], 400, `${name} with a body`)
    else this.need(q.method === 'POST' && q.headers['content-type'] === 'application/octet-stream' &&
      q.body.length <= 150 * MB, 400, `${name}: ${q.headers['content-type']}, ${q.body.length} bytes`)
    return JSON.parse(text)
  }

  giveToken(q) {
    this.need(q.method === 'POST' && q.headers['content-type'] === 'application/x-www-form-urlencoded', 400,
      'a token is asked for by a form')
    this.need(!q.headers.authorization, 400, 'a token is asked for with a token')
    const form = new URLSearchParams(q.body.toString())
    this.need(form.get('grant_type') === 'refresh_token', 400, 'grant_type')
    const { token, key, secret } = this.refresh
    if (form.get('client_id') !== key || form.get('client_secret') !== secret) throw new Answer(400,
      { error: 'invalid_client', error_description: 'no such app' })
    if (form.get('refresh_token') !== token) throw new Answer(400,
      { error: 'invalid_grant', error_description: 'refresh token is invalid or revoked' })
    const fresh = `sl.${random()}`
    this.tokens.add(fresh)
    return new Answer(200, { access_token: fresh, token_type: 'bearer', expires_in: 14400 })
  }

  // ---- files that come ----

  commit(c, data) {
    this.need(c.mode === 'overwrite' && !c.autorename, 400, `a commit that would not replace: ${JSON.stringify(c)}`)
    const path = this.pathOf(c.path, 'commit'), names = path.slice(1).split('/')
    const why = names[0] === 'readonly' ? 'no_write_permission' : names[0] === 'full' ? 'insufficient_space'
      : names.some((n) => n.length > 255) ? 'malformed_path'
        : this.files.has(path.slice(0, path.lastIndexOf('/')).toLowerCase()) ? 'conflict' : ''
    if (why) throw new Answer(409, { error_summary: `path/${why}/..`,
      error: { '.tag': 'path', reason: { '.tag': why,
      ...(why === 'conflict' ? { conflict: { '.tag': 'file_ancestor' } } : {}) }, upload_session_id: 'x' } })
    return new Answer(200, this.describe(this.put(path, data)))
  }

  files_upload(args, q) {
    const { content_hash: hash, ...commit } = args
    if (hash && hash !== contentHash(q.body)) throw refuse('content_hash_mismatch')
    return this.commit(commit, q.body)
  }

  files_upload_session_start(args, q) {
    const id = random(16)
    this.sessions.set(id, { chunks: q.body.length ? [q.body] : [], length: q.body.length })
    return new Answer(200, { session_id: id })
  }

  session({ session_id: id, offset }, wrap = (e) => e) {
    const s = this.sessions.get(id)
    if (!s) throw refuse(wrap('not_found'))
    if (s.length !== offset) throw refuse(wrap('incorrect_offset'), { correct_offset: s.length })
    return s
  }

  files_upload_session_append_v2({ cursor }, q) {
    const s = this.session(cursor)
    s.chunks.push(q.body)
    s.length += q.body.length
    return new Answer(200, 'null')
  }

  files_upload_session_finish({ cursor, commit }, q) {
    const s = this.session(cursor, (e) => `lookup_failed/${e}`)
    const done = this.commit(commit, Buffer.concat([...s.chunks, q.body]))
    this.sessions.delete(cursor.session_id)
    return done
  }

  files_get_metadata({ path }) {
    const f = this.files.get(this.pathOf(path, 'get_metadata').toLowerCase())
    if (!f) throw refuse('path/not_found')
    return new Answer(200, this.describe(f, true))
  }

  files_delete_v2({ path }) {
    const f = this.files.get(this.pathOf(path, 'delete').toLowerCase())
    if (!f) throw refuse('path_lookup/not_found')
    this.files.delete(path.toLowerCase())
    return new Answer(200, { metadata: this.describe(f, true) })
  }

  // ---- links ----

  sharing_create_shared_link_with_settings({ path }) {
    const f = this.files.get(this.pathOf(path, 'a link').toLowerCase())
    if (!f) throw refuse('path/not_found')
    const url = this.links.get(f.path)
    if (url) throw refuse('shared_link_already_exists',
      this.silentLinks ? {} : { shared_link_already_exists: { '.tag': 'metadata', metadata: { url } } })
    this.links.set(f.path, this.oddLinks ? 'dropbox:odd' : `https://www.dropbox.com/scl/fi/${random()}/x?rlkey=1&dl=0`)
    return new Answer(200, { '.tag': 'file', url: this.links.get(f.path) })
  }

  sharing_list_shared_links({ path }) {
    const url = this.links.get(path)
    return new Answer(200, { links: url ? [{ '.tag': 'file', url }] : [], has_more: false })
  }

  // ---- files that go ----

  files_list_folder({ path, recursive, limit }) {
    this.need(path === '' || /^(\/[^/]+)+$/.test(path), 400,
      `list_folder of ${JSON.stringify(path)}: the root is an empty text`)
    this.need(limit >= 1 && limit <= 2000, 400, 'list_folder: limit')
    const below = [...this.files.values()].filter((f) => f.path.toLowerCase().startsWith(`${path.toLowerCase()}/`) &&
      (recursive || f.path.lastIndexOf('/') === path.length))
    if (path === '/denied') throw refuse('path/restricted_content')
    if (path && !below.length) throw refuse(this.files.has(path.toLowerCase()) ? 'path/not_folder' : 'path/not_found')
    const folders = new Set(below.flatMap((f) =>
      { const names = f.path.split('/'); return names.slice(1, -1).map((_, i) => names.slice(0, i + 2).join('/')) }))
    const entries = [...[...folders].map((p) => ({ '.tag': 'folder', name: p.split('/').pop(),
      path_lower: p.toLowerCase(), path_display: p, id: 'id:x' })), ...below.map((f) => this.describe(f, true))]
    return this.pageOf(entries, Math.min(limit, this.page))
  }

  pageOf(entries, limit) {
    const cursor = random(20)
    this.cursors.set(cursor, { entries: entries.slice(limit), limit })
    return new Answer(200, { entries: entries.slice(0, limit), cursor, has_more: entries.length > limit })
  }

  files_list_folder_continue({ cursor }) {
    const c = this.cursors.get(cursor)
    if (!c) throw refuse('reset')
    return this.pageOf(c.entries, c.limit)
  }

  files_download({ path }, q) {
    const f = path.startsWith('rev:') ? this.revs.get(path.slice(4))
      : this.files.get(this.pathOf(path, 'download').toLowerCase())
    if (!f) throw refuse(path.split('/').some((n) => n.length > 255) ? 'path/malformed_path' : 'path/not_found')
    if (f.path.startsWith('/denied/')) throw refuse('path/restricted_content')
    if (q.headers.range) this.need(path.startsWith('rev:'), 400,
      'the rest of a file is asked for by its name, and may be another one by now')
    const data = this.damage ? Buffer.from(f.data).fill(1, 0, 1) : f.data
    return this.bytes(q, data, { headers: { 'Dropbox-API-Result': ascii(this.describe(f)), ETag: `"${f.rev}"` },
      short: this.lies.get(f.path) ?? 0 })
  }
}

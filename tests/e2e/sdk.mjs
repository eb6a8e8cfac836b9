// Every public method of the official SDK, old and new package, with its own checks of answers switched on. Whatever it
// prints (a schema complaint, an HTTP error, a warning of Node's) fails the test, unless the test asked for that refusal.
import assert from 'node:assert/strict'
import { createHmac, randomBytes } from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { KEY, picture, root, SECRET, Server, sleep } from './server.mjs'
import { there, workDir } from './there.mjs'

process.env.DEBUG = 'transloadit:warn' // read when the package is loaded: its warnings go to standard error
const packages = ['transloadit', '@transloadit/node']
const modules = Object.fromEntries(await Promise.all(packages.map(async (name) => [name, await import(name)])))
const resized = { resized: { robot: '/image/resize', use: ':original', width: 100, result: true } }
const slow = { huge: { robot: '/image/resize', use: ':original', width: 9000, format: 'avif' } }
const original = { ':original': { robot: '/upload/handle', result: true } }
const demo = { authKey: 'demo-key-0001', authSecret: 'demo-secret-0001' } // of the contract's test vectors
const until = async (done, ms = 30000) => {
  for (const end = Date.now() + ms; !done();) { assert.ok(Date.now() < end, 'timed out'); await sleep(20) }
}
const collect = async (stream) => {
  const all = []
  for await (const item of stream) all.push(item)
  return all
}

// What was said while a test ran.
function listen(t) {
  const said = []
  const undo = []
  const replace = (object, name, put) => {
    const old = object[name]
    object[name] = put(old)
    undo.push(() => { object[name] = old })
  }
  for (const name of ['log', 'info', 'warn', 'error', 'debug']) replace(console, name, () => (...a) => { said.push(a.join(' ')) })
  replace(process.stderr, 'write', () => (text) => { said.push(String(text)); return true })
  const warned = (w) => said.push(`${w.name}: ${w.message}`)
  process.on('warning', warned)
  t.after(() => { process.off('warning', warned); for (const f of undo) f() })
  return said
}

class Run {
  static async start(t, name, { args = [] } = {}) {
    const r = new Run()
    Object.assign(r, { t, name, lib: modules[name], said: listen(t), called: new Set() })
    r.s = await Server.start(t, { args: ['--notify-allow', '127.0.0.1', '--import-allow', '127.0.0.1', ...args] })
    r.sdk = r.client()
    return r
  }

  // A client that notes which of its methods the test has called.
  client(more = { authKey: KEY, authSecret: SECRET }) {
    const { called } = this
    const plain = new this.lib.Transloadit({ endpoint: this.s.url, validateResponses: true, ...more })
    return new Proxy(plain, {
      get(target, key, self) {
        const v = Reflect.get(target, key, self)
        if (typeof v !== 'function') return v
        return (...a) => { called.add(key); return v.apply(target, a) }
      },
    })
  }

  // The call is refused with this code and HTTP status, and the SDK says no more than that.
  async refused(promise, code, status) {
    await assert.rejects(promise, (e) => {
      assert.ok(e instanceof this.lib.ApiError, String(e))
      assert.equal(e.code, code)
      if (status) assert.equal(e.cause.response.statusCode, status)
      return true
    })
    // An answer with an error in it is no HTTP error, and nothing is said
    const warning = this.said.findIndex((l) => l.includes(`HTTP error ${status} `) && l.includes(code))
    assert.equal(warning >= 0, status !== undefined, this.said.join('\n'))
    if (warning >= 0) this.said.splice(warning, 1)
  }

  // This is what was said, and nothing but this.
  expect(...patterns) {
    for (const p of patterns) assert.ok(this.said.some((l) => p.test(l)), `${p}\n${this.said.join('\n')}`)
    const rest = this.said.filter((l) => !patterns.some((p) => p.test(l)))
    this.said.splice(0, this.said.length, ...rest)
  }

  // An answer that the SDK itself does not look at.
  status(document) {
    const parsed = this.lib.assemblyStatusSchema.safeParse(document)
    assert.ok(parsed.success, JSON.stringify(parsed.error?.issues))
    return document
  }

  done(params = { steps: resized }) { return this.sdk.createAssembly({ params, files: { file: picture }, waitForCompletion: true }) }
}

// A name is the method; more than one test of it: `method, what about it`.
const cases = {
  async createAssembly(r) {
    const seen = []
    const progress = []
    const promise = r.sdk.createAssembly({
      params: { steps: resized, fields: { n: 1 } }, files: { file: picture }, uploads: { text: 'hello', bytes: Buffer.from('12345') },
      waitForCompletion: true, chunkSize: 300000, onUploadProgress: (p) => seen.push(p), onAssemblyProgress: (s) => progress.push(s.ok),
    })
    assert.match(promise.assemblyId, /^[0-9a-f]{32}$/)
    const a = r.status(await promise)
    assert.equal(a.assembly_id, promise.assemblyId)
    assert.equal(a.ok, 'ASSEMBLY_COMPLETED')
    assert.deepEqual(a.uploads.map((u) => [u.field, u.name, u.size]).sort(), [['bytes', 'bytes', 5], ['file', 'astronaut.png', fs.statSync(picture).size], ['text', 'text', 5]])
    assert.equal(a.results.resized[0].meta.width, 100)
    assert.deepEqual(a.fields, { n: 1 })
    assert.match(a.transloadit_client, new RegExp(`^node-sdk:${JSON.parse(fs.readFileSync(path.join(root, `tests/e2e/node_modules/${r.name}/package.json`))).version}`))
    assert.deepEqual(seen.at(-1), { uploadedBytes: fs.statSync(picture).size + 10, totalBytes: undefined }) // a stream's length is not known
  },
  async 'createAssembly, without files, with an id of its own, that is used once'(r) {
    const id = randomBytes(16).toString('hex')
    const a = r.status(await r.sdk.createAssembly({ assemblyId: id, params: { steps: original } }))
    assert.equal(a.assembly_id, id)
    await r.refused(r.sdk.createAssembly({ assemblyId: id, params: { steps: original } }), 'DO_NOT_REUSE_ASSEMBLY_IDS', 400)
  },
  async 'createAssembly, refused for a Robot that there is not, and for its parameters'(r) {
    await r.refused(r.sdk.createAssembly({ params: { steps: { v: { robot: '/edgly/deliver' } } } }), 'ASSEMBLY_STEP_UNKNOWN_ROBOT', 400)
    await r.refused(r.sdk.createAssembly({ params: { steps: { a: { ...resized.resized, width: -1 } } } }), 'IMAGE_RESIZE_VALIDATION', 400)
    await r.refused(r.sdk.createAssembly({ params: { template_id: '0'.repeat(32) } }), 'TEMPLATE_NOT_FOUND', 404)
    await r.refused(r.client({ authKey: 'nobody', authSecret: 'x' }).createAssembly({ params: { steps: original } }), 'GET_ACCOUNT_UNKNOWN_AUTH_KEY', 400)
    await r.refused(r.client({ authKey: KEY, authSecret: 'wrong' }).createAssembly({ params: { steps: original } }), 'INVALID_SIGNATURE', 400)
  },
  async 'createAssembly, whose file breaks it, gives the code of the Assembly'(r) {
    const e = await r.sdk.createAssembly({ params: { steps: resized }, uploads: { 'x.png': Buffer.from('\x89PNG\r\n\x1a\nbroken', 'latin1') }, waitForCompletion: true })
      .catch((x) => x)
    assert.ok(e instanceof r.lib.ApiError, String(e))
    const a = r.status(await r.sdk.getAssembly(e.assemblyId))
    assert.equal(a.error, e.code)
    assert.match(a.error, /^(INVALID_INPUT_ERROR|FILE_META_DATA_ERROR|INTERNAL_COMMAND_ERROR)$/)
  },
  async 'createAssembly, uploading in the background, or not at all'(r) {
    const a = await r.sdk.createAssembly({ params: { steps: resized }, files: { file: picture }, uploadBehavior: 'background' })
    assert.match(a.upload_urls.file, /\/resumable\/files\//)
    assert.equal((await r.s.until(a.assembly_id)).ok, 'ASSEMBLY_COMPLETED')
    const b = await r.sdk.createAssembly({ params: { steps: resized }, files: { file: picture }, uploadBehavior: 'none', expectedUploads: 2 })
    const now = r.status(await r.sdk.getAssembly(b.assembly_id))
    assert.deepEqual([now.ok, now.expected_tus_uploads, now.started_tus_uploads], ['ASSEMBLY_UPLOADING', 2, 1])
    assert.equal((await r.sdk.cancelAssembly(b.assembly_id)).ok, 'ASSEMBLY_CANCELED')
  },
  async 'createAssembly, with too many that are not over, waits and tries again'(r) {
    const s = await Server.start(r.t, { args: ['--max-assemblies', '1'] })
    const client = r.client({ authKey: KEY, authSecret: SECRET, endpoint: s.url })
    const a = await client.createAssembly({ params: { steps: original }, expectedUploads: 1 })
    const second = client.createAssembly({ params: { steps: original } })
    await until(() => r.said.some((l) => l.includes('Rate limit reached, retrying request in approximately 5 seconds')))
    assert.equal((await client.cancelAssembly(a.assembly_id)).ok, 'ASSEMBLY_CANCELED')
    assert.equal((await second).ok, 'ASSEMBLY_COMPLETED')
    r.expect(/HTTP error 413 .*RATE_LIMIT_REACHED/s, /retrying request in approximately 5 seconds/)
  },
  async 'getAssembly, read too often, waits and tries again'(r) {
    const s = await Server.start(r.t, { args: ['--status-rate', '1'] })
    const client = r.client({ authKey: KEY, authSecret: SECRET, endpoint: s.url })
    const a = await client.createAssembly({ params: { steps: original } })
    for (let i = 0; i < 4; i++) assert.equal((await client.getAssembly(a.assembly_id)).ok, 'ASSEMBLY_COMPLETED')
    r.expect(/HTTP error 429 .*ASSEMBLY_STATUS_FETCHING_RATE_LIMIT_REACHED/s, /retrying request in approximately \d seconds/)
  },
  async getLastUsedAssemblyUrl(r) {
    const a = await r.sdk.createAssembly({ params: { steps: original } })
    assert.equal(r.sdk.getLastUsedAssemblyUrl(), a.assembly_ssl_url)
  },
  async setDefaultTimeout(r) {
    let answer
    const hook = await there(r.t, () => new Promise((done) => { answer = done }))
    const a = await r.done()
    const replay = () => r.sdk.replayAssemblyNotification(a.assembly_id, { notify_url: hook.url }) // answered when the receiver has
    r.sdk.setDefaultTimeout(300)
    await assert.rejects(replay(), r.lib.TimeoutError)
    answer({})
    r.sdk.setDefaultTimeout(60000)
    const second = replay()
    await until(() => hook.got.length === 2)
    answer({})
    assert.equal((await second).ok, 'ASSEMBLY_NOTIFICATION_REPLAYED')
  },
  async lintAssemblyInstructions(r) {
    const { id } = await r.sdk.createTemplate({ name: 'to-lint', template: { allow_steps_override: false, steps: { ...original, ...resized } } })
    const good = await r.sdk.lintAssemblyInstructions({ templateId: id })
    assert.deepEqual([good.success, good.issues.filter((i) => i.type === 'error')], [true, []])
    const bad = await r.sdk.lintAssemblyInstructions({ assemblyInstructions: { steps: { a: { robot: '/image/resize', use: 'nobody' } } } })
    assert.equal(bad.success, false)
    await assert.rejects(r.sdk.lintAssemblyInstructions({ templateId: id, assemblyInstructions: { steps: resized } }), /TEMPLATE_DENIES_STEPS_OVERRIDE/)
    await r.refused(r.sdk.lintAssemblyInstructions({ templateId: 'nothing' }), 'TEMPLATE_NOT_FOUND', 404)
  },
  async mintBearerToken(r) {
    const token = await r.sdk.mintBearerToken({ scope: ['assemblies:write', 'assemblies:read'] })
    assert.deepEqual([token.token_type, token.expires_in], ['Bearer', 21600])
    assert.deepEqual(token.scope.split(' ').sort(), ['assemblies:read', 'assemblies:write'])
    const bearer = r.client({ authToken: token.access_token })
    const a = await bearer.createAssembly({ params: { steps: resized }, files: { file: picture }, waitForCompletion: true })
    assert.equal(a.ok, 'ASSEMBLY_COMPLETED')
    assert.equal((await bearer.listAssemblies()).count, 1)
    await r.refused(bearer.listTemplates(), 'INSUFFICIENT_AUTH_SCOPE', 403)
    await r.refused(r.client({ authToken: 'nonsense' }).listTemplates(), 'BEARER_TOKEN_INVALID', 401)
    await assert.rejects(r.client({ authKey: KEY, authSecret: 'wrong' }).mintBearerToken(), /TOKEN_INVALID_CREDENTIALS/)
    await assert.rejects(r.sdk.mintBearerToken({ scope: ['everything:ever'] }), /INSUFFICIENT_AUTH_SCOPE/)
    assert.ok((await r.sdk.mintBearerToken()).scope.includes('templates:write'))
  },
  async resumeAssemblyUploads(r) {
    const a = await r.sdk.createAssembly({ params: { steps: resized }, files: { file: picture }, uploads: { whole: 'text' }, uploadBehavior: 'none', expectedUploads: 2 })
    await r.s.patch(a.upload_urls.file, 0, fs.readFileSync(picture).subarray(0, 100000)) // a part of it has come already
    const rest = await r.sdk.resumeAssemblyUploads({ assemblyUrl: a.assembly_ssl_url, files: { file: picture }, uploads: { whole: 'text' }, waitForCompletion: true })
    assert.equal(r.status(rest).ok, 'ASSEMBLY_COMPLETED')
    assert.deepEqual(rest.uploads.map((u) => u.name).sort(), ['astronaut.png', 'whole'])
    assert.equal(rest.uploads.find((u) => u.name !== 'whole').tus_upload_url, a.upload_urls.file)
    assert.equal(rest.results.resized[0].meta.width, 100)
  },
  async awaitAssemblyCompletion(r) {
    const a = await r.sdk.createAssembly({ params: { steps: resized }, files: { file: picture } })
    const done = await r.sdk.awaitAssemblyCompletion(a.assembly_id, { interval: 100 })
    assert.equal(done.ok, 'ASSEMBLY_COMPLETED')
    const b = await r.sdk.createAssembly({ params: { steps: original }, expectedUploads: 1 })
    const oks = []
    await assert.rejects(r.sdk.awaitAssemblyCompletion(b.assembly_id, { interval: 50, timeout: 200, assemblyUrl: b.assembly_ssl_url, onAssemblyProgress: (s) => oks.push(s.ok) }), /Polling timed out/)
    assert.ok(oks.length && oks.every((x) => x === 'ASSEMBLY_UPLOADING'))
    assert.equal((await r.sdk.cancelAssembly(b.assembly_id)).ok, 'ASSEMBLY_CANCELED')
  },
  async maybeThrowInconsistentResponseError(r) { // it is this that a wrong answer of ours would end in
    assert.throws(() => r.sdk.maybeThrowInconsistentResponseError('wrong'), r.lib.InconsistentResponseError)
    assert.deepEqual(r.said, [])
    r.client({ authKey: KEY, authSecret: SECRET, validateResponses: false }).maybeThrowInconsistentResponseError('wrong')
    assert.match(r.said.pop(), /Please report this error/)
  },
  async cancelAssembly(r) {
    const a = await r.sdk.createAssembly({ params: { steps: slow }, files: { file: picture } })
    await r.s.until(a.assembly_id, (s) => s.ok === 'ASSEMBLY_EXECUTING')
    const canceled = r.status(await r.sdk.cancelAssembly(a.assembly_id))
    assert.equal(canceled.ok, 'ASSEMBLY_CANCELED')
    assert.deepEqual(canceled.executing_jobs, [])
    assert.equal((await r.sdk.cancelAssembly(a.assembly_id)).ok, 'ASSEMBLY_CANCELED')
    assert.equal((await r.sdk.getAssembly(a.assembly_id)).ok, 'ASSEMBLY_CANCELED')
    const done = await r.done()
    assert.equal((await r.sdk.cancelAssembly(done.assembly_id)).ok, 'ASSEMBLY_COMPLETED')
    await r.refused(r.sdk.cancelAssembly('0'.repeat(32)), 'ASSEMBLY_NOT_FOUND', 404)
  },
  async replayAssembly(r) {
    const a = await r.done()
    const again = await r.sdk.replayAssembly(a.assembly_id, { steps: { resized: { width: 50 } } })
    assert.equal(again.ok, 'ASSEMBLY_REPLAYING')
    assert.equal(again.success, true)
    assert.notEqual(again.assembly_id, a.assembly_id)
    assert.match(again.assembly_ssl_url, new RegExp(`/assemblies/${again.assembly_id}$`))
    const done = r.status(await r.sdk.awaitAssemblyCompletion(again.assembly_id, { interval: 100 }))
    assert.deepEqual([done.ok, done.parent_id, done.results.resized[0].meta.width], ['ASSEMBLY_COMPLETED', a.assembly_id, 50])
    assert.equal((await r.sdk.replayAssembly(a.assembly_id)).ok, 'ASSEMBLY_REPLAYING')
    await r.refused(r.sdk.replayAssembly('0'.repeat(32)), 'ASSEMBLY_NOT_FOUND', 404)
    const busy = await r.sdk.createAssembly({ params: { steps: original }, expectedUploads: 1 })
    await r.refused(r.sdk.replayAssembly(busy.assembly_id), 'ASSEMBLY_NOT_FINISHED', 400)
  },
  async replayAssemblyNotification(r) {
    const hook = await there(r.t)
    const a = await r.done({ steps: resized, notify_url: `${hook.url}/first` })
    await r.s.until(a.assembly_id, (s) => s.notify_status === 'successful')
    const again = await r.sdk.replayAssemblyNotification(a.assembly_id, { notify_url: `${hook.url}/second` })
    assert.equal(again.ok, 'ASSEMBLY_NOTIFICATION_REPLAYED')
    assert.equal(again.success, true)
    assert.match(again.notification_id, /^[0-9a-f]{32}$/)
    assert.deepEqual(hook.got.map((g) => g.path), ['/first', '/second'])
    const form = new URLSearchParams(hook.got[1].body)
    assert.equal(form.get('signature'), `sha384:${createHmac('sha384', SECRET).update(form.get('transloadit')).digest('hex')}`)
    r.status(JSON.parse(form.get('transloadit'))) // what a receiver reads with the same schema
    assert.equal((await r.sdk.replayAssemblyNotification(a.assembly_id)).ok, 'ASSEMBLY_NOTIFICATION_REPLAYED')
    await r.refused(r.sdk.replayAssemblyNotification('non-existent'), 'SERVER_404', 404)
    await r.refused(r.sdk.replayAssemblyNotification('0'.repeat(32)), 'ASSEMBLY_NOT_FOUND', 404)
    const quiet = await r.done()
    await r.refused(r.sdk.replayAssemblyNotification(quiet.assembly_id), 'ASSEMBLY_NO_NOTIFY_URL', 400)
  },
  async listAssemblies(r) {
    assert.deepEqual(await r.sdk.listAssemblies(), { items: [], count: 0 })
    const a = await r.done()
    const b = await r.sdk.createAssembly({ params: { steps: slow }, files: { file: picture } })
    await r.sdk.cancelAssembly(b.assembly_id)
    const bad = await r.sdk.createAssembly({ params: { steps: { x: { ...resized.resized, width: 0 } } } }).catch((e) => e)
    r.said.length = 0 // the refusal was asked for
    const all = await r.sdk.listAssemblies() // each item is checked by the SDK
    assert.deepEqual([all.count, all.items.map((i) => i.id)], [3, [bad.assemblyId, b.assembly_id, a.assembly_id]])
    for (const [type, id] of [['completed', a.assembly_id], ['canceled', b.assembly_id], ['failed', bad.assemblyId]])
      assert.deepEqual((await r.sdk.listAssemblies({ type })).items.map((i) => i.id), [id], type)
    assert.equal((await r.sdk.listAssemblies({ keywords: ['astronaut.png'] })).count, 2)
    assert.equal((await r.sdk.listAssemblies({ page: 9 })).items.length, 0)
    await r.refused(r.sdk.listAssemblies({ type: 'odd' }), 'ASSEMBLY_LIST_ERROR', 400)
  },
  async streamAssemblies(r) {
    for (let i = 0; i < 5; i++) await r.sdk.createAssembly({ params: { steps: original } })
    const all = await collect(r.sdk.streamAssemblies({ pagesize: 2 }))
    assert.equal(new Set(all.map((a) => a.id)).size, 5)
    assert.ok(r.called.has('listAssemblies') || all.length === 5)
  },
  async getAssembly(r) {
    const a = await r.done()
    const got = await r.sdk.getAssembly(a.assembly_id)
    assert.deepEqual([got.ok, got.assembly_id, got.results.resized[0].meta.width], ['ASSEMBLY_COMPLETED', a.assembly_id, 100])
    await r.refused(r.sdk.getAssembly('0'.repeat(32)), 'ASSEMBLY_NOT_FOUND', 404)
    await r.refused(r.sdk.getAssembly('invalid'), 'SERVER_404', 404)
  },
  async 'getAssembly, in each state that an Assembly can be in'(r) {
    const states = {}
    const at = async (id) => { const s = r.status(await r.sdk.getAssembly(id)); states[s.error ?? s.ok] = true }
    const up = await r.sdk.createAssembly({ params: { steps: original }, expectedUploads: 1 })
    await at(up.assembly_id)
    const run = await r.sdk.createAssembly({ params: { steps: slow }, files: { file: picture } })
    await r.s.until(run.assembly_id, (s) => s.ok === 'ASSEMBLY_EXECUTING')
    await at(run.assembly_id)
    await r.sdk.cancelAssembly(run.assembly_id)
    await at(run.assembly_id)
    await at((await r.done()).assembly_id)
    const aborted = randomBytes(16).toString('hex')
    const c = r.s.raw()
    c.write(`POST /assemblies/${aborted} HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: 100000\r\n\r\n` +
      `--b\r\nContent-Disposition: form-data; name="params"\r\n\r\n${JSON.stringify({ auth: { key: KEY }, steps: original })}\r\n` +
      '--b\r\nContent-Disposition: form-data; name="f"; filename="f"\r\n\r\nsome bytes')
    await r.s.until(aborted, (s) => s.ok === 'ASSEMBLY_UPLOADING')
    c.destroy()
    await r.s.until(aborted)
    await at(aborted)
    const broken = await r.s.create(resized, { files: { 'x.png': '' } })
    await at((await r.s.until(broken.assembly_id)).assembly_id)
    await at((await r.s.create({ x: { robot: '/no/such' } })).assembly_id)
    assert.ok(Object.keys(states).length >= 6, Object.keys(states).join(' '))
  },
  async createTemplateCredential(r) {
    const content = { key: 'AKIATEST', secret: 's', bucket: 'b', bucket_region: 'us-east-1' }
    const made = await r.sdk.createTemplateCredential({ name: 'my-s3', type: 's3', content })
    assert.equal(made.ok, 'TEMPLATE_CREDENTIALS_CREATED')
    assert.deepEqual([made.credential.name, made.credential.type, made.credential.content], ['my-s3', 's3', content])
    assert.equal(typeof made.message, 'string')
    await r.refused(r.sdk.createTemplateCredential({ name: 'my-s3', type: 's3', content }), 'TEMPLATE_CREDENTIALS_NOT_CREATED', 400)
  },
  async editTemplateCredential(r) {
    const { credential: { id } } = await r.sdk.createTemplateCredential({ name: 'my-ftp', type: 'ftp', content: { host: 'h', user: 'u', password: 'p' } })
    const edited = await r.sdk.editTemplateCredential(id, { name: 'other', type: 'ftp', content: { host: 'i', user: 'u', password: 'q' } })
    assert.deepEqual([edited.ok, edited.credential.name, edited.credential.content.host], ['TEMPLATE_CREDENTIALS_UPDATED', 'other', 'i'])
    await r.refused(r.sdk.editTemplateCredential('0'.repeat(32), { name: 'fine' }), 'TEMPLATE_CREDENTIALS_NOT_UPDATED', 400)
  },
  async deleteTemplateCredential(r) {
    const { credential: { id } } = await r.sdk.createTemplateCredential({ name: 'my-ftp', type: 'ftp', content: { host: 'h', user: 'u', password: 'p' } })
    assert.equal((await r.sdk.deleteTemplateCredential(id)).ok, 'TEMPLATE_CREDENTIALS_DELETED')
    await r.refused(r.sdk.deleteTemplateCredential(id), 'TEMPLATE_CREDENTIALS_NOT_DELETED', 400)
  },
  async getTemplateCredential(r) {
    const { credential } = await r.sdk.createTemplateCredential({ name: 'my-ftp', type: 'ftp', content: { host: 'h', user: 'u', password: 'p' } })
    for (const which of [credential.id, 'my-ftp']) {
      const got = await r.sdk.getTemplateCredential(which)
      assert.equal(got.ok, 'TEMPLATE_CREDENTIALS_READ')
      assert.deepEqual(got.credential, credential)
    }
    await r.refused(r.sdk.getTemplateCredential('nothing'), 'TEMPLATE_CREDENTIALS_NOT_READ', 400)
  },
  async listTemplateCredentials(r) {
    for (const name of ['aaaa', 'bbbb']) await r.sdk.createTemplateCredential({ name, type: 'ai', content: { k: 'v' } })
    const list = await r.sdk.listTemplateCredentials({ sort: 'name', order: 'desc' })
    assert.deepEqual([list.ok, list.credentials.map((c) => c.name)], ['TEMPLATE_CREDENTIALS_FOUND', ['bbbb', 'aaaa']])
  },
  async streamTemplateCredentials(r) {
    assert.deepEqual(await collect(r.sdk.streamTemplateCredentials()), [])
    for (const name of ['aaaa', 'bbbb', 'cccc']) await r.sdk.createTemplateCredential({ name, type: 'ai', content: { k: 'v' } })
    const all = await collect(r.sdk.streamTemplateCredentials({ sort: 'created', order: 'asc' }))
    assert.deepEqual(all.map((c) => c.name), ['aaaa', 'bbbb', 'cccc'])
  },
  async createTemplate(r) {
    const made = await r.sdk.createTemplate({ name: 'my-template1', template: { steps: resized }, require_signature_auth: 1 })
    assert.deepEqual([made.ok, made.name, made.content, made.require_signature_auth, typeof made.message],
      ['TEMPLATE_CREATED', 'my-template1', { steps: resized }, 1, 'string'])
    await r.refused(r.sdk.createTemplate({ name: 'my-template1', template: {} }), 'TEMPLATE_VALIDATION_ERROR', 400)
    const a = await r.done({ template_id: made.id })
    assert.deepEqual([a.template_id, a.template_name, a.results.resized[0].meta.width], [made.id, 'my-template1', 100])
  },
  async editTemplate(r) {
    const { id } = await r.sdk.createTemplate({ name: 'my-template', template: { steps: resized } })
    const edited = await r.sdk.editTemplate(id, { name: 'other-name', template: { steps: original } })
    assert.deepEqual([edited.ok, edited.name, edited.content], ['TEMPLATE_UPDATED', 'other-name', { steps: original }])
    await r.refused(r.sdk.editTemplate('nothing', { name: 'fine' }), 'TEMPLATE_NOT_FOUND', 404)
  },
  async deleteTemplate(r) {
    const { id } = await r.sdk.createTemplate({ name: 'my-template', template: { steps: resized } })
    assert.equal((await r.sdk.deleteTemplate(id)).ok, 'TEMPLATE_DELETED')
    await r.refused(r.sdk.deleteTemplate(id), 'TEMPLATE_NOT_FOUND', 404)
  },
  async getTemplate(r) {
    const { id } = await r.sdk.createTemplate({ name: 'my-template', template: { steps: resized } })
    for (const which of [id, 'my-template']) {
      const got = await r.sdk.getTemplate(which)
      assert.deepEqual([got.ok, got.id, got.content], ['TEMPLATE_FOUND', id, { steps: resized }])
    }
    await r.refused(r.sdk.getTemplate('nothing'), 'TEMPLATE_NOT_FOUND', 404)
  },
  async listTemplates(r) {
    for (const name of ['aaaa', 'bbbb', 'cccc']) await r.sdk.createTemplate({ name, template: { steps: resized } })
    const list = await r.sdk.listTemplates({ sort: 'name', order: 'asc', pagesize: 2, page: 2 })
    assert.deepEqual([list.count, list.items.map((i) => i.name)], [3, ['cccc']])
    for (const k of ['id', 'encryption_version', 'require_signature_auth', 'last_used', 'created', 'modified', 'content']) assert.ok(k in list.items[0], k)
    await r.refused(r.sdk.listTemplates({ page: 0 }), 'TEMPLATE_LIST_ERROR', 400)
  },
  async streamTemplates(r) {
    for (const name of ['aaaa', 'bbbb', 'cccc']) await r.sdk.createTemplate({ name, template: { steps: resized } })
    assert.deepEqual((await collect(r.sdk.streamTemplates({ pagesize: 2, sort: 'name', order: 'asc' }))).map((i) => i.name), ['aaaa', 'bbbb', 'cccc'])
  },
  async getBill(r) {
    await r.done()
    const month = new Date().toISOString().slice(0, 7)
    const bill = await r.sdk.getBill(month)
    assert.deepEqual([bill.ok, bill.month, bill.total, bill.plan.slug !== undefined], ['BILL_FOUND', month, 0, true])
    assert.ok(bill.robots['/image/resize'].rawGb > 0, JSON.stringify(bill.robots))
    assert.equal((await r.sdk.getBill('2099-12')).ok, 'BILL_FOUND')
    await r.refused(r.sdk.getBill('never'), 'SERVER_404', 404)
    await assert.rejects(r.sdk.getBill(''), /month is required/)
  },
  async calcSignature(r) {
    const vector = r.client(demo)
    const params = () => ({ auth: { key: 'demo-key-0001', expires: '2031-05-06T07:08:09.000Z' }, steps: { small: { robot: '/image/resize', use: ':original', width: 64 } } })
    assert.equal(vector.calcSignature(params()).signature, 'sha384:2d1331faaa4fc2f23ee08c0c7cf57c1005dedd517ff733bbaef4a0eaa6b3a85dff6c4a18efdc4cba2a050f07b9872883')
    for (const algorithm of ['sha1', 'sha256', 'sha384', 'sha512']) {
      const { params: text, signature } = r.sdk.calcSignature({ steps: original }, algorithm)
      const res = await fetch(`${r.s.url}/assemblies`, { method: 'POST', body: new URLSearchParams({ params: text, signature }) })
      assert.equal(r.status(await res.json()).ok, 'ASSEMBLY_COMPLETED', algorithm)
    }
    assert.throws(() => r.client({ authToken: 'x' }).calcSignature({}), /Cannot sign params/)
  },
  async getSignedSmartCDNUrl(r) {
    const what = { workspace: 'acme', template: 'thumbs', input: 'cats/tom 1.jpg', urlParams: { w: 120, h: 90 }, expiresAt: 1935817689000 }
    assert.equal(r.client(demo).getSignedSmartCDNUrl(what),
      'https://acme.tlcdn.com/thumbs/cats%2Ftom%201.jpg?auth_key=demo-key-0001&exp=1935817689000&h=90&w=120&sig=sha256%3A8c6ee419c3cd6d464ea58e2653a281652a0576d60011fbd89f49e798b7c4f337')
    assert.throws(() => r.sdk.getSignedSmartCDNUrl({}), /workspace/)
  },
  async compileAssemblyInstructionsFromPrompt(r) { // by /ai/chat, which is not here
    await r.refused(r.sdk.compileAssemblyInstructionsFromPrompt({ prompt: 'small pictures' }), 'AI_CHAT_VALIDATION', 400)
  },
}

// Public as the package's own types have it; `_name` is private by habit and by type.
const methods = (name) => {
  const types = fs.readFileSync(path.join(root, `tests/e2e/node_modules/${name}/dist/Transloadit.d.ts`), 'utf8')
  const hidden = new Set([...types.matchAll(/^ {4}private (\w+);/gm)].map((m) => m[1]))
  return Object.getOwnPropertyNames(modules[name].Transloadit.prototype).filter((m) => m !== 'constructor' && !hidden.has(m))
}

export function testMethods(name) {
  const all = methods(name)
  test(`${name}: every public method is tested here, and no other`, () => {
    assert.ok(all.length >= 28, all.join(' '))
    const tested = new Set(Object.keys(cases).map((c) => c.split(',')[0]))
    assert.deepEqual(all.filter((m) => !tested.has(m)), [])
    const known = new Set(packages.flatMap(methods))
    assert.deepEqual([...tested].filter((m) => !known.has(m)), [])
  })
  for (const [title, run] of Object.entries(cases)) {
    const method = title.split(',')[0]
    if (!all.includes(method)) continue
    test(`${name}: ${title}`, async (t) => {
      const r = await Run.start(t, name)
      await run(r)
      assert.ok(r.called.has(method), `${method} was not called`)
      assert.deepEqual(r.said, [], 'the SDK complained')
    })
  }
}

export function testTheRest() {
  test('prepareInputFiles, as the SDK offers it, and what it prepares is imported or uploaded', async (t) => {
    for (const name of packages) {
      const r = await Run.start(t, name)
      const web = await there(t, () => ({ headers: { 'Content-Type': 'image/png' }, body: fs.readFileSync(picture) }))
      const dir = workDir(t)
      const prep = await r.lib.prepareInputFiles({
        inputFiles: [{ kind: 'path', field: 'a', path: picture }, { kind: 'base64', field: 'b', base64: Buffer.from('hello').toString('base64'), filename: 'b.txt' },
          { kind: 'url', field: 'c', url: `${web.url}/c.png` }],
        params: { steps: { imported: { robot: '/http/import', url: 'http://elsewhere.invalid/' }, small: { robot: '/image/resize', use: 'imported', width: 10, result: true } } },
        base64Strategy: 'tempfile', tempDir: dir, allowPrivateUrls: true,
      })
      const a = await r.sdk.createAssembly({ ...prep, waitForCompletion: true })
      assert.equal(r.status(a).ok, 'ASSEMBLY_COMPLETED')
      assert.deepEqual(a.uploads.map((u) => u.field).sort(), ['a', 'b'])
      assert.equal(a.results.small[0].meta.width, 10)
      assert.equal(web.got[0].path, '/c.png')
      await Promise.all(prep.cleanup.map((f) => f()))
      assert.deepEqual(r.said, [])
    }
  })

  test('a step as the schemas of the SDK write it, with every default of its Robot, is taken; what is asked for beyond is not', async (t) => {
    const run = await Run.start(t, '@transloadit/node')
    const s = run.s
    // what examples name
    const stored = {
      my_google: ['google', { project_id: 'p', client_email: 'e', private_key: 'k', bucket: 'b' }],
      my_channel: ['youtube', { client_id: 'i', client_secret: 's', refresh_token: 'r' }],
    }
    for (const [name, [type, content]] of Object.entries(stored))
      await run.sdk.createTemplateCredential({ name, type, content })
    const { robots } = await (await fetch(`${s.url}/robots`)).json()
    const needed = (r) => ({ ...(r.no_input || r.name === '/upload/handle' ? {} : { use: ':original' }), ...r.example })
    const create = async (robot, step) =>
      (await s.create({ [robot === '/upload/handle' ? ':original' : 'a']: step }, { expected: 1 }))
    for (const name of packages) {
      let known = 0
      for (const r of robots) {
        const robot = r.name
        const types = path.join(root, 'tests/e2e/node_modules', name, 'dist/alphalib/types/robots')
        const file = path.join(types, `${robot.slice(1).replace('/', '-')}.js`)
        if (!fs.existsSync(file)) continue // the package is older than the Robot
        const schemas = await import(file)
        const key = Object.keys(schemas)
          .find((k) => /^robot[A-Za-z0-9]+InstructionsSchema$/.test(k) && !/Interpolatable|Hidden/.test(k))
        // of some the schemas know no `use`, and people write it all the same
        const { use, ...all } = needed(r)
        // what an example of ours has beyond the contract
        const own = schemas[key].safeParse({ robot, ...all }).error?.issues.flatMap((i) => i.keys ?? []) ?? []
        const [more, beyond] = [false, true]
          .map((b) => Object.fromEntries(Object.entries(all).filter(([k]) => own.includes(k) === b)))
        const known_use = schemas[key].safeParse({ robot, use, ...more }).success
        const whole = schemas[key].parse({ robot, ...more, ...(known_use ? { use } : {}) })
        const step = { ...whole, ...beyond, ...(use ? { use } : {}) }
        const a = await create(robot, step)
        assert.equal(a.ok, 'ASSEMBLY_UPLOADING', `${name} ${a.message} ${JSON.stringify(step)}`)
        await s.cancel(a.assembly_id)
        known++
      }
      assert.ok(known >= 9, `${name} knows ${known} of ${robots.length}`)
    }
    for (const r of robots) {
      for (const name of r.not_built) {
        const step = { robot: r.name, ...needed(r), [name]: 'x' }
        let a = await create(r.name, step)
        // one that is a part of another means nothing without that one
        if (!a.error) a = await create(r.name, { ...step, ...Object.fromEntries(r.not_built.map((n) => [n, 'x'])) })
        assert.match(a.error ?? '', /_VALIDATION$/, `${r.name} ${name}`)
        assert.match(a.message, new RegExp(`'(${r.not_built.join('|')})' is not supported by this server`))
      }
    }
  })
}

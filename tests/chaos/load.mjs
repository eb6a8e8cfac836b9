// Clients of every kind, each in a loop of its own until they are told to stop; everything they hear goes into the journal.
import { createHash } from 'node:crypto'
import fs from 'node:fs'
import net from 'node:net'
import os from 'node:os'
import path from 'node:path'
import { Transloadit, tus } from '../e2e/official.mjs'
import { KEY, SECRET, sleep } from './daemon.mjs'
import { over } from './journal.mjs'
import { Origin } from './origin.mjs'
import { film, lines, subtitles } from './phases.mjs'
import { png } from './png.mjs'

export const md5 = (data) => createHash('md5').update(data).digest('hex')
const offset_stream = 'application/offset+octet-stream'

export class Load {
  constructor({ daemon, proxy, origin, journal, random, abroad }) {
    Object.assign(this, { daemon, proxy, origin, journal, random, abroad })
    this.targets = new Map()
    this.small = png(64, 48)
    this.dir = fs.mkdtempSync(path.join(os.tmpdir(), 'workcell-chaos-files-'))
    this.done = 0
    this.loops = []
  }

  // abroad lies what `bring` imports
  async prepare() {
    const r = this.random.stream('seeds')
    this.seeds = this.abroad.places.flatMap((place) => [100, 60000, 300000, 2000000].map((size, i) => {
      const data = r.bytes(size)
      return { place, path: `seeds/${i}.bin`, data, md5: md5(data), size }
    }))
    for (const s of this.seeds) await s.place.put(s.path, s.data)
  }

  start(kinds, per_kind = 2) {
    for (const kind of kinds)
      for (let i = 0; i < per_kind; i++) this.loops.push(this.loop(kind, this.random.stream(`${kind} ${i}`)))
  }

  // no new Assemblies; what was begun is brought to its end
  async stop() {
    this.stopping = true
    await Promise.all(this.loops)
    fs.rmSync(this.dir, { recursive: true, force: true })
  }

  async loop(kind, r) {
    while (!this.stopping) {
      const id = r.hex(32)
      try {
        await this[kind](id, r)
      } catch (e) {
        if (e.name === 'AssertionError' || e instanceof TypeError && !/fetch failed|terminated/.test(e.message)) throw e
        await sleep(50) // a network error is what this is about
      }
      this.done++
      await sleep(r.int(0, 60))
    }
  }

  base(r) { return r.chance(0.75) ? this.proxy.url : this.daemon.url }

  files(r, n) {
    return Array.from({ length: n }, (_, i) => {
      const data = r.chance(0.3) ? this.small : r.bytes(Math.floor(Math.exp(r.next() * 12.5)))
      return { name: `f${i}.bin`, data, md5: md5(data), size: data.length }
    })
  }

  async request(method, url, { body, headers = {}, ms = 8000 } = {}) {
    return fetch(url, { method, body, headers, signal: AbortSignal.timeout(ms) })
  }

  params(steps) { return JSON.stringify({ auth: { key: KEY, expires: '2099-01-01T00:00:00Z' }, steps }) }

  async create(e, base, steps, { files = [], expected, method = 'POST' } = {}) {
    const body = new FormData()
    body.set('params', this.params(steps))
    if (expected !== undefined) body.set('num_expected_upload_files', String(expected))
    for (const f of files) body.append('file', new Blob([f.data]), f.name)
    const res = await this.request(method, `${base}/assemblies/${e.id}`, { body })
    const s = await res.json()
    if (s.assembly_id === e.id) {
      this.journal.created(e)
      this.journal.status(e, s)
    }
    return s
  }

  async get(e, base) {
    const s = await (await this.request('GET', `${base}/assemblies/${e.id}`)).json()
    if (e.created && s.error === 'ASSEMBLY_NOT_FOUND') this.journal.problem(e, 'was created and is not found')
    this.journal.status(e, s)
    return s
  }

  async cancel(e, base) {
    e.cancel_asked = true
    const s = await (await this.request('DELETE', `${base}/assemblies/${e.id}`)).json()
    if (s.assembly_id === e.id) this.journal.canceled(e, s)
    if (e.target && s.cancel?.settled) {
      const rest = await this.abroad.rest(e.target)
      const where = e.target.place.name
      if (rest.length) this.journal.problem(e, `its receipt says that all is gone, and at ${where} there is ${rest}`)
    }
    return s
  }

  // sometimes watch it, sometimes cancel it, sometimes leave it alone
  async afterwards(e, r, base) {
    const what = r.next()
    if (what < (e.target ? 0.5 : 0.25)) {
      await sleep(r.int(0, e.target ? 1500 : 400))
      for (let i = 0; i < 40 && !this.stopping; i++) {
        try { await this.cancel(e, base); break } catch { await sleep(50) }
      }
      await this.get(e, base)
    } else if (what < 0.75) {
      for (let i = 0; i < 200 && !this.stopping; i++) {
        try { if (over(await this.get(e, base))) break } catch { /* it is down */ }
        await sleep(r.int(20, 120))
      }
    }
  }

  // ---- the kinds ----

  async multipart(id, r) {
    const files = this.files(r, r.int(1, 3))
    const pictures = files.filter((f) => f.data === this.small).length
    const steps = { ':original': { robot: '/upload/handle', result: true } }
    const e = this.journal.begin(id, 'multipart', { files, results: { ':original': files.length } })
    if (pictures === files.length) {
      steps.small = { robot: '/image/resize', use: ':original', width: 20, format: r.pick(['png', 'jpg', 'webp']), result: true }
      e.results.small = files.length
      if (r.chance(0.3)) steps.faces = { robot: '/image/facedetect', use: ':original', result: true }
    }
    const base = this.base(r)
    await this.create(e, base, steps, { files })
    await this.afterwards(e, r, base)
  }

  // HEAD and PATCH by hand: pieces, requests that end early, two at once
  async tus_raw(id, r) {
    const [f] = this.files(r, 1)
    const e = this.journal.begin(id, 'tus_raw', { files: [f], results: { ':original': 1 } })
    const base = this.base(r)
    const s = await this.create(e, base, { ':original': { robot: '/upload/handle', result: true } }, { expected: 1 })
    if (s.assembly_id !== id) return
    const meta = `assembly_url ${Buffer.from(`http://x/assemblies/${id}`).toString('base64')},filename ${Buffer.from(f.name).toString('base64')}`
    let location
    for (let i = 0; i < 100 && !location; i++) {
      try {
        const res = await this.request('POST', `${base}/resumable/files/`, { headers: { 'Tus-Resumable': '1.0.0', 'Upload-Length': String(f.size), 'Upload-Metadata': meta } })
        location = res.headers.get('location')
        // an answer that was lost: this upload has a twin that stays at 0; its Assembly waits for the first to finish
        if (!location) break
      } catch { await sleep(40) }
    }
    if (!location) return
    const url = `${base}${new URL(location).pathname}`
    this.journal.offset(e, url, 0, f.size)
    await this.push(e, url, f, r)
    await this.afterwards(e, r, base)
  }

  async push(e, url, f, r, tries = 400) {
    let offset = 0
    for (let i = 0; i < tries; i++) {
      try {
        const head = await this.request('HEAD', url, { ms: 3000 })
        if (head.status === 404 && e.created) this.journal.problem(e, `upload ${url} was created and is not found`)
        if (head.status !== 200) return false
        offset = Number(head.headers.get('upload-offset'))
        this.journal.offset(e, url, offset, f.size)
        if (offset === f.size) return true
        if (r.chance(0.1)) this.stall(url, offset, f)
        const end = r.chance(0.5) ? f.size : Math.min(f.size, offset + r.int(1, Math.max(1, f.size >> 1)))
        const res = await this.request('PATCH', url, { body: f.data.subarray(offset, end), ms: 3000, headers: { 'Tus-Resumable': '1.0.0', 'Upload-Offset': String(offset), 'Content-Type': offset_stream } })
        if (res.status === 204) {
          offset = Number(res.headers.get('upload-offset'))
          this.journal.offset(e, url, offset, f.size)
          if (offset === f.size) return true
        }
      } catch { await sleep(r.int(5, 60)) }
    }
    return false
  }

  // a PATCH that sends a little and then nothing
  stall(url, offset, f) {
    const { port, host, pathname } = new URL(url)
    const c = net.connect(Number(port), '127.0.0.1')
    c.on('error', () => {})
    c.setTimeout(3000, () => c.destroy())
    c.write(`PATCH ${pathname} HTTP/1.1\r\nHost: ${host}\r\nTus-Resumable: 1.0.0\r\nUpload-Offset: ${offset}\r\nContent-Type: ${offset_stream}\r\nContent-Length: ${f.size - offset}\r\n\r\n`)
    c.write(f.data.subarray(offset, offset + ((f.size - offset) >> 1)))
  }

  async tus_js(id, r) {
    const files = this.files(r, r.int(1, 2))
    const e = this.journal.begin(id, 'tus_js', { files, results: { ':original': files.length } })
    const base = this.base(r)
    const s = await this.create(e, base, { ':original': { robot: '/upload/handle', result: true } }, { expected: files.length })
    if (s.assembly_id !== id) return
    await Promise.all(files.map((f) => this.tus_upload(e, base, s, f, r)))
    await this.afterwards(e, r, base)
  }

  tus_upload(e, base, s, f, r) {
    return new Promise((resolve) => {
      const u = new tus.Upload(f.data, {
        endpoint: `${base}/resumable/files/`,
        metadata: { assembly_url: s.assembly_ssl_url, filename: f.name, fieldname: 'file' },
        chunkSize: r.chance(0.5) ? r.int(1000, 200000) : Infinity,
        retryDelays: Array(60).fill(60),
        onAfterResponse: (req, res) => {
          if (res.getStatus() < 300 && req.getMethod() !== 'POST')
            this.journal.offset(e, u.url || req.getURL(), Number(res.getHeader('Upload-Offset')), f.size)
        },
        onSuccess: () => { this.journal.offset(e, u.url, f.size, f.size); resolve(true) },
        onError: () => resolve(false),
      })
      u.start()
    })
  }

  async sdk(id, r) {
    const file = path.join(this.dir, `${id}.png`)
    fs.writeFileSync(file, this.small)
    const e = this.journal.begin(id, 'sdk', { files: [{ md5: md5(this.small), size: this.small.length }], results: { ':original': 1, small: 1 } })
    const client = new Transloadit({ authKey: KEY, authSecret: SECRET, endpoint: this.base(r), maxRetries: 3 })
    const steps = { ':original': { robot: '/upload/handle', result: true }, small: { robot: '/image/resize', use: ':original', width: 10, result: true } }
    try {
      const made = client.createAssembly({ params: { steps }, files: { file }, assemblyId: id, waitForCompletion: r.chance(0.5), timeout: 20000 })
      const s = await made
      this.journal.created(e)
      this.journal.status(e, s)
      if (r.chance(0.2)) {
        e.cancel_asked = true
        this.journal.canceled(e, await client.cancelAssembly(id))
      } else this.journal.status(e, await client.getAssembly(id))
    } finally {
      fs.rmSync(file, { force: true })
    }
  }

  async import(id, r) {
    const url = `/${r.int(1, 1e6)}/${r.int(1, 300000)}`
    const data = Origin.bytes(url)
    const e = this.journal.begin(id, 'import', { results: { i: 1 } })
    e.imported = { md5: md5(data), size: data.length }
    const base = this.base(r)
    await this.create(e, base, { i: { robot: '/http/import', url: this.origin.url + url, result: true } })
    await this.afterwards(e, r, base)
  }

  // to another server, sometimes in several parts
  async store(id, r) {
    const some = r.chance(0.2) ? r.int(0, 100) : Math.floor(Math.exp(8 + r.next() * 7))
    const data = r.bytes(r.chance(0.03) ? 9 << 20 : some)
    const target = this.abroad.target(r.pick(this.abroad.places), id, data)
    const files = [{ name: 'f.bin', data, md5: target.md5, size: data.length }]
    const e = this.journal.begin(id, 'store', { files, results: { ':original': 1 } })
    e.target = target
    this.targets.set(target.path, target)
    const base = this.base(r)
    const out = { use: ':original', ...target.place.store(target.path) }
    await this.create(e, base, { ':original': { robot: '/upload/handle', result: true }, out }, { files })
    await this.afterwards(e, r, base)
  }

  // ... and from there
  async bring(id, r) {
    const s = r.pick(this.seeds)
    const e = this.journal.begin(id, 'bring', { results: { i: 1 } })
    e.imported = { md5: s.md5, size: s.size }
    const base = this.base(r)
    await this.create(e, base, { i: { ...s.place.import(s.path), result: true } })
    await this.afterwards(e, r, base)
  }

  // a program below the worker, in the middle of which that may die
  async film(id, r) {
    const given = [['a.mp4', film('64x48', 2)], ['a.srt', Buffer.from(lines)]]
    const files = given.map(([name, data]) => ({ name, data, md5: md5(data), size: data.length }))
    const e = this.journal.begin(id, 'film', { files, results: { ':original': 2, r: 1 } })
    const base = this.base(r)
    await this.create(e, base, { ':original': { robot: '/upload/handle', result: true }, ...subtitles }, { files })
    await this.afterwards(e, r, base)
  }

  // a raw socket that sends a create request and is cut somewhere
  async bare(id, r) {
    const e = this.journal.begin(id, 'bare')
    const data = r.bytes(r.int(1, 100000))
    const head = `--b\r\nContent-Disposition: form-data; name="params"\r\n\r\n${this.params({ ':original': { robot: '/upload/handle', result: true } })}\r\n` +
      '--b\r\nContent-Disposition: form-data; name="f"; filename="f"\r\n\r\n'
    const body = Buffer.concat([Buffer.from(head), data, Buffer.from('\r\n--b--\r\n')])
    const c = net.connect(new URL(this.base(r)).port, '127.0.0.1')
    c.on('error', () => {})
    c.setTimeout(5000, () => c.destroy())
    c.write(`POST /assemblies/${id} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: ${body.length}\r\n\r\n`)
    const cut = r.chance(0.7) ? r.int(0, body.length - 1) : body.length
    c.write(body.subarray(0, cut))
    if (cut < body.length) setTimeout(() => c.resetAndDestroy(), r.int(0, 300))
    let text = ''
    c.on('data', (d) => { text += d })
    await new Promise((done) => c.on('close', done))
    const json = text.slice(text.indexOf('{'))
    try {
      const s = JSON.parse(json)
      if (s.assembly_id === id) {
        this.journal.created(e)
        this.journal.status(e, s)
      }
    } catch { /* no whole answer */ }
  }
}

// A stand-in for services that hear, draw and film, as far as our Robots need them: OpenAI's interface for sounds,
// pictures and films; rembg's server; Stable Diffusion WebUI; and our own contract for /image/copyrightdetect
// (docs/robots/image-copyrightdetect.md). Each is strict about the key, the form and its fields.
import { Answer, Cloud, random } from './cloud.mjs'

const NUMBER = /^-?\d+(\.\d+)?$/
const NAMES = { audio: /\.(flac|m4a|mp3|mp4|mpeg|mpga|oga|ogg|wav|webm)$/i, image: /\.(png|jpe?g|webp)$/i }
const refuse = (status, message, headers) => new Answer(status, { error: { message, type: 'invalid_request_error' } },
  headers)
const is = (data, head) => data.subarray(0, head.length).equals(Buffer.from(head))
const isPng = (data) => is(data, [0x89, 0x50, 0x4e, 0x47])
export const tooManyRequests = { status: 429, body: { error: { message: 'Slow down' } },
  headers: { 'Retry-After': '1' } }

export class Models extends Cloud {
  constructor() {
    super()
    Object.assign(this, { key: random(), asked: [], most: 25 << 20, made: new Map(), videos: new Map(), next: 1,
      looks: 2, models: ['the-first', 'another'], deleted: [] })
  }

  // {name: text or file}; a list for names that end in [].
  async fields(q, known) {
    this.need(/^multipart\/form-data; boundary=/.test(q.headers['content-type'] ?? ''), 415,
      `${q.path} with ${q.headers['content-type']}`)
    const form = await new Response(q.body, { headers: { 'content-type': q.headers['content-type'] } }).formData()
    const out = {}
    for (const [name, v] of form) {
      this.need(known.includes(name), 400, `${q.path}: a field ${name}`)
      this.need(!(name in out) || name.endsWith('[]'), 400, `${q.path}: ${name} twice`)
      const value = typeof v === 'string' ? v : { name: v.name, type: v.type, data: Buffer.from(await v.arrayBuffer()) }
      out[name] = name.endsWith('[]') ? [...(out[name] ?? []), value] : value
    }
    this.asked.push(out)
    return out
  }

  file(q, f, kind, most = this.most) {
    this.need(f?.data?.length > 0, 400, `${q.path}: no file`)
    this.need(!kind || NAMES[kind].test(f.name), 400, `${q.path}: a file called ${f.name}`)
    if (f.data.length > most) throw refuse(413, `Maximum content size limit (${most}) exceeded`)
    return f.data
  }

  async handle(q) {
    if (q.path.startsWith('/made/')) return this.bring(q)
    if (q.headers.authorization !== `Bearer ${this.key}`) throw refuse(401, 'Incorrect API key provided')
    const rows = [
      [/^GET \/v1\/models$/, () => new Answer(200, { object: 'list', data: this.models.map((id) => ({ id })) })],
      [/^POST \/v1\/audio\/(transcriptions|translations)$/, this.hear],
      [/^POST \/v1\/images\/generations$/, this.draw], [/^POST \/v1\/images\/edits$/, this.edit],
      [/^POST \/v1\/videos$/, this.order], [/^GET \/v1\/videos\/(\w+)$/, this.look],
      [/^GET \/v1\/videos\/(\w+)\/content$/, this.content], [/^DELETE \/v1\/videos\/(\w+)$/, this.remove],
      [/^POST \/api\/remove$/, this.cutOut], [/^POST \/sdapi\/v1\/extra-single-image$/, this.enlarge],
      [/^POST \/detect$/, this.detect],
    ]
    for (const [form, fn] of rows) {
      const m = form.exec(`${q.method} ${q.path}`)
      if (m) return this.odd && q.path !== '/v1/models' ? this.oddly(q) : fn.call(this, q, ...m.slice(1))
    }
    this.complain(`${q.method} ${q.path}`)
    throw refuse(404, `Invalid URL (${q.method} ${q.path})`)
  }

  // What no service should say: {body, headers} in the place of an answer, or endless bytes.
  oddly(q) {
    if (this.odd !== 'endless') return new Answer(this.odd.status ?? 200, this.odd.body, this.odd.headers)
    q.res.writeHead(200, { 'Content-Type': 'application/json' })
    const more = () => { while (q.res.write(Buffer.alloc(1 << 20, 0x20))) ; }
    q.res.on('drain', more).on('error', () => {})
    more()
    return undefined
  }

  model(name) {
    if (!this.models.includes(name)) throw refuse(404, `The model '${name}' does not exist`)
  }

  // ---- sounds ----

  async hear(q, what) {
    const f = await this.fields(q, ['model', 'response_format', 'chunking_strategy', 'language', 'file',
      'timestamp_granularities[]'])
    this.file(q, f.file, 'audio')
    this.model(f.model)
    if (what === 'translations') {
      this.need(!f.language && !f['timestamp_granularities[]'] && f.response_format === 'verbose_json', 400,
        'fields that a translation does not have')
      return new Answer(200, { text: 'Hello there.', segments: [{ id: 0, start: 0, end: 1.5, text: ' Hello there.' }] })
    }
    this.need(/^[a-z]{2,3}$/.test(f.language), 400, `language ${f.language}`)
    if (f.response_format === 'diarized_json') {
      this.need(f.chunking_strategy === 'auto' && !f['timestamp_granularities[]'], 400, 'fields of a diarized answer')
      return new Answer(200, this.heard ?? { text: 'Hello there. Hi!', duration: 1.8,
        segments: [{ id: 'a', type: 'transcript.text.segment', start: 0, end: 1, text: 'Hello there.', speaker: 'A' },
          { id: 'b', type: 'transcript.text.segment', start: 1.2, end: 1.8, text: 'Hi!', speaker: 'B' }] })
    }
    this.need(f.response_format === 'verbose_json', 400, `response_format ${f.response_format}`)
    this.need(`${f['timestamp_granularities[]']}` === 'word,segment', 400, 'other granularities')
    return new Answer(200, this.heard ?? { task: 'transcribe', language: 'english', duration: 1.8,
      text: 'Hello there. Hi!', words: [{ word: 'Hello', start: 0, end: 0.5 }, { word: 'there', start: 0.6, end: 1 },
        { word: 'Hi', start: 1.2, end: 1.8 }],
      segments: [{ id: 0, seek: 0, start: 0, end: 1, text: ' Hello there.', tokens: [1, 2], avg_logprob: -0.3 },
        { id: 1, seek: 0, start: 1.2, end: 1.8, text: ' Hi!', tokens: [3] }] })
  }

  // ---- pictures ----

  pictures(f) {
    this.model(f.model)
    this.need(typeof f.prompt === 'string' && f.prompt, 400, 'no prompt')
    this.need(f.size === undefined || /^\d+x\d+$/.test(f.size), 400, `size ${f.size}`)
    this.need(f.response_format === undefined || f.response_format === 'b64_json', 400, 'response_format')
    this.need([undefined, 'png', 'jpeg', 'webp'].includes(f.output_format), 400, `output_format ${f.output_format}`)
    const n = Math.min(Number(f.n), this.atOnce ?? 10), data = this.picture[f.output_format ?? 'png']
    const one = () => {
      if (!this.byUrl) return { b64_json: data.toString('base64') }
      const name = random()
      this.made.set(name, data)
      return { url: `${this.farUrl ?? this.url}/made/${name}` }
    }
    return new Answer(200, { created: 1, data: Array.from({ length: n }, one) })
  }

  draw(q) {
    this.need(q.headers['content-type'] === 'application/json', 415, `generations with ${q.headers['content-type']}`)
    const f = q.json()
    const known = ['model', 'prompt', 'n', 'size', 'output_format', 'seed', 'response_format']
    this.need(Object.keys(f).every((k) => known.includes(k)) && Number.isInteger(f.n) && f.n >= 1 && f.n <= 10 &&
      (f.seed === undefined || Number.isInteger(f.seed)), 400, `generations ${q.body}`)
    this.asked.push(f)
    return this.pictures(f)
  }

  async edit(q) {
    const f = await this.fields(q, ['model', 'prompt', 'n', 'size', 'output_format', 'seed', 'response_format', 'image',
      'image[]', 'mask'])
    this.need(!f.image !== !f['image[]'], 400, 'image and image[]')
    for (const one of f['image[]'] ?? [f.image]) this.file(q, one, 'image')
    if (f.mask) this.file(q, f.mask, 'image')
    this.need(/^[1-9]\d?$/.test(f.n) && (f.seed === undefined || NUMBER.test(f.seed)), 400, 'n or seed')
    return this.pictures(f)
  }

  bring(q) {
    if (q.headers.authorization) this.complain('the key came to an address that an answer named')
    const data = this.made.get(q.path.slice(6))
    return data ? this.bytes(q, data) : new Answer(404, 'gone')
  }

  async cutOut(q) {
    const f = await this.fields(q, ['file', 'model'])
    this.file(q, f.file)
    if (f.model !== undefined && f.model !== 'u2net') throw new Answer(400, { detail: `no model ${f.model}` })
    return new Answer(200, this.picture.png, { 'Content-Type': 'image/png' })
  }

  enlarge(q) {
    this.need(q.headers['content-type'] === 'application/json', 415, 'no JSON')
    const f = q.json()
    this.need(Object.keys(f).sort().join() === 'codeformer_visibility,codeformer_weight,gfpgan_visibility,image,' +
      'resize_mode,upscaler_1,upscaling_resize', 422, `extra-single-image ${Object.keys(f)}`)
    this.need(f.upscaler_1 === 'R-ESRGAN 4x+' && f.resize_mode === 0 && [2, 4].includes(f.upscaling_resize), 422,
      'upscaler or factor')
    const image = Buffer.from(f.image, 'base64')
    this.need(image.toString('base64') === f.image && isPng(image), 422, 'an image that is no base64')
    this.asked.push({ ...f, image })
    return new Answer(200, { html_info: '<p>', image: this.picture.png.toString('base64') })
  }

  async detect(q) {
    const f = await this.fields(q, ['categories', 'file'])
    this.file(q, f.file)
    this.need(f.categories.split(',').every((c) => ['stock_photo', 'brand_logo', 'artwork', 'watermarked'].includes(c)),
      400, `categories ${f.categories}`)
    return new Answer(200, { matches: this.matches })
  }

  // ---- films ----

  async order(q) {
    const f = await this.fields(q, ['model', 'prompt', 'size', 'seconds', 'fps', 'seed', 'motion_amount',
      'reference_strength', 'negative_prompt', 'input_reference'])
    this.model(f.model)
    this.need(f.prompt && (f.size === undefined || /^\d+x\d+$/.test(f.size)), 400, 'prompt or size')
    for (const name of ['seconds', 'fps', 'seed', 'motion_amount', 'reference_strength'])
      this.need(f[name] === undefined || NUMBER.test(f[name]), 400, `${name} ${f[name]}`)
    if (f.input_reference) this.file(q, f.input_reference, 'image')
    const id = `video_${this.next++}`
    this.videos.set(id, { id, object: 'video', status: 'queued', progress: 0, looks: 0 })
    return new Answer(200, this.videos.get(id))
  }

  video(id) {
    const v = this.videos.get(id)
    if (!v) throw refuse(404, `Video with id '${id}' not found.`)
    return v
  }

  look(q, id) {
    const v = this.video(id)
    if (++v.looks > this.looks) Object.assign(v, this.fails ? { status: 'failed', error: { message: this.fails } }
      : { status: 'completed', progress: 100 })
    else Object.assign(v, { status: 'in_progress', progress: 40 })
    return new Answer(200, v)
  }

  content(q, id) {
    this.need(this.video(id).status === 'completed', 404, 'a film that is not done')
    return this.bytes(q, this.film, { headers: { 'Content-Type': 'video/mp4' }, short: this.short ?? 0 })
  }

  remove(q, id) {
    this.videos.delete(this.video(id).id)
    this.deleted.push(id)
    return new Answer(200, { id, object: 'video.deleted', deleted: true })
  }
}

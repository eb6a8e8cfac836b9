// A stand-in of a server that speaks OpenAI's interface of chat completions (as Ollama, vLLM, llama.cpp and LocalAI
// do), and one of LibreTranslate. It is strict as Cloud is (cloud.mjs): what the description does not allow is
// a complaint.
// No model thinks here: a test says what is answered.
import { Answer, Cloud, random } from './cloud.mjs'

const roles = ['system', 'user', 'assistant']
const members = ['model', 'messages', 'stream', 'response_format', 'reasoning_effort']
const magic = { 'image/png': [0x89, 0x50], 'image/jpeg': [0xff, 0xd8], 'application/pdf': [0x25, 0x50] }
export const said = (status, message, code) => new Answer(status, { error: { message, type: 'error', code } })
export const tooMany = { status: 429, body: { error: { message: 'slow down' } }, headers: { 'Retry-After': '1' } }

export class OpenAI extends Cloud {
  models = ['first-model', 'vendor/second', 'third']
  key = `sk-${random()}`
  asked = [] // bodies of questions
  answers = [] // what is said to the next ones: a text, or a function of the body; after the last one for ever
  closed = 0 // questions whose connection ended before an answer
  hold = false

  handle(q) {
    if (q.headers.authorization !== `Bearer ${this.key}`)
      throw said(401, `Incorrect API key provided: ${q.headers.authorization}`, 'invalid_api_key')
    if (q.method === 'GET' && q.path === '/v1/models')
      return new Answer(200, { object: 'list', data: this.models.map((id) => ({ id, object: 'model' })) })
    this.need(q.method === 'POST' && q.path === '/v1/chat/completions', 404, `no such address: ${q.method} ${q.path}`)
    this.need(q.headers['content-type'] === 'application/json', 415, `type ${q.headers['content-type']}`)
    return this.chat(q, q.json())
  }

  check(body) {
    for (const name of Object.keys(body)) this.need(members.includes(name), 400, `unknown member ${name}`)
    this.need(body.stream === false, 400, 'nobody reads a stream')
    this.need(Array.isArray(body.messages) && body.messages.length, 400, 'no messages')
    for (const m of body.messages) {
      this.need(roles.includes(m.role), 400, `role ${m.role}`)
      this.need(Object.keys(m).sort().join() === 'content,role', 400, `message of ${Object.keys(m)}`)
      if (typeof m.content !== 'string') for (const part of m.content) this.part(m, part)
    }
    const effort = body.reasoning_effort
    this.need(effort === undefined || ['xhigh', 'high', 'medium', 'low'].includes(effort), 400, `effort ${effort}`)
    const form = body.response_format
    if (form) this.form(form, JSON.stringify(body.messages))
  }

  form(form, words) {
    this.need(['json_object', 'json_schema'].includes(form.type), 400, `format ${form.type}`)
    // as OpenAI has it: otherwise models may say white space for ever
    if (form.type === 'json_object') return this.need(/json/i.test(words), 400, "'messages' must contain 'json'")
    this.need(/^[a-zA-Z0-9_-]{1,64}$/.test(form.json_schema?.name ?? ''), 400, 'a schema needs a name')
    return this.need(typeof form.json_schema.schema === 'object', 400, 'a schema is an object')
  }

  part(m, part) {
    this.need(m.role === 'user' || part.type === 'text', 400, `${m.role} has a part ${part.type}`)
    const data = (url) => {
      const [, type, base64] = /^data:([a-z0-9.+/-]+);base64,([A-Za-z0-9+/]+=*)$/.exec(url ?? '') ?? []
      this.need(type, 400, `no data: ${String(url).slice(0, 40)}`)
      const bytes = Buffer.from(base64, 'base64')
      this.need(!magic[type] || magic[type].every((b, i) => bytes[i] === b), 400, `that is no ${type}`)
    }
    if (part.type === 'text') this.need(typeof part.text === 'string', 400, 'a text without text')
    else if (part.type === 'image_url') data(part.image_url?.url)
    else if (part.type === 'file') {
      this.need(part.file?.filename, 400, 'a file without name')
      data(part.file.file_data)
    } else if (part.type === 'input_audio')
      this.need(['wav', 'mp3'].includes(part.input_audio?.format), 400, 'what sound?')
    else this.need(false, 400, `part ${part.type}`)
  }

  chat(q, body) {
    this.check(body)
    if (!this.models.includes(body.model))
      throw said(404, `The model '${body.model}' does not exist`, 'model_not_found')
    this.asked.push(body)
    if (this.hold) {
      q.res.on('close', () => this.closed++)
      return new Promise(() => {})
    }
    const next = this.answers.length > 1 ? this.answers.shift() : this.answers[0]
    const content = typeof next === 'function' ? next(body) : next
    if (content instanceof Answer) return content
    return new Answer(200, { id: `chatcmpl-${random()}`, object: 'chat.completion', created: 1, model: body.model,
      choices: [{ index: 0, finish_reason: 'stop', message: { role: 'assistant', content } }],
      usage: { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 } })
  }
}

export class LibreTranslate extends Cloud {
  key = `lt-${random()}`
  codes = { en: ['de', 'zh-Hans'], de: ['en'], 'zh-Hans': ['en'] }
  asked = []

  handle(q) {
    this.need(!q.headers.authorization, 400, 'the key belongs into the body')
    if (q.method === 'GET' && q.path === '/languages')
      return new Answer(200, Object.entries(this.codes).map(([code, targets]) => ({ code, name: code, targets })))
    this.need(q.method === 'POST' && q.path === '/translate', 404, `no such address: ${q.method} ${q.path}`)
    const { q: text, source, target, format, api_key: key, ...more } = q.json()
    this.need(!Object.keys(more).length && format === 'text', 400, `unknown members ${Object.keys(more)}`)
    if (key !== this.key) throw new Answer(403, { error: `Invalid API key ${key}` })
    this.need(this.codes[source]?.includes(target), 400, `${source} to ${target} is not supported`)
    this.need(text && text.trim() === text && Buffer.byteLength(text) <= 2000, 400, 'text limit')
    this.asked.push({ text, source, target })
    return new Answer(200, { translatedText: text.toUpperCase() })
  }
}

// /ai/chat, /image/describe and /text/translate against stand-ins of the services they ask (openai.mjs).
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { test } from 'node:test'
import { binary, picture, Server, sleep } from '../e2e/server.mjs'
import { Answer } from './cloud.mjs'
import { LibreTranslate, OpenAI, tooMany } from './openai.mjs'

const done = (st) => !['ASSEMBLY_UPLOADING', 'ASSEMBLY_EXECUTING'].includes(st.ok)
const soon = async (what, is) =>
  { for (const end = Date.now() + 60000; !await is(); await sleep(25)) assert.ok(Date.now() < end,
  `not in time: ${what}`) }
const good = (st) => { assert.equal(st.ok, 'ASSEMBLY_COMPLETED', `${st.error}: ${st.message}`); return st }

async function bed(t, { key = true, plain = false, env = {}, stored } = {}) {
  const cloud = await OpenAI.start(t), libre = plain && await LibreTranslate.start(t)
  const base = fs.mkdtempSync(path.join(os.tmpdir(), 'workcell-e2e-'))
  if (stored) execFileSync(binary, ['credential', 'add', 'mine', 'ai', `openai_api_key=${cloud.key}`, '--data', base])
  const keys = [key && !stored && `ai=${cloud.key}`, libre && `translate=${libre.key}`].filter(Boolean)
  const server = await Server.start(t, { dir: base, allow: [/worker/],
    args: ['--import-allow', '127.0.0.1', '--endpoint', `ai=${cloud.url}/v1`,
      ...libre ? ['--endpoint', `translate=${libre.url}`] : []],
    env: { WORKCELL_TEST_RETRY_MS: '20', WORKCELL_AI_KEY: stored ? 'ai=sk-operator' : keys.join(), ...env } })
  const begin = (step, files) => server.create({ out: { result: true, ...step } }, files ? { files } : {})
  const run = async (step, files) => {
    const a = await begin(step, files)
    return a.assembly_id ? server.until(a.assembly_id, done, 60000) : a
  }
  const chat = (messages, more, files) =>
    run({ robot: '/ai/chat', messages, ...files && { use: ':original' }, ...more }, files)
  const text = async (st) => { const [f] = good(st).results.out; return (await fetch(f.ssl_url)).text() }
  const json = async (st) => JSON.parse(await text(st))
  const secret = () => assert.ok(!server.log.includes(cloud.key), 'the key is in the log')
  return { cloud, libre, server, begin, run, chat, text, json, secret }
}

test('a question is answered as JSON, as a text, with files, and as a conversation', async (t) => {
  const { cloud, chat, json, text, secret } = await bed(t)
  cloud.answers = ['```json\n{"a": [1]}\n```']
  let st = await chat('How many?', { system_message: 'Count.', reasoning_effort: 'low' })
  assert.deepEqual([await json(st), st.results.out[0].name, st.results.out[0].mime], [{ a: [1] }, 'answer.json',
    'application/json'])
  assert.deepEqual([cloud.asked[0].model, cloud.asked[0].reasoning_effort, cloud.asked[0].response_format.type],
    ['first-model', 'low', 'json_object'])
  assert.deepEqual(cloud.asked[0].messages.map((m) => m.content), ['Count.', 'Answer with JSON alone.', 'How many?'])
  cloud.answers = ['A woman.']
  st = await chat('Who?', { format: 'text', model: 'vendor/second' }, { 'a.png': fs.readFileSync(picture) })
  assert.deepEqual([await text(st), st.results.out[0].name], ['A woman.', 'a.txt'])
  const [question, file] = cloud.asked[1].messages[0].content
  assert.deepEqual([question.text, file.type, cloud.asked[1].model, cloud.asked[1].response_format],
    ['Who?', 'image_url', 'vendor/second', undefined])
  assert.ok(Buffer.from(file.image_url.url.split(',')[1], 'base64').equals(fs.readFileSync(picture)))
  const talk = [{ role: 'user', content: 'Hello' }, { role: 'assistant', content: 'Yes?' }, { role: 'user',
    content: [{ type: 'text', text: 'Read this.' }] }]
  st = await chat(talk, { format: 'text', return_messages: 'all', model: 'acme/third' }, { 'b.txt': 'the sea' })
  assert.equal(await text(st), 'user:\nHello\n\nassistant:\nYes?\n\nuser:\nRead this.\n\nassistant:\nA woman.')
  assert.match(cloud.asked[2].messages[2].content[1].text, /b\.txt[^]*the sea/)
  assert.equal(cloud.asked[2].model, 'third', 'as the server lists it')
  st = good(await chat('Who?', { format: 'meta' }, { 'a.txt': 'some words' }))
  assert.deepEqual([st.results.out[0].meta.answer, st.results.out[0].name], ['A woman.', 'a.txt'])
  const none = await chat('Who?', { format: 'meta' })
  assert.deepEqual([none.error, /no input/.test(none.message)], ['AI_CHAT_VALIDATION', true])
  cloud.quiet()
  secret()
})

test('stored keys are tried with a question, which is asked with no other key', async (t) => {
  const { cloud, server, secret } = await bed(t, { stored: true })
  const attempt = (name) => server.signedPost(`/template_credentials/${name}/test`, {})
  cloud.answers = ['Yes.']
  const fine = await attempt('mine')
  assert.deepEqual([fine.works, fine.robot, fine.message],
    [true, '/ai/chat', '/ai/chat signed in and had a question answered'])
  assert.deepEqual(cloud.asked.map((a) => [a.model, a.messages.map((m) => m.content)]),
    [['first-model', ['Say: yes.']]])
  const store = (name, content) => server.signedPost('/template_credentials', { name, type: 'ai', content })
  assert.equal((await store('wrong', { openai_api_key: 'sk-wrong' })).ok, 'TEMPLATE_CREDENTIALS_CREATED')
  const wrong = await attempt('wrong')
  assert.deepEqual([wrong.works, /401/.test(wrong.message), /sk-wrong/.test(JSON.stringify(wrong))],
    [false, true, false])
  await store('none', {})
  const none = await attempt('none') // and not the operator's in its place
  assert.deepEqual([none.works, none.code, none.message], [false, 'AI_CHAT_VALIDATION',
    'the stored credentials hold no key'])
  assert.equal(cloud.asked.length, 1)
  cloud.quiet()
  secret()
})

test('an answer that does not fit the schema is asked for again twice, and then it is an error', async (t) => {
  const { cloud, chat, json } = await bed(t, { env: { WORKCELL_AI_MODEL: 'ai=third' } })
  const properties = { n: { type: 'integer' }, why: { type: 'string', const: '${x}' } }
  const schema = JSON.stringify({ type: 'object', properties, required: ['n'], additionalProperties: false })
  cloud.answers = ['seven', '{"n": "7"}', '{"n": 7}']
  assert.deepEqual(await json(await chat('How many?', { schema })), { n: 7 })
  assert.equal(cloud.asked.length, 3)
  assert.deepEqual([cloud.asked[0].model, cloud.asked[0].response_format.json_schema.schema],
    ['third', JSON.parse(schema)])
  assert.match(cloud.asked[1].messages.at(-1).content, /no JSON/)
  assert.match(cloud.asked[2].messages.at(-1).content, /n is of type string, not integer/)
  cloud.answers = ['{"n": 7, "m": 8}']
  const st = await chat('How many?', { schema })
  assert.deepEqual([st.error, /asked 3 times.*has a 'm'/.test(st.message), cloud.asked.length],
    ['WORKER_JOB_ERROR', true, 6])
  const odd = await chat('How many?', { schema: '{"type": "thing"}' })
  assert.deepEqual([odd.error, /'type'/.test(odd.message)], ['AI_CHAT_VALIDATION', true])
  cloud.quiet()
})

test('each failure of the service is told by name, and what passes is waited for', async (t) => {
  const { cloud, server, chat, text, secret } = await bed(t, { env: { WORKCELL_TEST_IDLE_S: '1' } })
  const chatting = { on: /chat/ }, ask = (more) => chat('x', { format: 'text', ...more })
  cloud.answers = ['fine']
  const waited = Date.now()
  cloud.fault({ ...chatting, ...tooMany })
  cloud.fault({ ...chatting, status: 500, body: 'oops' })
  assert.equal(await text(await ask()), 'fine')
  assert.ok(Date.now() - waited >= 1000, 'Retry-After is kept')
  const failing = async (words, answer, more) => {
    if (answer) cloud.answers = [answer]
    const st = await ask(more)
    assert.equal(st.error, 'WORKER_JOB_ERROR', JSON.stringify(st).slice(0, 300))
    assert.match(st.message, words)
  }
  await failing(/404.*'no\/such' does not exist/, null, { model: 'no/such' })
  await failing(/401.*repeats credentials/, null, { openai_api_key: 'sk-wrong' })
  await failing(/oddly/, () => new Answer(200, '<html>'))
  await failing(/oddly/, () => new Answer(200, { choices: [{ message: {} }] }))
  await failing(/refuses: no/, () => new Answer(200, { choices: [{ message: { refusal: 'no' } }] }))
  await failing(/cut off/, () => new Answer(200, { choices: [{ finish_reason: 'length', message: { content: 'a' } }] }))
  await failing(/more than \d+ bytes/, () => new Answer(200, Buffer.alloc(9 << 20, 0x20)))
  cloud.hold = true
  const before = cloud.asked.length
  await failing(/can't talk to the AI service/)
  assert.equal(cloud.asked.length, before + 1, 'who is silent is not asked again')
  cloud.quiet()
  secret()
  assert.ok(!server.log.includes('sk-wrong'))
})

test('a cancel while the model thinks closes the connection and leaves nothing', async (t) => {
  const { cloud, server, begin } = await bed(t)
  cloud.hold = true
  const { assembly_id: id } = await begin({ robot: '/ai/chat', messages: 'Think.' })
  await soon('it is asked', () => cloud.asked.length === 1)
  const st = await server.cancel(id)
  assert.equal(st.ok, 'ASSEMBLY_CANCELED')
  await soon('the connection is closed', () => cloud.closed === 1)
  await server.scratchEmpty()
  await sleep(200)
  assert.equal(cloud.asked.length, 1, 'nobody asks again')
})

test('stored keys go in the place of the operator’s, unless those are asked for', async (t) => {
  const { cloud, chat, text, secret } = await bed(t, { stored: true })
  cloud.answers = ['fine']
  assert.equal(await text(await chat('x', { format: 'text', credentials: 'mine' })), 'fine')
  assert.equal(await text(await chat('x', { format: 'text', credentials: ['mine'] })), 'fine')
  for (const more of [{}, { credentials: 'mine', test_credentials: true }]) {
    const st = await chat('x', { format: 'text', ...more })
    assert.match(st.message, /401/)
    assert.ok(!JSON.stringify(st).includes('sk-operator') && !JSON.stringify(st).includes(cloud.key))
  }
  assert.equal((await chat('x', { credentials: ['mine', 'nobody'] })).error, 'TEMPLATE_CREDENTIALS_INJECTION_ERROR')
  secret()
})

test('a picture is described, and of what a model says only labels come through', async (t) => {
  const { cloud, run, json, text } = await bed(t)
  const file = { 'a.png': fs.readFileSync(picture) }
  const describe = (more) => run({ robot: '/image/describe', use: ':original', ...more }, file)
  cloud.answers = [JSON.stringify({ descriptions: [{ name: 'Flag', confidence: 71.5 },
    { name: 'Person', confidence: 400 }, { name: 'flag', confidence: 3 }, { name: 'x'.repeat(5000), confidence: 9 },
    { name: 'a\nb', confidence: 9 },
    { name: '', confidence: 1 }] })]
  const st = await describe()
  assert.deepEqual([await json(st), st.results.out[0].name],
    [[{ name: 'Person', confidence: 100 }, { name: 'Flag', confidence: 71.5 }], 'a.json'])
  assert.deepEqual(await json(await describe({ granularity: 'list' })), ['Person', 'Flag'])
  assert.equal(await text(await describe({ format: 'text' })), 'Person: 100.0\nFlag: 71.5\n')
  assert.deepEqual(good(await describe({ format: 'meta', granularity: 'list' })).results.out[0].meta.descriptions,
    ['Person', 'Flag'])
  const wrong = await describe({ explicit_descriptions: true })
  assert.deepEqual([wrong.error, /none of the values/.test(wrong.message)], ['WORKER_JOB_ERROR', true])
  cloud.answers = ['{"descriptions": [{"name": "Violence", "confidence": 60}]}']
  assert.deepEqual(await json(await describe({ explicit_descriptions: true, granularity: 'list' })), ['Violence'])
  cloud.quiet()
})

test('a long text is translated by the model in pieces at ends of paragraphs, in their order', async (t) => {
  const { cloud, run, text } = await bed(t)
  cloud.answers = [(b) => ` ${b.messages[1].content.toUpperCase()}\n`]
  const long = Array.from({ length: 40 }, (_, i) => `paragraph ${i} ${'ä word '.repeat(40)}`).join('\n\n') + '\n'
  const st = await run({ robot: '/text/translate', use: ':original', provider: 'aws', source_language: 'en-US',
    target_language: 'de' }, { 'a.txt': long })
  assert.equal((await text(st)).replace(/ +\n/g, '\n'), long.toUpperCase().replace(/ +\n/g, '\n'))
  assert.equal(st.results.out[0].name, 'a.txt')
  assert.ok(cloud.asked.length >= 3 && cloud.asked.every((b) => b.messages[1].content.startsWith('paragraph')))
  assert.match(cloud.asked[0].messages[0].content, /from the language en-US to the language de /)
  cloud.quiet()
})

test('a translation service of its own is asked in its own words for languages', async (t) => {
  const { libre, run, text } = await bed(t, { plain: true })
  const translate = (source_language, target_language, data = 'one\n\ntwo. ') => run({ robot: '/text/translate',
    use: ':original', provider: 'aws', source_language, target_language }, { 'a.txt': data })
  assert.equal(await text(await translate('en-US', 'zh-CN')), 'ONE\n\nTWO. ')
  assert.deepEqual(libre.asked, [{ text: 'one\n\ntwo.', source: 'en', target: 'zh-Hans' }])
  const st = await translate('de', 'zh-CN')
  assert.deepEqual([st.error, /from de to zh-CN/.test(st.message)], ['TEXT_TRANSLATE_VALIDATION', true])
  assert.equal((await translate('en', 'zu')).error, 'TEXT_TRANSLATE_VALIDATION')
  assert.equal((await text(await translate('en', 'de', 'x '.repeat(5000)))).length, 10000)
  libre.quiet()
})

test('without a service each Robot says which setting would name one', async (t) => {
  const server = await Server.start(t, { allow: [/worker/] })
  for (const [step, code, words] of [
    [{ robot: '/ai/chat', messages: 'x' }, 'AI_CHAT_VALIDATION', /--endpoint ai=URL/],
    [{ robot: '/image/describe', use: ':original' }, 'IMAGE_DESCRIBE_VALIDATION', /ai=URL or --endpoint vision=URL/],
    [{ robot: '/text/translate', use: ':original', provider: 'aws' }, 'TEXT_TRANSLATE_VALIDATION',
      /ai=URL or --endpoint translate=URL/],
  ]) {
    const files = { 'a.png': fs.readFileSync(picture), 'a.txt': 'some words' }
    const a = await server.create({ out: step }, step.use ? { files } : {})
    const st = await server.until(a.assembly_id, done)
    assert.equal(st.error, code, st.message)
    assert.match(st.message, words)
  }
})

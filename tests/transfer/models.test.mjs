// The Robots that send media to models or get them from there, against a stand-in (models.mjs).
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import http from 'node:http'
import os from 'node:os'
import path from 'node:path'
import { test } from 'node:test'
import { Server, sleep } from '../e2e/server.mjs'
import { Models, tooManyRequests } from './models.mjs'

const PATIENCE = 60000
const done = (st) => !['ASSEMBLY_UPLOADING', 'ASSEMBLY_EXECUTING'].includes(st.ok)
const soon = async (what, is) => {
  for (const end = Date.now() + PATIENCE; !await is(); await sleep(25))
    assert.ok(Date.now() < end, `not in time: ${what}`)
}

const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'workcell-models-'))
const made = (name, ...args) => {
  execFileSync('ffmpeg', ['-v', 'error', ...args, '-y', path.join(dir, name)])
  return fs.readFileSync(path.join(dir, name))
}
const still = ['-f', 'lavfi', '-i', 'testsrc=size=64x48:rate=5:duration=1', '-frames:v', '1']
const png = made('a.png', ...still), jpeg = made('a.jpg', ...still), webp = made('a.webp', ...still)
const film = made('a.mp4', '-f', 'lavfi', '-i', 'testsrc=size=64x64:rate=5:duration=1', '-pix_fmt', 'yuv420p')
const sound = made('a.mp3', '-f', 'lavfi', '-i', 'sine=frequency=440:duration=1')
fs.rmSync(dir, { recursive: true })

const SERVICES = { speech: '/v1', images: '/v1', videos: '/v1', bgremove: '', upscale: '', copyrightdetect: '' }

async function bed(t) {
  const models = await Models.start(t)
  Object.assign(models, { picture: { png, jpeg, webp }, film, matches: [] })
  const named = Object.entries(SERVICES).flatMap(([n, p]) => ['--endpoint', `${n}=${models.url}${p}`])
  const keys = Object.keys(SERVICES).map((n) => `${n}=${models.key}`).join()
  const server = await Server.start(t, { args: [...named, '--import-allow', '127.0.0.1'],
    env: { WORKCELL_TEST_RETRY_MS: '20', WORKCELL_AI_KEY: keys }, allow: [/worker/] })
  const begin = (step, files) => server.create({ out: { result: true, ...files ? { use: ':original' } : {}, ...step } },
    files ? { files } : {})
  const run = async (...all) => {
    const a = await begin(...all)
    return a.assembly_id ? server.until(a.assembly_id, done, PATIENCE) : a
  }
  const good = async (...all) => {
    const st = await run(...all)
    assert.equal(st.ok, 'ASSEMBLY_COMPLETED', `${st.error}: ${st.message}`)
    return st.results.out ?? []
  }
  const bad = async (code, says, ...all) => {
    const st = await run(...all)
    assert.equal(st.error, code, `${st.ok ?? ''} ${st.message}`)
    assert.match(st.message, says)
    assert.ok(!JSON.stringify(st).includes(models.key) && !server.log.includes(models.key), 'nobody repeats the key')
  }
  const bytes = async (f) => Buffer.from(await (await fetch(f.url)).arrayBuffer())
  const text = async (f) => (await bytes(f)).toString()
  const asked = () => models.asked.splice(0)
  return { models, server, begin, run, good, bad, bytes, text, asked }
}

const hearing = (more) => ({ robot: '/speech/transcribe', ...more })
const drawing = (more) => ({ robot: '/image/generate', prompt: 'a lighthouse', ...more })
const filming = (more) => ({ robot: '/video/generate', prompt: 'waves', ...more })

test('without a service each says at once which setting names one', async (t) => {
  const server = await Server.start(t, { allow: [/worker/] })
  const all = [[hearing(), 'a.mp3', sound, 'SPEECH_TRANSCRIBE_VALIDATION', 'speech'],
    [drawing(), null, null, 'IMAGE_GENERATE_VALIDATION', 'images'],
    [filming(), null, null, 'VIDEO_GENERATE_VALIDATION', 'videos'],
    [{ robot: '/image/bgremove' }, 'a.png', png, 'IMAGE_BGREMOVE_VALIDATION', 'bgremove'],
    [{ robot: '/image/upscale' }, 'a.png', png, 'IMAGE_UPSCALE_VALIDATION', 'upscale'],
    [{ robot: '/image/copyrightdetect' }, 'a.png', png, 'IMAGE_COPYRIGHT_DETECT_VALIDATION', 'copyrightdetect']]
  for (const [step, name, data, code, setting] of all) {
    const a = await server.create({ out: { ...step, ...name ? { use: ':original' } : {} } },
      name ? { files: { [name]: data } } : {})
    const st = a.assembly_id ? await server.until(a.assembly_id, done, PATIENCE) : a
    assert.deepEqual([st.error, new RegExp(`--endpoint ${setting}=URL`).test(st.message)], [code, true],
      `${step.robot}: ${st.message}`)
  }
})

test('what is said comes as JSON, meta, text and subtitles', async (t) => {
  const { models, good, text, asked } = await bed(t)
  const words = [{ text: 'Hello', startTime: 0, endTime: 0.5 }, { text: 'there', startTime: 0.6, endTime: 1 },
    { text: 'Hi', startTime: 1.2, endTime: 1.8 }]
  const [json] = await good(hearing(), { 'a.mp3': sound })
  assert.deepEqual([json.name, json.mime], ['a.json', 'application/json'])
  assert.deepEqual(JSON.parse(await text(json)), { text: 'Hello there. Hi!', words })
  const [q] = asked()
  assert.deepEqual([q.model, q.language, q.file.name], ['the-first', 'en', 'a.mp3'])
  assert.ok(q.file.data.equals(sound))
  const [meta] = await good(hearing({ format: 'meta', source_language: 'de-DE', model: 'another' }), { 'a.mp4': film })
  assert.deepEqual([meta.name, meta.meta.transcription], ['a.mp4', { text: 'Hello there. Hi!', words }])
  const [german] = asked()
  assert.deepEqual([german.model, german.language], ['another', 'de'])
  const list = { granularity: 'list' }
  assert.deepEqual(JSON.parse(await text((await good(hearing(list), { 'a.mp3': sound }))[0])), ['Hello there.', 'Hi!'])
  assert.equal(await text((await good(hearing({ format: 'text' }), { 'a.mp3': sound }))[0]), 'Hello there. Hi!\n')
  assert.equal(await text((await good(hearing({ format: 'text', ...list }), { 'a.mp3': sound }))[0]),
    'Hello there.\nHi!\n')
  const [srt] = await good(hearing({ format: 'srt' }), { 'a.mp3': sound })
  assert.deepEqual([srt.name, await text(srt)], ['a.srt',
    '1\n00:00:00,000 --> 00:00:01,000\nHello there.\n\n2\n00:00:01,200 --> 00:00:01,800\nHi!\n\n'])
  const [vtt] = await good(hearing({ format: 'webvtt' }), { 'a.mp3': sound })
  assert.deepEqual([vtt.name, await text(vtt)], ['a.vtt',
    'WEBVTT\n\n00:00:00.000 --> 00:00:01.000\nHello there.\n\n00:00:01.200 --> 00:00:01.800\nHi!\n\n'])
  models.quiet()
})

test('speakers have names, and what is spoken becomes English where that is asked for', async (t) => {
  const { models, good, bad, text, asked } = await bed(t)
  const of = async (more) => JSON.parse(await text((await good(hearing({ speaker_labels: true, ...more }),
    { 'a.mp3': sound }))[0]))
  const heard = await of({})
  assert.deepEqual(heard.segments.map((s) => [s.text, s.speaker]),
    [['Hello there.', 'speaker_1'], ['Hi!', 'speaker_2']])
  assert.deepEqual((await of({ max_speakers: 1 })).segments.map((s) => s.speaker), ['speaker_1', undefined])
  // as WhisperX has it: words in segments, which say whose they are
  models.heard = { segments: [{ start: 0, end: 1, text: 'a b', speaker: 'SPEAKER_00',
    words: [{ word: 'a', start: 0, end: 0.5 }, { word: 'b', start: 0.5, end: 1, speaker: 'SPEAKER_01' }] }] }
  const inside = await of({})
  assert.deepEqual(inside.words.map((w) => w.speaker), ['speaker_1', 'speaker_2'])
  assert.deepEqual(inside.segments.map((s) => s.text), ['a', 'b'])
  models.heard = { text: 'nobody', segments: [{ start: 0, end: 1, text: 'nobody' }] }
  await bad('WORKER_JOB_ERROR', /speaker/, hearing({ speaker_labels: true }), { 'a.mp3': sound })
  models.heard = undefined
  asked()
  const english = await good(hearing({ source_language: 'de-DE', target_language: 'en-GB', format: 'text' }),
    { 'a.mp3': sound })
  assert.equal(await text(english[0]), 'Hello there.\n')
  await bad('SPEECH_TRANSCRIBE_VALIDATION', /text\/translate/, hearing({ target_language: 'fr' }), { 'a.mp3': sound })
  models.quiet()
})

test('services that refuse, are busy, talk nonsense or do not end are said by name', async (t) => {
  const { models, good, bad, text } = await bed(t)
  const one = { 'a.mp3': sound }
  models.fault({ on: /transcriptions/, ...tooManyRequests })
  models.fault({ on: /transcriptions/, status: 500, body: 'oh' })
  await good(hearing(), one)
  models.fault({ on: /transcriptions/, times: 9, status: 500, body: { error: { message: 'out of memory' } } })
  await bad('WORKER_JOB_ERROR', /500.*out of memory/, hearing(), one)
  models.faults = []
  await bad('WORKER_JOB_ERROR', /404.*no-such/, hearing({ model: 'no-such' }), one)
  models.most = 100
  await bad('WORKER_JOB_ERROR', /413.*Maximum content size/, hearing(), one)
  models.most = 25 << 20
  for (const [body, says] of [['{"text": ', /JSON/], ['[]', /no text/], [{ text: 7 }, /no text/],
    [{ text: 'a', words: [{ word: 'a', start: 5, end: 1 }] }, /times/],
    [{ text: 'a', words: [{ word: 'a', start: -1, end: 1 }] }, /times/],
    [{ text: 'a', segments: [{ text: 'a', start: 0, end: 1e9 }] }, /times/]]) {
    models.odd = { body }
    await bad('WORKER_JOB_ERROR', says, hearing(), one)
  }
  models.odd = { body: { text: 'a' } }
  await bad('WORKER_JOB_ERROR', /times/, hearing({ format: 'srt' }), one)
  models.odd = { body: { segments: [{ text: 'x --> y\n\n<b>&', start: 0, end: 1 }] } }
  assert.equal(await text((await good(hearing({ format: 'webvtt' }), one))[0]),
    'WEBVTT\n\n00:00:00.000 --> 00:00:01.000\nx \u2192 y &lt;b&gt;&amp;\n\n')
  models.odd = 'endless'
  await bad('WORKER_JOB_ERROR', /more than 67108864 bytes/, hearing(), one)
  models.odd = undefined
  models.key = 'another'
  await bad('WORKER_JOB_ERROR', /401/, hearing(), one)
})

test('pictures are made of a text, so many and of such a size and format', async (t) => {
  const { models, good, bad, bytes, asked } = await bed(t)
  const [a] = await good(drawing())
  assert.deepEqual([a.name, a.mime, a.meta.width], ['image.png', 'image/png', 64])
  assert.ok((await bytes(a)).equals(png))
  assert.deepEqual(asked(), [{ model: 'the-first', prompt: 'a lighthouse', n: 1, response_format: 'b64_json' }])
  models.models.push('gpt-image-9')
  const some = await good(drawing({ num_outputs: 3, format: 'webp', seed: 7, style: 'ink', aspect_ratio: '16:9',
    model: 'openai/gpt-image-9' }))
  assert.deepEqual(some.map((f) => [f.name, f.mime]).sort(), [1, 2, 3].map((n) => [`image-${n}.webp`, 'image/webp']))
  assert.deepEqual(asked(), [{ model: 'gpt-image-9', prompt: 'a lighthouse\nStyle: ink', n: 3, size: '1344x768',
    output_format: 'webp', seed: 7 }])
  models.atOnce = 1 // however many it is asked for
  assert.equal((await good(drawing({ num_outputs: 2, format: 'jpg', width: 300, height: 200 }))).length, 2)
  assert.deepEqual(asked().map((q) => [q.n, q.size]), [[2, '300x200'], [1, '300x200']])
  models.byUrl = true
  assert.ok((await bytes((await good(drawing()))[0])).equals(png))
  models.picture = { png: jpeg, webp, jpeg }
  await bad('WORKER_JOB_ERROR', /png.*jpg/, drawing({ format: 'png' }))
  models.picture = { png: Buffer.from('no picture'), webp, jpeg }
  await bad('WORKER_JOB_ERROR', /no picture/, drawing())
  models.byUrl = false
  for (const [body, says] of [[{ data: [] }, /no picture/], [{ data: [{}] }, /bytes or an address/],
    [{ data: [{ url: 'file:///etc/passwd' }] }, /address/], [{ data: [{ b64_json: '***' }] }, /base64/],
    [{ data: 'x' }, /no picture/], ['{', /JSON/]]) {
    models.odd = { body }
    await bad('WORKER_JOB_ERROR', says, drawing())
  }
  models.odd = undefined
  await bad('IMAGE_GENERATE_VALIDATION', /image\/resize/, drawing({ format: 'gif' }))
  await bad('IMAGE_GENERATE_VALIDATION', /aspect_ratio/, drawing({ aspect_ratio: '16:9', width: 100, height: 100 }))
  await bad('IMAGE_GENERATE_VALIDATION', /prompt/, drawing({ prompt: '' }))
  models.quiet()
})

test('pictures are changed where a mask says', async (t) => {
  const { models, server, asked } = await bed(t)
  const up = { robot: '/upload/handle' }
  const whole = async (use, files) => {
    const a = await server.create({ ':original': up, a: { robot: '/file/filter', use: ':original',
      accepts: [['${file.name}', '=', 'a.png']] }, b: { robot: '/file/filter', use: ':original',
      accepts: [['${file.name}', '=', 'b.png']] }, out: { ...drawing(), use, result: true } }, { files })
    return server.until(a.assembly_id, done, PATIENCE)
  }
  const both = { 'a.png': png, 'b.png': png }
  const st = await whole({ steps: [{ name: 'a', as: 'image' }, { name: 'b', as: 'mask' }], bundle_steps: true }, both)
  assert.equal(st.ok, 'ASSEMBLY_COMPLETED', `${st.error}: ${st.message}`)
  const [q] = asked()
  assert.deepEqual([q.image.name, q.mask.name, q.n], ['a.png', 'b.png', '1'])
  const two = await whole({ steps: [{ name: 'a' }, { name: 'b' }], bundle_steps: true }, both)
  assert.equal(two.ok, 'ASSEMBLY_COMPLETED', `${two.error}: ${two.message}`)
  assert.deepEqual(asked()[0]['image[]'].map((f) => f.name).sort(), ['a.png', 'b.png'])
  const alone = await whole({ steps: [{ name: 'b', as: 'mask' }], bundle_steps: true }, { 'b.png': png })
  assert.deepEqual([alone.error, /mask/.test(alone.message)], ['IMAGE_GENERATE_VALIDATION', true])
  models.quiet()
})

test('an address that an answer names goes through the guard', async (t) => {
  const { models, bad } = await bed(t)
  const asked = [], inside = http.createServer((req, res) => { asked.push(req.url); res.end(png) })
  await new Promise((r) => inside.listen(0, '127.0.0.2', r))
  t.after(() => inside.close())
  Object.assign(models, { byUrl: true, farUrl: `http://127.0.0.2:${inside.address().port}` })
  await bad('WORKER_JOB_ERROR', /127\.0\.0\.2|private/, drawing())
  assert.deepEqual(asked, [])
})

test('what stands in front is cut out, and pictures become larger', async (t) => {
  const { models, good, bad, bytes, asked } = await bed(t)
  const cut = (more) => ({ robot: '/image/bgremove', ...more })
  const large = (more) => ({ robot: '/image/upscale', ...more })
  const [a] = await good(cut({ model: 'u2net', format: 'png', select: 'foreground' }), { 'a.jpg': jpeg })
  assert.deepEqual([a.name, a.mime], ['a.png', 'image/png'])
  assert.ok((await bytes(a)).equals(png) && asked()[0].file.data.equals(jpeg))
  await bad('WORKER_JOB_ERROR', /no model x/, cut({ model: 'x' }), { 'a.png': png })
  await bad('IMAGE_BGREMOVE_VALIDATION', /image\/resize/, cut({ format: 'webp' }), { 'a.png': png })
  await bad('IMAGE_BGREMOVE_VALIDATION', /select/, cut({ select: 'background' }), { 'a.png': png })
  const [b] = await good(large({}), { 'b.png': png })
  assert.deepEqual([b.name, b.mime], ['b.png', 'image/png'])
  await good(large({ model: 'sczhou/codeformer', scale: 4, face_enhance: true }), { 'b.png': png })
  assert.deepEqual(asked().slice(1).map((q) => [q.upscaling_resize, q.gfpgan_visibility, q.codeformer_visibility]),
    [[2, 0, 0], [4, 1, 1]])
  models.odd = { body: { image: '' } }
  await bad('WORKER_JOB_ERROR', /no picture/, large({}), { 'b.png': png })
  models.odd = { body: Buffer.alloc(100, 1), headers: { 'Content-Type': 'image/png' } }
  await bad('WORKER_JOB_ERROR', /no picture/, cut({}), { 'a.png': png })
  models.quiet()
})

test('known works are told, and fail the Assembly where that is asked for', async (t) => {
  const { models, good, bad, text, asked } = await bed(t)
  const find = (more) => ({ robot: '/image/copyrightdetect', ...more })
  models.matches = [{ category: 'stock_photo', confidence: 91.5, source: 'Stock', license: 'rm', secret: 'x' },
    { category: 'artwork', confidence: 20 }]
  const [f] = await good(find({}), { 'a.png': png })
  assert.deepEqual(JSON.parse(await text(f)), { licenses: [{ category: 'stock_photo', confidence: 91.5, source: 'Stock',
    license: 'rm' }, { category: 'artwork', confidence: 20 }], flagged: true, max_confidence: 91.5,
    confidence_threshold: 80 })
  assert.equal(asked()[0].categories, 'stock_photo,brand_logo,artwork,watermarked')
  const [m] = await good(find({ format: 'meta', categories: ['artwork'], error_on_decline: true }), { 'a.png': png })
  assert.deepEqual([m.name, m.meta.copyright], ['a.png', { licenses: [{ category: 'artwork', confidence: 20 }],
    flagged: false, max_confidence: 20, confidence_threshold: 80 }])
  await bad('IMAGE_COPYRIGHT_DETECT_DECLINED_FILE', /^not yours$/, find({ error_on_decline: true,
    error_msg: 'not yours' }), { 'a.png': png })
  await bad('IMAGE_COPYRIGHT_DETECT_VALIDATION', /categories/, find({ categories: ['x'] }), { 'a.png': png })
  for (const matches of [undefined, {}, [1], [{ category: 'artwork', confidence: 101 }], [{ confidence: 5 }]]) {
    models.matches = matches
    await bad('WORKER_JOB_ERROR', /match/, find({}), { 'a.png': png })
  }
  models.quiet()
})

test('films are ordered, waited for, fetched, and deleted there', async (t) => {
  const { models, good, bad, bytes, asked } = await bed(t)
  models.fault({ on: /GET \/v1\/videos\/video_1$/, ...tooManyRequests })
  const [a] = await good(filming({ duration: 4, fps: 12, seed: 3, width: 64, height: 64, motion_amount: 0.5,
    camera_motion: 'pan', negative_prompt: 'text', reference_strength: 0.25, style: 'ink', format: 'mp4' }))
  assert.deepEqual([a.name, a.mime], ['video.mp4', 'video/mp4'])
  assert.ok((await bytes(a)).equals(film))
  assert.deepEqual(asked(), [{ model: 'the-first', prompt: 'waves\nStyle: ink\nCamera: pan', size: '64x64',
    seconds: '4', fps: '12', seed: '3', motion_amount: '0.5', reference_strength: '0.25', negative_prompt: 'text' }])
  const two = await good(filming({ num_outputs: 2, aspect_ratio: '9:16' }), { 'b.png': png })
  assert.deepEqual(two.map((f) => f.name).sort(), ['video-1.mp4', 'video-2.mp4'])
  assert.deepEqual(asked().map((q) => [q.size, q.input_reference.name]), [['720x1280', 'b.png'], ['720x1280', 'b.png']])
  assert.deepEqual([models.deleted, models.videos.size], [['video_1', 'video_2', 'video_3'], 0])
  models.fails = 'moderation\nblocked'
  await bad('WORKER_JOB_ERROR', /could not make the film: moderation blocked/, filming())
  models.fails = undefined
  models.short = 10
  await bad('WORKER_JOB_ERROR', /./, filming())
  models.short = 0
  models.film = Buffer.from('no film')
  await bad('WORKER_JOB_ERROR', /no film/, filming())
  models.film = film
  assert.equal(models.videos.size, 0, 'what failed is deleted as well')
  models.fault({ on: /POST \/v1\/videos/, status: 0, late: true })
  await bad('WORKER_JOB_ERROR', /can't talk/, filming())
  models.videos.clear()
  for (const [body, says] of [[{ id: '../x', status: 'queued' }, /name/], [{ status: 'queued' }, /name/]]) {
    models.odd = { body }
    await bad('WORKER_JOB_ERROR', says, filming())
  }
  models.odd = undefined
  await bad('VIDEO_GENERATE_VALIDATION', /video\/encode/, filming({ format: 'gif' }))
  await bad('VIDEO_GENERATE_VALIDATION', /motion_amount/, filming({ motion_amount: 'much' }))
  models.quiet()
})

test('a cancel leaves nothing, here and there; a killed worker orders anew', async (t) => {
  const { models, server, begin } = await bed(t)
  models.looks = Infinity
  const film1 = await begin(filming())
  await soon('a film is ordered', () => [...models.videos.values()].some((v) => v.looks > 1))
  await server.cancel(film1.assembly_id)
  await soon('it is deleted', () => models.videos.size === 0)
  const film2 = await begin(filming(), { 'b.png': png })
  await soon('another is ordered', () => [...models.videos.values()].some((v) => v.looks > 1))
  const [pid] = server.busyWorkers()
  process.kill(pid, 'SIGKILL')
  models.looks = 1
  const st = await server.until(film2.assembly_id, done, PATIENCE)
  assert.equal(st.ok, 'ASSEMBLY_COMPLETED', `${st.error}: ${st.message}`)
  assert.deepEqual([models.videos.size, models.deleted], [0, ['video_1', 'video_2', 'video_3']])
  let cut = false
  models.hear = (q) => { q.res.on('close', () => { cut = true }); models.held = true; return undefined }
  models.handle = function (q) {
    return /transcriptions/.test(q.path) ? this.hear(q) : Models.prototype.handle.call(this, q)
  }
  const heard = await begin(hearing(), { 'a.mp3': sound })
  await soon('it listens', () => models.held)
  const end = await server.cancel(heard.assembly_id)
  assert.equal(end.ok, 'ASSEMBLY_CANCELED')
  await soon('the connection is closed', () => cut)
  assert.deepEqual(server.scratchFiles(), [])
})

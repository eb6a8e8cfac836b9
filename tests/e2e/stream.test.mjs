// Event streams: order, ids, late listeners, resumption.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import { test } from 'node:test'
import { EventSource } from 'eventsource'
import { picture, Server, sleep } from './server.mjs'

// All frames until the server ends the stream.
async function listen(url, headers = {}) {
  const res = await fetch(url, { headers })
  assert.equal(res.status, 200)
  assert.match(res.headers.get('content-type'), /^text\/event-stream/)
  const text = await res.text()
  return text.split('\n\n').filter((f) => /^(id|data|event)/m.test(f)).map((f) => {
    const get = (k) => f.match(new RegExp(`^${k}: (.*)$`, 'm'))?.[1]
    return { id: get('id'), event: get('event'), data: get('data') }
  })
}
const name = (f) => f.event || f.data
const steps = { ':original': { robot: '/upload/handle' }, small: { robot: '/image/resize', use: ':original', width: 20, result: true } }

test('events come in order, numbered, and the status already holds what they announce', async (t) => {
  const s = await Server.start(t)
  const data = fs.readFileSync(picture)
  const a = await s.create(steps, { expected: 2 })
  const frames = listen(a.update_stream_url)
  for (let i = 0; i < 2; i++) await s.patch(await s.tusCreate(a, data.length, { filename: `${i}.png` }), 0, data)
  const all = await frames
  const names = all.map(name)
  assert.equal(names.filter((n) => n === 'assembly_upload_finished').length, 2)
  assert.equal(names.filter((n) => n === 'assembly_result_finished').length, 2)
  assert.ok(names.indexOf('assembly_uploading_finished') > names.lastIndexOf('assembly_upload_finished'))
  assert.ok(names.indexOf('assembly_upload_meta_data_extracted') > names.indexOf('assembly_uploading_finished'))
  assert.equal(names.at(-1), 'assembly_finished')
  assert.deepEqual(all.map((f) => Number(f.id)), all.map((_, i) => i + 1))
  const result = JSON.parse(all.find((f) => f.event === 'assembly_result_finished').data)
  assert.equal(result[0], 'small')
  assert.equal(JSON.parse(all[0].data).is_tus_file, true)

  const after2 = await listen(a.update_stream_url, { 'Last-Event-ID': '2' })
  assert.deepEqual(after2, all.slice(2), 'resumption: every event after n, once, in order')
  const late = (await listen(a.update_stream_url)).map(name)
  assert.deepEqual(late, ['assembly_uploading_finished', 'assembly_upload_meta_data_extracted', 'assembly_finished'])
})

test('who comes first hears what nobody could know yet, and nobody hears it twice', async (t) => {
  const s = await Server.start(t)
  const data = fs.readFileSync(picture)
  const stored = { ':original': { robot: '/upload/handle', result: true } }
  const upload = async (a, filename) => s.patch(await s.tusCreate(a, data.length, { filename }), 0, data)
  const uploads = (frames) => frames.filter((f) => f.event === 'assembly_upload_finished').map((f) => JSON.parse(f.data).name)

  // Uppy 1.x and 3.x upload while their connection is still being made
  const a = await s.create(stored, { expected: 3 })
  for (const file of ['a.png', 'b.png']) await upload(a, file)
  const first = listen(a.update_stream_url)
  await sleep(200)
  const second = listen(a.update_stream_url)
  await sleep(200)
  await upload(a, 'c.png')
  const heard = await first
  assert.deepEqual(uploads(heard), ['a.png', 'b.png', 'c.png'])
  assert.equal(heard.filter((f) => f.event === 'assembly_result_finished').length, 3)
  assert.deepEqual(heard.map((f) => Number(f.id)), heard.map((_, i) => i + 1))
  assert.deepEqual(uploads(await second), ['c.png'], 'the others have been heard')

  // what a status has shown is not told, what came after it is
  const b = await s.create(stored, { expected: 3 })
  await upload(b, 'a.png')
  assert.equal((await s.get(b.assembly_id)).uploads.length, 1)
  await upload(b, 'b.png')
  const late = listen(b.update_stream_url)
  await sleep(200)
  await upload(b, 'c.png')
  assert.deepEqual(uploads(await late), ['b.png', 'c.png'])

  // over before anybody came
  const c = await s.create(stored, { expected: 1 })
  await upload(c, 'a.png')
  for (const end = Date.now() + 10000; !new RegExp(`${c.assembly_id}.*over: ASSEMBLY_COMPLETED`).test(s.log); await sleep(20)) assert.ok(Date.now() < end, s.log)
  const all = await listen(c.update_stream_url)
  assert.deepEqual(uploads(all), ['a.png'])
  assert.equal(name(all.at(-1)), 'assembly_finished')
  assert.deepEqual(uploads(await listen(c.update_stream_url)), [])

  // another process can't tell who heard what
  const d = await s.create(stored, { expected: 2 })
  await upload(d, 'a.png')
  await s.kill9()
  await s.boot()
  const after = listen(d.update_stream_url)
  await sleep(200)
  await upload(d, 'b.png')
  assert.deepEqual(uploads(await after), ['b.png'])
})

test('a real EventSource hears of a failure, and an unknown Assembly ends it', async (t) => {
  const s = await Server.start(t)
  const a = await s.create({ x: { robot: '/image/resize', use: ':original', crop: { x1: 600, y1: 600, x2: 700, y2: 700 } } }, { expected: 1 })
  const es = new EventSource(a.update_stream_url)
  t.after(() => es.close())
  const failed = new Promise((r) => es.addEventListener('assembly_error', (e) => r(JSON.parse(e.data))))
  const data = fs.readFileSync(picture)
  await new Promise((r) => es.addEventListener('open', r))
  await s.patch(await s.tusCreate(a, data.length, { filename: 'a.png' }), 0, data)
  const error = await failed
  es.close()
  assert.equal(error.error, 'IMAGE_RESIZE_VALIDATION', 'the crop lies outside of the picture')
  assert.equal(error.assembly_id, a.assembly_id)
  assert.equal((await fetch(`${s.url}/ws20001?assembly=${'0'.repeat(32)}`)).status, 404)
  assert.equal((await fetch(`${s.url}/ws20001`)).status, 400)
  await s.stop()
  await s.boot()
  const frames = await listen(`${s.url}/ws20001?assembly=${a.assembly_id}`)
  assert.equal(name(frames.at(-1)), 'assembly_error')
})

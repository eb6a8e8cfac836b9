// /video/thumbs in the real jail: films from real clients, pictures as they are made, and nothing left of those that are stopped.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { test } from 'node:test'
import { Transloadit } from 'transloadit'
import { alive, KEY, SECRET, Server, sleep } from './server.mjs'

const film = (t, name, ...args) => {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'workcell-film-'))
  t.after(() => fs.rmSync(dir, { recursive: true }))
  const file = path.join(dir, name)
  execFileSync('ffmpeg', ['-v', 'error', '-nostdin', '-y', ...args, file])
  return file
}
const x264 = ['-c:v', 'libx264', '-preset', 'ultrafast', '-pix_fmt', 'yuv420p']
const testsrc = (size, seconds) => ['-f', 'lavfi', '-i', `testsrc2=s=${size}:r=25:d=${seconds}`]
const thumbs = (more) => ({ thumbs: { robot: '/video/thumbs', use: ':original', result: true, ...more } })

test('the Node SDK uploads a film and gets eight pictures in its order', async (t) => {
  const s = await Server.start(t)
  const client = new Transloadit({ authKey: KEY, authSecret: SECRET, endpoint: s.url, validateResponses: true })
  const file = film(t, 'my film.mp4', ...testsrc('640x360', 18), ...x264, '-g', '50')
  const done = await client.createAssembly({ params: { steps: thumbs({ width: 200, height: 112 }) }, files: { file }, waitForCompletion: true })
  assert.equal(done.ok, 'ASSEMBLY_COMPLETED', JSON.stringify(done))
  const all = done.results.thumbs
  assert.deepEqual(all.map((r) => r.meta.thumb_index), [0, 1, 2, 3, 4, 5, 6, 7])
  assert.deepEqual(all.map((r) => r.meta.thumb_offset), [2, 4, 6, 8, 10, 12, 14, 16])
  for (const r of all) {
    assert.equal(r.name, 'my film.jpg')
    assert.equal(r.mime, 'image/jpeg')
    assert.deepEqual([r.meta.width, r.meta.height], [200, 112])
    assert.equal(r.original_name, 'my film.mp4')
    const body = Buffer.from(await (await fetch(r.ssl_url)).arrayBuffer())
    assert.equal(body.length, r.size)
    assert.equal(body.readUInt16BE(0), 0xffd8)
  }
  assert.equal(new Set(all.map((r) => r.md5hash)).size, 8, 'eight different pictures')
  await s.scratchEmpty()
})

test('a cancel in the middle: the worker is gone, and so is what it made', async (t) => {
  const s = await Server.start(t)
  const file = film(t, 'long.mp4', ...testsrc('1280x720', 60), ...x264, '-g', '1500')
  const a = await s.create(thumbs({ count: 999, format: 'png' }), { files: { 'long.mp4': fs.readFileSync(file) } })
  await s.until(a.assembly_id, (st) => st.results.thumbs?.length > 2 || st.execution_progress > 0.01 || st.error)
  await sleep(200)
  const busy = s.busyWorkers()
  assert.equal(busy.length, 1)
  const got = await s.cancel(a.assembly_id)
  assert.deepEqual(busy.filter(alive), [])
  assert.equal(got.ok, 'ASSEMBLY_CANCELED')
  assert.equal(got.cancel.settled, true)
  assert.equal(got.cancel.jobs_stopped, 1)
  assert.deepEqual(s.scratchFiles(), [])
})

test('hostile films: lists of other files, wrong bytes, sound alone, a filter that reads a file', async (t) => {
  const s = await Server.start(t)
  const other = film(t, 'other.ts', ...testsrc('64x48', 1), ...x264)
  const sound = film(t, 'sound.mp4', '-f', 'lavfi', '-i', 'sine=d=1', '-c:a', 'aac')
  const good = film(t, 'good.mp4', ...testsrc('64x48', 1), ...x264)
  const force = { force_accept: true }
  for (const [name, text] of [['a.m3u8', `#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nfile:${other}\n#EXT-X-ENDLIST\n`],
    ['b.ffconcat', "ffconcat version 1.0\nfile 'in/0'\nfile '/etc/passwd'\n"], ['c.mp4', fs.readFileSync(sound)]]) {
    const a = await s.create(thumbs({ ...force, ignore_errors: ['meta'] }), { files: { [name]: text } })
    const done = await s.until(a.assembly_id)
    assert.equal(done.error, 'VIDEO_THUMBS_INVALID_INPUT', `${name}: ${JSON.stringify(done).slice(0, 900)}`)
    assert.ok(!JSON.stringify(done).includes('root:'))
  }
  const refused = await s.create(thumbs({ ffmpeg: { vf: 'movie=/etc/passwd' } }))
  assert.equal(refused.error, 'VIDEO_THUMBS_VALIDATION')
  assert.match(refused.message, /movie/)
  const bad = await s.create(thumbs({ count: 1000 }))
  assert.equal(bad.error, 'VIDEO_THUMBS_INVALID_COUNT_VALUE')
  const a = await s.create(thumbs({ ffmpeg: { vf: 'scale=nonsense' } }), { files: { 'good.mp4': fs.readFileSync(good) } })
  assert.equal((await s.until(a.assembly_id)).error, 'USER_COMMAND_ERROR')
})

test('in the jail all that pictures may need is there: fonts, tone mapping, transparency, faces', async (t) => {
  const s = await Server.start(t)
  const hdr = film(t, 'hdr.mp4', '-f', 'lavfi', '-i', 'color=0x949494:s=64x48:d=1:r=5,format=yuv420p10le', '-color_trc', 'smpte2084',
    '-color_primaries', 'bt2020', '-colorspace', 'bt2020nc', '-c:v', 'libx265', '-x265-params', 'log-level=none')
  const clear = film(t, 'clear.webm', '-f', 'lavfi', '-i', 'color=red@0.5:s=96x96:d=1:r=5,format=rgba', '-pix_fmt', 'yuva420p', '-c:v', 'libvpx-vp9')
  const a = await s.create({
    ...thumbs({ count: 1, format: 'png', ffmpeg: { vf: "drawtext=text='hello':fontcolor=red:fontsize=20" } }),
    best: { robot: '/video/thumbs', use: ':original', result: true, count: 1, smart: true, smart_max_candidates: 4 },
  }, { files: { 'hdr.mp4': fs.readFileSync(hdr), 'clear.webm': fs.readFileSync(clear) } })
  const done = await s.until(a.assembly_id)
  assert.equal(done.ok, 'ASSEMBLY_COMPLETED', JSON.stringify(done).slice(0, 2000))
  assert.equal(done.results.best.length, 2)
  const of = (name) => done.results.thumbs.find((r) => r.original_name === name)
  const png = async (name) => Buffer.from(await (await fetch(of(name).ssl_url)).arrayBuffer())
  assert.equal((await png('clear.webm'))[25], 6, 'red, green, blue and alpha')
  assert.equal((await png('hdr.mp4'))[25], 2)
  assert.ok(parseInt(of('hdr.mp4').meta.average_color.slice(1, 3), 16) > 180, of('hdr.mp4').meta.average_color)
})

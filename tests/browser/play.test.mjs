// Playback is the proof: what /video/adaptive and /video/ondemand make is played by hls.js and dash.js in a browser.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { after, before, test } from 'node:test'
import { promisify } from 'node:util'
import { there } from '../e2e/there.mjs'
import { Server } from '../e2e/server.mjs'
import { out } from './bundle.mjs'
import { captioned } from './captions.mjs'
import { colours, openTheatre, Playing } from './player.mjs'
import { openBrowser } from './site.mjs'

const ffmpeg = (...args) => promisify(execFile)('ffmpeg', ['-v', 'error', '-nostdin', '-y', ...args])
const sizes = ['128x72', '256x144', '384x216']
const h264 = ['-c:v', 'libx264', '-preset', 'ultrafast', '-bf', '2', '-pix_fmt', 'yuv420p',
  '-force_key_frames', 'expr:gte(t,n_forced)', '-c:a', 'aac']
const sound = ['-f', 'lavfi', '-i', 'sine=f=440:r=48000:d=12']

let browser
let dir
before(async () => {
  fs.mkdirSync(out, { recursive: true })
  dir = fs.mkdtempSync(path.join(os.tmpdir(), 'workcell-play-'))
  await Promise.all([
    openBrowser().then((b) => { browser = b }),
    ffmpeg('-f', 'lavfi', '-i', colours(sizes[2]), ...sound, ...h264, path.join(dir, `${sizes[2]}.mp4`)),
    ffmpeg('-f', 'lavfi', '-i', colours(sizes[0], 4), '-c:v', 'libvpx-vp9', '-deadline', 'realtime', '-cpu-used', '8',
      path.join(dir, 'film.webm')),
  ])
  await Promise.all(sizes.slice(0, 2).map((size) => ffmpeg('-i', path.join(dir, `${sizes[2]}.mp4`),
    '-vf', `scale=${size.replace('x', ':')}`, ...h264, path.join(dir, `${size}.mp4`))))
})
after(async () => {
  await browser?.close()
  fs.rmSync(dir, { recursive: true, force: true })
})

const film = (name) => fs.readFileSync(path.join(dir, name))

// Results as a store would lay them out: {"folder/name": bytes}.
async function tree(s, files) {
  const all = await Promise.all(files.map(async (f) => {
    const res = await fetch(f.ssl_url)
    assert.equal(res.status, 200)
    return [path.posix.join(f.meta.relative_path, f.name), Buffer.from(await res.arrayBuffer())]
  }))
  return Object.fromEntries(all)
}

async function streams(t) {
  const s = await Server.start(t)
  const use = { steps: [':original'], bundle_steps: true }
  const step = (technique) => (
    { robot: '/video/adaptive', use, technique, segment_duration: 2, closed_captions: false, result: true })
  const steps = { ':original': { robot: '/upload/handle', result: true }, hls: step('hls'), cmaf: step('cmaf') }
  const a = await s.create(steps,
    { files: Object.fromEntries(sizes.map((size) => [`${size}.mp4`, film(`${size}.mp4`)])) })
  const end = await s.until(a.assembly_id, (x) => x.ok === 'ASSEMBLY_COMPLETED' || x.error, 30000)
  assert.equal(end.error, undefined, end.message)
  const trees = { hls: await tree(s, end.results.hls), cmaf: await tree(s, end.results.cmaf) }
  return { s, end, trees, theatre: await openTheatre(t, trees) }
}

test('streams play, are sought in, and switch between their variants', async (top) => {
  const { s, end, theatre } = await streams(top)
  const supported = await browser.newPage().then(async (p) => {
    const yes = await p.evaluate(() => ['video/mp4; codecs="avc1.4d400d"', 'audio/mp4; codecs="mp4a.40.2"']
      .map((c) => MediaSource.isTypeSupported(c)))
    await p.close()
    return yes
  })
  assert.deepEqual(supported, [true, true], 'this Chromium plays H.264 and AAC')

  for (const [name, url] of [['MPEG-TS', 'hls/playlist.m3u8'], ['fragmented MP4', 'cmaf/playlist.m3u8']])
    await top.test(`HLS in ${name}`, async (t) => {
      const p = await Playing.open(t, browser, theatre, 'hls', `${theatre.url}/${url}`)
      assert.deepEqual(await p.page.evaluate(() => hls.levels.map((l) => `${l.width}x${l.height}`)), sizes)
      await p.runs(0.7)
      for (const second of [9, 2, 5]) await p.shows(second)
      for (const level of [2, 0]) {
        await p.page.evaluate((l) => { hls.currentLevel = l }, level)
        await p.until(`level ${level}`, (l) => switched.at(-1) === l, level)
        await p.runs()
        await p.shows(level + 6)
        assert.equal(await p.width(), Number(sizes[level].split('x')[0]))
      }
      await p.page.locator('video').screenshot({ path: path.join(out, `play-${name.replace(' ', '-')}.png`) })
      const length = await p.end()
      // in MPEG-TS hls.js counts from when the first picture is decoded
      assert.ok(Math.abs(length - 12) < 0.1, `${length} s`)
    })

  await top.test('DASH', async (t) => {
    const p = await Playing.open(t, browser, theatre, 'dash', `${theatre.url}/cmaf/playlist.mpd`)
    await p.runs(0.7)
    for (const second of [9, 2, 5]) await p.shows(second)
    for (const index of [2, 0]) {
      await p.page.evaluate((i) => dash.setRepresentationForTypeByIndex('video', i, true), index)
      await p.page.evaluate((s) => { video.currentTime = s }, index * 2 + 1)
      await p.runs()
      await p.until(`variant ${index}`, (w) => video.videoWidth === w, Number(sizes[index].split('x')[0]))
      await p.shows(index + 6)
    }
    await p.page.locator('video').screenshot({ path: path.join(out, 'play-DASH.png') })
    const length = await p.end()
    assert.ok(Math.abs(length - 12) < 0.06, `${length} s`)
  })

  await top.test('MP4 and WebM, by the browser itself', async (t) => {
    const mp4 = end.results[':original'].find((f) => f.name === `${sizes[1]}.mp4`)
    const a = await s.create({ ':original': { robot: '/upload/handle', result: true } },
      { files: { 'film.webm': film('film.webm') } })
    const webm = (await s.until(a.assembly_id, (x) => x.ok === 'ASSEMBLY_COMPLETED')).results[':original'][0]
    for (const { ssl_url: url, meta } of [mp4, webm]) {
      const p = await Playing.open(t, browser, theatre, 'native', url)
      await p.runs(0.4)
      await p.page.evaluate(() => { video.currentTime = 2.5 })
      await p.runs(0.4)
      assert.equal(await p.width(), meta.width)
      await p.end()
    }
  })
})

test('a film on demand plays while its segments are made', async (t) => {
  const origin = await there(t, () => ({ body: film(`${sizes[2]}.mp4`), headers: { 'Content-Type': 'video/mp4' } }))
  const s = await Server.start(t, { args: ['--import-allow', '127.0.0.1'] })
  const variants = { low: { width: 128, height: 72 }, high: { width: 256, height: 144 } }
  await s.signedPost('/templates', { name: 'shown', template: { steps: {
    film: { robot: '/http/import', url: `${origin.url}/\${fields.input}` },
    stream: { robot: '/video/ondemand', use: 'film', variants, segment_duration: 2, asset: '${fields.asset}' },
    served: { robot: '/file/serve', use: 'stream' } } } })
  const theatre = await openTheatre(t, {})
  const p = await Playing.open(t, browser, theatre, 'hls', `${s.url}/cdn/default/shown/film.mp4`)
  await p.runs(0.5)
  await p.runs(2) // over a joint
  await p.page.evaluate(() => { hls.currentLevel = 1 })
  await p.until('the other variant', () => switched.at(-1) === 1)
  await p.page.evaluate(() => { video.currentTime = 9.2 })
  await p.runs(1.2)
  assert.equal(await p.width(), 256)
  await p.page.locator('video').screenshot({ path: path.join(out, 'play-ondemand.png') })
  // it may have to wait for a segment, and asks no further for what a seek has made useless
  const length = await p.end(/^hls: (mediaError bufferStalledError|networkError aborted) /)
  assert.ok(Math.abs(length - 12) < 0.1, `${length} s`)
})

test('captions in the pictures are seen by players of HLS and DASH', async (t) => {
  const texts = [[1, 'HELLO THERE'], [2, 'AND GOODBYE']]
  const [raw, mp4] = ['raw.264', 'captions.mp4'].map((n) => path.join(dir, n))
  await ffmpeg('-f', 'lavfi', '-i', colours(sizes[0], 4), ...h264.slice(0, -2), '-bf', '0',
    '-x264-params', 'slices=1:sliced-threads=0', '-f', 'h264', raw)
  fs.writeFileSync(raw, captioned(fs.readFileSync(raw), texts, 3, 25))
  await ffmpeg('-r', '25', '-f', 'h264', '-i', raw, '-c', 'copy', mp4)
  const s = await Server.start(t)
  const step = (technique) => (
    { robot: '/video/adaptive', use: ':original', technique, segment_duration: 2, result: true })
  const a = await s.create({ ':original': { robot: '/upload/handle' }, hls: step('hls'), cmaf: step('cmaf') },
    { files: { 'captions.mp4': fs.readFileSync(mp4) } })
  const end = await s.until(a.assembly_id, (x) => x.ok === 'ASSEMBLY_COMPLETED' || x.error, 30000)
  assert.equal(end.error, undefined, end.message)
  const theatre = await openTheatre(t, { hls: await tree(s, end.results.hls), cmaf: await tree(s, end.results.cmaf) })

  for (const [by, url] of [['hls', 'hls/playlist.m3u8'], ['hls', 'cmaf/playlist.m3u8'], ['dash', 'cmaf/playlist.mpd']])
    await t.test(`${by}: ${url}`, async (tt) => {
      const p = await Playing.open(tt, browser, theatre, by, `${theatre.url}/${url}`)
      await p.page.evaluate(() => { video.playbackRate = 2 })
      await p.runs(1.4)
      await p.until('captions', () => video.textTracks.length > 0)
      await p.page.evaluate(() => { for (const track of video.textTracks) track.mode = 'showing' })
      await p.page.locator('video').screenshot({ path: path.join(out, `captions-${by}-${url.split('/')[0]}.png`) })
      await p.until('the end', () => video.currentTime > 3.5)
      const seen = await p.page.evaluate(() => [...video.textTracks].flatMap((track) =>
        [...track.cues ?? []].map((c) => [c.startTime, c.endTime, c.text.trim()])))
      const of = (text) => seen.filter((c) => c[2].includes(text))
      for (const [second, text] of texts) {
        assert.ok(of(text).length, `${text}: ${JSON.stringify(seen)}`)
        // hls.js counts MPEG-TS from when the first picture is decoded
        assert.ok(of(text).some(([from]) => Math.abs(from - second) < 0.2), JSON.stringify(seen))
      }
      await p.end()
    })
})

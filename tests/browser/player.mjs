// A page with a film on it, played by hls.js, dash.js or the browser itself, and what can be seen of it from outside.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import http from 'node:http'
import path from 'node:path'
import { sleep } from '../e2e/server.mjs'

const modules = new URL('./node_modules/', import.meta.url)
const libraries = { hls: 'hls.js/dist/hls.min.js', dash: 'dashjs/dist/modern/umd/dash.all.min.js' }
const types = { m3u8: 'application/vnd.apple.mpegurl', mpd: 'application/dash+xml', ts: 'video/mp2t', m4s: 'video/mp4',
  mp4: 'video/mp4', js: 'text/javascript' }

// What runs in the page. `troubles` are what the player or the browser complains about; colour() is what is seen.
const page = (by) => `<!doctype html><meta charset="utf-8"><title>${by}</title>
<video muted playsinline width="320" height="180"></video>
<script src="/player.js"></script><script>
const video = document.querySelector('video'), troubles = [], switched = []
video.onerror = () => troubles.push('media: ' + video.error?.message)
function load(url) {
  if ('${by}' === 'hls') {
    window.hls = new Hls({ maxBufferLength: 4, maxMaxBufferLength: 4, backBufferLength: 30 })
    hls.on(Hls.Events.ERROR, (_, d) =>
      troubles.push(['hls:' + (d.fatal ? ' fatal' : ''), d.type, d.details, d.error?.message].join(' ')))
    hls.on(Hls.Events.LEVEL_SWITCHED, (_, d) => switched.push(d.level))
    hls.loadSource(url)
    hls.attachMedia(video)
  } else if ('${by}' === 'dash') {
    window.dash = dashjs.MediaPlayer().create()
    const buffer = { bufferTimeDefault: 4, bufferTimeAtTopQuality: 4, bufferTimeAtTopQualityLongForm: 4 }
    dash.updateSettings({ streaming: { abr: { autoSwitchBitrate: { video: false } }, buffer } })
    dash.on(dashjs.MediaPlayer.events.ERROR, (e) => troubles.push('dash: ' + e.error?.message))
    dash.initialize(video, url, false)
  } else video.src = url
}
function colour() {
  const c = document.createElement('canvas')
  c.width = c.height = 1
  const g = c.getContext('2d')
  g.drawImage(video, 0, 0, 1, 1)
  return [...g.getImageData(0, 0, 1, 1).data].slice(0, 3)
}
</script>`

// Serves trees of files by name, and the page for each player.
export async function openTheatre(t, trees) {
  const server = http.createServer((req, res) => {
    const [, first, ...rest] = decodeURIComponent(new URL(req.url, 'http://x').pathname).split('/')
    const by = { 'play-hls': 'hls', 'play-dash': 'dash', 'play-native': 'native' }[first]
    if (by) {
      res.setHeader('Content-Type', 'text/html; charset=utf-8')
      return res.end(page(by))
    }
    if (first === 'player.js') {
      const of = libraries[/play-(\w+)/.exec(req.headers.referer ?? '')?.[1]]
      res.setHeader('Content-Type', types.js)
      return res.end(of ? fs.readFileSync(new URL(of, modules)) : '')
    }
    const file = trees[first]?.[path.posix.join(...rest, '')]
    res.statusCode = file ? 200 : 404
    res.setHeader('Content-Type', types[rest.at(-1)?.split('.').pop()] ?? 'application/octet-stream')
    res.end(file)
  })
  await new Promise((r) => server.listen(0, '127.0.0.1', r))
  t.after(() => server.close())
  return { url: `http://127.0.0.1:${server.address().port}` }
}

// Twelve seconds, each of a colour of its own, which survives any encoder.
export const colours = (size, seconds = 12) =>
  `nullsrc=s=32x18:r=25:d=${seconds},format=gbrp,geq=r='30+65*floor(mod(floor(T)\\,16)/4)':` +
  `g='30+65*mod(floor(T)\\,4)':b=128,scale=${size.replace('x', ':')}:flags=neighbor`
const nearest = (v) => Math.min(3, Math.max(0, Math.round((v - 30) / 65)))
const secondOf = ([r, g]) => nearest(r) * 4 + nearest(g)

export class Playing {
  static async open(t, browser, theatre, by, url) {
    const p = new this()
    p.page = await browser.newPage()
    t.after(() => p.page.close())
    p.page.on('pageerror', (e) => { p.failed = e })
    await p.page.goto(`${theatre.url}/play-${by}`)
    await p.page.evaluate((u) => load(u), url)
    await p.until('something to play', () => video.readyState >= 2)
    return p
  }

  async until(what, fn, arg, ms = 15000) {
    for (const end = Date.now() + ms; !await this.page.evaluate(fn, arg); await sleep(40)) {
      const seen = await this.page.evaluate(() => (
        { at: video.currentTime, ready: video.readyState, troubles, switched }))
      if (this.failed) throw this.failed
      assert.ok(Date.now() < end, `waited in vain for ${what}: ${JSON.stringify(seen)}`)
    }
  }

  // It plays on for so long, and what is seen is what belongs there.
  async runs(seconds = 0.5) {
    const from = await this.page.evaluate(() => { video.play(); return video.currentTime })
    await this.until(`${seconds} s of film`, ([at, s]) => video.currentTime >= at + s, [from, seconds])
    return from
  }

  async shows(second) {
    await this.page.evaluate(() => video.pause())
    await this.page.evaluate((s) => new Promise((r) => {
      video.requestVideoFrameCallback(() => r())
      video.currentTime = s + 0.5
    }), second)
    await this.until(`second ${second} in colour`, () => !video.seeking && video.readyState >= 2)
    assert.equal(secondOf(await this.page.evaluate(() => colour())), second, `the picture of second ${second}`)
  }

  async width() { return this.page.evaluate(() => video.videoWidth) }

  // but: troubles that are none here
  async end(but = /^$/) {
    const { troubles, length } = await this.page.evaluate(() => ({ troubles, length: video.duration }))
    assert.deepEqual(troubles.filter((x) => !but.test(x)), [])
    return length
  }
}

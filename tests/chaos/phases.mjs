// What an Assembly can be doing when it is canceled. Each phase sets something going and returns {id, ready, ...}: ready says
// that the phase is reached, after (if any) what the client of it was told, end lets go of its connections.
import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import zlib from 'node:zlib'
import { census } from './census.mjs'
import { KEY, picture, until } from './daemon.mjs'
import { png } from './png.mjs'
import { tar } from './tar.mjs'

export const resize = (more) => ({ r: { robot: '/image/resize', use: ':original', result: true, ...more } })
const step = (robot, more) => ({ r: { robot, use: ':original', result: true, ...more } })
const pack = { r: { robot: '/file/compress', use: ':original', gzip: true, compression_level: -9, result: true } }
const unpack = { r: { robot: '/file/decompress', use: ':original', result: true } }
export const huge = resize({ width: 9000, format: 'avif' })
const params = (steps) => JSON.stringify({ auth: { key: KEY }, steps })

export const phases = {
  async 'a multipart body arrives'(d, r) {
    const id = r.hex(32)
    const c = d.raw()
    c.write(`POST /assemblies/${id} HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: 9000000\r\n\r\n` +
      `--b\r\nContent-Disposition: form-data; name="params"\r\n\r\n${params(huge)}\r\n--b\r\nContent-Disposition: form-data; name="f"; filename="f"\r\n\r\n`)
    c.write(r.bytes(700000))
    return { id, unanswered: true, ready: () => census(d).partial_bytes >= 600000, uploads: 1, end: () => c.destroy(), after: async () => { await c.ended; return /ASSEMBLY_CANCELED/.test(c.text) || 'the create request was not answered with the canceled status' } }
  },
  async 'a PATCH sends'(d, r) { return patching(d, r, true) },
  async 'a PATCH stalls'(d, r) { return patching(d, r, false) },
  async 'jobs are queued'(d) {
    const data = fs.readFileSync(picture)
    const a = await d.create(huge, { files: Object.fromEntries(Array.from({ length: 6 }, (_, i) => [`${i}.png`, data])) })
    return { id: a.assembly_id, ready: async () => census(d).busy.length >= 2 && (await d.get(a.assembly_id)).running_jobs.every((j) => j.startsWith('r')), queued: true }
  },
  async 'metadata is read (ffprobe, a grandchild)'(d) {
    // a sound that ffprobe takes its time for: no header says how long it is
    const a = await d.create(huge, { files: { 'a.mp3': slowSound() } })
    return { id: a.assembly_id, ready: () => census(d).busy.length >= 2, least: 2, optional: true }
  },
  async 'libvips decodes'(d) { return working(d, resize({ width: 100 }), big(), 0) },
  async 'libvips resizes'(d) { return working(d, resize({ width: 7000, height: 7000, resize_strategy: 'stretch', format: 'jpg' }), fs.readFileSync(picture), 100) },
  async 'libvips encodes AVIF'(d) { return working(d, huge, fs.readFileSync(picture), 500) },
  async 'libvips encodes WebP'(d) { return working(d, resize({ width: 9000, format: 'webp' }), fs.readFileSync(picture), 600) },
  async 'files are packed'(d) { return working(d, pack, noise(), 100) },
  async 'a large file is unpacked'(d) {
    return working(d, unpack, zlib.gzipSync(tar([['a', noise()], ['b', noise()]]), { level: 1 }), 50)
  },
  async 'many files are unpacked'(d) {
    return working(d, unpack, tar(Array.from({ length: 500 }, (_, i) => [`d/${i}.txt`, Buffer.from(`file ${i}`)])), 300)
  },
  async 'optipng computes'(d) {
    return working(d, step('/image/optimize', { priority: 'compression-ratio' }), fs.readFileSync(picture), 900)
  },
  async 'texts are drawn'(d) {
    const text = { text: 'x', size: 200, x_offset: 10 }
    const large = { width: 8000, height: 8000, resize_strategy: 'stretch', text: Array(60).fill(text) }
    return working(d, resize(large), png(40, 30), 300)
  },
  async 'a collage is made'(d) {
    const large = { effect: 'mosaic', width: 9000, height: 9000, format: 'png' }
    return working(d, step('/image/merge', large), fs.readFileSync(picture), 300)
  },
  async 'a preview is made'(d) {
    const large = { width: 5000, height: 5000, resize_strategy: 'stretch', format: 'png' }
    return working(d, step('/file/preview', large), big(), 100)
  },
  async 'a spectrogram is heard'(d) {
    return working(d, step('/audio/waveform', { style: 'spectrogram', width: 4000, height: 2000 }), longSound(), 200)
  },
  async 'a cover is put in (ffmpeg, a grandchild)'(d) {
    const use = { steps: [':original'], bundle_steps: true }
    const covered = step('/audio/artwork', { use, method: 'insert', preset: 'aac' })
    return working(d, covered, longSound(), 300, { 'b.png': fs.readFileSync(picture) })
  },
  async 'tags are written (exiftool, a grandchild)'(d) {
    return working(d, step('/meta/write', { data_to_write: { copyright: 'x' } }), fs.readFileSync(picture), 60)
  },
  async 'pictures are taken of a film'(d) {
    return working(d, step('/video/thumbs', { count: 999, format: 'png' }), film(), 100)
  },
  async 'a film is encoded (ffmpeg, a grandchild)'(d) {
    return encoding(d, step('/video/encode', { preset: 'web/mp4/480p' }), { 'a.mp4': film() })
  },
  async 'two sizes of a film are encoded by one ffmpeg'(d) { return encoding(d, sizes, { 'a.mp4': film() }) },
  async 'subtitles are drawn into a film (ffmpeg, a grandchild)'(d) {
    return encoding(d, subtitles, { 'a.mp4': film(), 'a.srt': lines })
  },
  async 'an expression is evaluated for ever'(d) {
    const w = await working(d, step('/file/hash', { algorithm: '${(() => { for (;;); })()}' }), 'some bytes', 100)
    return { ...w, ready: async () => (await d.get(w.id)).running_jobs.some((j) => j.startsWith('r')) } // its worker gets no file
  },
  async 'a script computes'(d) { return working(d, step('/script/run', { script: 'for (;;);' }), 'some bytes', 100) },
  async 'an import waits for ever'(d, r, origin) {
    const a = await d.create({ i: { robot: '/http/import', url: `${origin.url}/never` } })
    return { id: a.assembly_id, ready: async () => (await d.get(a.assembly_id)).running_jobs.length === 1 && origin.waiting() > 0, process: true }
  },
  async 'its webhook is sent'(d, r, origin) {
    // it is over already: the DELETE says so at once, and the delivery goes on
    const url = `${origin.url}/told/${r.hex(8)}`
    const a = await d.create({ ':original': { robot: '/upload/handle' } }, { files: { 'a.bin': 'some bytes' }, params: { notify_url: url } })
    return {
      id: a.assembly_id, ready: () => origin.holds(url), over: true, end: () => origin.release(url),
      after: async () => {
        origin.release(url)
        if (await until(() => origin.told(url) >= 1, 5000) && origin.told(url) === 1) return true
        return `the receiver was told ${origin.told(url)} times`
      },
    }
  },
}

async function patching(d, r, sending) {
  const a = await d.create(huge, { expected: 2 })
  const size = 8 << 20
  const loc = await d.tusCreate(a, size)
  const c = d.raw()
  c.write(`PATCH ${new URL(loc).pathname} HTTP/1.1\r\nHost: x\r\nTus-Resumable: 1.0.0\r\nUpload-Offset: 0\r\nContent-Type: application/offset+octet-stream\r\nContent-Length: ${size}\r\n\r\n`)
  c.write(r.bytes(300000))
  const timer = sending && setInterval(() => c.write(r.bytes(20000)), 5)
  return {
    id: a.assembly_id, ready: () => census(d).partial_bytes >= 300000, uploads: 1,
    after: async () => { await c.ended; clearInterval(timer); return /^HTTP\/1\.1 410/.test(c.text) || `the PATCH was answered ${c.text.slice(0, 40)}` },
    end: () => { clearInterval(timer); c.destroy() },
  }
}

async function working(d, steps, data, wait_ms, more) {
  const a = await d.create(steps, { files: { 'a.png': data, ...more } })
  return { id: a.assembly_id, ready: async () => (await d.get(a.assembly_id)).running_jobs.some((j) => j.startsWith('r')) && census(d).busy.length > 0, wait_ms, process: true, may_complete: true }
}

// The program that encodes is below its worker: a cancel has two processes at least to end, and what has been written.
export async function encoding(d, steps, files) {
  const a = await d.create(steps, { files })
  const ready = async () => census(d).busy.length >= 2 && census(d).scratch.some((f) => /\/out\/.*\.mp4$/.test(f))
  return { id: a.assembly_id, ready, wait_ms: 200, least: 2, process: true }
}
const both = { steps: [':original'], bundle_steps: true }
export const subtitles = { r: { robot: '/video/subtitle', use: both, subtitles_type: 'burned', result: true } }
const size = (height) => ({ robot: '/video/encode', use: ':original', preset: `web/mp4/${height}`, result: true })
export const sizes = { r: size('360p'), r2: size('480p') }
export const lines = '1\n00:00:00,000 --> 00:00:30,000\nHello\n'

// Half a minute, which takes longer than that to encode well.
const films = {}
export function film(size = '1280x720', seconds = 30) {
  const file = path.join(os.tmpdir(), `workcell-chaos-${process.pid}-${size}.mp4`)
  const make = () => {
    const source = `testsrc2=s=${size}:r=25:d=${seconds}`
    execFileSync('ffmpeg', ['-v', 'error', '-nostdin', '-y', '-f', 'lavfi', '-i', source,
      '-c:v', 'libx264', '-preset', 'ultrafast', '-pix_fmt', 'yuv420p', file])
    const data = fs.readFileSync(file)
    fs.rmSync(file)
    return data
  }
  return (films[`${size} ${seconds}`] ??= make())
}

// Bytes that take their time to pack and unpack: two bits of each are known.
let noisy
const noise = () => (noisy ??= randomBytes(16 << 20).map((b) => b & 0x3f))
let cached
export const big = () => (cached ??= png(7000, 7000))
function longSound() {
  // WAV, 16 bit, 48 kHz, stereo: almost three minutes of silence
  const size = 32 << 20, head = Buffer.alloc(44)
  head.write('RIFF\0\0\0\0WAVEfmt ', 'latin1')
  head.writeUInt32LE(size + 36, 4)
  for (const [at, v] of [[16, 16], [24, 48000], [28, 192000], [40, size]]) head.writeUInt32LE(v, at)
  for (const [at, v] of [[20, 1], [22, 2], [32, 4], [34, 16]]) head.writeUInt16LE(v, at)
  head.write('data', 36, 'latin1')
  return Buffer.concat([head, Buffer.alloc(size)])
}
function slowSound() {
  // MPEG 1 layer III frames, 128 kbit/s, 44.1 kHz: 417 bytes each, silent
  const frame = Buffer.alloc(417)
  frame.set([0xff, 0xfb, 0x90, 0x00])
  return Buffer.concat(Array(40000).fill(frame))
}

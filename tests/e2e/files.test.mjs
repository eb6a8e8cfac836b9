// What a file is, and what becomes of it: types, files that a Robot can't read, damaged ones, roles.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { test } from 'node:test'
import zlib from 'node:zlib'
import { Server } from './server.mjs'

const chunk = (type, data, spoil = 0) => {
  const body = Buffer.concat([Buffer.from(type), data])
  const out = Buffer.alloc(8 + data.length + 4)
  out.writeUInt32BE(data.length)
  body.copy(out, 4)
  out.writeUInt32BE((crc32(body) ^ spoil) >>> 0, 8 + data.length)
  return out
}
function crc32(buf) {
  let c = ~0
  for (const b of buf) { c ^= b; for (let k = 0; k < 8; k++) c = (c >>> 1) ^ (0xedb88320 & -(c & 1)) }
  return ~c >>> 0
}
function png(w, h, rgb, spoil = 0) {
  const ihdr = Buffer.alloc(13)
  ihdr.writeUInt32BE(w)
  ihdr.writeUInt32BE(h, 4)
  ihdr.set([8, 2], 8)
  const rows = Buffer.concat(Array(h).fill(Buffer.concat([Buffer.alloc(1), ...Array(w).fill(Buffer.from(rgb))])))
  return Buffer.concat([Buffer.from('89504e470d0a1a0a', 'hex'), chunk('IHDR', ihdr), chunk('IDAT', zlib.deflateSync(rows), spoil), chunk('IEND', Buffer.alloc(0))])
}
const photo = png(64, 48, [200, 80, 40])
const bmp = Buffer.concat([Buffer.from('424d3a000000000000003600000028000000010000000100000001001800000000000400000000000000000000000000000000000000', 'hex'), Buffer.from([9, 9, 9, 0])])
const svg = Buffer.from('<?xml version="1.0"?><!-- ' + 'x'.repeat(9000) + ' --><svg xmlns="http://www.w3.org/2000/svg" width="64" height="48"><rect width="64" height="48" fill="#f00"/></svg>')
const resize = { robot: '/image/resize', use: ':original', width: 32, format: 'png', result: true }
const pdf = Buffer.from('%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj\n3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]>>endobj\ntrailer<</Root 1 0 R/Size 4>>\n%%EOF\n')

test('a drawing is read below a directory that only its owner may enter', async (t) => {
  const top = fs.mkdtempSync(path.join(os.tmpdir(), 'workcell-e2e-'))
  fs.chmodSync(top, 0o700)
  t.after(() => fs.rmSync(top, { recursive: true, force: true }))
  const s = await Server.start(t, { dir: path.join(top, 'data') })
  const done = await s.until((await s.create({ r: resize }, { files: { 'a.svg': svg, 'a.png': photo } })).assembly_id)
  assert.equal(done.ok, 'ASSEMBLY_COMPLETED', done.message)
  assert.equal(done.results.r.length, 2)
  assert.deepEqual(done.uploads.map((f) => f.mime).sort(), ['image/png', 'image/svg+xml'])
})

test('what a Robot cannot read is passed by beside what it can, and named when it is forced', async (t) => {
  const s = await Server.start(t)
  const ico = Buffer.concat([Buffer.from('000001000100403000000100200000000000', 'hex'), Buffer.from([22, 0, 0, 0]), photo])
  ico.writeUInt32LE(photo.length, 14)
  const tga = Buffer.from([0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1, 0, 24, 0, 9, 9, 9])
  const xcf = Buffer.from('gimp xcf file\0\0\0\0\x05\0\0\0\x05\0\0\0\0')
  const files = { 'photo.png': photo, 'a.bmp': bmp, 'a.ico': ico, 'a.tga': tga, 'a.xcf': xcf }
  for (const robot of [resize, { robot: '/image/facedetect', use: ':original', result: true }]) {
    const done = await s.until((await s.create({ r: robot }, { files })).assembly_id)
    assert.equal(done.ok, 'ASSEMBLY_COMPLETED', `${done.error} ${done.message}`)
    assert.deepEqual(done.results.r.map((f) => f.original_name).sort(), ['a.bmp', 'a.ico', 'a.tga', 'photo.png'])
    assert.equal(done.uploads.filter((f) => f.type === 'image').length, 5)
  }
  const forced = await s.until((await s.create({ r: { ...resize, force_accept: true } }, { files: { 'a.xcf': xcf } })).assembly_id)
  assert.equal(forced.error, 'INTERNAL_COMMAND_ERROR')
  assert.match(forced.message, /its type is image\//)
  assert.doesNotMatch(JSON.stringify(forced), /\/tmp\//)
})

test('a file whose metadata cannot be read keeps its type when that is ignored', async (t) => {
  const s = await Server.start(t)
  const files = { 'a.webp': Buffer.from('524946462400000057454250565038201800000030010009d012a0', 'hex'), 'a.mp4': Buffer.concat([Buffer.from('000000186674797069736f6d0000000069736f6d6d703432', 'hex'), Buffer.alloc(99)]), 'a.svg': Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" width="5"><rect'), 'a.pdf': Buffer.from('%PDF-1.4 nothing') }
  const want = { 'a.webp': ['image/webp', 'image'], 'a.mp4': ['video/mp4', 'video'], 'a.svg': ['image/svg+xml', 'image'], 'a.pdf': ['application/pdf', null] }
  for (const how of [{ ignore_errors: ['meta'] }, { ignore_errors: true }]) {
    const done = await s.until((await s.create({ ':original': { robot: '/upload/handle', ...how } }, { files })).assembly_id)
    assert.equal(done.ok, 'ASSEMBLY_COMPLETED', done.message)
    assert.deepEqual(Object.fromEntries(done.uploads.map((f) => [f.name, [f.mime, f.type]])), want)
    assert.equal(done.ignored_error_count, 4)
  }
  const failed = await s.until((await s.create({ ':original': { robot: '/upload/handle' } }, { files: { 'a.pdf': files['a.pdf'] } })).assembly_id)
  assert.equal(failed.error, 'FILE_META_DATA_ERROR')
  assert.equal(failed.uploads[0].mime, 'application/pdf')
})

test('documents have types of their own', async (t) => {
  const s = await Server.start(t)
  const done = await s.until((await s.create({ ':original': { robot: '/upload/handle' } }, { files: { 'a.pdf': pdf, 'a.txt': 'text', 'a.zip': Buffer.from('504b0506' + '00'.repeat(18), 'hex'), 'a.docx': Buffer.from('504b0506' + '00'.repeat(18), 'hex'), 'a.xlsx': Buffer.from('504b0506' + '00'.repeat(18), 'hex') } })).assembly_id)
  assert.deepEqual(Object.fromEntries(done.uploads.map((f) => [f.name, f.type])), { 'a.pdf': 'pdf', 'a.txt': null, 'a.zip': null, 'a.docx': 'office', 'a.xlsx': 'xls' })
})

test('a picture with a wrong checksum is read, one that is cut off is not', async (t) => {
  const s = await Server.start(t)
  const good = await s.until((await s.create({ r: resize, f: { robot: '/image/facedetect', use: ':original', result: true } }, { files: { 'a.png': png(64, 48, [200, 80, 40], 1) } })).assembly_id)
  assert.equal(good.ok, 'ASSEMBLY_COMPLETED', good.message)
  assert.equal(good.results.r[0].meta.average_color, '#c85028')
  assert.equal(good.results.f.length, 1)
  const cut = await s.until((await s.create({ r: resize }, { files: { 'a.png': photo.subarray(0, photo.length - 30) } })).assembly_id)
  assert.equal(cut.error, 'INTERNAL_COMMAND_ERROR')
})

test('a role that a Robot has no use for is refused when the Assembly is created', async (t) => {
  const s = await Server.start(t)
  for (const as of ['mask', 'audio', 'image', 'video']) {
    const a = await s.create({ r: { ...resize, use: { steps: [{ name: ':original', as }] } } })
    assert.equal(a.http, 400, `${as}: ${a.ok} ${a.error} ${a.message}`)
    assert.equal(a.error, 'IMAGE_RESIZE_VALIDATION')
    assert.match(a.message, new RegExp(`"${as}"`))
  }
  const odd = await s.create({ r: { ...resize, use: [{ name: ':original', as: 5 }] } })
  assert.equal(odd.error, 'ASSEMBLY_STEP_INVALID_USE')
})

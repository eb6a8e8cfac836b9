// The Robots of documents in the real jail: what their programs need is there, hostile documents end by name, and
// nothing is left of those that are stopped.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import { test } from 'node:test'
import { pdf } from './pdf.mjs'
import { alive, Server, sleep } from './server.mjs'

const text = (...lines) => `BT /F 18 Tf 24 TL 40 300 Td ${lines.map((l) => `(${l}) Tj T*`).join(' ')} ET`
const page = text('The quick brown fox jumps over', 'the lazy dog and nobody has', 'seen it, in spite of the sun.',
  'In the morning there is bread', 'and butter, and a letter from', 'the office that wants an answer.')
const step = (robot, more = {}) => ({ robot, use: ':original', result: true, ...more })
const body = async (r) => Buffer.from(await (await fetch(r.ssl_url)).arrayBuffer())

test('each of them works in the jail, one on what another has made', async (t) => {
  const s = await Server.start(t)
  const first = { content: `${page} /X Do`, resources: '/XObject<</X 8 0 R>>' }
  const image = '/Type/XObject/Subtype/Image/Width 2/Height 1/ColorSpace/DeviceRGB/BitsPerComponent 8'
  const dots = { dict: `${image}/Filter/ASCIIHexDecode`, stream: 'ff000000ff00>' }
  const a = await s.create({
    thumbs: step('/document/thumbs', { width: 200, height: 200 }),
    sheet: step('/document/thumbs', { pdf_use_cropbox: false, antialiasing: false, page: 1 }),
    part: step('/document/split', { pages: '2' }),
    whole: step('/document/merge',
      { use: { steps: ['part', ':original'], bundle_steps: true }, output_password: 'sesame' }),
    small: step('/document/optimize', { remove_metadata: true }),
    upright: step('/document/autorotate'),
    words: step('/document/ocr', { format: 'text' }),
    taken: step('/document/extract', { use: 'whole', password: 'sesame', page_range: '2' }),
    big: { robot: '/document/thumbs', use: ':original', page: 1 },
    sign: step('/image/ocr', { use: 'big', granularity: 'list' }),
    preview: step('/file/preview'),
  }, { files: { 'my pages.pdf': pdf([first, { content: page, more: '/Rotate 90' }], [dots]) } })
  const done = await s.until(a.assembly_id)
  assert.equal(done.ok, 'ASSEMBLY_COMPLETED', JSON.stringify(done).slice(0, 1500))
  const { thumbs, sheet, part, whole, small, upright, words, taken, sign, preview } = done.results
  const said = thumbs.map((r) => [r.meta.thumb_index, r.meta.width, r.name])
  assert.deepEqual(said, [[0, 200, 'my pages.png'], [1, 200, 'my pages.png']])
  assert.equal(sheet.length, 1)
  assert.equal(part[0].meta.page_count, 1)
  assert.equal(whole[0].meta.page_count, 3)
  assert.ok((await body(whole[0])).includes('/Encrypt'))
  assert.ok(!JSON.stringify(done).includes('sesame'))
  assert.ok(!(await body(small[0])).includes('A title'))
  assert.notEqual(upright[0].md5hash, done.uploads[0].md5hash)
  assert.match((await body(words[0])).toString(), /quick brown fox/)
  assert.match((await body(taken[0])).toString(), /quick brown fox/)
  assert.deepEqual([taken.length, taken[1].mime, taken[1].meta.width, taken[1].meta.page], [2, 'image/png', 2, 2])
  assert.match(JSON.parse(await body(sign[0])).join(' '), /quick brown fox/)
  assert.equal(preview[0].mime, 'image/png')
  await s.scratchEmpty()
})

test('a cancel ends the program that reads a page, and leaves nothing', async (t) => {
  const s = await Server.start(t)
  const long = pdf(Array(200).fill({ content: page }))
  const a = await s.create({ words: step('/document/ocr') }, { files: { 'long.pdf': long } })
  const named = ({ pid }) => { try { return fs.readFileSync(`/proc/${pid}/comm`, 'utf8') } catch { return '' } }
  let reader // below its worker; the one that looked at the file first may be there still, and stays
  for (const end = Date.now() + 120000; !reader && Date.now() < end; await sleep(5)) {
    reader = s.processes().find((p) => named(p) === 'tesseract\n')
  }
  assert.ok(reader)
  const busy = [reader.pid, reader.ppid]
  const got = await s.cancel(a.assembly_id)
  assert.equal(got.ok, 'ASSEMBLY_CANCELED')
  assert.equal(got.cancel.settled, true)
  assert.equal(got.cancel.jobs_stopped, 1)
  assert.ok(got.cancel.processes_killed >= 1)
  assert.deepEqual(busy.filter(alive), [])
  assert.deepEqual(s.scratchFiles(), [])
})

test('hostile documents end by name: never drawn, too large, a program, an office file', async (t) => {
  const s = await Server.start(t, { args: ['--job-timeout-s', '4'] })
  const ends = async (steps, name, bytes, code, words = /./) => {
    const a = await s.create(steps, { files: { [name]: bytes } })
    const done = await s.until(a.assembly_id)
    assert.equal(done.error, code, JSON.stringify(done).slice(0, 900))
    assert.match(`${done.message} ${done.reason}`, words)
    assert.ok(!JSON.stringify(done).includes('root:'))
  }
  const soft = { ignore_errors: ['meta'], force_accept: true }
  const bad = 'DOCUMENT_THUMBS_INVALID_INPUT'
  await ends({ a: step('/document/thumbs', soft) }, 'huge.pdf', pdf([{ w: 72e6, h: 72e6 }]), bad)
  await ends({ a: step('/document/thumbs', soft) }, 'a.docx', 'no such document', bad)
  const program = '%!PS\n(/etc/passwd) (r) file 100 string readstring pop = quit\n%PDF-1.4\n%%EOF\n'
  const looked = { ':original': { robot: '/upload/handle', ignore_errors: ['meta'] } }
  const refused = 'DOCUMENT_OPTIMIZE_UNSUPPORTED_INPUT'
  await ends({ ...looked, a: step('/document/optimize', soft) }, 'a.pdf', program, refused, /postscript/)
  // forms that draw forms, ten times each
  const forms = Array.from({ length: 12 }, (_, i) => ({
    dict: `/Type/XObject/Subtype/Form/BBox[0 0 99 99]/Resources<</XObject<</X ${i + 7} 0 R>>>>`,
    stream: i < 11 ? '/X Do '.repeat(10) : '0 0 9 9 re f',
  }))
  const endless = pdf([{ content: '/X Do', resources: '/XObject<</X 6 0 R>>' }], forms)
  await ends({ a: step('/document/thumbs', soft) }, 'forms.pdf', endless, 'INTERNAL_COMMAND_TIMEOUT')
  await s.scratchEmpty()
})

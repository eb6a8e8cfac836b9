// /document/convert with the real LibreOffice in the real jail: each kind of document becomes the others, hostile ones
// end by name, and nothing is left of those that are stopped.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import zlib from 'node:zlib'
import { alive, Server, sleep } from './server.mjs'

const step = (format, use = ':original', more = {}) => ({ robot: '/document/convert', use, format, result: true,
  ...more })
const body = async (r) => Buffer.from(await (await fetch(r.ssl_url)).arrayBuffer())
const words = (pdf) => spawnSync('pdftotext', ['-layout', '-', '-'], { input: pdf, encoding: 'utf8' }).stdout

async function run(s, steps, name, data) {
  const a = await s.create(steps, { files: { [name]: data } })
  return s.until(a.assembly_id, undefined, 120000)
}

async function complete(s, steps, name, data) {
  const done = await run(s, steps, name, data)
  assert.equal(done.ok, 'ASSEMBLY_COMPLETED', `${name}: ${done.error} ${done.message}`)
  return done.results
}

// Members [name, bytes], stored as they are.
function zip(members) {
  const parts = [], table = []
  let at = 0
  for (const [name, data] of members) {
    const n = Buffer.from(name), head = Buffer.alloc(26)
    head.writeUInt16LE(20, 0)
    head.writeUInt32LE(zlib.crc32 ? zlib.crc32(data) : crc(data), 10)
    head.writeUInt32LE(data.length, 14)
    head.writeUInt32LE(data.length, 18)
    head.writeUInt16LE(n.length, 22)
    const place = Buffer.alloc(14)
    place.writeUInt32LE(at, 10)
    table.push(Buffer.concat([Buffer.from('PK\x01\x02\x14\x00', 'latin1'), head, place, n]))
    parts.push(Buffer.from('PK\x03\x04'), head, n, data)
    at += 30 + n.length + data.length
  }
  const list = Buffer.concat(table), end = Buffer.alloc(22)
  end.write('PK\x05\x06', 'latin1')
  end.writeUInt16LE(members.length, 8)
  end.writeUInt16LE(members.length, 10)
  end.writeUInt32LE(list.length, 12)
  end.writeUInt32LE(at, 16)
  return Buffer.concat([...parts, list, end])
}
function crc(data) {
  let c = ~0
  for (const b of data) { c ^= b; for (let k = 0; k < 8; k++) c = c & 1 ? (c >>> 1) ^ 0xedb88320 : c >>> 1 }
  return ~c >>> 0
}

const xmlns = ['office', 'text', 'table', 'script', 'draw:drawing', 'svg:svg-compatible'].map((n) => n.split(':'))
  .map(([p, n = p]) => `xmlns:${p}="urn:oasis:names:tc:opendocument:xmlns:${n}:1.0"`).join(' ')
const flat = (kind, inside, before = '') => Buffer.from('<?xml version="1.0" encoding="UTF-8"?>' +
  `<office:document ${xmlns} ` +
  'xmlns:of="urn:oasis:names:tc:opendocument:xmlns:of:1.2" xmlns:ooo="http://openoffice.org/2004/office" ' +
  'xmlns:xlink="http://www.w3.org/1999/xlink" xmlns:dom="http://www.w3.org/2001/xml-events" office:version="1.2" ' +
  `office:mimetype="application/vnd.oasis.opendocument.${kind}">${before}` +
  `<office:body>${inside}</office:body></office:document>`)
const slide = (t) => `<draw:page draw:name="${t}">` +
  '<draw:frame svg:x="2cm" svg:y="2cm" svg:width="10cm" svg:height="2cm">' +
  `<draw:text-box><text:p>${t}</text:p></draw:text-box></draw:frame></draw:page>`
const formula = 'of:=SUMPRODUCT(SIN([.B1:.B1048576])*COS([.C1:.C1048576]))'
const endless = flat('spreadsheet',
  '<office:spreadsheet><table:table table:name="S">' +
  `<table:table-row><table:table-cell table:formula="${formula}"/></table:table-row>`.repeat(3000) +
  '<table:table-row><table:table-cell/><table:table-cell office:value-type="float" ' +
    'office:value="1"/></table:table-row></table:table></office:spreadsheet>')

test('texts, tables and slides become each of their kind, page and picture', async (t) => {
  const s = await Server.start(t)
  const text = await complete(s, {
    docx: step('docx'), doc: step('doc', 'docx'), odt: step('odt'), rtf: step('rtf', 'odt'), ott: step('ott', 'rtf'),
    xml: step('xml', 'doc'), html: step('html', 'xml'), txt: step('txt', 'ott'), pdf: step('pdf', 'docx'),
    paper: step('pdf', ':original', { pdf_format: 'A5', pdf_margin: '50mm,1in,1cm,2cm' }),
    png: step('png', 'rtf'), jpg: step('jpg', 'odt'),
  }, 'a.md', Buffer.from('# Head\n\nGrüße **bold**\n\n| one | two |\n|---|---|\n| 3 | 4 |\n'))
  assert.match(text.docx[0].mime, /wordprocessingml/)
  assert.equal(text.doc[0].mime, 'application/msword')
  assert.equal(text.odt[0].mime, 'application/vnd.oasis.opendocument.text')
  assert.match(text.ott[0].mime, /opendocument\.text-template/)
  assert.equal(text.rtf[0].mime, 'application/rtf')
  assert.equal(text.pdf[0].name, 'a.pdf')
  assert.equal(text.pdf[0].meta.page_count, 1)
  assert.match(words(await body(text.pdf[0])), /Head[^]*Grüße bold[^]*one +two[^]*3 +4/)
  assert.match((await body(text.txt[0])).toString(), /^Head\nGrüße bold\n/)
  assert.match((await body(text.html[0])).toString(), /<h1[^]*Head/)
  assert.deepEqual([text.png[0].mime, text.jpg[0].mime], ['image/png', 'image/jpeg'])
  const a5 = words(await body(text.paper[0]))
  assert.match(a5, /Head/)
  assert.ok(Math.abs(text.paper[0].meta.width - 419.5) < 2, JSON.stringify(text.paper[0].meta))
  const box = spawnSync('pdftotext', ['-bbox', '-', '-'], { input: await body(text.paper[0]), encoding: 'utf8' }).stdout
  const [, x, y] = box.match(/xMin="([\d.]+)" yMin="([\d.]+)"[^>]*>Head/).map(Number)
  assert.ok(Math.abs(x - 20 / 25.4 * 72) < 12 + 25, `margin left: ${x}`)
  assert.ok(y > 50 / 25.4 * 72 && y < 240, `margin top: ${y}`)

  const table = await complete(s, { xlsx: step('xlsx'), xls: step('xls', 'xlsx'), csv: step('csv', 'xls'),
    html: step('html', 'xls'), pdf: step('pdf', 'xlsx') },
    'a.csv', Buffer.from('name;amount;code\nBölt;1.50;007\n"a;b";-3;=1+1\n'))
  assert.equal((await body(table.csv[0])).toString(), 'name,amount,code\nBölt,1.50,007\na;b,-3,=1+1\n')
  assert.match((await body(table.html[0])).toString(), /Bölt/)
  assert.match(words(await body(table.pdf[0])), /Bölt +1\.50 +007/)

  const slides = await complete(s, { pptx: step('pptx'), ppt: step('ppt', 'pptx'), pps: step('pps', 'pptx'),
    pdf: step('pdf', 'ppt'), svg: step('svg', 'pps'), html: step('html'), gif: step('gif', 'pptx') },
    'a.xml', flat('presentation', `<office:presentation>${slide('First')}${slide('Second')}</office:presentation>`))
  assert.match(slides.pptx[0].mime, /presentationml/)
  assert.equal(slides.pdf[0].meta.page_count, 2)
  assert.match(words(await body(slides.pdf[0])), /First[^]*Second/)
  assert.equal(slides.svg[0].mime, 'image/svg+xml')
  assert.equal(slides.html[0].mime, 'text/html')
  assert.equal(slides.gif[0].mime, 'image/gif')
  await s.scratchEmpty()
})

test('hostile documents end by name, and macros are not run', async (t) => {
  const s = await Server.start(t)
  const { docx: [docx], txt: [plain] } = await complete(s, { docx: step('docx'), txt: step('txt') }, 'a.html',
    Buffer.from('<p>words'))
  assert.match((await body(plain)).toString(), /words/)
  const good = await body(docx)
  const names = 'urn:oasis:names:tc:opendocument:xmlns:manifest:1.0'
  const key = `<manifest:encryption-data manifest:checksum-type="${names}#sha256-1k" ` +
    'manifest:checksum="AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=">' +
    '<manifest:algorithm manifest:algorithm-name="http://www.w3.org/2001/04/xmlenc#aes256-cbc" ' +
      'manifest:initialisation-vector="AAAAAAAAAAAAAAAAAAAAAA=="/>' +
    '<manifest:key-derivation manifest:key-derivation-name="PBKDF2" manifest:key-size="32" ' +
      'manifest:iteration-count="1024" manifest:salt="AAAAAAAAAAAAAAAAAAAAAA=="/>' +
    '<manifest:start-key-generation manifest:start-key-generation-name="http://www.w3.org/2000/09/xmldsig#sha256" ' +
      'manifest:key-size="32"/></manifest:encryption-data>'
  const locked = zip([['mimetype', Buffer.from('application/vnd.oasis.opendocument.text')], ['content.xml',
    randomBytes(1008)],
    ['META-INF/manifest.xml',
      Buffer.from(`<?xml version="1.0"?><manifest:manifest xmlns:manifest="${names}" manifest:version="1.2">` +
      '<manifest:file-entry manifest:full-path="/" manifest:version="1.2" ' +
        'manifest:media-type="application/vnd.oasis.opendocument.text"/>' +
      '<manifest:file-entry manifest:full-path="content.xml" manifest:media-type="text/xml" manifest:size="1000">' +
      `${key}</manifest:file-entry></manifest:manifest>`)]])
  const broken = zip([['[Content_Types].xml', Buffer.from('<x/>')], ['word/document.xml', Buffer.from('<nothing')]])
  for (const [name, data, error, message] of [
    ['locked.odt', locked, 'INVALID_INPUT_ERROR', /locked by a password/],
    ['cut.docx', good.subarray(0, good.length / 2), 'INVALID_INPUT_ERROR', /can't be opened/],
    ['broken.docx', broken, 'INVALID_INPUT_ERROR', /can't be opened|broken one/],
    ['noise.docx', randomBytes(5000), 'DOCUMENT_CONVERT_UNSUPPORTED_CONVERSION', /noise\.docx/],
    ['wide.csv', Buffer.from(','.repeat(20000)), 'INVALID_INPUT_ERROR', /16384 columns/],
  ]) {
    const end = await run(s, { a: step('pdf') }, name, data)
    assert.equal(end.error, error, `${name}: ${end.message}`)
    assert.match(end.message, message)
    assert.ok(!end.message.includes(s.dir) && !end.message.includes('file:'), end.message)
  }
  const macro = flat('text', '<office:text><text:p>quiet</text:p></office:text>',
    '<office:scripts><office:script script:language="ooo:Basic"><ooo:libraries><ooo:library-embedded ' +
      'ooo:name="Standard"><ooo:module ooo:name="M">' +
    '<ooo:source-code>Sub Main\nThisComponent.Text.String = "loud"\nEnd Sub' +
      '</ooo:source-code></ooo:module></ooo:library-embedded></ooo:libraries></office:script>' +
    '<office:event-listeners><script:event-listener script:language="ooo:script" script:event-name="dom:load" ' +
    'xlink:href="vnd.sun.star.script:Standard.M.Main?language=Basic&amp;location=document"/>' +
    '</office:event-listeners></office:scripts>')
  const inside = '<p>seen</p><iframe src="file:///proc/self/environ"></iframe><img ' +
    'src="http://127.0.0.1:1/a.png"><img src="file:///etc/passwd">'
  assert.equal((await body((await complete(s, { a: step('txt') }, 'm.xml', macro)).a[0])).toString().trim(), 'quiet')
  assert.match(words(await body((await complete(s, { a: step('pdf') }, 'i.html', Buffer.from(inside))).a[0])), /seen/)
  await s.scratchEmpty()
})

test('a document that takes for ever is ended by a cancel and by the time limit, a killed worker\'s is done again',
  async (t) => {
  const s = await Server.start(t)
  const a = await s.create({ a: step('pdf') }, { files: { 'endless.xml': endless } })
  let busy = []
  for (const end = Date.now() + 60000; !busy.length && Date.now() < end; await sleep(20)) {
    busy = (await s.get(a.assembly_id)).running_jobs.length ? s.busyWorkers() : []
  }
  await sleep(2000)
  const got = await s.cancel(a.assembly_id)
  assert.equal(got.ok, 'ASSEMBLY_CANCELED')
  assert.equal(got.cancel.settled, true)
  assert.equal(got.cancel.jobs_stopped, 1)
  assert.equal(got.cancel.processes_killed, 1)
  assert.deepEqual(s.busyWorkers().filter(alive), [])
  assert.deepEqual(s.scratchFiles(), [])

  const strict = await Server.start(t, { args: ['--job-timeout-s', '4'] })
  const late = await run(strict, { a: step('pdf') }, 'endless.xml', endless)
  assert.match(`${late.error} ${late.message}`, /TIMEOUT .*took longer than 4 s/)
  assert.deepEqual(strict.busyWorkers().filter(alive), [])
  await strict.scratchEmpty()

  const b = await s.create({ a: step('pdf') }, { files: { 'a.html': '<p>words' } })
  let killed = false
  for (const end = Date.now() + 60000; !killed && Date.now() < end; await sleep(2)) {
    const st = await s.get(b.assembly_id)
    if (st.ok === 'ASSEMBLY_COMPLETED') break
    if (st.running_jobs.some((j) => j.startsWith('a:'))) for (const pid of s.busyWorkers()) {
      process.kill(pid, 'SIGKILL')
      killed = true
    }
  }
  const done = await s.until(b.assembly_id, undefined, 60000)
  assert.equal(done.ok, 'ASSEMBLY_COMPLETED', done.message)
  assert.ok(killed, 'it was killed')
  assert.match(words(await body(done.results.a[0])), /words/)
  await s.scratchEmpty()
})

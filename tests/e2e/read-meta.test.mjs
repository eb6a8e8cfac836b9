// Files that are looked into, in the real jail: their text, their tags, what a scanner says of them, and a picture that
// stands for them.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import net from 'node:net'
import os from 'node:os'
import path from 'node:path'
import { test } from 'node:test'
import { clamd, eicar } from './clamd.mjs'
import { alive, picture, Server } from './server.mjs'

const step = (robot, more) => ({ step: { robot, use: ':original', result: true, ...more } })
const run = async (s, steps, files) => s.until((await s.create(steps, { files })).assembly_id)

test('the text of a file is in its meta, and for a later step', async (t) => {
  const s = await Server.start(t)
  const done = await run(s, { read: { robot: '/file/read', use: ':original', result: true },
    saved: { robot: '/assembly/savejson', use: 'read', status: '${file.meta.content}', result: true } },
  { 'a.txt': 'grüße,\n[1]\0"' })
  assert.equal(done.ok, 'ASSEMBLY_COMPLETED', JSON.stringify(done))
  assert.equal(done.results.read[0].meta.content, 'grüße,\n[1]\ufffd"')
  assert.deepEqual(await (await fetch(done.results.saved[0].ssl_url)).json(), 'grüße,\n[1]\ufffd"')
  const csv = 'a,b:[{\n'.repeat(70000) // as many values as it has commas, if somebody counted them
  assert.equal((await run(s, step('/file/read'), { 'a.csv': csv })).results.step[0].meta.content, csv)
  const large = await run(s, step('/file/read'), { 'a.txt': 'x'.repeat(512000) })
  assert.equal(large.error, 'FILE_READ_VALIDATION_ERROR')
  const wrong = await s.create(step('/file/read', { encoding: 'latin1' }))
  assert.equal(wrong.error, 'FILE_READ_VALIDATION_ERROR')
})

test('tags are written, and read back from the file that came out', async (t) => {
  const s = await Server.start(t)
  const png = fs.readFileSync(picture)
  const tags = { Title: 'Über\n-o /tmp/x', Artist: '@/etc/passwd', Keywords: ['日本', 'b'] }
  const done = await run(s, step('/meta/write', { data_to_write: tags }), { 'a.png': png })
  assert.equal(done.ok, 'ASSEMBLY_COMPLETED', JSON.stringify(done))
  const [file] = done.results.step
  assert.equal(file.meta.title, tags.Title)
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'workcell-tags-'))
  t.after(() => fs.rmSync(dir, { recursive: true }))
  fs.writeFileSync(path.join(dir, 'b.png'), Buffer.from(await (await fetch(file.ssl_url)).arrayBuffer()))
  const [read] = JSON.parse(execFileSync('exiftool', ['-j', path.join(dir, 'b.png')], { encoding: 'utf8' }))
  assert.deepEqual([read.Title, read.Artist, read.Keywords], [tags.Title, tags.Artist, tags.Keywords])
  const again = await run(s, step('/meta/read', { output_meta: { dominant_colors: true } }), { 'a.png': png })
  assert.ok(again.results.step[0].meta.dominant_colors.length > 0)
  for (const name of ['HardLink', 'FileName', 'Geotag', '-config', 'Title<=/etc/passwd'])
    assert.equal((await s.create(step('/meta/write', { data_to_write: { [name]: 'x' } }))).error,
      'META_WRITE_VALIDATION', name)
  await s.scratchEmpty()
})

test('a virus is found by the real clamd through its socket, and nothing passes when it is gone', async (t) => {
  const { socket, child } = await clamd(t)
  const s = await Server.start(t, { args: ['--clamd', socket] })
  const scan = (more, files) => run(s, step('/file/virusscan', more), files)
  const clean = await scan({}, { 'a.txt': 'harmless', 'b.txt': eicar })
  assert.equal(clean.ok, 'ASSEMBLY_COMPLETED', JSON.stringify(clean))
  assert.deepEqual(clean.results.step.map((f) => f.name), ['a.txt'])
  const infected = await scan({ error_on_decline: true, error_msg: 'not this one' }, { 'b.txt': eicar })
  assert.equal(infected.error, 'FILE_VIRUSSCAN_DECLINED_FILE')
  assert.equal(infected.message, 'not this one')
  assert.equal(infected.virusname, 'Test.Eicar.UNOFFICIAL')
  const large = await scan({}, { 'a.bin': Buffer.alloc(3 << 20) })
  assert.equal(large.error, 'WORKER_JOB_ERROR')
  assert.match(large.reason, /StreamMaxLength/)
  child.kill('SIGKILL')
  const gone = await scan({}, { 'a.txt': 'harmless' })
  assert.equal(gone.error, 'WORKER_JOB_ERROR')
  assert.equal(gone.results.step, undefined)
  await s.scratchEmpty()
})

test('a cancel while a scanner is silent ends the job and leaves nothing', async (t) => {
  let heard
  const asked = new Promise((r) => { heard = r })
  const silent = net.createServer((c) => c.on('error', () => {}).on('data', heard).resume())
  await new Promise((r) => silent.listen(0, '127.0.0.1', r))
  t.after(() => silent.close())
  const s = await Server.start(t, { args: ['--clamd', `127.0.0.1:${silent.address().port}`] })
  const a = await s.create(step('/file/virusscan'), { files: { 'a.txt': 'harmless' } })
  await asked
  const busy = s.busyWorkers()
  assert.equal(busy.length, 1)
  const got = await s.cancel(a.assembly_id)
  assert.equal(got.ok, 'ASSEMBLY_CANCELED')
  assert.equal(got.cancel.settled, true)
  assert.deepEqual(busy.filter(alive), [])
  assert.deepEqual(s.scratchFiles(), [])
})

test('every file gets a preview: the picture, or an icon', async (t) => {
  const s = await Server.start(t)
  const done = await run(s, step('/file/preview', { width: 120, height: 80 }),
    { 'a.png': fs.readFileSync(picture), 'b.txt': 'words', 'c.zip': 'PK\x05\x06' + '\0'.repeat(18),
      'd.html': '<!DOCTYPE html><p>x' })
  assert.equal(done.ok, 'ASSEMBLY_COMPLETED', JSON.stringify(done))
  assert.deepEqual(done.results.step.map((f) => f.name).sort(), ['a.png', 'b.png', 'c.png', 'd.png'])
  for (const f of done.results.step) assert.deepEqual([f.mime, f.meta.width, f.meta.height], ['image/png', 120, 80])
  await s.scratchEmpty()
})

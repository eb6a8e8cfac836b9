// A full disk is a state and no accident. Each part of the data directory in turn lies on a small tmpfs that is filled
// to the last byte while the server runs. Needs mount(2): without it nothing is tested here, and that is said.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { test } from 'node:test'
import { picture, root, Server, sleep } from './server.mjs'

const bin = process.env.WORKCELL || path.join(root, 'build/workcell')
const mount = (...args) => execFileSync('mount', args, { stdio: 'pipe' })
const umount = (dir) => { try { execFileSync('umount', ['-l', dir], { stdio: 'pipe' }) } catch { /* was not mounted */ } }
let why = false
{
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'workcell-mount-'))
  try { mount('-t', 'tmpfs', '-o', 'size=1m', 'none', dir) } catch (e) { why = `no mount here: ${e.stderr?.toString().trim() || e.message}` }
  umount(dir)
  fs.rmdirSync(dir)
}

// To the last byte, and not by root's reserve. The server stands still meanwhile: what it gives back for its cancels, when it
// sees the disk fill up, would be filled as well.
const fill = (s, dir) => {
  s.child.kill('SIGSTOP')
  const fd = fs.openSync(path.join(dir, 'filler'), 'a')
  for (let size = 1 << 20; size >= 1;) {
    try { if (fs.writeSync(fd, Buffer.alloc(size)) < size) throw new Error('short') } catch { size >>= 2 }
  }
  fs.closeSync(fd)
  s.child.kill('SIGCONT')
}
const empty = (dir) => fs.unlinkSync(path.join(dir, 'filler'))
const soon = async (what, done, ms = 15000) => {
  for (const end = Date.now() + ms; !await done(); await sleep(50)) assert.ok(Date.now() < end, `not within ${ms} ms: ${what}`)
}
const original = { ':original': { robot: '/upload/handle', result: true } }
const resize = { small: { robot: '/image/resize', use: ':original', width: 60, result: true } }
const refused = async (res, what) => {
  assert.ok([503, 507].includes(res.status), `${what}: ${res.status}`)
  const body = await res.json()
  assert.equal(body.error, 'CANNOT_ACCEPT_NEW_ASSEMBLIES', what)
  assert.equal(body.http_code, res.status)
  assert.ok(body.message.length > 10)
}

// where: the mount point below the data directory; beside: what lies elsewhere, so that only the rest fills up
for (const [name, where, beside] of [['the whole data directory', '', []], ['the scratch space', 'scratch', []], ['the database', '', ['scratch', 'uploads', 'blobs']]]) {
  test(`${name} on a disk that fills up: refused early, reads, cancels and deletes go on, nothing lost, no restart`, { skip: why }, async (t) => {
    const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'workcell-full-'))
    const other = fs.mkdtempSync(path.join(os.tmpdir(), 'workcell-other-'))
    const small = path.join(dir, where)
    fs.mkdirSync(small, { recursive: true })
    mount('-t', 'tmpfs', '-o', 'size=48m,mode=0711', 'none', small)
    for (const d of beside) {
      fs.mkdirSync(path.join(other, d))
      fs.mkdirSync(path.join(dir, d))
      mount('--bind', path.join(other, d), path.join(dir, d))
    }
    const clean = () => {
      for (const d of beside) umount(path.join(dir, d))
      umount(small)
      fs.rmSync(other, { recursive: true, force: true })
    }
    t.after(() => { clean(); fs.rmSync(dir, { recursive: true, force: true }) })
    const s = await Server.start({ after() {} }, { dir, args: ['--scrub-interval-s', '1', '--scrub-grace-s', '1'] })
    t.after(async () => { if (s.child.exitCode === null && s.child.signalCode === null) await s.kill9() })

    const done = await s.until((await s.create(original, { files: { 'kept.txt': 'kept' } })).assembly_id)
    const data = randomBytes(400000)
    const open = await s.create(resize, { expected: 1 })
    const image = fs.readFileSync(picture)
    const loc = await s.tusCreate(open, image.length, { filename: 'a.png' })
    assert.equal((await s.patch(loc, 0, image.subarray(0, 100000))).status, 204)
    const other1 = await s.create(original, { expected: 1 })
    const gone = await s.tusCreate(other1, data.length)
    assert.equal((await s.patch(gone, 0, data.subarray(0, 1000))).status, 204)
    const canceled = await s.create(original, { expected: 1 })
    const inCancel = await s.tusCreate(canceled, 10)
    assert.equal((await fetch(`${s.url}/readyz`)).status, 200)

    fill(s, small)
    await soon('readyz says so', async () => (await fetch(`${s.url}/readyz`)).status === 503)
    assert.equal((await fetch(`${s.url}/healthz`)).status, 200)
    const form = new FormData()
    form.set('params', JSON.stringify({ auth: { key: 'test-key', expires: '2099-01-01T00:00:00Z' }, steps: original }))
    await refused(await fetch(`${s.url}/assemblies`, { method: 'POST', body: form }), 'create')
    form.append('file', new Blob([data]), 'a.bin')
    await refused(await fetch(`${s.url}/assemblies`, { method: 'POST', body: form }), 'create with a file')
    await refused(await s.tus('POST', `${s.url}/resumable/files/`, { 'Upload-Length': '5', 'Upload-Metadata': s.tusMeta(open) }), 'tus create')
    await refused(await s.patch(loc, 100000, image.subarray(100000)), 'tus patch')
    // reads
    assert.equal((await s.get(done.assembly_id)).ok, 'ASSEMBLY_COMPLETED')
    assert.equal(await (await fetch(done.results[':original'][0].url)).text(), 'kept')
    assert.equal((await s.tus('HEAD', loc)).headers.get('upload-offset'), '100000')
    // cancels and deletes
    const c = await s.cancel(canceled.assembly_id)
    assert.deepEqual([c.http, c.ok], [200, 'ASSEMBLY_CANCELED'], JSON.stringify(c))
    assert.equal((await s.get(canceled.assembly_id)).ok, 'ASSEMBLY_CANCELED')
    assert.ok([404, 410].includes((await s.tus('HEAD', inCancel)).status))
    assert.equal((await s.tus('DELETE', gone)).status, 204)
    assert.ok([404, 410].includes((await s.tus('HEAD', gone)).status))

    await sleep(300) // the jobs' side looks ten times a second
    empty(small)
    await soon('readyz is well again', async () => (await fetch(`${s.url}/readyz`)).status === 200)
    const at = Number((await s.tus('HEAD', loc)).headers.get('upload-offset'))
    assert.equal(at, 100000)
    assert.equal((await s.patch(loc, at, image.subarray(at))).status, 204)
    const st = await s.until(open.assembly_id)
    assert.equal(st.ok, 'ASSEMBLY_COMPLETED', JSON.stringify(st))
    assert.equal(st.uploads[0].md5hash, createHash('md5').update(image).digest('hex'))
    assert.equal(st.results.small.length, 1)
    assert.equal((await s.until((await s.create(resize, { files: { 'b.png': image } })).assembly_id)).ok, 'ASSEMBLY_COMPLETED')
    assert.match(s.log, / warn .*no new work is taken/)
    assert.match(s.log, /there is room on the disk again/)

    // full again in the middle of jobs: they wait, and are not the ones to blame
    const busy = await s.create({ big: { robot: '/image/resize', use: ':original', width: 1500, format: 'png', result: true } }, { files: { 'c.png': image } })
    fill(s, small)
    await sleep(1500)
    empty(small)
    const late = await s.until(busy.assembly_id)
    assert.equal(late.ok, 'ASSEMBLY_COMPLETED', JSON.stringify(late).slice(0, 500))
    await sleep(3500) // outputs whose turn was lost are nobody's: the scrub takes them
    const { code } = await s.stop()
    assert.equal(code, 0)
    assert.deepEqual(s.log.split('\n').filter((l) => /^\S+ error |Sanitizer|runtime error/.test(l)), [])
    assert.equal(execFileSync(bin, ['fsck', '--data', dir]).toString().match(/clean|findings.*/)[0], 'clean')
    await s.boot()
    for (const [id, ok] of [[done.assembly_id, 'ASSEMBLY_COMPLETED'], [open.assembly_id, 'ASSEMBLY_COMPLETED'], [canceled.assembly_id, 'ASSEMBLY_CANCELED'], [busy.assembly_id, 'ASSEMBLY_COMPLETED']]) assert.equal((await s.get(id)).ok, ok)
    await s.stop()
  })
}

// What one does with the console, as a user does it.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import http from 'node:http'
import os from 'node:os'
import path from 'node:path'
import { after, test } from 'node:test'
import { alive, Server } from '../e2e/server.mjs'
import { closeBrowser, KEY, Page, picture, SECRET, sleep, steps } from './browser.mjs'
import { Sshd } from '../e2e/sshd.mjs'

after(closeBrowser)

const small = { small: { robot: '/image/resize', use: ':original', width: 320, result: true } }
const say = (o) => JSON.stringify(o, null, 2)
const idIn = (p) => p.page.evaluate(() => location.hash.match(/[0-9a-f]{32}/)?.[0])
const state = (p, word) => p.page.locator('.pill', { hasText: word }).first().waitFor({ timeout: 30000 })

test('sign in: only signatures leave the page, and nothing of it is kept unless asked', async (t) => {
  const p = await Page.open(t, { signIn: false, expect: [/status of 400/] })
  const enter = async (secret, keep) => {
    await p.page.getByLabel('Auth Key').fill(KEY)
    await p.page.getByLabel('Auth Secret').fill(secret)
    if (keep) await p.page.getByLabel('Keep in this tab').check()
    await p.page.getByRole('button', { name: 'Sign in' }).click()
  }
  await enter('not the secret')
  await p.page.getByText('INVALID_SIGNATURE').waitFor()
  await p.page.getByText('does not belong to this key').waitFor()
  await enter(SECRET)
  await p.page.getByRole('heading', { name: 'Assemblies' }).waitFor()
  await p.page.getByText('No Assembly yet.').waitFor()
  const kept = () => p.page.evaluate(() => JSON.stringify([{ ...sessionStorage }, { ...localStorage }, document.cookie]))
  assert.ok(!(await kept()).includes(SECRET))
  await p.page.reload()
  await p.page.getByLabel('Auth Secret').waitFor()
  await enter(SECRET, true)
  await p.page.getByText('kept in this tab').waitFor()
  await p.page.reload()
  await p.page.getByText('No Assembly yet.').waitFor()
  await p.page.getByRole('button', { name: 'Sign out' }).click()
  await p.page.getByLabel('Auth Secret').waitFor()
  assert.ok(!(await kept()).includes(SECRET))
  const lists = p.requests.filter((r) => /\/assemblies\?/.test(r.url))
  assert.ok(lists.length >= 4)
  for (const r of lists) assert.match(new URL(r.url).searchParams.get('signature'), /^sha384:[0-9a-f]{96}$/)
  for (const r of p.requests) assert.ok(!JSON.stringify(r).includes(SECRET), r.url)
})

test('a page without WebCrypto signs all the same, and a wrong clock is set by the server\'s', async (t) => {
  const p = await Page.open(t, { signIn: false, expect: [/status of 400/] })
  await p.page.addInitScript(() => {
    Object.defineProperty(Crypto.prototype, 'subtle', { get: () => undefined })
    const now = Date.now
    Date.now = () => now() - 3 * 3600 * 1000
  })
  await p.page.reload()
  await p.signIn()
  await p.page.getByText('No Assembly yet.').waitFor()
})

test('playground: a picture goes in, and its result is there to be seen', async (t) => {
  const p = await Page.open(t, { at: '#/playground' })
  await p.page.locator('#instructions').fill(say({ steps: small }))
  await p.page.locator('#files').setInputFiles(picture)
  await p.page.getByText('The server would take it.').waitFor()
  await p.page.getByRole('button', { name: 'Run' }).click()
  await state(p, 'Completed')
  const img = p.page.locator('.step-results img')
  await img.waitFor()
  await p.until(() => document.querySelector('.step-results img')?.naturalWidth === 320)
    .catch(async (e) => {
      const shown = await p.page.locator('.step-results').innerHTML()
      assert.fail(`${e.message}\n${shown}\n${p.server.log.slice(-3000)}`)
    })
  await p.page.locator('.step-results').getByText('320 × 320').waitFor()
  const listed = await (await fetch(await listUrl(p))).json()
  assert.equal(listed.items.length, 1)
  const a = await p.server.get(listed.items[0].id)
  assert.equal(a.ok, 'ASSEMBLY_COMPLETED')
  assert.equal(a.uploads[0].is_tus_file, true)
  assert.equal(a.uploads[0].size, fs.statSync(picture).size)
  assert.equal(await p.page.locator('.step-results a').getAttribute('href'), new URL(a.results.small[0].ssl_url).pathname)
  await p.page.locator('.graph .node.done', { hasText: '1/1' }).first().waitFor()
  await p.page.locator('.timeline tbody tr[data-state="done"]', { hasText: 'small' }).waitFor()
})

async function listUrl(p) {
  const { createHmac } = await import('node:crypto')
  const params = JSON.stringify({ auth: { key: KEY, expires: '2099-01-01T00:00:00Z' } })
  return `${p.server.url}/assemblies?${new URLSearchParams({ params, signature: `sha384:${createHmac('sha384', SECRET).update(params).digest('hex')}` })}`
}

test('playground: what is wrong is told with its line, before anything is sent', async (t) => {
  const p = await Page.open(t, { at: '#/playground' })
  const editor = p.page.locator('#instructions')
  await editor.fill('{\n  "steps": {\n    "a": { "robot": "/image/resize", }\n  }\n}')
  const comma = "Line 3 not JSON: a comma too many: nothing follows it before '}': take it away (column 36)."
  await p.page.getByRole('button', { name: comma }).waitFor()
  // all of it at once, and what is wrong with what was meant
  await editor.fill(`{\n  // small\n  'steps': {
    "a": { "robot": "/image/resize" "use": ":original", "widht": 3 }\n  }\n}`)
  for (const name of [/^Line 2 not JSON: JSON has no comments/, /^Line 3 not JSON: single quotes/,
    /^Line 4 not JSON: a comma is missing before "use"/, /^Line 4 a: .*did you mean 'width'\?$/])
    await p.page.getByRole('button', { name }).waitFor()
  assert.deepEqual(await p.page.locator('.gutter .at-fault').allTextContents(), ['2', '3', '4'])
  // what is done otherwise is told, and keeps nobody from running it
  await editor.fill(say({ steps: { a: { robot: '/image/facedetect', use: ':original', provider: 'aws' } } }))
  await p.page.getByRole('button', { name: /^Line 6 a: 'provider' changes nothing here/ }).waitFor()
  await p.page.getByText('The server would take it.').waitFor()
  await editor.fill(say({ steps: { a: { robot: '/image/resize', use: ':original', width: 'wide' }, b: { robot: '/image/rezise', use: 'a' } } }))
  const wide = p.page.getByRole('button', { name: /Line 6 a: 'width' is "wide"/ })
  await wide.waitFor()
  await p.page.getByRole('button', { name: /Line 9 b: .*rezise/ }).or(p.page.getByRole('button', { name: /Line 8 b: .*rezise/ })).waitFor()
  await wide.click()
  assert.equal(await p.page.evaluate(() => { const e = document.activeElement; return e.value.slice(e.selectionStart, e.selectionEnd).trim() }), '"width": "wide"')
  await p.page.getByRole('button', { name: 'Run' }).click()
  await sleep(400)
  assert.equal(p.requests.filter((r) => r.method === 'POST' && r.url.endsWith('/assemblies')).length, 0)
  await editor.fill(say({ steps: small }))
  await p.page.getByText('The server would take it.').waitFor()
})

test('the editor offers and explains what the tables have: Robots, parameters, choices, steps', async (t) => {
  const p = await Page.open(t, { at: '#/playground' })
  const editor = p.page.locator('#instructions')
  const list = p.page.getByRole('listbox', { name: 'What may stand here' })
  const options = () => list.locator('code').allTextContents()
  const text = () => editor.inputValue()
  await p.page.getByText('The server would take it.').waitFor()
  await editor.fill('')
  await editor.focus()
  await p.page.keyboard.type('{"steps": {"small": {"robot": "/im')
  await list.getByRole('option', { name: /^\/image\/resize/ }).waitFor()
  assert.ok((await options()).every((o) => /im/.test(o)))
  await p.page.keyboard.type('age/res')
  await p.until(() => document.querySelectorAll('[role=option]').length === 1)
  assert.equal(await editor.getAttribute('aria-activedescendant'), 'instructions-list-0')
  await p.page.keyboard.press('Enter')
  assert.equal(await text(), '{"steps": {"small": {"robot": "/image/resize"')
  assert.equal(await list.isVisible(), false)
  await p.page.keyboard.type(', "resize_st')
  await p.page.keyboard.press('Enter') // the name, then what it may be
  await list.getByRole('option', { name: /^fillcrop/ }).waitFor()
  await p.page.keyboard.type('pad')
  await p.page.keyboard.press('Enter')
  assert.equal(await text(), '{"steps": {"small": {"robot": "/image/resize", "resize_strategy": "pad"')
  // what is given already is not offered again; what it takes is said
  await p.page.keyboard.type(', ')
  await p.page.keyboard.press('Control+Space')
  await list.getByRole('option', { name: /^width.*whole number; 1 to 25000 px/ }).waitFor()
  assert.ok(!(await options()).includes('resize_strategy'))
  await p.page.keyboard.press('Escape')
  assert.equal(await list.isVisible(), false)
  await p.page.keyboard.type('"use": ":original"}, "next": {"robot": "/file/hash", "use": "sm')
  await list.getByRole('option', { name: /^small/ }).waitFor()
  await list.getByRole('option', { name: /^small/ }).click()
  await p.page.keyboard.type('}}}')
  assert.deepEqual(JSON.parse(await text()).steps.next, { robot: '/file/hash', use: 'small' })
  await p.page.getByText('The server would take it.').waitFor()
  // what stands at the caret
  await editor.evaluate((e) => {
    e.selectionStart = e.selectionEnd = e.value.indexOf('resize_strategy') + 3
    e.dispatchEvent(new Event('click'))
  })
  await p.page.locator('.meant', { hasText: /resize_strategy .*"fit".*default "fit"/ }).waitFor()
  assert.deepEqual(await p.axe(), [])
  // a value of nobody's is markup for nobody
  const nasty = { '<img src=x onerror=alert(1)>': { robot: '/file/hash' }, b: { robot: '/file/hash', use: '' } }
  await editor.fill(JSON.stringify({ steps: nasty }))
  await editor.evaluate((e) => { e.selectionStart = e.selectionEnd = e.value.length - 4 })
  await p.page.keyboard.press('Control+Space')
  await list.getByRole('option', { name: /^<img src=x/ }).waitFor()
  assert.equal(await p.page.locator('.suggestions img').count(), 0)
})

test('playground: without a file it asks first, and what came of it is said', async (t) => {
  const p = await Page.open(t, { at: '#/playground' })
  const created = () => p.requests.filter((r) => r.method === 'POST' && r.url.endsWith('/assemblies')).length
  await p.page.locator('#instructions').fill(say({ steps: small }))
  await p.page.getByText('The server would take it.').waitFor()
  await p.page.getByRole('button', { name: 'Run', exact: true }).click()
  await p.page.getByRole('heading', { name: 'Run without a file?' }).waitFor()
  await p.page.getByText('nothing to do for: small.').waitFor()
  await p.page.getByRole('button', { name: 'Go back' }).click()
  await sleep(200)
  assert.equal(created(), 0)
  await p.page.getByRole('button', { name: 'Run', exact: true }).click()
  await p.page.getByRole('button', { name: 'Run it anyway' }).click()
  await state(p, 'Completed')
  await p.page.locator('.note.warn', { hasText: "No file was sent, so there was nothing to do for: 'small'." }).waitFor()
  await p.page.getByText('None; the warnings above say why.').waitFor()
  assert.equal(created(), 1)
  // a file that nobody reads is no file either
  await p.page.locator('#files').setInputFiles({ name: 'notes.txt', mimeType: 'text/plain', buffer: Buffer.from('notes') })
  await p.page.getByRole('button', { name: 'Run', exact: true }).click()
  await p.page.locator('.note.warn', { hasText: "/image/resize does not take 'notes.txt' (text/plain)." }).waitFor()
})

test('cancel: the receipt shows what the API says was stopped, and the processes are gone', async (t) => {
  const p = await Page.open(t, { args: ['--workers-media', '1'] })
  const data = fs.readFileSync(picture)
  const a = await p.server.create(steps.slow, { files: { 'a.png': data, 'b.png': data, 'c.png': data } })
  await p.go(`#/assembly/${a.assembly_id}`)
  await p.page.locator('.node.running', { hasText: 'huge' }).waitFor()
  await p.page.locator('.timeline tr[data-state="running"]', { hasText: 'huge' }).waitFor()
  await sleep(300)
  const busy = p.server.busyWorkers()
  assert.equal(busy.length, 1)
  await p.page.getByRole('button', { name: 'Cancel' }).click()
  await p.page.keyboard.press('Escape')
  assert.equal((await p.server.get(a.assembly_id)).ok, 'ASSEMBLY_EXECUTING', 'Escape cancels nothing')
  await p.page.getByRole('button', { name: 'Cancel' }).click()
  await p.page.getByRole('button', { name: 'Cancel it now' }).click()
  await p.page.locator('.receipt[data-settled="true"]').waitFor() // before that, figures are not counted yet
  assert.deepEqual(busy.filter(alive), [])
  const got = await p.server.get(a.assembly_id)
  assert.equal(got.ok, 'ASSEMBLY_CANCELED')
  const figure = async (id) => (await p.page.locator(`[data-figure="${id}"]`).innerText()).trim()
  for (const id of ['processes_killed', 'jobs_stopped', 'jobs_dropped', 'uploads_stopped']) assert.equal(await figure(id), String(got.cancel[id]), id)
  assert.equal(got.cancel.processes_killed, 1)
  assert.equal(got.cancel.jobs_dropped, 2)
  assert.equal(await figure('duration'), `${Math.round(got.cancel.duration * 1000)} ms`)
  await state(p, 'Canceled')
  await p.page.locator('.timeline tr[data-state="stopped"]', { hasText: 'huge' }).waitFor()
  assert.equal(await p.page.locator('.timeline tr[data-state="dropped"]').count(), 2)
  assert.equal(await p.page.getByRole('button', { name: 'Cancel', exact: true }).count(), 0)
})

// As much of S3 as an upload needs that never gets further than its first part; while it is down it resets all.
async function stuckBucket(t) {
  const it = { parts: 0, open: false, down: false, tries: 0 }
  const server = http.createServer((req, res) => {
    if (it.down) { it.tries++; req.socket.destroy(); return }
    if (req.method === 'PUT') { it.parts++; req.resume(); return }
    req.resume().on('end', () => {
      if (req.method === 'POST') it.open = true
      if (req.method === 'DELETE') it.open = false
      if (req.method === 'POST')
        res.end('<InitiateMultipartUploadResult><UploadId>two</UploadId></InitiateMultipartUploadResult>')
      else if (req.method === 'DELETE') res.writeHead(204).end()
      else res.writeHead(404).end('<Error><Code>NoSuchUpload</Code></Error>')
    })
  })
  await new Promise((r) => server.listen(0, '127.0.0.1', r))
  t.after(() => { server.closeAllConnections(); server.close() })
  it.host = `http://127.0.0.1:${server.address().port}`
  return it
}

test('cancel while another server is down: the receipt says so, and that all is gone once it is', async (t) => {
  const there = await stuckBucket(t)
  const p = await Page.open(t, { server: await Server.start(t, {
    args: ['--import-allow', '127.0.0.1'],
    env: { WORKCELL_TEST_S3_MULTIPART_THRESHOLD: '1000', WORKCELL_TEST_RETRY_MS: '20' },
  }) })
  const a = await p.server.create({ out: {
    robot: '/s3/store', use: ':original', bucket: 'b', key: 'k', secret: 's', bucket_region: 'us-east-1',
    no_vhost: true, host: there.host, path: 'a',
  } }, { files: { f: Buffer.alloc(5000, 'x') } })
  await p.go(`#/assembly/${a.assembly_id}`)
  for (const end = Date.now() + 60000; !there.parts; await sleep(20)) assert.ok(Date.now() < end, 'no part is sent')
  there.down = true
  await p.page.getByRole('button', { name: 'Cancel' }).click()
  await p.page.getByRole('button', { name: 'Cancel it now' }).click()
  await p.page.getByText('is still to be taken back there').waitFor()
  assert.ok(there.open && there.tries, 'it has been tried')
  const loads = p.requests.filter((r) => r.url.endsWith('/console/')).length
  there.down = false
  await p.page.locator('.receipt[data-settled="true"]').waitFor({ timeout: 60000 })
  assert.equal(there.open, false)
  await p.page.getByText('All of it was gone after').waitFor()
  await p.until(() => /^Canceled. 1 process killed/.test(document.getElementById('said').textContent))
  assert.equal(p.requests.filter((r) => r.url.endsWith('/console/')).length, loads, 'without a reload')
  const asked = () => p.requests.filter((r) => r.url.includes(`/assemblies/${a.assembly_id}`)).length
  await sleep(500)
  const before = asked()
  await sleep(2500)
  assert.equal(asked(), before, 'and nobody asks any more')
})

test('cancel during an upload: it is stopped, counted, and its bytes are freed', async (t) => {
  const p = await Page.open(t, { at: '#/playground', expect: [/410|ERR_/] })
  const file = path.join(fs.mkdtempSync(path.join(os.tmpdir(), 'console-')), 'large.bin')
  fs.writeFileSync(file, Buffer.alloc(24 << 20, 7))
  t.after(() => fs.rmSync(path.dirname(file), { recursive: true }))
  const cdp = await p.page.context().newCDPSession(p.page)
  await cdp.send('Network.emulateNetworkConditions', { offline: false, latency: 0, downloadThroughput: -1, uploadThroughput: 3 << 20 })
  await p.page.locator('#instructions').fill(say({ steps: { ':original': { robot: '/upload/handle', result: true } } }))
  await p.page.locator('#files').setInputFiles(file)
  await p.page.getByText('The server would take it.').waitFor()
  await p.page.getByRole('button', { name: 'Run' }).click()
  await p.until(() => document.querySelector('.uploads progress')?.value > 3e6)
  await p.page.getByRole('button', { name: 'Cancel' }).click()
  await p.page.getByRole('button', { name: 'Cancel it now' }).click()
  await p.page.locator('.receipt[data-settled="true"]').waitFor()
  const { items } = await (await fetch(await listUrl(p))).json()
  const got = await p.server.get(items[0].id)
  assert.equal(got.cancel.uploads_stopped, 1)
  assert.ok(got.cancel.bytes_freed > 0)
  assert.equal(await p.page.locator('[data-figure="uploads_stopped"]').innerText(), '1')
  await p.page.getByText(`${got.cancel.bytes_freed} bytes`).waitFor()
  assert.deepEqual(p.server.partialUploads(), [])
  const sent = p.requests.filter((r) => r.method === 'PATCH').length
  await sleep(1500)
  assert.equal(p.requests.filter((r) => r.method === 'PATCH').length, sent, 'the page has stopped sending')
})

test('replay: a new Assembly over the same files, with a way back to the first', async (t) => {
  const p = await Page.open(t)
  const a = await p.server.create(small, { files: { 'a.png': fs.readFileSync(picture) } })
  await p.server.until(a.assembly_id)
  await p.go(`#/assembly/${a.assembly_id}`)
  await p.page.getByRole('button', { name: 'Replay' }).click()
  await p.until((id) => !location.hash.includes(id), a.assembly_id)
  await state(p, 'Completed')
  const id = await idIn(p)
  const got = await p.server.get(id)
  assert.equal(got.parent_id, a.assembly_id)
  assert.equal(got.results.small.length, 1)
  await p.page.getByRole('link', { name: a.assembly_id.slice(0, 12) }).click()
  await p.until((is) => location.hash.includes(is), a.assembly_id)
})

test('the list: filters, pages, and what happens elsewhere appears by itself', async (t) => {
  const p = await Page.open(t)
  await p.page.getByText('No Assembly yet.').waitFor()
  const up = { ':original': { robot: '/upload/handle', result: true } }
  const first = await p.server.create(up, { files: { 'first.txt': 'abc' } })
  await p.page.getByRole('link', { name: first.assembly_id }).waitFor()
  const bad = await p.server.create({ x: { robot: '/image/resize', use: ':original', width: 10 } }, { files: { 'broken.jpg': Buffer.alloc(0) } })
  await p.page.getByText('INVALID_INPUT_ERROR').waitFor()
  await p.page.getByLabel('State').selectOption('failed')
  await p.page.getByText('1 in all').waitFor()
  assert.equal(await p.page.locator('tbody tr').count(), 1)
  await p.page.getByRole('link', { name: bad.assembly_id }).click()
  await p.page.getByText('is not what its name says').waitFor()
  await p.page.goBack()
  await p.page.getByLabel('State').selectOption('all')
  await p.page.getByText('2 in all').waitFor()
  await p.page.getByLabel('Words').fill('first.txt')
  await p.page.keyboard.press('Enter')
  await p.page.getByText('1 in all').waitFor()
  await p.go('#/assemblies')
  for (let i = 0; i < 26; i++) await p.server.create(up, { files: { [`n${i}.txt`]: 'x' } })
  await p.page.getByText('Page 1 of 2').waitFor()
  await p.page.getByRole('button', { name: 'Older' }).click()
  await p.page.getByText('Page 2 of 2').waitFor()
  await p.page.getByRole('link', { name: first.assembly_id }).waitFor()
  assert.equal(await p.page.locator('tbody tr').count(), 3)
  await p.page.getByLabel('From').fill('2099-01-01')
  await p.page.getByText('Nothing matches.').waitFor()
})

test('Templates: made, changed, run, deleted', async (t) => {
  const p = await Page.open(t, { at: '#/templates' })
  await p.page.getByText('No Template yet.').waitFor()
  await p.page.getByRole('link', { name: 'New Template' }).click()
  await p.page.getByLabel('Name').fill('thumbs')
  await p.page.getByLabel('Instructions').fill(say({ steps: small }))
  await p.page.getByRole('button', { name: 'Create' }).click()
  await p.page.getByRole('heading', { name: 'thumbs' }).waitFor()
  await p.page.getByLabel('Name').fill('thumbnails')
  await p.page.getByLabel('Instructions').fill(say({ steps: { small: { ...small.small, width: 77 } } }))
  await p.page.getByRole('button', { name: 'Save' }).click()
  await p.page.getByText('Saved.').waitFor()
  await p.go('#/templates')
  await p.page.getByRole('link', { name: 'thumbnails' }).click()
  assert.match(await p.page.getByLabel('Instructions').inputValue(), /"width": 77/)
  await p.page.getByRole('button', { name: 'Open in the playground' }).click()
  await p.page.locator('#files').setInputFiles(picture)
  await p.page.getByText('The server would take it.').waitFor()
  await p.page.getByRole('button', { name: 'Run' }).click()
  await state(p, 'Completed')
  await p.page.locator('.step-results').getByText('77 × 77').waitFor()
  await p.go('#/templates')
  await p.page.getByRole('link', { name: 'thumbnails' }).click()
  await p.page.getByRole('button', { name: 'Delete' }).click()
  await p.page.getByRole('button', { name: 'Delete it' }).click()
  await p.page.getByText('No Template yet.').waitFor()
})

test('Credentials: kept and changed without their secrets ever being in the page', async (t) => {
  const p = await Page.open(t, { at: '#/credentials' })
  await p.page.getByText('No credentials yet.').waitFor()
  await p.page.getByRole('button', { name: 'New credentials' }).click()
  const values = { bucket: 'my-bucket', bucket_region: 'eu-west-1', key: 'AKIAKEY0001', secret: 'very-secret-0001' }
  await p.page.locator('#c-name').fill('my_s3')
  for (const [k, v] of Object.entries(values)) await p.page.locator(`#c-${k}`).fill(v)
  await p.page.getByRole('button', { name: 'Create' }).click()
  await p.page.getByRole('row', { name: /my_s3/ }).waitFor()
  await p.page.getByRole('button', { name: 'Edit my_s3' }).click()
  const all = () => p.page.evaluate(() => document.documentElement.outerHTML + [...document.querySelectorAll('input')].map((i) => i.value).join())
  assert.ok(!(await all()).includes(values.secret))
  assert.ok(!(await all()).includes(values.key))
  await p.page.locator('#c-bucket').fill('other-bucket')
  await p.page.getByRole('button', { name: 'Save' }).click()
  await p.page.getByRole('button', { name: 'Save' }).waitFor({ state: 'detached' })
  const put = new URLSearchParams(p.requests.find((r) => r.method === 'PUT').body)
  assert.deepEqual(JSON.parse(put.get('params')).content, { ...values, bucket: 'other-bucket' }, 'what was left empty stays')
  await p.page.getByRole('button', { name: 'Delete my_s3' }).click()
  await p.page.getByRole('button', { name: 'Delete them' }).click()
  await p.page.getByText('No credentials yet.').waitFor()
})

test('Credentials are tested by a button, which says that they work or what does not', async (t) => {
  const sshd = await Sshd.start()
  t.after(() => sshd.stop())
  const p = await Page.open(t, { at: '#/credentials', args: ['--import-allow', '127.0.0.1'] })
  for (const [name, key] of [['good', 'own'], ['wrong', 'other']]) {
    const content = { host: '127.0.0.1', port: String(sshd.port), user: sshd.user, private_key: sshd.text(key) }
    assert.ok((await p.server.signedPost('/template_credentials', { name, type: 'sftp', content })).ok)
  }
  await p.go('#/workers')
  await p.go('#/credentials')
  await p.page.getByRole('button', { name: 'Test good' }).click()
  await p.page.getByText('good works.').waitFor({ timeout: 120000 })
  await p.page.getByRole('button', { name: 'Test wrong' }).click()
  await p.page.getByText(/wrong does not work: .* does not let .* in with this key/).waitFor({ timeout: 120000 })
  await p.page.getByText('WORKER_JOB_ERROR').first().waitFor()
})

test('Notifications: each attempt is listed, and one can be sent again', async (t) => {
  let answer = 500
  const seen = []
  const receiver = http.createServer((req, res) => { seen.push(req.url); req.resume(); res.writeHead(answer).end(answer === 200 ? 'thanks' : 'not now') }).listen(0, '127.0.0.1')
  await new Promise((r) => receiver.on('listening', r))
  t.after(() => receiver.close())
  const p = await Page.open(t, { args: ['--notify-allow', '127.0.0.1'], at: '#/notifications' })
  await p.page.getByText('No notification yet.').waitFor()
  const a = await p.server.create({ ':original': { robot: '/upload/handle', result: true } }, { files: { x: 'abc' }, params: { notify_url: `http://127.0.0.1:${receiver.address().port}/hook` } })
  await p.page.locator('tbody .pill.failed', { hasText: '500' }).first().waitFor()
  answer = 200
  await p.page.getByRole('button', { name: /Replay the notification/ }).first().click()
  await p.page.getByText('Delivered.', { exact: true }).waitFor()
  await p.page.locator('tbody .pill.done', { hasText: '200' }).first().waitFor()
  assert.ok(seen.length >= 2)
  await p.page.getByRole('link', { name: a.assembly_id.slice(0, 12) }).first().click()
  await p.page.getByText('Notification', { exact: true }).waitFor()
})

test('Workers: what runs is shown, and what waits is counted', async (t) => {
  const p = await Page.open(t, { args: ['--workers-media', '1'], at: '#/workers' })
  await p.page.getByText('Ready', { exact: true }).waitFor()
  const data = fs.readFileSync(picture)
  const a = await p.server.create(steps.slow, { files: { 'a.png': data, 'b.png': data, 'c.png': data } })
  await p.page.locator('.cell.busy.own', { hasText: 'huge' }).waitFor()
  await p.page.locator('[data-figure="media-live"]', { hasText: '2' }).waitFor()
  assert.equal(await p.page.locator('[data-figure="media-busy"]').innerText(), '1 of 1')
  await p.page.getByRole('link', { name: a.assembly_id.slice(0, 12) }).waitFor()
  await p.server.cancel(a.assembly_id)
  await p.page.locator('[data-figure="media-live"]', { hasText: '0' }).waitFor()
  await p.page.locator('[data-figure="media-busy"]', { hasText: '0 of 1' }).waitFor()
})

const pdf = `%PDF-1.4
1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj
2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj
3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 200 100]>>endobj
trailer<</Root 1 0 R>>
%%EOF
`
test('a stream is played from the files that it is made of, and its pieces are no films', async (t) => {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'console-'))
  t.after(() => fs.rmSync(dir, { recursive: true }))
  const film = (size) => {
    const name = path.join(dir, `${size}.mp4`)
    execFileSync('ffmpeg', ['-v', 'error', '-f', 'lavfi', '-i', `testsrc2=size=${size}:rate=25:duration=4`,
      '-f', 'lavfi', '-i', 'sine=duration=4',
      '-c:v', 'libx264', '-preset', 'ultrafast', '-pix_fmt', 'yuv420p', '-g', '50', '-c:a', 'aac', name])
    return fs.readFileSync(name)
  }
  const p = await Page.open(t)
  const use = { steps: [':original'], bundle_steps: true }
  const steps = { stream: { robot: '/video/adaptive', use, technique: 'cmaf', segment_duration: 2, result: true } }
  const a = await p.server.create(steps, { files: { 'a.mp4': film('320x180'), 'b.mp4': film('160x90') } })
  await p.go(`#/assembly/${a.assembly_id}`)
  await state(p, 'Completed')
  const results = p.page.locator('.step-results')
  assert.equal(await results.locator('video').count(), 0)
  await results.getByRole('button', { name: 'Play the stream' }).click()
  await p.until(() => document.querySelector('.step-results video')?.currentTime > 2.5)
  assert.deepEqual(await p.page.evaluate(() => {
    const v = document.querySelector('.step-results video')
    return [v.duration, v.error, [320, 160].includes(v.videoWidth)]
  }), [4, null, true])
})

test('previews: picture, video, sound, PDF', async (t) => {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'console-'))
  t.after(() => fs.rmSync(dir, { recursive: true }))
  const ffmpeg = (...args) => execFileSync('ffmpeg', ['-v', 'error', ...args])
  ffmpeg('-f', 'lavfi', '-i', 'testsrc=size=160x120:rate=10:duration=1', '-c:v', 'libvpx', path.join(dir, 'v.webm'))
  ffmpeg('-f', 'lavfi', '-i', 'sine=duration=1', path.join(dir, 's.wav'))
  fs.writeFileSync(path.join(dir, 'd.pdf'), pdf)
  const p = await Page.open(t)
  const files = Object.fromEntries(['v.webm', 's.wav', 'd.pdf'].map((n) => [n, fs.readFileSync(path.join(dir, n))]))
  const a = await p.server.create({ ':original': { robot: '/upload/handle', result: true } }, { files: { ...files, 'a.png': fs.readFileSync(picture) } })
  await p.go(`#/assembly/${a.assembly_id}`)
  await state(p, 'Completed')
  const results = p.page.locator('.step-results')
  await results.locator('img').scrollIntoViewIfNeeded()
  await p.until(() => document.querySelector('.step-results img')?.naturalWidth === 512)
  await p.until(() => document.querySelector('.step-results video')?.videoWidth === 160)
  await p.until(() => document.querySelector('.step-results audio')?.duration > 0.9)
  await results.getByRole('button', { name: 'Show the PDF' }).click()
  await results.locator('iframe[src^="blob:"]').waitFor()
  await sleep(500)
})

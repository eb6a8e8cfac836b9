// How the console stands: for everybody, on every screen, against hostile names.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import zlib from 'node:zlib'
import { after, test } from 'node:test'
import { Server } from '../e2e/server.mjs'
import { closeBrowser, KEY, Page, picture, SECRET, sleep, steps } from './browser.mjs'

after(closeBrowser)

// One server with something in every view, and the addresses of those.
async function furnished(t) {
  const s = await Server.start(t, { args: ['--workers-media', '1'] })
  const data = fs.readFileSync(picture)
  const small = { small: { robot: '/image/resize', use: ':original', width: 320, result: true } }
  const done = await s.create(small, { files: { 'a-picture-with-quite-a-long-name-without-any-space-in-it.png': data } })
  await s.until(done.assembly_id)
  const failed = await s.create({ x: { robot: '/image/resize', use: ':original', width: 10 } }, { files: { 'broken.jpg': Buffer.alloc(0) } })
  await s.until(failed.assembly_id)
  const canceled = await s.create(steps.slow, { files: { 'a.png': data, 'b.png': data } })
  await s.until(canceled.assembly_id, (st) => st.running_jobs.some((j) => j.startsWith('huge')))
  await s.cancel(canceled.assembly_id)
  // longer than it takes to look at every view
  const many = Object.fromEntries([...'abcdef'].map((n) => [`${n}.png`, data]))
  const running = await s.create({ ...small, ...steps.slow }, { files: many })
  const finish = s.finish
  s.finish = async () => { await s.cancel(running.assembly_id).catch(() => {}); await finish.call(s) } // it would go on for long
  return { server: s, running, views: { list: '#/assemblies', done: `#/assembly/${done.assembly_id}`, failed: `#/assembly/${failed.assembly_id}`, canceled: `#/assembly/${canceled.assembly_id}`, running: `#/assembly/${running.assembly_id}`,
    playground: '#/playground', templates: '#/templates', template: '#/templates/new', credentials: '#/credentials', notifications: '#/notifications', workers: '#/workers' } }
}

async function settled(p, name) {
  await p.page.locator('main h1').waitFor()
  if (['done', 'failed', 'canceled', 'running'].includes(name)) await p.page.locator('.timeline').waitFor()
  if (name === 'list') await p.page.locator('tbody tr').first().waitFor()
  if (name === 'playground') { await p.page.locator('.graph').waitFor(); await p.page.locator('summary', { hasText: 'Robots and' }).click() }
  if (name === 'credentials') { await p.page.getByText('No credentials yet.').waitFor(); await p.page.getByRole('button', { name: 'New credentials' }).click() }
  if (name === 'done') await p.page.locator('summary', { hasText: 'Raw status' }).click()
  await sleep(350)
}

for (const scheme of ['light', 'dark'])
  test(`axe-core finds nothing in any view, ${scheme}`, async (t) => {
    const { server, views, running } = await furnished(t)
    const p = await Page.open(t, { server, scheme, signIn: false })
    const found = { signin: await p.axe() }
    await p.signIn()
    for (const [name, at] of Object.entries(views)) {
      await p.go(at)
      await settled(p, name)
      found[name] = await p.axe()
    }
    await p.go(`#/assembly/${running.assembly_id}`)
    await p.page.getByRole('button', { name: 'Cancel' }).click()
    found.dialog = await p.axe()
    assert.equal(Object.keys(found).length, 13)
    assert.deepEqual(Object.entries(found).filter(([, v]) => v.length), [])
  })

test('at 320 pixels (a phone, or 400 percent) nothing is wider than the screen', async (t) => {
  const { server, views } = await furnished(t)
  const p = await Page.open(t, { server, width: 320, height: 640, signIn: false })
  const over = { signin: await p.overflow() }
  await p.signIn()
  for (const [name, at] of Object.entries(views)) {
    await p.go(at)
    await settled(p, name)
    over[name] = await p.overflow()
    const cut = await p.page.evaluate(() => [...document.querySelectorAll('main button, main a, main input, main select')].filter((e) => e.checkVisibility() && !e.closest('.visually-hidden, .skip') && e.getBoundingClientRect().right > innerWidth + 1).map((e) => e.outerHTML.slice(0, 100)))
    assert.deepEqual(cut, [], name)
  }
  assert.deepEqual(Object.entries(over).filter(([, px]) => px > 0), [])
})

test('by keyboard alone: sign in, the list, an Assembly, cancel; the focus is always to be seen', async (t) => {
  const { server, running } = await furnished(t)
  const p = await Page.open(t, { server, signIn: false })
  const k = p.page.keyboard
  const seen = async () => {
    const f = await p.page.evaluate(() => {
      const e = document.activeElement
      const s = getComputedStyle(e)
      const after = getComputedStyle(e, '::after')
      const sibling = e.nextElementSibling && getComputedStyle(e.nextElementSibling)
      const box = e.closest('.editor-box, .drop') && getComputedStyle(e.closest('.editor-box, .drop'))
      const ring = [s, after, sibling, box].some((x) => x && x.outlineStyle !== 'none' && parseFloat(x.outlineWidth) >= 2)
      return { what: `${e.tagName} ${e.textContent.slice(0, 40)} ${e.getAttribute('aria-label') ?? ''} ${e.id} ${e.name} ${e.type}`, ring, body: e === document.body, text: (e.getAttribute('aria-label') ?? e.textContent).trim() }
    })
    if (f.body) return '' // past the end, before the beginning
    assert.ok(f.ring, `no visible focus on ${f.what}`)
    return f.text
  }
  const tabTo = async (match) => {
    for (let i = 0; i < 60; i++) {
      await k.press('Tab')
      const text = await seen()
      if (match.test(text)) return text
    }
    assert.fail(`Tab never reached ${match}`)
  }
  await p.page.getByLabel('Auth Key').waitFor()
  await k.type(KEY) // the first field has the focus already
  await k.press('Tab')
  await k.type(SECRET)
  await k.press('Enter')
  await p.page.locator('tbody tr').first().waitFor()
  await p.page.evaluate(() => document.activeElement.blur())
  await tabTo(/Skip to the content/)
  await k.press('Enter')
  assert.equal(await p.page.evaluate(() => document.activeElement.id), 'main')
  await tabTo(new RegExp(running.assembly_id))
  await k.press('Enter')
  await p.page.getByRole('button', { name: 'Cancel' }).waitFor()
  assert.equal(await p.page.evaluate(() => document.activeElement.tagName), 'H1', 'a new view begins at its heading')
  await tabTo(/^Cancel$/)
  await k.press('Enter')
  assert.equal(await seen(), 'Cancel it now')
  await k.press('Escape')
  await sleep(100)
  assert.equal(await seen(), 'Cancel', 'Escape goes back to where one was')
  await k.press('Enter')
  await k.press('Enter')
  await p.page.getByRole('heading', { name: 'Cancel receipt' }).waitFor()
  await p.page.locator('#said', { hasText: /killed/ }).waitFor({ state: 'attached' })
  assert.equal((await server.get(running.assembly_id)).ok, 'ASSEMBLY_CANCELED')
})

test('names with markup are only ever text', async (t) => {
  const p = await Page.open(t)
  const evil = '<img src=x onerror="globalThis.hacked=1"><script>hacked=1</script>'
  const name = `${evil.replaceAll('"', "'").replaceAll('/', '_')}.png`
  await p.server.until((await p.server.create({ [evil]: { robot: '/image/resize', use: ':original', width: 64, result: true } },
    { files: { [name]: fs.readFileSync(picture) }, fields: { x: evil }, params: { fields: { y: evil } } })).assembly_id)
  await p.page.locator('.c-files', { hasText: '<img src=x' }).waitFor()
  await p.page.getByRole('link', { name: /^Assembly/ }).first().click()
  await p.page.locator('.step-results h3', { hasText: evil }).waitFor()
  await p.page.locator('.file-text', { hasText: '<img src=x' }).first().waitFor()
  await p.page.locator('.timeline', { hasText: '<img src=x' }).waitFor()
  await p.page.locator('.graph text', { hasText: '<img src=x' }).first().waitFor({ state: 'attached' })
  await p.page.locator('summary', { hasText: 'Raw status' }).click()
  await p.page.locator('.raw', { hasText: 'onerror' }).waitFor()
  await p.go('#/playground')
  await p.page.locator('#instructions').fill(JSON.stringify({ steps: { [evil]: { robot: evil } } }))
  await p.page.locator('.faults', { hasText: '<img src=x' }).waitFor()
  assert.equal(await p.page.evaluate(() => globalThis.hacked), undefined)
  assert.equal(await p.page.locator('img[src="x"], main script').count(), 0)
})

test('who knows the address of an Assembly needs no key to see and to cancel it; its jobs are not told', async (t) => {
  const { server, running } = await furnished(t)
  const p = await Page.open(t, { server, signIn: false, at: `#/assembly/${running.assembly_id}` })
  await p.page.getByText('Sign in to see the jobs.').waitFor()
  await p.page.locator('.graph text', { hasText: 'huge' }).waitFor()
  assert.equal(await p.page.getByRole('button', { name: 'Replay' }).count(), 0)
  await p.page.getByRole('button', { name: 'Cancel' }).click()
  await p.page.getByRole('button', { name: 'Cancel it now' }).click()
  await p.page.getByRole('heading', { name: 'Cancel receipt' }).waitFor()
  assert.equal((await server.get(running.assembly_id)).ok, 'ASSEMBLY_CANCELED')
  assert.ok(!p.requests.some((r) => r.url.includes('signature=') || r.body.includes('signature=')))
})

test('files: compressed, with a tag; only this server\'s scripts may run, and no text may become markup', async (t) => {
  const s = await Server.start(t)
  const hop = await fetch(`${s.url}/console`, { redirect: 'manual' })
  assert.equal(hop.status, 301)
  assert.equal(hop.headers.get('location'), '/console/')
  const html = await fetch(`${s.url}/console/`)
  const csp = html.headers.get('content-security-policy')
  for (const part of ["default-src 'none'", "script-src 'self'", "frame-ancestors 'none'", "require-trusted-types-for 'script'"]) assert.ok(csp.includes(part), part)
  assert.ok(!/unsafe/.test(csp))
  const text = await html.text()
  assert.ok(!/<script(?![^>]*src)|\son\w+=|style=/i.test(text), 'nothing inline')
  const names = [...text.matchAll(/(?:src|href)="([\w.]+\.\w+)"/g)].map((m) => m[1])
  for (const seen = new Set(names); names.length;) {
    const name = names.shift()
    const plain = await fetch(`${s.url}/console/${name}`, { headers: { 'Accept-Encoding': 'identity' } })
    assert.equal(plain.status, 200, name)
    assert.equal(plain.headers.get('content-encoding'), null)
    const body = Buffer.from(await plain.arrayBuffer())
    const socket = s.raw()
    const chunks = []
    socket.on('data', (d) => chunks.push(d))
    socket.write(`GET /console/${name} HTTP/1.1\r\nHost: x\r\nAccept-Encoding: gzip\r\nConnection: close\r\n\r\n`)
    await socket.ended
    const raw = Buffer.concat(chunks)
    const at = raw.indexOf('\r\n\r\n') + 4
    assert.match(raw.subarray(0, at).toString(), /Content-Encoding: gzip/i)
    assert.deepEqual(zlib.gunzipSync(raw.subarray(at)), body)
    const again = await fetch(`${s.url}/console/${name}`, { headers: { 'If-None-Match': plain.headers.get('etag') } })
    assert.equal(again.status, 304)
    for (const m of body.toString().matchAll(/from '\.\/([\w.]+)'/g)) if (!seen.has(m[1])) { seen.add(m[1]); names.push(m[1]) }
    assert.ok(!/innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function/.test(body), name)
    assert.ok(!/https?:\/\/(?!www\.w3\.org|example\.com)/.test(body.toString().replace(/`?notify_url` must begin with http:\/\/ or https:\/\//, '')), `${name} names another server`)
  }
  assert.equal((await fetch(`${s.url}/console/nothing.js`)).status, 404)
  assert.equal((await fetch(`${s.url}/console/`, { method: 'HEAD' })).status, 200)
  const { robots } = await (await fetch(`${s.url}/robots`)).json()
  assert.ok(robots.find((r) => r.name === '/image/resize').options.some((o) => o.name === 'width' && o.max === 25000))
})

test('the theme follows the system, and the switch goes before it; less motion is no motion', async (t) => {
  const p = await Page.open(t, { scheme: 'dark', motion: 'reduce' })
  const paper = () => p.page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor)
  const dark = await paper()
  await p.page.getByLabel('Light').check({ force: true })
  const light = await paper()
  assert.notEqual(light, dark)
  await p.page.reload()
  assert.equal(await paper(), light, 'it stays for the tab')
  await p.signIn()
  await p.page.emulateMedia({ colorScheme: 'light' })
  await p.page.getByLabel('Dark').check({ force: true })
  assert.equal(await paper(), dark)
  const a = await p.server.create(steps.slow, { files: { 'a.png': fs.readFileSync(picture) } })
  await p.go(`#/assembly/${a.assembly_id}`)
  const motion = () => p.page.locator('.node.running .box').first().evaluate((e) => getComputedStyle(e).animationName)
  assert.equal(await motion(), 'none')
  await p.page.emulateMedia({ reducedMotion: 'no-preference' })
  assert.equal(await motion(), 'breathe')
  await p.server.cancel(a.assembly_id)
})

// Debian's Chromium against the real binary. Any script error, refused resource or CSP violation fails the test.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import { chromium } from 'playwright-core'
import { KEY, picture, SECRET, Server, sleep } from '../e2e/server.mjs'

export { KEY, picture, SECRET, sleep }
export const chromium_path = process.env.CHROMIUM || '/usr/bin/chromium'

let browser
export async function theBrowser() {
  browser ??= await chromium.launch({ executablePath: chromium_path, headless: true, args: process.getuid() === 0 ? ['--no-sandbox'] : [] })
  return browser
}
export const closeBrowser = async () => { await browser?.close(); browser = undefined }

export class Page {
  // options: width, height, scheme ('light', 'dark'), motion, args for the server, or server itself
  static async open(t, { width = 1280, height = 900, scheme = 'light', motion = 'reduce', server, args, at = '', signIn = true, expect = [] } = {}) {
    const p = new this()
    p.server = server ?? await Server.start(t, { args })
    const context = await (await theBrowser()).newContext({ viewport: { width, height }, colorScheme: scheme, reducedMotion: motion, locale: 'en-GB', timezoneId: 'UTC' })
    p.page = await context.newPage()
    p.page.setDefaultTimeout(Number(process.env.PAGE_TIMEOUT || 15000))
    p.requests = []
    p.trouble = []
    p.page.on('request', (r) => p.requests.push({ method: r.method(), url: r.url(), body: r.postData() ?? '', headers: r.headers() }))
    p.page.on('pageerror', (e) => p.trouble.push(`script error: ${e.stack}`))
    p.page.on('console', (m) => { if (m.type() === 'error') p.trouble.push(`console: ${m.text()} ${m.location().url}`) })
    const finish = p.server.finish // the page goes before its server does
    p.server.finish = async () => { await context.close(); await finish.call(p.server) }
    t.after(async () => {
      await context.close()
      assert.deepEqual(p.trouble.filter((x) => !expect.some((e) => e.test(x))), [])
    })
    await p.page.goto(`${p.server.url}/console/${at}`)
    if (signIn) await p.signIn().catch((e) => { throw new Error(`${e.message}\n${p.trouble.join('\n')}`) })
    return p
  }

  async signIn(key = KEY, secret = SECRET) {
    await this.page.getByLabel('Auth Key').fill(key)
    await this.page.getByLabel('Auth Secret').fill(secret)
    await this.page.getByRole('button', { name: 'Sign in' }).click()
    await this.page.getByRole('button', { name: 'Sign out' }).waitFor()
  }

  async go(hash) { await this.page.evaluate((h) => { location.hash = h }, hash) }

  // page.waitForFunction() needs eval, which the page's policy forbids
  async until(fn, arg, ms = 30000) {
    for (const end = Date.now() + ms; !await this.page.evaluate(fn, arg); await sleep(50)) assert.ok(Date.now() < end, `timed out: ${fn}`)
  }

  async overflow() {
    return this.page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth)
  }

  async axe() {
    await this.page.evaluate(fs.readFileSync(new URL('./node_modules/axe-core/axe.min.js', import.meta.url), 'utf8') + ';0')
    const got = await this.page.evaluate(() => globalThis.axe.run(document, { resultTypes: ['violations'] }))
    return got.violations.map((v) => `${v.id}: ${v.help}: ${v.nodes.slice(0, 4).map((n) => `${n.target} ${n.failureSummary}`).join(' | ')}`)
  }

  text(selector = 'main') { return this.page.locator(selector).innerText() }
}

export const steps = {
  slow: { huge: { robot: '/image/resize', use: ':original', width: 9000, format: 'avif', result: true } },
}

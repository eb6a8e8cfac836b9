// A small site with an upload page, and a browser to look at it with.
import fs from 'node:fs'
import http from 'node:http'
import path from 'node:path'
import { chromium } from 'playwright-core'
import { KEY, sign, sleep } from '../e2e/server.mjs'
import { out } from './bundle.mjs'

export async function openSite() {
  const site = http.createServer(async (req, res) => {
    const url = new URL(req.url, 'http://x')
    if (url.pathname === '/sign') {
      let body = ''
      for await (const d of req) body += d
      const params = JSON.parse(body)
      params.auth = { key: KEY, expires: new Date(Date.now() + 3600e3).toISOString() }
      const text = JSON.stringify(params)
      res.setHeader('Content-Type', 'application/json')
      // versions differ in whether they turn an object into text again; text stays as it was signed
      res.end(JSON.stringify({ params: text, signature: sign(text) }))
    } else if (/\.(js|css)$/.test(url.pathname)) {
      res.setHeader('Content-Type', url.pathname.endsWith('.css') ? 'text/css' : 'text/javascript; charset=utf-8')
      fs.createReadStream(path.join(out, path.basename(url.pathname))).on('error', () => { res.statusCode = 404; res.end() }).pipe(res)
    } else {
      const v = url.pathname.slice(1)
      res.setHeader('Content-Type', 'text/html; charset=utf-8')
      res.end(`<!doctype html><meta charset="utf-8"><title>Uppy ${v}</title><link rel="stylesheet" href="/${v}.css"><div id="dashboard"></div><script src="/${v}.js"></script>`)
    }
  })
  await new Promise((r) => site.listen(0, '127.0.0.1', r))
  site.url = `http://127.0.0.1:${site.address().port}`
  return site
}

export const openBrowser = () => chromium.launch({ executablePath: '/usr/bin/chromium', headless: true, args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage'] })

export class Tab {
  static async open(t, browser, site, version, options) {
    const tab = new this()
    Object.assign(tab, { version, site, options, console: [] })
    tab.context = await browser.newContext({ viewport: { width: 760, height: 500 } })
    t.after(() => tab.context.close())
    tab.page = await tab.context.newPage()
    tab.page.on('console', (m) => tab.console.push(m.text()))
    tab.page.on('pageerror', (e) => tab.console.push(`uncaught: ${e.message}`))
    await tab.load()
    return tab
  }

  async load() {
    await this.page.goto(`${this.site.url}/${this.version}`)
    await this.page.evaluate((o) => window.start(o), { version: this.version, ...this.options })
  }

  // Bytes per second that may be sent; 0: any.
  async throttle(up) {
    this.cdp ??= await this.context.newCDPSession(this.page)
    await this.cdp.send('Network.enable')
    await this.cdp.send('Network.emulateNetworkConditions', { offline: false, latency: 0, downloadThroughput: -1, uploadThroughput: up || -1 })
  }

  add(files) { return this.page.locator('.uppy-Dashboard-input').first().setInputFiles(files) }
  upload() { return this.page.locator('.uppy-StatusBar-actionBtn--upload').click() }
  pauseOrResume() { return this.page.locator('.uppy-StatusBar-actionCircleBtn').first().click() }
  cancel() { return this.page.locator('[data-cy=cancel], .uppy-StatusBar-actionCircleBtn[title=Cancel]').first().click() }
  retry() { return this.page.locator('.uppy-StatusBar-actionBtn--retry') }
  seen() { return this.page.evaluate(() => window.seen) }
  files() { return this.page.evaluate(() => window.uppy.getFiles().map((f) => ({ name: f.name, error: f.error, sent: f.progress.bytesUploaded, paused: f.isPaused }))) }
  picture(name) { return this.page.screenshot({ path: path.join(out, `uppy-${this.version}-${name}.png`) }) }

  async until(what, condition, ms = 20000) {
    for (const end = Date.now() + ms; ; await sleep(50)) {
      const seen = await this.seen()
      const is = await condition(seen)
      if (is) return is
      if (Date.now() > end) {
        await this.picture('failed')
        throw new Error(`Uppy ${this.version}: ${what} did not happen. ${JSON.stringify(seen).slice(0, 1500)} ${JSON.stringify(await this.files())} ${this.console.slice(-10).join(' | ')}`)
      }
    }
  }
}

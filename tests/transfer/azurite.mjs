// A real Azurite, Microsoft's own emulator of Azure Storage, and requests to it that are signed here, by node:crypto
// and by the documentation, not by what is tested.
import { spawn } from 'node:child_process'
import { createHmac } from 'node:crypto'
import { once } from 'node:events'
import http from 'node:http'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { freePort } from '../e2e/server.mjs'

const program = path.join(path.dirname(fileURLToPath(import.meta.url)), 'node_modules/azurite/dist/src/blob/main.js')
const sleep = (ms) => new Promise((r) => setTimeout(r, ms))

export class Azurite {
  static account = 'devstoreaccount1'
  // that everybody knows
  static key = 'Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=='

  static async start(t) {
    const a = new Azurite()
    a.port = await freePort()
    a.child = spawn(process.execPath, [program, '--silent', '--inMemoryPersistence', '--skipApiVersionCheck',
      '--disableTelemetry', '--blobHost', '127.0.0.1', '--blobPort', String(a.port)], 
    { stdio: ['ignore', 'pipe', 'pipe'] })
    let said = ''
    for (const s of [a.child.stdout, a.child.stderr]) s.on('data', (d) => { said += d })
    const gone = once(a.child, 'exit')
    t.after(async () => { a.child.kill('SIGKILL'); await gone })
    for (const end = Date.now() + 120000; ; await sleep(100)) {
      if (a.child.exitCode !== null || Date.now() > end) throw new Error(`Azurite does not answer: ${said}`)
      if (await a.call('GET', '?comp=list').catch(() => null)) return a
    }
  }

  // rest: "container/blob?query", each part encoded already
  call(method, rest, { headers = {}, body } = {}) {
    const at = `/${Azurite.account}/${rest}`
    const [route, query = ''] = at.split('?')
    const all = { 'x-ms-date': new Date().toUTCString(), 'x-ms-version': '2021-08-06', ...headers }
    if (body !== undefined) all['Content-Length'] = String(body.length)
    const of = (name) => Object.entries(all).find(([k]) => k.toLowerCase() === name)?.[1] ?? ''
    const own = Object.keys(all).map((k) => k.toLowerCase()).filter((k) => k.startsWith('x-ms-')).sort()
    const words = query.split('&').filter(Boolean).map((p) => p.split('=').map(decodeURIComponent))
      .sort(([x], [y]) => (x < y ? -1 : 1))
    const text = [method, of('content-encoding'), of('content-language'), of('content-length').replace(/^0$/, ''),
      of('content-md5'), of('content-type'), '', '', of('if-match'), of('if-none-match'), '', of('range'),
      ...own.map((k) => `${k}:${of(k)}`), `/${Azurite.account}${route}`, 
      ...words.map(([k, v]) => `${k.toLowerCase()}:${v}`)].join('\n')
    const mac = createHmac('sha256', Buffer.from(Azurite.key, 'base64')).update(text).digest('base64')
    all.Authorization = `SharedKey ${Azurite.account}:${mac}`
    return new Promise((resolve, reject) => {
      const q = http.request({ host: '127.0.0.1', port: this.port, method, path: at, headers: all, agent: false },
        (r) => {
        const parts = []
        r.on('data', (d) => parts.push(d))
        r.on('end', () => resolve({ status: r.statusCode, headers: r.headers, body: Buffer.concat(parts) }))
        r.on('error', reject)
      })
      q.on('error', reject)
      q.end(body)
    })
  }

  async fine(...args) {
    const r = await this.call(...args)
    if (r.status >= 300) throw new Error(`${args[0]} ${args[1]}: ${r.status} ${r.body}`)
    return r
  }

  // A shared access signature of the service for a container (Create a service SAS): permissions of "racwdl", good for
  // so many seconds.
  static sas(container, permissions, seconds = 3600) {
    const words = { sv: '2020-12-06', sr: 'c', sp: permissions,
      se: new Date(Date.now() + seconds * 1000).toISOString().replace(/\.\d+Z$/, 'Z') }
    const text = [words.sp, '', words.se, `/blob/${Azurite.account}/${container}`, '', '', '', words.sv, words.sr,
      '', '', '', '', '', '', ''].join('\n')
    const sig = createHmac('sha256', Buffer.from(Azurite.key, 'base64')).update(text).digest('base64')
    return new URLSearchParams({ ...words, sig }).toString()
  }

  makeContainer(name) { return this.fine('PUT', `${name}?restype=container`) }

  static place(container, name) { return `${container}/${name.split('/').map(encodeURIComponent).join('/')}` }

  put(container, name, body, headers = {}) { return this.fine('PUT', Azurite.place(container, name), { body,
    headers: { 'x-ms-blob-type': 'BlockBlob', ...headers } }) }

  async read(container, name) { return (await this.fine('GET', Azurite.place(container, name))).body }

  async list(container, prefix = '') {
    const names = []
    for (let marker = ''; ;) {
      const from = marker && `&marker=${encodeURIComponent(marker)}`
      const query = `restype=container&comp=list&prefix=${encodeURIComponent(prefix)}${from}`
      const xml = (await this.fine('GET', `${container}?${query}`)).body.toString()
      const plain = (s) => s.replace(/&(lt|gt|quot|apos|amp|#x[0-9a-f]+|#[0-9]+);/gi, (_, e) => ({ lt: '<', gt: '>',
        quot: '"', apos: "'", amp: '&' })[e] ?? String.fromCodePoint(Number(e.replace('#x', '0x').replace('#', ''))))
      names.push(...[...xml.matchAll(/<Blob><Name>([^<]*)<\/Name>/g)].map((m) => plain(m[1])))
      marker = xml.match(/<NextMarker>([^<]+)<\/NextMarker>/)?.[1]
      if (!marker) return names
    }
  }
}

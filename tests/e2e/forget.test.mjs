// Assemblies that are over leave memory after a while. What is asked of them just then must find them, or not, and never what
// was freed: under AddressSanitizer this ends the server at once, without it after a while. And what their status says
// then is what it said before: few of them are stored whole.
import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import assert from 'node:assert/strict'
import http from 'node:http'
import { test } from 'node:test'
import { KEY, picture, Server } from './server.mjs'

const SECONDS = Number(process.env.FORGET_SECONDS || 8)

test('requests for Assemblies that leave memory are answered, each of them', async (t) => {
  const s = await Server.start(t, { args: ['--memory-keep-s', '1', '--log-level', 'warn'] })
  const end = Date.now() + SECONDS * 1000, agent = new http.Agent({ keepAlive: true })
  const post = (path, body) => new Promise((resolve, reject) => {
    const req = http.request(s.url + path, { method: 'POST', agent, headers: body ? { 'Content-Type': 'application/x-www-form-urlencoded' } : {} }, (res) => {
      let text = ''
      res.on('data', (d) => { text += d })
      res.on('end', () => resolve({ status: res.statusCode, body: JSON.parse(text) }))
    })
    req.on('error', reject)
    req.end(body)
  })
  const wanted = new URLSearchParams({ params: JSON.stringify({ auth: { key: KEY }, steps: { a: { robot: '/image/resize', use: ':original', width: 1 } } }) }).toString()
  const ways = ['reserve_file?size=1', 'add_file?size=1&s3Url=http://127.0.0.1:9/']
  let asked = 0
  await Promise.all(Array.from({ length: 8 }, async () => {
    let ids = []
    while (Date.now() < end) {
      for (let i = 0; i < 3; i++) ids.push([Date.now(), (await post('/assemblies', wanted)).body.assembly_id])
      ids = ids.filter(([at]) => Date.now() - at < 3500)
      for (const [at, id] of ids) {
        if (Date.now() - at < 700) continue
        const r = await post(`/assemblies/${id}/${ways[asked % ways.length]}`)
        assert.ok(r.body.ok || r.body.error, JSON.stringify(r))
        asked++
      }
    }
  }))
  agent.destroy()
  assert.ok(asked > 50, `${asked} requests`)
})

test('a status says the same after a restart, to the byte, whatever made it', async (t) => {
  const s = await Server.start(t, { args: ['--region', 'first'] })
  const file = { 'a.png': fs.readFileSync(picture) }
  const small = { robot: '/image/resize', use: ':original', width: 20, result: true }
  const made = [
    await s.create({ a: small, b: { robot: '/file/hash', use: 'a', result: true } }, { files: file }),
    await s.create({ a: small }, { files: { 'no.png': Buffer.from('\x89PNG\r\n\x1a\nbroken', 'latin1') } }),
    await s.create({ a: { ...small, ignore_errors: true } }, { files: { 'no.txt': 'text' }, fields: { n: 'ü' } }),
    await s.create({ a: { robot: '/none', use: ':original' } }),
    await s.create({ a: small }, { expected: 1 }),
    await s.create({ a: small }, { expected: 1 }),
  ]
  await s.patch(await s.tusCreate(made[4], 10), 0, 'half')
  await s.patch(await s.tusCreate(made[5], 4), 0, 'text')
  await s.cancel(made[4].assembly_id)
  for (const a of made) await s.until(a.assembly_id)
  const texts = () => Promise.all(made.map(async (a) => (await fetch(`${s.url}/assemblies/${a.assembly_id}`)).text()))
  const before = await texts()
  await s.stop()
  s.args[s.args.indexOf('first')] = 'second'
  await s.boot()
  const after = await texts()
  before.forEach((text, i) => assert.equal(after[i], text, JSON.parse(text).ok ?? JSON.parse(text).error))
  const stored = execFileSync('sqlite3', [`${s.dir}/workcell.db`,
    'select count(*), count(status), count(made) from assembly']).toString().trim()
  assert.equal(stored, '6|1|5') // what has half an upload has more to say than its events
})

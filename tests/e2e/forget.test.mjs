// Assemblies that are over leave memory after a while. What is asked of them just then must find them, or not, and never what
// was freed: under AddressSanitizer this ends the server at once, without it after a while.
import assert from 'node:assert/strict'
import http from 'node:http'
import { test } from 'node:test'
import { KEY, Server } from './server.mjs'

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

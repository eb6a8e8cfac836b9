// What takes long keeps nobody else waiting: searches and histories are read on a thread of their own, and bounded.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { KEY, Server, sign } from './server.mjs'

const signed = (params) => {
  const text = JSON.stringify({ auth: { key: KEY, expires: '2099-01-01T00:00:00Z' }, ...params })
  return new URLSearchParams({ params: text, signature: sign(text) })
}
const post = async (s, path, params) => (await fetch(s.url + path, { method: 'POST', body: signed(params) })).json()
const list = async (s, params) => {
  const res = await fetch(`${s.url}/templates?${signed(params)}`)
  return { status: res.status, ...(await res.json()) }
}
const step = (more) => ({ steps: { ':original': { robot: '/upload/handle', ...more } } })

test('a search finds names and contents, of a bounded number of words', async (t) => {
  const s = await Server.start(t)
  for (const [name, more] of [['red-apple', { x: 'Grün "quoted"' }], ['red-pear', { x: 'yellow' }], ['plum', { x: 'red inside' }]])
    assert.equal((await post(s, '/templates', { name, template: step(more) })).ok, 'TEMPLATE_CREATED')
  const names = async (keywords) => (await list(s, { keywords })).items.map((i) => i.name).sort()
  assert.deepEqual(await names(['red']), ['plum', 'red-apple', 'red-pear'])
  assert.deepEqual(await names(['RED', 'yellow']), ['red-pear'])
  assert.deepEqual(await names(['red', 'inside']), ['plum'])
  assert.deepEqual(await names(['Grün']), ['red-apple'])
  assert.deepEqual(await names(['nothing']), [])
  assert.equal((await list(s, { keywords: Array(20).fill('red') })).count, 3)
  assert.equal((await list(s, { keywords: Array(21).fill('red') })).error, 'TEMPLATE_LIST_ERROR')
})

test('lists by the hundred wait for each other, and nobody else for them', async (t) => {
  const s = await Server.start(t, { args: ['--http-threads', '2'] })
  const filler = 'x'.repeat(200_000)
  for (let i = 0; i < 16; i += 8)
    await Promise.all(Array.from({ length: 8 }, (_, k) => post(s, '/templates', { name: `big-${i + k}`, template: step({ filler }) })))
  let waiting = 0
  const order = []
  const lists = Array.from({ length: 80 }, async () => {
    waiting++
    const r = await list(s, { keywords: ['not there'], pagesize: 1 })
    waiting--
    order.push('list')
    return r
  })
  const healthy = (async () => {
    let during = 0
    while (waiting) {
      assert.equal((await fetch(`${s.url}/healthz`)).status, 200)
      if (waiting) { during++; order.push('health') }
    }
    return during
  })()
  const got = await Promise.all(lists)
  const served = got.filter((r) => r.status === 200), refused = got.filter((r) => r.status === 429)
  assert.equal(served.length + refused.length, got.length)
  assert.ok(served.length >= 32, `${served.length} served`)
  for (const r of refused) assert.deepEqual([r.error, r.info.retryIn], ['RATE_LIMIT_REACHED', 1])
  assert.ok((await healthy) > 10, order.join(' '))
})

test('who asks for the description by made-up addresses, and does not read, costs nothing', async (t) => {
  const s = await Server.start(t)
  const doc = await (await fetch(`${s.url}/openapi.json`)).json()
  assert.equal(doc.servers[0].url, s.url)
  const ask = (host, path = '/openapi.json') => `GET ${path} HTTP/1.1\r\nHost: ${host}\r\n\r\n`
  for (let i = 0; i < 20; i++) {
    const c = s.raw()
    c.write(ask(`host-${i}.example`))
    for (const end = Date.now() + 10000; !c.text.endsWith('}') && Date.now() < end;) await new Promise((r) => setTimeout(r, 5))
    const got = JSON.parse(c.text.slice(c.text.indexOf('\r\n\r\n') + 4))
    assert.match(got.servers[0].url, i < 7 ? new RegExp(`^http://host-${i}\\.example$`) : /^\/$/)
    c.destroy()
  }
  const before = s.rss()
  const many = Array.from({ length: 200 }, () => s.raw())
  for (const c of many) { c.pause(); c.write(ask('another.example').repeat(20) + ask('x', '/robots').repeat(20)) }
  await new Promise((r) => setTimeout(r, 500))
  assert.equal((await fetch(`${s.url}/healthz`)).status, 200)
  const grown = s.rss() - before
  assert.ok(grown < 64 << 20, `${grown >> 20} MB`) // 200 connections of 128 KB each; the bodies would be 400 MB
  for (const c of many) c.destroy()
})

// The document that says what this server answers: valid, complete, and able to find a lie.
import { Validator } from '@seriousme/openapi-schema-validator'
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { Transloadit } from 'transloadit'
import { binary, KEY, picture, root, SECRET, Server } from './server.mjs'

const original = { ':original': { robot: '/upload/handle', result: true } }

test('the document is valid OpenAPI 3.1, and the command prints the same', async (t) => {
  const s = await Server.start(t)
  const res = await fetch(`${s.url}/openapi.json`)
  assert.equal(res.headers.get('content-type'), 'application/json; charset=utf-8')
  assert.equal(res.headers.get('access-control-allow-origin'), '*')
  const doc = await res.json()
  const { valid, errors } = await new Validator().validate(structuredClone(doc))
  assert.ok(valid, JSON.stringify(errors, null, 1)?.slice(0, 3000))
  assert.equal(doc.servers[0].url, s.url)
  delete doc.servers
  assert.deepEqual(JSON.parse(execFileSync(binary, ['openapi'], { encoding: 'utf8' })), doc)
})

test('every row of the route table is described, with its scope', async (t) => {
  const s = await Server.start(t)
  const doc = await (await fetch(`${s.url}/openapi.json`)).json()
  const table = fs.readFileSync(path.join(root, 'src/api/routes.c'), 'utf8')
  const rows = [...table.matchAll(/\{"(GET|POST|PUT|DELETE|HEAD|PATCH)",\s*"(\/[^"]*)"((?:[^{}]|\{[^{}]*\})*)\}/g)]
    .filter((m) => m[3].includes('.about')) // others have nothing to say
  assert.ok(rows.length > 45)
  for (const [, method, pattern] of rows) assert.ok(doc.paths[pattern.replace(/\*$/, '{path}')]?.[method.toLowerCase()]?.summary, `${method} ${pattern}`)
  assert.deepEqual(doc.paths['/templates/{name}'].put.security, [{ signature: ['templates:write'] }, { bearer: ['templates:write'] }])
  assert.deepEqual(doc.paths['/assemblies/{id}'].delete.security, [{}, { signature: ['assemblies:write'] }, { bearer: ['assemblies:write'] }])
  for (const [at, item] of Object.entries(doc.paths)) for (const [verb, op] of Object.entries(item)) {
    if (at.startsWith('/ws') || at.startsWith('/companion')) continue // other protocols
    assert.match(op['x-need'], /^(none|create|signed|cancel)$/, `${verb} ${at}`)
  }
  const ids = Object.values(doc.paths).flatMap((p) => Object.values(p).map((o) => o.operationId))
  assert.equal(new Set(ids).size, ids.length)
})

test('an answer that the document does not allow is noticed', async (t) => {
  const s = await Server.start(t)
  const a = await s.create({ small: { robot: '/image/resize', use: ':original', width: 20, result: true } }, { files: { 'a.png': fs.readFileSync(picture) } })
  const good = await s.until(a.assembly_id)
  const contract = new globalThis.contract.Contract(await (await fetch(`${s.url}/openapi.json`)).json())
  const at = `/assemblies/${a.assembly_id}`
  const fault = (change, status = 200) => {
    const body = structuredClone(good)
    change(body)
    return contract.fault('GET', at, status, 'application/json; charset=utf-8', JSON.stringify(body))
  }
  assert.equal(fault(() => {}), undefined)
  assert.match(fault((b) => { b.bytes_received = '7' }), /bytes_received must be integer/)
  assert.match(fault((b) => { delete b.websocket_url }), /websocket_url/)
  assert.match(fault((b) => { b.assemblyId = 'x' }), /additional/)
  assert.match(fault((b) => { b.results.small[0].size = -1 }), /size/)
  assert.match(fault((b) => { b.start_date = '2031-05-06' }), /start_date/)
  assert.match(fault((b) => { delete b.ok }), /ok|oneOf/)
  assert.match(fault(() => {}, 418), /not in the document/)
  assert.match(contract.fault('GET', '/nowhere', 200, 'application/json', '{}'), /not in the document/)
})

test('what the official SDK hears is looked at too', async (t) => {
  const s = await Server.start(t)
  const client = new Transloadit({ authKey: KEY, authSecret: SECRET, endpoint: s.url })
  const before = globalThis.contract.seen(s.url)
  await client.createAssembly({ params: { steps: original }, waitForCompletion: true, uploads: { f: 'hello' } })
  await client.listTemplates()
  assert.ok(globalThis.contract.seen(s.url) >= before + 3)
})

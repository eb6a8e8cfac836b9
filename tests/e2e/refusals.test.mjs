// Each refused request leaves a line in the log, and no flood of them; every answer has an id that the line has, too.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { KEY, SECRET, Server, sign } from './server.mjs'

const lines = (s) => s.log.split('\n').filter((l) => / refused: /.test(l))
const line = async (s, id) => {
  for (const end = Date.now() + 5000; Date.now() < end; await new Promise((r) => setTimeout(r, 10))) {
    const found = lines(s).filter((l) => l.includes(`request=${id} `))
    if (found.length) { assert.equal(found.length, 1); return found[0] }
  }
  assert.fail(`no line for ${id}:\n${s.log}`)
}
const form = (params, more = {}) => new URLSearchParams({ params: typeof params === 'string' ? params : JSON.stringify(params), ...more })
const later = '2099-01-01T00:00:00Z'

test('a refusal is logged with its code, key, address and id', async (t) => {
  const s = await Server.start(t)
  const good = { auth: { key: KEY, expires: later } }
  const a = await s.create({ ':original': { robot: '/upload/handle' } }, { expected: 1 })
  const table = [
    ['GET', '/nowhere', {}, 404, /GET \/nowhere: 404 SERVER_404, key -, from 127\.0\.0\.1$/],
    ['PUT', '/robots', {}, 405, /PUT \/robots: 405 SERVER_404, key -/],
    ['GET', `/templates?${form(good, { signature: 'sha384:00' })}`, {}, 400, /GET \/templates: 400 INVALID_SIGNATURE, key test-key, from/],
    ['GET', `/templates?${form({ auth: { key: 'nobody-known', expires: later } }, { signature: 'sha384:00' })}`, {}, 400, /400 GET_ACCOUNT_UNKNOWN_AUTH_KEY, key nobody-known, from/],
    ['GET', `/templates?${form({ auth: { key: 'x\n2026 error forged', expires: later } })}`, {}, 400, /UNKNOWN_AUTH_KEY, key \(unreadable\), from/],
    ['POST', '/assemblies', { body: form({ auth: { key: KEY }, steps: {} }) }, 400, /POST \/assemblies: 400 ASSEMBLY_EMPTY_STEPS, key test-key/],
    ['POST', '/assemblies', { body: form('{') }, 400, /400 INVALID_PARAMS_FIELD, key -/],
    ['POST', '/token', { headers: { Authorization: `Basic ${Buffer.from(`${KEY}:wrong-secret`).toString('base64')}` } }, 401, /401 TOKEN_INVALID_CREDENTIALS, key test-key/],
    ['GET', `/assemblies/${'0'.repeat(32)}?callback=cb`, {}, 200, /200 ASSEMBLY_NOT_FOUND/],
    ['PATCH', `/resumable/files/${'0'.repeat(32)}`, { headers: { 'Tus-Resumable': '1.0.0', 'Upload-Offset': '0', 'Content-Type': 'application/offset+octet-stream' }, body: 'x' }, 404, /PATCH .*: 404 HTTP 404/],
    ['GET', '/tmpfiles/00/000000000000000000000000000000/x', {}, 404, /404 SERVER_404/],
  ]
  for (const [method, path, init, status, want] of table) {
    const res = await fetch(s.url + path, { method, ...init })
    await res.arrayBuffer()
    const id = res.headers.get('x-request-id')
    assert.equal(res.status, status, path)
    assert.match(id, /^[0-9a-f]{16}$/)
    assert.match(await line(s, id), want)
  }
  const text = JSON.stringify(good)
  const fine = await fetch(`${s.url}/templates?${form(text, { signature: sign(text) })}`)
  assert.match(fine.headers.get('x-request-id'), /^[0-9a-f]{16}$/)
  assert.equal(lines(s).length, table.length) // what is answered leaves none
  const c = s.raw()
  c.write('POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n')
  await c.ended
  assert.match(await line(s, c.text.match(/X-Request-Id: (\w+)/)[1]), /400 INVALID_FORM_DATA/)
  assert.ok(!s.log.includes(SECRET) && !s.log.includes('wrong-secret') && !s.log.includes('forged'))
  await s.cancel(a.assembly_id)
})

test('a flood of refusals is a few lines and a number', async (t) => {
  const s = await Server.start(t)
  const count = 600
  for (let i = 0; i < count; i += 20) await Promise.all(Array.from({ length: 20 }, () => fetch(`${s.url}/nowhere`).then((r) => r.arrayBuffer())))
  const other = await fetch(`${s.url}/templates`)
  assert.match(await line(s, other.headers.get('x-request-id')), /NO_PARAMS_FIELD/) // another code is not drowned
  await s.stop()
  const said = lines(s).filter((l) => l.includes('SERVER_404')).length
  const more = [...s.log.matchAll(/ (\d+) more refused like this: SERVER_404/g)].reduce((n, m) => n + Number(m[1]), 0)
  assert.ok(said >= 20 && said < 150, `${said} lines`)
  assert.equal(said + more, count)
})

test('an id and an address from a proxy count only behind one that is trusted, and when they are well-formed', async (t) => {
  for (const trust of [false, true]) {
    const s = await Server.start(t, { args: trust ? ['--trust-forwarded'] : [] })
    const ask = async (headers) => {
      const res = await fetch(`${s.url}/nowhere`, { headers })
      await res.arrayBuffer()
      const id = res.headers.get('x-request-id')
      return [id, await line(s, id)]
    }
    const [id, text] = await ask({ 'X-Request-Id': 'from-the.proxy_1', 'X-Forwarded-For': '6.6.6.6, 192.0.2.7' })
    if (!trust) {
      assert.match(id, /^[0-9a-f]{16}$/)
      assert.match(text, /from 127\.0\.0\.1$/)
    } else {
      assert.equal(id, 'from-the.proxy_1')
      assert.match(text, /from 192\.0\.2\.7$/) // what stands before is the client's own word
      for (const bad of ['short', 'x'.repeat(65), 'has blanks in it', 'quote"quote"', '<script>alert'])
        assert.match((await ask({ 'X-Request-Id': bad }))[0], /^[0-9a-f]{16}$/, bad)
      assert.match((await ask({ 'X-Forwarded-For': 'error forged=1' }))[1], /from 127\.0\.0\.1$/)
      assert.match((await ask({ 'X-Forwarded-For': '2001:db8::7' }))[1], /from 2001:db8::7$/)
    }
  }
})

// The official MCP server, unmodified, as a child process over standard input and output: every tool that it lists.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import { Transloadit } from '@transloadit/node'
import { spawn } from 'node:child_process'
import { freePort, KEY, picture, root, SECRET, Server, sleep } from './server.mjs'
import { there, workDir } from './there.mjs'

const home = path.join(root, 'tests/e2e/node_modules/@transloadit/mcp-server')
const script = path.join(home, JSON.parse(fs.readFileSync(path.join(home, 'package.json'))).bin['transloadit-mcp'])
const resized = { resized: { robot: '/image/resize', use: ':original', width: 100, result: true } }
const original = { ':original': { robot: '/upload/handle', result: true } }
const nobody = '0'.repeat(32)

class Mcp {
  static async start(t, { env = {} } = {}) {
    const m = new Mcp()
    m.s = await Server.start(t, { args: ['--import-allow', '127.0.0.1'] })
    m.dir = workDir(t)
    const transport = new StdioClientTransport({
      command: process.execPath, args: [script, 'stdio'], cwd: m.dir, stderr: 'pipe',
      env: { PATH: process.env.PATH, HOME: m.dir, TRANSLOADIT_KEY: KEY, TRANSLOADIT_SECRET: SECRET, TRANSLOADIT_ENDPOINT: m.s.url, ...env },
    })
    m.err = ''
    transport.stderr.on('data', (d) => { m.err += d })
    await m.connect(t, transport)
    return m
  }

  async connect(t, transport) {
    this.called = new Set()
    this.client = new Client({ name: 'test', version: '1' })
    await this.client.connect(transport)
    t.after(() => this.client.close())
  }

  // The client checks the answer against the tool's own output schema.
  async call(name, args = {}, status = 'ok') {
    this.called.add(name)
    const r = await this.client.callTool({ name: `transloadit_${name}`, arguments: args })
    assert.ok(!r.isError, JSON.stringify(r.content))
    assert.equal(r.structuredContent.status, status, JSON.stringify(r.structuredContent))
    return r.structuredContent
  }

  async refused(name, args, code) {
    const r = await this.client.callTool({ name: `transloadit_${name}`, arguments: args })
    assert.ok(r.isError, JSON.stringify(r))
    assert.ok(r.content[0].text.includes(code), r.content[0].text)
  }
}

const cases = {
  async create_assembly(m) {
    const b64 = { kind: 'base64', field: 'text', base64: Buffer.from('hello').toString('base64'), filename: 'hello.txt' }
    const done = await m.call('create_assembly', { instructions: { steps: { ...original, ...resized } }, fields: { a: 'b' }, files: [{ kind: 'path', field: 'photo', path: picture }, b64], wait_for_completion: true })
    assert.deepEqual(done.upload, { status: 'complete', total_files: 2 })
    assert.equal(done.assembly.ok, 'ASSEMBLY_COMPLETED')
    assert.deepEqual(done.assembly.uploads.map((u) => [u.field, u.name]).sort(), [['photo', 'astronaut.png'], ['text', 'hello.txt']])
    assert.equal(done.assembly.results.resized[0].meta.width, 100)
    assert.deepEqual(done.assembly.fields, { a: 'b' })
    assert.match(done.assembly.transloadit_client, /^mcp-server:/)

    // an address: imported where a step imports, else fetched and uploaded
    const web = await there(m.t, () => ({ headers: { 'Content-Type': 'image/png' }, body: fs.readFileSync(picture) }))
    const imported = { imported: { robot: '/http/import', url: 'http://elsewhere.invalid/' }, resized: { ...resized.resized, use: 'imported' } }
    const far = await m.call('create_assembly', { instructions: { steps: imported }, files: [{ kind: 'url', field: 'far', url: `${web.url}/far.png` }], wait_for_completion: true })
    assert.deepEqual([far.assembly.ok, far.assembly.results.resized[0].meta.width, web.got[0].path], ['ASSEMBLY_COMPLETED', 100, '/far.png'])

    // a Template by its id
    const { id } = await m.sdk.createTemplate({ name: 'thumbs', template: { steps: resized } })
    const by = await m.call('create_assembly', { instructions: { template_id: id }, files: [{ kind: 'path', field: 'photo', path: picture }], wait_for_completion: true })
    assert.deepEqual([by.assembly.ok, by.assembly.template_id], ['ASSEMBLY_COMPLETED', id])

    // files to come, which are sent later
    const open = await m.call('create_assembly', { instructions: { steps: resized }, files: [{ kind: 'path', field: 'photo', path: picture }], upload_behavior: 'none', expected_uploads: 1 })
    assert.match(open.upload.upload_urls.photo, /\/resumable\/files\//)
    assert.equal((await m.s.get(open.assembly.assembly_id)).ok, 'ASSEMBLY_UPLOADING')
    const rest = await m.call('create_assembly', { assembly_url: open.assembly.assembly_ssl_url, files: [{ kind: 'path', field: 'photo', path: picture }], wait_for_completion: true })
    assert.deepEqual([rest.assembly.ok, rest.upload.resumed, rest.assembly.uploads[0].tus_upload_url], ['ASSEMBLY_COMPLETED', true, open.upload.upload_urls.photo])

    await m.refused('create_assembly', { instructions: { steps: { v: { robot: '/edgly/deliver' } } } }, 'ASSEMBLY_STEP_UNKNOWN_ROBOT')
    const lost = await m.call('create_assembly', { instructions: { steps: resized }, files: [{ kind: 'path', field: 'x', path: path.join(m.dir, 'none') }] }, 'error')
    assert.equal(lost.errors[0].code, 'mcp_file_not_found')
    const builtin = await m.client.callTool({ name: 'transloadit_create_assembly', arguments: { instructions: { template_id: 'builtin/encode-nothing@latest' } } })
    assert.match(builtin.content[0].text, /not.?found/i)
  },
  async get_assembly_status(m) {
    const a = await m.s.create(resized, { expected: 1 })
    for (const args of [{ assembly_id: a.assembly_id }, { assembly_url: a.assembly_ssl_url }])
      assert.equal((await m.call('get_assembly_status', args)).assembly.ok, 'ASSEMBLY_UPLOADING')
    await m.s.cancel(a.assembly_id)
    assert.equal((await m.call('get_assembly_status', { assembly_id: a.assembly_id })).assembly.ok, 'ASSEMBLY_CANCELED')
    await m.refused('get_assembly_status', { assembly_id: nobody }, 'ASSEMBLY_NOT_FOUND')
    await m.refused('get_assembly_status', { assembly_id: 'odd' }, 'SERVER_404')
  },
  async wait_for_assembly(m) {
    const a = await m.call('create_assembly', { instructions: resized, files: [{ kind: 'path', field: 'photo', path: picture }] }) // in the background
    assert.deepEqual([a.upload.status, a.next_steps], ['uploading', ['transloadit_wait_for_assembly', 'transloadit_get_assembly_status']])
    const done = await m.call('wait_for_assembly', { assembly_url: a.assembly.assembly_ssl_url, poll_interval_ms: 100 })
    assert.deepEqual([done.assembly.ok, done.assembly.results.resized[0].meta.width], ['ASSEMBLY_COMPLETED', 100])
    const open = await m.s.create(resized, { expected: 1 })
    await m.refused('wait_for_assembly', { assembly_id: open.assembly_id, poll_interval_ms: 50, timeout_ms: 200 }, 'timed out')
  },
  async lint_assembly_instructions(m) {
    const good = await m.call('lint_assembly_instructions', { instructions: { steps: resized } })
    assert.deepEqual(good.linting_issues.filter((i) => i.severity === 'error'), [])
    const bad = await m.call('lint_assembly_instructions', { instructions: { steps: { a: { robot: '/no/such', use: ':original' } } } }, 'error')
    assert.ok(bad.linting_issues.some((i) => i.path === 'steps.a' && i.severity === 'error'))
  },
  async list_robots(m) {
    const names = (await m.call('list_robots', { search: 'image', limit: 200 })).robots.map((r) => r.name)
    assert.ok(names.includes('/image/resize'))
  },
  async get_robot_help(m) { // what it says about the Robots that are here is what this server takes
    const mine = (await (await fetch(`${m.s.url}/robots`)).json()).robots
    const help = (await m.call('get_robot_help', { robot_names: mine.map((r) => r.name) }))
    const all = (await m.call('list_robots', { limit: 200 })).robots.map((r) => r.name)
    assert.deepEqual((help.not_found ?? []).filter((n) => all.includes(n)), [])
    // some are in no public list, though there is help for them
    const helped = help.robots.map((r) => r.name)
    assert.deepEqual(mine.map((r) => r.name).filter((n) => all.includes(n) && !helped.includes(n)), [])
    assert.ok(help.robots.length >= 8)
    const here = new Set(['robot', 'use', 'result', 'queue', 'output_meta', 'user_meta', 'force_accept', 'ignore_errors', 'interpolate']) // of every Robot
    for (const { name, required_params, optional_params } of help.robots) {
      const robot = mine.find((r) => r.name === name)
      const known = new Set([...robot.options.map((p) => p.name), ...robot.not_built])
      const asked = [...required_params, ...optional_params].map((p) => p.name).filter((p) => !here.has(p))
      assert.deepEqual(asked.filter((p) => !known.has(p)), [], name)
    }
  },
  async list_templates(m) {
    assert.deepEqual((await m.call('list_templates')).templates, [])
    for (const name of ['aaaa', 'bbbb', 'cccc']) await m.sdk.createTemplate({ name, template: { steps: resized } })
    const list = await m.call('list_templates', { sort: 'name', order: 'asc', page: 2, page_size: 2, include_content: true })
    assert.deepEqual([list.total, list.templates.map((t) => [t.name, t.steps])], [3, [['cccc', resized]]])
    assert.deepEqual((await m.call('list_templates', { keywords: ['bbb'], include_builtin: 'all' })).templates.map((t) => t.name), ['bbbb'])
    const builtin = (await m.call('list_templates', { include_builtin: 'exclusively-latest' })).templates
    assert.ok(builtin.some((b) => b.id === 'builtin/serve-preview@0.0.1'))
  },
}

test('MCP: every tool that the server lists is tested here', async (t) => {
  const m = await Mcp.start(t)
  const { tools } = await m.client.listTools()
  assert.deepEqual(tools.map((x) => x.name).sort(), Object.keys(cases).map((n) => `transloadit_${n}`).sort())
  assert.deepEqual((await m.client.getServerVersion()).version, JSON.parse(fs.readFileSync(path.join(home, 'package.json'))).version)
})

for (const [name, run] of Object.entries(cases)) {
  test(`MCP: ${name}`, async (t) => {
    const m = await Mcp.start(t)
    m.t = t
    m.sdk = new Transloadit({ authKey: KEY, authSecret: SECRET, endpoint: m.s.url, validateResponses: true })
    await run(m)
    assert.ok(m.called.has(name))
    assert.equal(m.err, '', 'it complained')
  })
}

test('MCP: with a wrong secret the tools say so', async (t) => {
  const m = await Mcp.start(t, { env: { TRANSLOADIT_SECRET: 'wrong' } })
  await m.refused('create_assembly', { instructions: { steps: resized } }, 'INVALID_SIGNATURE')
  assert.match((await m.call('list_templates', {}, 'error')).errors[0].message, /INVALID_SIGNATURE/)
})

test('MCP: over HTTP, with a bearer token of ours instead of a key', async (t) => {
  const m = new Mcp()
  m.s = await Server.start(t)
  const sdk = new Transloadit({ authKey: KEY, authSecret: SECRET, endpoint: m.s.url, validateResponses: true })
  const { access_token: token } = await sdk.mintBearerToken({ aud: 'mcp', scope: ['assemblies:write', 'assemblies:read'] })
  const port = await freePort()
  const child = spawn(process.execPath, [script, 'http', '--host', '127.0.0.1', '--port', String(port), '--endpoint', m.s.url],
    { env: { PATH: process.env.PATH, HOME: workDir(t) }, stdio: 'ignore' })
  t.after(() => child.kill())
  for (const end = Date.now() + 20000; ;) {
    if (await fetch(`http://127.0.0.1:${port}/metrics`).then((r) => r.ok, () => false)) break
    assert.ok(Date.now() < end, 'it does not listen')
    await sleep(50)
  }
  await m.connect(t, new StreamableHTTPClientTransport(new URL(`http://127.0.0.1:${port}/mcp`), { requestInit: { headers: { Authorization: `Bearer ${token}` } } }))
  const done = await m.call('create_assembly', { instructions: { steps: resized }, files: [{ kind: 'path', field: 'photo', path: picture }], wait_for_completion: true })
  assert.equal(done.assembly.ok, 'ASSEMBLY_COMPLETED')
  assert.match((await m.call('list_templates', {}, 'error')).errors[0].message, /INSUFFICIENT_AUTH_SCOPE/) // not in the token
})

// The official command line, old and new package, as a child process: every command that its --help lists, its exit
// code, what it prints and the files that it writes.
import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { createHmac } from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { pdf } from './pdf.mjs'
import { KEY, picture, root, SECRET, Server } from './server.mjs'
import { there, workDir } from './there.mjs'

const scripts = {
  transloadit: path.join(root, 'tests/e2e/node_modules/transloadit/dist/cli.js'),
  '@transloadit/node': path.join(root, 'tests/e2e/node_modules/@transloadit/node/dist/cli.js'),
}
for (const [name, script] of Object.entries(scripts)) { // the file that npm links as the command
  const { bin } = JSON.parse(fs.readFileSync(path.join(root, `tests/e2e/node_modules/${name}/package.json`)))
  assert.equal(path.join(root, `tests/e2e/node_modules/${name}`, bin.transloadit ?? bin), script)
}
const nobody = '0'.repeat(32)
const resized = { resized: { robot: '/image/resize', use: ':original', width: 100, result: true } }
const json = (r) => r.out.trim().split('\n').filter(Boolean).map((l) => JSON.parse(l))
const plain = (text) => text.replace(/\x1b\[[0-9;]*m/g, '')
// Of a PNG.
const size = (file) => { const b = fs.readFileSync(file); assert.equal(b.toString('latin1', 1, 4), 'PNG', file); return [b.readUInt32BE(16), b.readUInt32BE(20)] }

class Shell {
  static async start(t, name) {
    const c = new Shell()
    c.t = t
    c.name = name
    c.isNew = name !== 'transloadit'
    c.s = await Server.start(t, { args: ['--notify-allow', '127.0.0.1', '--import-allow', '127.0.0.1'] })
    c.dir = workDir(t)
    fs.copyFileSync(picture, c.path('a.png'))
    c.write('steps.json', resized)
    return c
  }

  path(file) { return path.join(this.dir, file) }
  write(file, data) { fs.writeFileSync(this.path(file), JSON.stringify(data)); return file }

  env(more) {
    return { PATH: process.env.PATH, HOME: this.dir, TRANSLOADIT_KEY: KEY, TRANSLOADIT_SECRET: SECRET, TRANSLOADIT_ENDPOINT: this.s.url, ...more }
  }

  // input: text for its standard input; stdin: the file to read there.
  run(args, { input, stdin = '/dev/null', env = {} } = {}) {
    const fd = fs.openSync(stdin)
    const child = spawn(process.execPath, [scripts[this.name], ...args], { cwd: this.dir, env: this.env(env), stdio: [input === undefined ? fd : 'pipe', 'pipe', 'pipe'] })
    fs.closeSync(fd)
    const out = []
    const err = []
    child.stdout.on('data', (d) => out.push(d))
    child.stderr.on('data', (d) => err.push(d))
    if (input !== undefined) child.stdin.end(input)
    return new Promise((resolve) => child.on('close', (code) => resolve({ code, bytes: Buffer.concat(out), out: Buffer.concat(out).toString(), err: Buffer.concat(err).toString() })))
  }

  async ok(args, more) {
    const r = await this.run(args, more)
    assert.deepEqual([r.code, r.err], [0, ''], `${args.join(' ')}\n${r.out}`)
    return r
  }

  // It says the server's code. Some commands end with 0 all the same: theirs is in `exit`.
  async refused(args, code, exit = 1, more) {
    const r = await this.run(args, more)
    assert.equal(r.code, exit, `${args.join(' ')}\n${r.out}${r.err}`)
    assert.ok((r.err + r.out).includes(code), r.err + r.out)
    return r
  }

  async assembly(params = {}) {
    return this.s.until((await this.s.create(resized, { files: { 'a.png': fs.readFileSync(picture) }, params })).assembly_id)
  }

  async template(content = { steps: resized }, name = 'thumbs') {
    const text = JSON.stringify({ auth: { key: KEY, expires: '2099-01-01T00:00:00Z' }, name, template: content })
    const signature = `sha384:${createHmac('sha384', SECRET).update(text).digest('hex')}`
    const res = await fetch(`${this.s.url}/templates`, { method: 'POST', body: new URLSearchParams({ params: text, signature }) })
    return (await res.json()).id
  }
}

// whose service this server has not been given
const missing = (args, code) =>
  Object.assign(async (c) => { await c.refused(args, code); assert.ok(!fs.existsSync(c.path('out'))) }, { missing: true })

const cases = {
  async 'assemblies create'(c) {
    await c.ok(['assemblies', 'create', '--steps', 'steps.json', '-i', 'a.png', '-o', 'out.png'])
    assert.deepEqual(size(c.path('out.png')), [100, 100])
    // a directory, one Assembly a file
    fs.mkdirSync(c.path('in'))
    fs.mkdirSync(c.path('results'))
    for (const n of ['x.png', 'y.png']) fs.copyFileSync(picture, c.path(`in/${n}`))
    await c.ok(['assemblies', 'create', '--steps', 'steps.json', '-i', 'in', '-o', 'results'])
    assert.deepEqual(fs.readdirSync(c.path('results')).sort(), ['x.png', 'y.png'])
    assert.deepEqual(size(c.path('results/y.png')), [100, 100])
    // a Template, with a field
    const id = await c.template({ steps: { resized: { ...resized.resized, width: '${fields.w}' } } })
    await c.ok(['assemblies', 'create', '--template', id, '-f', 'w=30', '-i', 'a.png', '-o', 'small.png'])
    assert.deepEqual(size(c.path('small.png')), [30, 30])
    // from standard input (a file: of a pipe it can't read) to standard output, which the old one does not write to
    const piped = await c.run(['assemblies', 'create', '--steps', 'steps.json', '-i', '-', '-o', c.isNew ? '-' : 'piped.png'], { stdin: picture })
    assert.deepEqual([piped.code, piped.err], [0, ''])
    if (c.isNew) fs.writeFileSync(c.path('piped.png'), piped.bytes)
    assert.deepEqual(size(c.path('piped.png')), [100, 100])
    // an import, which needs no file
    const web = await there(c.t, () => ({ headers: { 'Content-Type': 'image/png' }, body: fs.readFileSync(picture) }))
    c.write('import.json', { imported: { robot: '/http/import', url: `${web.url}/far.png` }, resized: { ...resized.resized, use: 'imported', width: 20 } })
    await c.ok(['assemblies', 'create', '--steps', 'import.json', '-o', 'far.png'])
    assert.deepEqual(size(c.path('far.png')), [20, 20])
    // refusals: no file, or (the old one) an empty one
    c.write('odd.json', { v: { robot: '/edgly/deliver' } })
    fs.writeFileSync(c.path('broken.png'), Buffer.from('\x89PNG\r\n\x1a\nbroken', 'latin1'))
    const create = (n, ...more) => ['assemblies', 'create', '-o', `no-${n}.png`, ...more]
    await c.refused(create(1, '-i', 'a.png', '--steps', 'odd.json'), 'ASSEMBLY_STEP_UNKNOWN_ROBOT')
    await c.refused(create(2, '-i', 'a.png', '--template', nobody), 'TEMPLATE_NOT_FOUND')
    await c.refused(create(3, '-i', 'a.png', '--steps', 'steps.json'), 'INVALID_SIGNATURE', 1, { env: { TRANSLOADIT_SECRET: 'wrong' } })
    assert.notEqual((await c.run(create(4, '-i', 'broken.png', '--steps', 'steps.json'))).code, 0)
    for (let n = 1; n <= 4; n++) assert.ok(!fs.existsSync(c.path(`no-${n}.png`)) || (!c.isNew && fs.statSync(c.path(`no-${n}.png`)).size === 0), String(n))
  },
  async 'assemblies delete'(c) {
    const a = await c.s.create(resized, { expected: 1 })
    const done = await c.assembly()
    await c.ok(['assemblies', 'delete', a.assembly_id, done.assembly_id])
    assert.equal((await c.s.get(a.assembly_id)).ok, 'ASSEMBLY_CANCELED')
    assert.equal((await c.s.get(done.assembly_id)).ok, 'ASSEMBLY_COMPLETED')
    await c.refused(['assemblies', 'delete', nobody], 'ASSEMBLY_NOT_FOUND', 0)
  },
  async 'assemblies get'(c) {
    const a = await c.assembly()
    const [got] = json(await c.ok(['assemblies', 'get', '--json', a.assembly_id]))
    assert.deepEqual([got.assembly_id, got.ok, got.results.resized[0].meta.width], [a.assembly_id, 'ASSEMBLY_COMPLETED', 100])
    assert.match((await c.ok(['assemblies', 'get', a.assembly_id])).out, /ok: 'ASSEMBLY_COMPLETED'/)
    await c.refused(['assemblies', 'get', nobody], 'ASSEMBLY_NOT_FOUND')
    await c.refused(['assemblies', 'get', 'odd'], 'SERVER_404')
  },
  async 'assemblies lint'(c) {
    assert.doesNotMatch((await c.ok(['assemblies', 'lint', '--steps', 'steps.json'])).out, /\[error\]/)
    const bad = await c.run(['assemblies', 'lint'], { input: '{"a":{"robot":"/no/such","use":":original"}}' })
    assert.deepEqual([bad.code, /\[error\] undefined-robot/.test(bad.out)], [1, true], bad.out)
    const id = await c.template({ steps: resized })
    assert.doesNotMatch((await c.ok(['assemblies', 'lint', '--steps', 'steps.json', '--template', id])).out, /\[error\]/)
    await c.refused(['assemblies', 'lint', '--steps', 'steps.json', '--template', nobody], 'TEMPLATE_NOT_FOUND')
  },
  async 'assemblies list'(c) {
    assert.equal((await c.ok(['assemblies', 'list'])).out, '')
    const a = await c.assembly()
    const b = await c.s.create(resized, { expected: 1 })
    assert.deepEqual((await c.ok(['assemblies', 'list'])).out, `${b.assembly_id}\n${a.assembly_id}\n`)
    assert.deepEqual((await c.ok(['assemblies', 'list', '--fields', 'id,ok', '--keywords', 'a.png'])).out, `${a.assembly_id} ASSEMBLY_COMPLETED\n`)
    assert.deepEqual(json(await c.ok(['assemblies', 'list', '--json', '--after', '2001-01-01'])).map((i) => i.num_input_files), [0, 1])
    assert.equal((await c.ok(['assemblies', 'list', '--before', '2001-01-01 00:00:00'])).out, '')
    await c.refused(['assemblies', 'list', '--after', 'soon'], 'ASSEMBLY_LIST_ERROR', 0)
  },
  async 'assemblies replay'(c) {
    const hook = await there(c.t)
    const a = await c.assembly({ fields: { n: '1' } })
    await c.ok(['assemblies', 'replay', '-f', 'n=2', '--notify-url', hook.url, a.assembly_id])
    const [{ id }] = json(await c.ok(['assemblies', 'list', '--json']))
    const done = await c.s.until(id, (s) => s.notify_status === 'successful')
    assert.deepEqual([done.ok, done.parent_id, done.fields], ['ASSEMBLY_COMPLETED', a.assembly_id, { n: '2' }])
    assert.equal(hook.got.length, 1)
    // the old one writes out every default of its schema, and true for false: clip among them
    c.write('other.json', { resized: { ...resized.resized, width: 40 } })
    await c.ok(['assemblies', 'replay', '--steps', 'other.json', a.assembly_id])
    const again = await c.s.until(json(await c.ok(['assemblies', 'list', '--json']))[0].id)
    assert.equal(again.results.resized[0].meta.width, 40)
  },
  async 'auth signature'(c) {
    const made = json(await c.ok(['auth', 'signature'], { input: JSON.stringify({ auth: { expires: '2099-01-01T00:00:00Z' }, template_id: await c.template() }) }))[0]
    assert.equal(made.signature, `sha384:${createHmac('sha384', SECRET).update(made.params).digest('hex')}`)
    const res = await fetch(`${c.s.url}/assemblies`, { method: 'POST', body: new URLSearchParams(made) })
    assert.deepEqual([res.status, (await res.json()).ok], [200, 'ASSEMBLY_COMPLETED'])
    assert.match(json(await c.ok(['auth', 'signature', '-a', 'sha1'], { input: '{}' }))[0].signature, /^sha1:[0-9a-f]{40}$/)
  },
  async 'auth smart-cdn'(c) {
    const r = await c.ok(['auth', 'smart-cdn'], {
      input: JSON.stringify({ workspace: 'acme', template: 'thumbs', input: 'cats/tom 1.jpg', url_params: { w: 120, h: 90 }, expire_at_ms: 1935817689000 }),
      env: { TRANSLOADIT_KEY: 'demo-key-0001', TRANSLOADIT_SECRET: 'demo-secret-0001' },
    })
    assert.match(r.out, /sig=sha256%3A8c6ee419c3cd6d464ea58e2653a281652a0576d60011fbd89f49e798b7c4f337\n$/)
  },
  async 'auth token'(c) {
    const [token] = json(await c.ok(['auth', 'token', '--aud', 'mcp', '--scope', 'assemblies:read']))
    assert.deepEqual([token.token_type, token.scope], ['Bearer', 'assemblies:read'])
    const env = { TRANSLOADIT_AUTH_TOKEN: token.access_token, TRANSLOADIT_KEY: '', TRANSLOADIT_SECRET: '' }
    if (c.isNew) { // the old one knows keys only
      assert.equal((await c.ok(['assemblies', 'list'], { env })).out, '')
      await c.refused(['templates', 'get', 'x'], 'INSUFFICIENT_AUTH_SCOPE', 1, { env })
    }
    const all = json(await c.ok(['auth', 'token']))[0]
    assert.ok(all.scope.includes('templates:write'))
    await c.refused(['auth', 'token', '--scope', 'no:such'], 'INSUFFICIENT_AUTH_SCOPE')
    await c.refused(['auth', 'token'], 'TOKEN_INVALID_CREDENTIALS', 1, { env: { TRANSLOADIT_SECRET: 'wrong' } })
  },
  async 'bills get'(c) {
    assert.equal((await c.ok(['bills', 'get'])).out, '$0\n')
    await c.assembly()
    const now = new Date()
    for (const month of [now.toISOString().slice(0, 7), `${now.getUTCFullYear()}-${now.getUTCMonth() + 1}`]) // as it asks by itself: 2031-5
      assert.ok(json(await c.ok(['bills', 'get', '--json', month]))[0].robots['/image/resize'].rawGb > 0, month)
    const both = json(await c.ok(['bills', 'get', '--json', '2031-05', '2031-5']))
    assert.deepEqual(both.map((b) => [b.ok, b.month]), [['BILL_FOUND', '2031-05'], ['BILL_FOUND', '2031-05']])
    await c.refused(['bills', 'get', '2031-13'], 'SERVER_404', 0)
    await c.refused(['bills', 'get', 'never'], 'invalid date format')
  },
  async 'assembly-notifications replay'(c) {
    const hook = await there(c.t)
    const a = await c.assembly({ notify_url: `${hook.url}/first` })
    await c.s.until(a.assembly_id, (s) => s.notify_status === 'successful')
    await c.ok(['assembly-notifications', 'replay', a.assembly_id])
    await c.ok(['notifications', 'replay', '--notify-url', `${hook.url}/other`, a.assembly_id])
    assert.deepEqual(hook.got.map((g) => g.path), ['/first', '/first', '/other'])
    await c.refused(['assembly-notifications', 'replay', nobody], 'ASSEMBLY_NOT_FOUND', 0)
    const quiet = await c.assembly()
    await c.refused(['assembly-notifications', 'replay', quiet.assembly_id], 'ASSEMBLY_NO_NOTIFY_URL', 0)
  },
  async 'templates create'(c) {
    const id = (await c.ok(['templates', 'create', 'from-file', 'steps.json'])).out.trim()
    assert.match(id, /^[0-9a-f]{32}$/)
    if (c.isNew) {
      await c.ok(['assemblies', 'create', '--template', id, '-i', 'a.png', '-o', 'out.png'])
      assert.deepEqual(size(c.path('out.png')), [100, 100])
    }
    const [made] = json(await c.ok(['templates', 'create', '--json', 'from-stdin'], { input: '{"up":{"robot":"/http/import","url":"http://a.example/"}}' }))
    assert.deepEqual([made.ok, made.name, made.content.steps.up.url], ['TEMPLATE_CREATED', 'from-stdin', 'http://a.example/'])
    await c.refused(['templates', 'create', 'from-file', 'steps.json'], 'TEMPLATE_VALIDATION_ERROR')
  },
  async 'templates delete'(c) {
    const [a, b] = [await c.template({}, 'first'), await c.template({}, 'second')]
    await c.ok(['templates', 'delete', a, b])
    assert.equal((await c.ok(['templates', 'list'])).out, '')
    await c.refused(['templates', 'delete', a], 'TEMPLATE_NOT_FOUND')
  },
  async 'templates get'(c) {
    const id = await c.template()
    const [got] = json(await c.ok(['templates', 'get', '--json', id]))
    assert.deepEqual([got.ok, got.id, got.content], ['TEMPLATE_FOUND', id, { steps: resized }])
    await c.refused(['templates', 'get', nobody], 'TEMPLATE_NOT_FOUND')
  },
  async 'templates list'(c) {
    assert.equal((await c.ok(['templates', 'list'])).out, '')
    const ids = [await c.template(undefined, 'aaaa'), await c.template(undefined, 'bbbb')]
    assert.equal((await c.ok(['templates', 'list', '--sort', 'name', '--order', 'asc'])).out, `${ids.join('\n')}\n`)
    assert.equal((await c.ok(['templates', 'list', '--sort', 'created', '--order', 'desc', '--fields', 'name,id'])).out, `bbbb ${ids[1]}\naaaa ${ids[0]}\n`)
    const full = json(await c.ok(['templates', 'list', '--json', '--include-content', '--include-builtin', 'latest']))
    assert.deepEqual(full.slice(0, 2).map((i) => i.content), [{ steps: resized }, { steps: resized }])
    const builtin = await c.ok(['templates', 'list', '--include-builtin', 'exclusively-latest'])
    assert.match(builtin.out, /^builtin\/serve-preview@0\.0\.1$/m)
    assert.equal((await c.ok(['templates', 'list', '--after', '2099-01-01'])).out, '')
  },
  async 'templates modify'(c) {
    const id = await c.template()
    c.write('other.json', { other: { robot: '/http/import', url: 'http://a.example/' } })
    await c.ok(['templates', 'modify', '--name', 'renamed', id, 'other.json'])
    const [got] = json(await c.ok(['templates', 'get', '--json', id]))
    assert.deepEqual([got.name, Object.keys(got.content.steps)], ['renamed', ['other']])
    await c.ok(['templates', 'modify', '--name', 'again', id]) // the name only: nothing on standard input
    const [later] = json(await c.ok(['templates', 'get', '--json', id]))
    assert.deepEqual([later.name, later.content], ['again', got.content])
    await c.refused(['templates', 'modify', nobody, 'other.json'], 'TEMPLATE_NOT_FOUND')
  },
  async 'templates sync'(c) {
    fs.mkdirSync(c.path('all/deep'), { recursive: true })
    // The program looks at the list of ids from its second on, so none of those that it must find may be the first one:
    // that begins with a 0, and theirs with another digit.
    let tries = 0
    while (!(await c.template({}, `first-${++tries}`)).startsWith('0')) assert.ok(tries < 1000)
    let id
    do id = await c.template({ steps: resized }, `on-server-${++tries}`)
    while (id.startsWith('0'))
    c.write('all/new-one.json', { transloadit_template_id: '', steps: resized })
    c.write('all/deep/local.json', { transloadit_template_id: id })
    const down = `all/deep/on-server-${tries}.json`
    await c.ok(['templates', 'sync', '--recursive', 'all'])
    const given = () => JSON.parse(fs.readFileSync(c.path('all/new-one.json'))).transloadit_template_id
    for (let again = 0; given().startsWith('0') && again < 20; again++) {
      await c.ok(['templates', 'delete', given()])
      c.write('all/new-one.json', { transloadit_template_id: '', steps: resized })
      await c.ok(['templates', 'sync', 'all/new-one.json'])
    }
    const made = given()
    assert.match(made, /^[0-9a-f]{32}$/)
    assert.deepEqual(JSON.parse(fs.readFileSync(c.path(down))), { transloadit_template_id: id, steps: resized })
    const [got] = json(await c.ok(['templates', 'get', '--json', made]))
    assert.deepEqual([got.name, got.content.steps.resized.width], ['new-one', 100]) // with every default of its schema
    // newer here: goes up; newer there: comes down
    c.write('all/new-one.json', { transloadit_template_id: made, steps: { resized: { ...resized.resized, width: 7 } } })
    const later = new Date(Date.now() + 60000)
    fs.utimesSync(c.path('all/new-one.json'), later, later)
    const old = new Date('2001-01-01')
    c.write(down, { transloadit_template_id: id, steps: {} })
    fs.utimesSync(c.path(down), old, old)
    await c.ok(['templates', 'sync', '-r', 'all'])
    assert.equal(json(await c.ok(['templates', 'get', '--json', made]))[0].content.steps.resized.width, 7)
    assert.deepEqual(JSON.parse(fs.readFileSync(c.path(down))).steps, resized)
    c.write('all/lost.json', { transloadit_template_id: nobody, steps: {} })
    await c.refused(['templates', 'sync', 'all'], 'TEMPLATE_NOT_FOUND')
  },
  async upload(c) {
    const a = await c.s.create(resized, { expected: 1 })
    const [up] = json(await c.ok(['upload', '--json', 'a.png', '--create-upload-endpoint', a.tus_url, '--assembly', a.assembly_ssl_url, '--field', 'photo']))
    const done = await c.s.until(a.assembly_id)
    assert.deepEqual([done.ok, done.uploads[0].field, done.uploads[0].tus_upload_url, done.results.resized[0].meta.width], ['ASSEMBLY_COMPLETED', 'photo', up.upload_url, 100])
    // go on with what an earlier upload has left
    const b = await c.s.create(resized, { expected: 1 })
    const data = fs.readFileSync(picture)
    const location = await c.s.tusCreate(b, data.length, { filename: 'a.png', fieldname: 'photo' })
    await c.s.patch(location, 0, data.subarray(0, 100000))
    await c.ok(['upload', 'a.png', '--resume-upload-endpoint', location, '--assembly', b.assembly_ssl_url, '--field', 'photo'])
    const resumed = await c.s.until(b.assembly_id)
    assert.deepEqual([resumed.ok, resumed.uploads[0].md5hash], ['ASSEMBLY_COMPLETED', done.uploads[0].md5hash])
    await c.s.cancel(b.assembly_id)
    const r = await c.run(['upload', 'a.png', '--create-upload-endpoint', a.tus_url, '--assembly', `${c.s.url}/assemblies/${nobody}`])
    assert.equal(r.code, 1, r.out + r.err)
  },

  // The newer command line's words for one step.
  async 'image resize'(c) {
    await c.ok(['image', 'resize', '-i', 'a.png', '-o', 'out.png', '--width', '60', '--height', '30', '--resize-strategy', 'fillcrop', '--zoom'])
    assert.deepEqual(size(c.path('out.png')), [60, 30])
    await c.ok(['image', 'resize', '-i', 'a.png', '-o', 'out.jpg', '--format', 'jpg', '--width', '50', '--strip', '--progressive', '--quality', '80', '--background', '#ff0000',
      '--rotation', '90', '--brightness', '1.2', '--hue', '100', '--sepia', '20', '--blur', '0x1', '--crop', '{"x1":0,"y1":0,"x2":50,"y2":50}'])
    assert.deepEqual([...fs.readFileSync(c.path('out.jpg')).subarray(0, 3)], [0xff, 0xd8, 0xff])
    fs.mkdirSync(c.path('all'))
    fs.copyFileSync(picture, c.path('b.png'))
    await c.ok(['image', 'resize', '-i', 'a.png', '-i', 'b.png', '-o', 'all', '--width', '20'])
    assert.deepEqual(fs.readdirSync(c.path('all')).sort(), ['a.png', 'b.png'])
    const [{ urls }] = json(await c.ok(['image', 'resize', '-i', 'a.png', '--print-urls', '--json', '--width', '40']))
    assert.equal((await fetch(urls[0].url)).headers.get('content-type'), 'image/png')
    // what means nothing by itself, and with a picture that the server fetches
    await c.ok(['image', 'resize', '-i', 'a.png', '-o', 'plain.png', '--width', '20', '--watermark-position', 'top-left', '--watermark-opacity', '0.5'])
    assert.deepEqual(size(c.path('plain.png')), [20, 20])
    await c.ok(['image', 'resize', '-i', 'a.png', '-o', 'marked.png', '--width', '20', '--watermark-url', urls[0].url, '--watermark-size', '50%',
      '--negate', '--watermark-repeat-x', '--watermark-repeat-y'])
    assert.deepEqual(size(c.path('marked.png')), [20, 20])
    assert.ok(!fs.readFileSync(c.path('marked.png')).equals(fs.readFileSync(c.path('plain.png'))))
  },
  run: missing(['run', 'make it small', '-i', 'a.png', '-o', 'out'], 'AI_CHAT_VALIDATION'),
  'assembly-instructions compile': missing(['assembly-instructions', 'compile', 'make it small'], 'AI_CHAT_VALIDATION'),
  async 'audio waveform'(c) {
    execFileSync('ffmpeg', ['-v', 'error', '-f', 'lavfi', '-i', 'sine=duration=2', c.path('sound.mp3')])
    const waveform = ['audio', 'waveform', '-i', 'sound.mp3', '-o']
    await c.ok([...waveform, 'wave.png', '--width', '200', '--height', '50', '--outer-color', 'ff0000ff'])
    assert.deepEqual(size(c.path('wave.png')), [200, 50])
    await c.ok([...waveform, 'wave.json', '--format', 'json', '--width', '20'])
    const peaks = JSON.parse(fs.readFileSync(c.path('wave.json')))
    assert.equal(peaks.length, 20)
    assert.ok(peaks.every((p) => p > 0.05 && p < 0.3), String(peaks))
    const both = ['--style', 'v1', '--zoom', '3', '--pixels-per-second', '3']
    await c.refused([...waveform, 'no.png', ...both], 'AUDIO_WAVEFORM_VALIDATION')
  },
  async 'document auto-rotate'(c) {
    const content = `BT /F 18 Tf 24 TL 40 300 Td ${'(The quick brown fox jumps over) Tj T* '.repeat(8)} ET`
    fs.writeFileSync(c.path('lies.pdf'), pdf([{ content, more: '/Rotate 90' }]))
    await c.ok(['document', 'auto-rotate', '-i', 'lies.pdf', '-o', 'stands.pdf'])
    const rotated = (name) => execFileSync('pdfinfo', [c.path(name)], { encoding: 'utf8' }).match(/Page rot: +(\d+)/)[1]
    assert.deepEqual([rotated('lies.pdf'), rotated('stands.pdf')], ['90', '0'])
  },
  async 'document convert'(c) {
    await c.ok(['document', 'convert', '-i', 'a.png', '-o', 'picture.pdf', '--format', 'pdf'])
    assert.match(execFileSync('pdfinfo', [c.path('picture.pdf')], { encoding: 'utf8' }), /Pages: +1\n/)
    await c.refused(['document', 'convert', '-i', 'a.png', '-o', 'no.docx', '--format', 'docx'],
      'DOCUMENT_CONVERT_UNSUPPORTED_CONVERSION')
  },
  async 'document optimize'(c) {
    fs.writeFileSync(c.path('a.pdf'), pdf([{ content: '1 0 0 rg 0 0 99 99 re f' }]))
    await c.ok(['document', 'optimize', '-i', 'a.pdf', '-o', 'small.pdf', '--remove-metadata', '--preset', 'screen'])
    const said = execFileSync('pdfinfo', [c.path('small.pdf')], { encoding: 'utf8' })
    assert.match(said, /Optimized: +yes/)
    assert.doesNotMatch(said, /A title/)
    await c.refused(['document', 'optimize', '-i', 'a.png', '-o', 'no.pdf'], 'DOCUMENT_OPTIMIZE_UNSUPPORTED_INPUT')
  },
  async 'document thumbs'(c) {
    fs.writeFileSync(c.path('a.pdf'), pdf([{}, { content: '1 0 0 rg 0 0 99 99 re f' }]))
    await c.ok(['document', 'thumbs', '-i', 'a.pdf', '-o', 'out', '--width', '100', '--height', '80'])
    const made = fs.readdirSync(c.path('out'))
    assert.equal(made.length, 2, made.join())
    for (const name of made) assert.deepEqual(size(c.path(`out/${name}`)), [100, 80])
    const large = ['document', 'thumbs', '-i', 'a.pdf', '-o', 'no', '--density', '9999']
    await c.refused(large, 'DOCUMENT_THUMBS_INVALID_INPUT')
  },
  async 'file compress'(c) {
    const look = 'import sys,json,zipfile as f; z=f.ZipFile(sys.argv[1]); z.testzip() and 1/0; print(json.dumps(z.namelist()))'
    const names = (file) => JSON.parse(execFileSync('python3', ['-IS', '-c', look, c.path(file)]))
    fs.copyFileSync(picture, c.path('b.png'))
    const compress = ['file', 'compress', '-i', 'a.png', '-i', 'b.png', '-o']
    await c.ok([...compress, 'all.zip', '--format', 'zip', '--compression-level=-1'])
    assert.deepEqual(names('all.zip').sort(), ['a.png', 'b.png'])
    await c.ok([...compress, 'all.tar.gz', '--format', 'tar', '--gzip'])
    assert.deepEqual([...fs.readFileSync(c.path('all.tar.gz')).subarray(0, 2)], [0x1f, 0x8b])
    await c.refused([...compress, 'no.tar', '--format', 'tar', '--password', 'opensesame'], 'FILE_COMPRESS_VALIDATION')
  },
  async 'file decompress'(c) {
    const program = "import zipfile; z=zipfile.ZipFile('x.zip','w'); z.write('a.png'); z.writestr('d/b.txt','hello')"
    execFileSync('python3', ['-IS', '-c', program], { cwd: c.dir })
    fs.mkdirSync(c.path('out'))
    await c.ok(['file', 'decompress', '-i', 'x.zip', '-o', 'out'])
    const isFile = (n) => fs.statSync(c.path(`out/${n}`)).isFile()
    const made = fs.readdirSync(c.path('out'), { recursive: true }).filter(isFile).sort()
    assert.deepEqual(made.map((n) => path.basename(n)), ['a.png', 'b.txt'], made.join())
    assert.equal(fs.readFileSync(c.path(`out/${made.find((n) => n.endsWith('b.txt'))}`), 'utf8'), 'hello')
    await c.refused(['file', 'decompress', '-i', 'a.png', '-o', 'no'], 'FILE_DECOMPRESS_INVALID_INPUT')
  },
  'image describe': missing(['image', 'describe', '-i', 'a.png', '-o', 'out'], 'IMAGE_DESCRIBE_VALIDATION'),
  'image generate': missing(['image', 'generate', '--prompt', 'a cat', '-o', 'out'], 'IMAGE_GENERATE_VALIDATION'),
  async 'image merge'(c) {
    const [w, h] = size(c.path('a.png'))
    fs.copyFileSync(picture, c.path('b.png'))
    const both = ['image', 'merge', '-i', 'a.png', '-i', 'b.png', '-o']
    await c.ok([...both, 'row.png', '--border', '7'])
    assert.deepEqual(size(c.path('row.png')), [2 * w + 7, h])
    const grid = ['--direction', 'grid', '--columns', '1']
    await c.ok([...both, 'grid.png', ...grid, '--cell-width', '40', '--cell-height', '30', '--background', 'none'])
    assert.deepEqual(size(c.path('grid.png')), [40, 60])
    const stack = ['--effect', 'polaroid-stack', '--width', '200', '--height', '150']
    await c.ok([...both, 'stack.png', ...stack, '--seed', '3', '--shuffle', '--coverage', '2'])
    assert.deepEqual(size(c.path('stack.png')), [200, 150])
    await c.refused([...both, 'no.png', ...grid, '--rows', '1'], 'IMAGE_MERGE_FAILURE')
  },
  async 'image optimize'(c) {
    const large = path.join(c.dir, 'large.png') // stored without any compression
    const stored = ['-frames:v', '1', '-compression_level', '0', '-pred', 'none', large]
    execFileSync('ffmpeg', ['-v', 'error', '-f', 'lavfi', '-i', 'testsrc2=size=200x150', ...stored])
    const optimize = ['image', 'optimize', '-i', 'large.png', '-o', 'small.png']
    await c.ok([...optimize, '--priority', 'compression-ratio', '--progressive'])
    assert.deepEqual(size(c.path('small.png')), size(large))
    assert.ok(fs.statSync(c.path('small.png')).size < fs.statSync(large).size / 2)
    assert.equal(fs.readFileSync(c.path('small.png'))[28], 1) // interlaced
    await c.ok(['image', 'optimize', '-i', 'small.png', '-o', 'again.png'])
    assert.ok(fs.statSync(c.path('again.png')).size <= fs.statSync(c.path('small.png')).size)
  },
  'image remove-background':
    missing(['image', 'remove-background', '-i', 'a.png', '-o', 'out'], 'IMAGE_BGREMOVE_VALIDATION'),
  'image upscale': missing(['image', 'upscale', '-i', 'a.png', '-o', 'out'], 'IMAGE_UPSCALE_VALIDATION'),
  async 'markdown docx'(c) {
    fs.writeFileSync(c.path('a.md'), '# A title\n\nSome *words*.\n')
    await c.ok(['markdown', 'docx', '-i', 'a.md', '-o', 'a.docx'])
    assert.equal(fs.readFileSync(c.path('a.docx')).subarray(0, 2).toString(), 'PK')
  },
  async 'markdown pdf'(c) {
    fs.writeFileSync(c.path('a.md'), '# A title\n\nSome *words*.\n')
    await c.ok(['markdown', 'pdf', '-i', 'a.md', '-o', 'a.pdf'])
    assert.match(execFileSync('pdftotext', [c.path('a.pdf'), '-'], { encoding: 'utf8' }), /A title\s+Some words\./)
  },
  async 'preview generate'(c) {
    fs.writeFileSync(c.path('words.txt'), 'some words')
    const preview = ['preview', 'generate', '-i']
    await c.ok([...preview, 'a.png', '-o', 'a-small.png', '--width', '90', '--height', '60', '--resize-strategy', 'fillcrop'])
    assert.deepEqual(size(c.path('a-small.png')), [90, 60])
    await c.ok([...preview, 'words.txt', '-o', 'words.png', '--icon-style', 'square'])
    assert.deepEqual(size(c.path('words.png')), [300, 200])
    execFileSync('ffmpeg', ['-v', 'error', '-f', 'lavfi', '-i', 'sine=duration=1', c.path('tone.mp3')])
    const wave = ['--waveform-height', '50', '--waveform-center-color', 'ff0000']
    await c.ok([...preview, 'tone.mp3', '-o', 'tone.png', ...wave])
    assert.deepEqual(size(c.path('tone.png')), [300, 200])
    await c.refused([...preview, 'a.png', '-o', 'no.png', '--icon-text-font', '<image/>'], 'FILE_PREVIEW_VALIDATION')
  },
  'speech transcribe': Object.assign(async (c) => {
    execFileSync('ffmpeg', ['-v', 'error', '-f', 'lavfi', '-i', 'sine=duration=1', c.path('words.mp3')])
    await c.refused(['speech', 'transcribe', '-i', 'words.mp3', '-o', 'out'], 'SPEECH_TRANSCRIBE_VALIDATION')
  }, { missing: true }),
  async 'text speak'(c) {
    fs.writeFileSync(c.path('text.txt'), 'One two three.\n')
    await c.ok(['text', 'speak', '-i', 'text.txt', '-o', 'out.mp3', '--voice', 'male-1', '--target-language', 'de-DE'])
    await c.ok(['text', 'speak', '--prompt', 'One.', '-o', 'prompt.mp3'])
    const ask = ['-v', 'error', '-show_entries', 'format=duration', '-of', 'csv=p=0']
    const seconds = (name) => Number(execFileSync('ffprobe', [...ask, c.path(name)]))
    assert.ok(seconds('out.mp3') > seconds('prompt.mp3') && seconds('prompt.mp3') > 0.3)
    const nobody = ['text', 'speak', '-i', 'text.txt', '-o', 'no.mp3', '--target-language', 'xx']
    await c.refused(nobody, 'TEXT_SPEAK_VALIDATION')
  },
  async 'video encode-hls'(c) { // by a builtin Template
    const source = 'testsrc=duration=1:size=64x48:rate=5'
    execFileSync('ffmpeg', ['-v', 'error', '-f', 'lavfi', '-i', source, c.path('short.mp4')])
    await c.ok(['video', 'encode-hls', '-i', 'short.mp4', '-o', 'stream'])
    const made = fs.readdirSync(c.path('stream'), { recursive: true })
    assert.ok(made.some((name) => name.endsWith('.m3u8')) && made.some((name) => name.endsWith('.ts')), made.join())
  },
  async 'video thumbs'(c) {
    const source = 'testsrc=duration=4:size=320x240:rate=10'
    execFileSync('ffmpeg', ['-v', 'error', '-f', 'lavfi', '-i', source, c.path('film.mp4')])
    const thumbs = ['video', 'thumbs', '-i', 'film.mp4', '-o']
    await c.ok([...thumbs, 'out', '--count', '3', '--width', '100', '--height', '80', '--format', 'png'])
    const made = fs.readdirSync(c.path('out'))
    assert.equal(made.length, 3, made.join())
    for (const name of made) assert.deepEqual(size(c.path(`out/${name}`)), [100, 80])
    await c.refused([...thumbs, 'no', '--input-codec', 'nosuch'], 'VIDEO_THUMBS_INVALID_INPUT')
  },
}

// Every command that the program itself lists.
const commands = (name) => {
  const text = plain(execFileSync(process.execPath, [scripts[name], '--help'], { encoding: 'utf8' }))
  return [...text.matchAll(/^ {2}transloadit ((?:[a-z][a-z-]* ?)+)/gm)].map((m) => m[1].trim())
}

export function testCommandLine(name) {
  const all = commands(name)
  test(`the command line of ${name}: every command is tested here`, () => {
    assert.ok(all.length >= 18, all.join('\n'))
    assert.deepEqual(all.filter((c) => !cases[c]), [])
  })
  for (const command of all) {
    if (cases[command] && !cases[command].missing)
      test(`the command line of ${name}: ${command}`, async (t) => cases[command](await Shell.start(t, name)))
  }

  test(`without credentials the command line of ${name} says what it misses, with 1`, async (t) => {
    const c = await Shell.start(t, name)
    await c.refused(['assemblies', 'list'], 'Missing ', 1, { env: { TRANSLOADIT_KEY: '', TRANSLOADIT_SECRET: '' } })
      .catch(() => c.refused(['assemblies', 'list'], 'Please provide API authentication', 1, { env: { TRANSLOADIT_KEY: '', TRANSLOADIT_SECRET: '' } }))
  })
}

export function testMissingRobots(name) {
  const all = commands(name).filter((c) => cases[c]?.missing)
  test(`the command line of ${name}: ${all.length} commands whose service is not here say so`, async (t) => {
    assert.ok(all.length > 0, all.join('\n'))
    const c = await Shell.start(t, name)
    for (const command of all) await cases[command](c)
  })
}

// What the command line says: to who mistypes, to who asks, and to who would otherwise never learn why nothing came out.
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { test } from 'node:test'
import { binary, KEY, picture, SECRET, Server } from './server.mjs'

const clean = Object.fromEntries(Object.entries(process.env).filter(([k]) => !/^(TRANSLOADIT|WORKCELL)_/.test(k)))
const place = (t) => {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'workcell-e2e-words-'))
  process.on('exit', () => fs.rmSync(dir, { recursive: true, force: true })) // after the servers on it
  return dir
}
const cli = (cwd, args, { input, env = {} } = {}) => spawnSync(binary, args, { cwd, encoding: 'utf8', input, env: { ...clean, ...env } })
const commands = ['serve', 'run', 'check', 'credential', 'template', 'workspace', 'key',
  'fsck', 'doctor', 'robots', 'openapi', 'version']

test('every command explains itself, by --help, -h and help, and does nothing else', (t) => {
  const dir = place(t)
  const all = cli(dir, ['help']).stdout
  for (const c of commands) {
    assert.match(all, new RegExp(`^  ${c} `, 'm'))
    const texts = [[c, '--help'], [c, '-h'], ['help', c], [c, 'list', '--help']].map((args) => {
      const r = cli(dir, args)
      assert.deepEqual([r.status, r.stderr], [0, ''], args.join(' '))
      return r.stdout
    })
    assert.equal(new Set(texts).size, 1)
    assert.match(texts[0], new RegExp(`^usage: workcell ${c}`), c)
    assert.ok(texts[0].length < 20000 && texts[0].split('\n').length > 3, c)
  }
  for (const args of [['--help'], ['-h']]) assert.deepEqual([cli(dir, args).status, cli(dir, args).stdout], [0, all])
  for (const args of [['-V'], ['--version'], ['version']]) assert.match(cli(dir, args).stdout, /^workcell \d+\.\d+\.\d+\n$/)
  assert.equal(cli(dir, []).status, 2)
  assert.match(cli(dir, ['serve', '-h']).stdout, /TRANSLOADIT_KEY, TRANSLOADIT_SECRET[^]*--listen text/)
  assert.match(cli(dir, ['key', '-h']).stdout, /assemblies:write\n/)
  assert.match(cli(dir, ['credential', '-h']).stdout, /^ {2}s3 +bucket key secret \[bucket_region host\]$/m)
  assert.match(cli(dir, ['run', '-h']).stdout, /130 canceled/)
  assert.deepEqual(fs.readdirSync(dir), [])
})

test('who mistypes a command, a flag, a setting or a variable is told what there is', (t) => {
  const dir = place(t)
  const says = (args, pattern, more) => {
    const r = cli(dir, args, more)
    assert.equal(r.status, 2, `${args.join(' ')}: ${r.stdout}${r.stderr}`)
    assert.match(r.stderr, pattern)
    assert.equal(r.stdout, '')
  }
  says(['sevre'], /no command 'sevre'; did you mean 'serve'\?/)
  says(['robot'], /did you mean 'robots'\?/)
  says(['help', 'doctro'], /did you mean 'doctor'\?/)
  says(['frobnicate'], /^workcell: there is no command 'frobnicate'\n/)
  says(['template', 'lst'], /no `template lst`; did you mean 'list'\?/)
  says(['template', 'get'], /too few words[^]*usage/)
  says(['template', 'list', 'more'], /too many words/)
  says(['credential'], /usage: workcell credential add/)
  says(['serve', '--lisen', 'x'], /no flag '--lisen' \(see --help\); did you mean '--listen'\?/)
  says(['serve', '--trust-forwraded'], /did you mean '--trust-forwarded'\?/)
  says(['doctor', '--job-timeout', '5'], /did you mean '--job-timeout-s'\?/)
  says(['openapi', 'json'], /takes no words/)
  fs.writeFileSync(path.join(dir, 'w.conf'), 'max_uplod_size = 5\n')
  says(['serve', '--config', 'w.conf'], /w\.conf:1: there is no setting 'max_uplod_size'; did you mean 'max_upload_size'\?/)
  const r = cli(dir, ['serve', '--print-config'], { env: { WORKCELL_LISTN: '1', WORKCELL_LISTEN: '127.0.0.1:1', WORKCELL_PORT_8080_TCP: 'tcp://x', WORKCELL_SERVICE_HOST: 'y', WORKCELL_MAX_PIXELS: '5' } })
  assert.equal(r.status, 0)
  assert.equal(r.stderr, 'workcell: WORKCELL_LISTN in the environment is no setting and does nothing; did you mean WORKCELL_LISTEN?\n')
})

test('robots prints one of them, by its name or the end of it', (t) => {
  const dir = place(t)
  const one = cli(dir, ['robots', '/image/resize'])
  assert.equal(one.status, 0)
  assert.deepEqual(one.stdout.match(/^## .*/gm), ['## /image/resize'])
  assert.equal(cli(dir, ['robots', 'resize']).stdout, one.stdout)
  assert.match(cli(dir, ['robots', '/http/import']).stdout, /Known, but not built here: .*`force_original_id`/)
  assert.ok(cli(dir, ['robots']).stdout.includes(one.stdout))
  for (const [name, pattern] of [['resise', /did you mean 'resize'\?/], ['/image/resise', /did you mean '\/image\/resize'\?/], ['/edgly/deliver', /known, but was removed from the catalogue/]]) {
    const r = cli(dir, ['robots', name])
    assert.deepEqual([r.status, r.stdout], [2, ''])
    assert.match(r.stderr, pattern)
  }
})

test('only what adds something makes a data directory', (t) => {
  const dir = place(t)
  const data = ['--data', path.join(dir, 'typo')]
  const reads = [['key', 'list'], ['key', 'delete', 'x'], ['template', 'list'], ['template', 'get', 'x'], ['template', 'delete', 'x'], ['credential', 'list'],
    ['credential', 'remove', 'x'], ['credential', 'rotate'], ['workspace', 'list']]
  for (const args of reads) {
    const r = cli(dir, [...args, ...data])
    assert.deepEqual([r.status, r.stdout], [2, ''], args.join(' '))
    assert.match(r.stderr, /there is no data directory '.*typo' \(--data DIR names it/)
  }
  for (const args of [['template', 'lst'], ['key', 'add', '--desciption', 'x'], ['credential', 'add'], ['workspace']]) assert.equal(cli(dir, [...args, ...data]).status, 2)
  assert.deepEqual(fs.readdirSync(dir), [])
  fs.mkdirSync(path.join(dir, 'empty'))
  for (const args of reads) assert.match(cli(dir, [...args, '--data', path.join(dir, 'empty')]).stderr, /is no data directory/)
  assert.deepEqual(fs.readdirSync(path.join(dir, 'empty')), [])
  assert.equal(cli(dir, ['key', 'add', ...data]).status, 0)
  assert.ok(fs.existsSync(path.join(dir, 'typo/workcell.db')))
  assert.equal(cli(dir, ['key', 'list', ...data]).status, 0)
})

test('credentials are not overwritten by the way, come from a file or standard input, and are never printed', (t) => {
  const dir = place(t)
  const said = []
  const add = (words, { input, status = 0, more = [] } = {}) => {
    const r = cli(dir, ['credential', 'add', ...words, '--data', 'd', ...more], { input })
    said.push(r.stdout, r.stderr)
    assert.equal(r.status, status, r.stderr)
    return r.stdout + r.stderr
  }
  assert.match(add(['one', 's3', 'bucket=b', 'key=k', 'secret=-'], { input: 'word-of-stdin\n' }), /'one' are kept/)
  assert.match(add(['one', 's3', 'bucket=b', 'key=k', 'secret=word-of-argv'], { status: 1 }), /'one' already; --replace/)
  fs.writeFileSync(path.join(dir, 'secret'), 'word-of-file\n')
  assert.match(add(['one', 's3', 'bucket=b', 'key=k', 'secret=@secret'], { more: ['--replace'] }), /'one' are replaced/)
  assert.match(add(['two', 'ftp', 'host=h', 'user=u', 'password=@@word-with-at']), /kept/)
  assert.match(add(['x', 's3', 'bukcet=b', 'key=k', 'secret=word'], { status: 1 }), /need 'bucket'.*know no 'bukcet'; did you mean 'bucket'\?/)
  assert.match(add(['x', 's3', 'bucket=b', 'key=k', 'secret=word', 'bucket_regoin=word'], {}), /know no 'bucket_regoin'; did you mean 'bucket_region'\?; it is kept/)
  assert.doesNotMatch(add(['y', 's3', 'bucket=b', 'key=k', 'secret=word', 'no_vhost=true', 'host=h'], {}), /know no/)
  assert.match(add(['x2', 'wasbi', 'key=word'], { status: 1 }), /no type of credentials 'wasbi'; did you mean 'wasabi'\?; there are: ai, azure, .*youtube/)
  assert.match(add(['x2', 's3', 'bucket=b', 'word-without-key'], { status: 1 }), /the second word after the type is not KEY=VALUE/)
  assert.match(add(['x2', 's3', 'key=-', 'secret=-'], { status: 1, input: 'word' }), /only one value/)
  assert.match(add(['x2', 's3', 'secret=word', 'secret=word'], { status: 1 }), /given twice/)
  assert.match(add(['x2', 's3', 'secret=@nothing'], { status: 1 }), /open 'nothing'/)
  assert.match(add(['x2', 's3', 'secret=-'], { status: 1, input: '\n' }), /is empty/)
  assert.match(add(['x2', 's3', 'secret=-'], { status: 1, input: 'w'.repeat(70000) }), /at most 64 KB/)
  assert.match(add(['x2', 's3', 'secret=-'], { status: 1, input: 'a\0b' }), /is no text/)
  assert.match(cli(dir, ['credential', 'list', '--data', 'd']).stdout, /^one\ts3\t\w+\ntwo\tftp\t\w+\nx\ts3\t\w+\ny\ts3\t\w+\n$/)
  assert.match(cli(dir, ['key', 'add', 'assembly:write', '--data', 'd']).stderr, /no scope 'assembly:write'; did you mean.*there are: assemblies:read, /)
  assert.ok(!said.join('').match(/word-|=word|wwww/), said.join(''))
})

test('what came in by a file or standard input is what an API client reads', async (t) => {
  const dir = place(t)
  fs.writeFileSync(path.join(dir, 'pem'), '-----BEGIN-----\nline\n-----END-----\n')
  const words = ['credential', 'add', 'g', 'google', 'project_id=p', 'client_email=e', 'private_key=@pem', 'bucket=-', '--data', path.join(dir, 'd')]
  assert.equal(cli(dir, words, { input: 'from stdin\r\n' }).status, 0)
  const s = await Server.start(t, { dir: path.join(dir, 'd') })
  const params = JSON.stringify({ auth: { key: KEY, expires: '2099-01-01T00:00:00Z' } })
  const { sign } = await import('./server.mjs')
  const r = await (await fetch(`${s.url}/template_credentials/g?${new URLSearchParams({ params, signature: sign(params) })}`)).json()
  assert.deepEqual(r.credential.content, { project_id: 'p', client_email: 'e', private_key: '-----BEGIN-----\nline\n-----END-----', bucket: 'from stdin' })
})

test('a Template that would not run is kept, and it is said', (t) => {
  const dir = place(t)
  const create = (name, content) => {
    fs.writeFileSync(path.join(dir, 't.json'), JSON.stringify(content))
    const r = cli(dir, ['template', 'create', name, 't.json', '--data', 'd'])
    assert.equal(r.status, 0)
    return r.stderr
  }
  assert.match(create('video', { steps: { v: { robot: '/edgly/deliver', use: ':original' } } }),
    /by itself it would not run: The Robot '\/edgly\/deliver' is known, but was removed.* - step v/)
  assert.equal(create('good', { steps: { r: { robot: '/image/resize', use: ':original', width: '${fields.w}' } } }), '')
  assert.equal(create('empty', { steps: {} }), '')
  assert.equal(cli(dir, ['template', 'list', '--data', 'd']).stdout.split('\n').length, 4)
})

const run = (dir, instructions, files, extra = []) => {
  fs.writeFileSync(path.join(dir, 'i.json'), typeof instructions === 'string' ? instructions : JSON.stringify({ steps: instructions }))
  return cli(dir, ['run', 'i.json', ...files, '-o', 'out', ...extra])
}
const resize = { robot: '/image/resize', use: ':original', width: 9 }

test('run lays a stream out in the folders that its playlists name', (t) => {
  const dir = place(t)
  spawnSync('ffmpeg', ['-v', 'error', '-f', 'lavfi', '-i', 'testsrc2=s=64x36:r=25:d=2', '-c:v', 'libx264',
    '-pix_fmt', 'yuv420p', path.join(dir, 'a.mp4')])
  const use = { steps: [':original'], bundle_steps: true }
  const ran = run(dir, { s: { robot: '/video/adaptive', use, technique: 'hls', result: true } }, ['a.mp4'])
  assert.equal(ran.status, 0, ran.stderr)
  const all = fs.readdirSync(path.join(dir, 'out/s'), { recursive: true }).sort()
  assert.deepEqual(all, ['original', 'original/playlist.m3u8', 'original/seg_0000.ts', 'playlist.m3u8'])
})

test('run says why there is no result, and it is complete all the same', (t) => {
  const dir = place(t)
  fs.writeFileSync(path.join(dir, 'notes.json'), '{}')
  const faces = { robot: '/image/facedetect', use: ':original', crop: true }
  const flat = path.join(dir, 'flat.png')
  fs.writeFileSync(path.join(dir, 'flat.ppm'), Buffer.concat([Buffer.from('P6 64 64 255\n'), Buffer.alloc(64 * 64 * 3, 90)]))
  assert.equal(spawnSync('vips', ['copy', path.join(dir, 'flat.ppm'), flat]).status ?? spawnSync('ffmpeg', ['-v', 'error', '-i', path.join(dir, 'flat.ppm'), flat]).status, 0)
  for (const [steps, files, warning] of [
    [{ r: resize }, [], "workcell: warning: No file was sent, so there was nothing to do for: 'r'.\n"],
    [{ r: resize }, ['notes.json'], "workcell: warning: The step 'r' did nothing: /image/resize does not take 'notes.json' (application/json).\n"],
    [{ faces }, ['flat.png'], "workcell: warning: The step 'faces' gave no file: no face was found in 'flat.png' (image/png).\n"],
  ]) {
    const r = run(dir, steps, files)
    assert.equal(r.status, 0, r.stderr)
    assert.ok(r.stderr.endsWith(warning), r.stderr)
    assert.equal(r.stderr.split('workcell:').length, 2, 'one line')
    assert.equal(r.stdout, 'out/status.json\n')
  }
  const good = run(dir, { r: resize }, [picture, 'notes.json'])
  assert.deepEqual([good.status, good.stderr.includes('workcell:')], [0, false], good.stderr)
  const ignored = run(dir, { i: { robot: '/http/import', url: 'http://127.0.0.1:1/', ignore_errors: ['import'], fail_fast: true } }, [])
  assert.equal(ignored.status, 0)
  assert.match(ignored.stderr, /workcell: ignored: HTTP_IMPORT_ACCESS_DENIED: .* - step i/)
})

test('run keeps its exit codes, and its errors name what may have been meant', (t) => {
  const dir = place(t)
  for (const [steps, pattern] of [
    [{ r: { ...resize, robot: '/image/resise' } }, /ASSEMBLY_STEP_UNKNOWN_ROBOT: There is no Robot '\/image\/resise'; did you mean '\/image\/resize'\? - step r/],
    [{ r: { ...resize, robot: '/edgly/deliver' } }, /ASSEMBLY_STEP_UNKNOWN_ROBOT: The Robot '\/edgly\/deliver' is known, but was removed/],
    [{ r: { ...resize, robot: '/edgly/delivr' } }, /'\/edgly\/deliver' is known, but not built/],
    [{ r: { ...resize, robot: '/no/such/thing/at/all' } }, /There is no Robot '\/no\/such\/thing\/at\/all' - step r/],
    [{ r: { ...resize, widht: 5 } }, /unknown parameter 'widht'; did you mean 'width'\?/],
    [{ r: { ...resize, reslut: true } }, /unknown parameter 'reslut'; did you mean 'result'\?/],
    [{ r: { ...resize, use: ':orignal' } }, /names the step ':orignal', which does not exist; did you mean ':original'\?/],
  ]) {
    const r = run(dir, steps, [])
    assert.equal(r.status, 1, r.stderr)
    assert.match(r.stderr, pattern)
  }
  const bad = run(dir, '{"steps": {},}', [])
  assert.equal(bad.status, 2)
  assert.match(bad.stderr, /^workcell: i\.json: /)
  assert.equal(cli(dir, ['run', 'i.json']).status, 2)
  assert.equal(cli(dir, ['run', '-o', 'out']).status, 2)
  assert.equal(run(dir, { r: resize }, ['nowhere.png']).status, 2)
})

// A server that is only started, listened to and stopped.
async function begin(t, args, env = {}) {
  const dir = place(t)
  const child = spawn(binary, ['serve', '--listen', '127.0.0.1:0', '--data', path.join(dir, 'data'), ...args], { env: { ...clean, ...env }, stdio: ['ignore', 'pipe', 'pipe'] })
  const heard = { dir, child, out: '', err: '' }
  const exited = new Promise((r) => child.on('exit', r))
  child.stderr.on('data', (d) => { heard.err += d })
  await new Promise((r) => child.stdout.on('data', (d) => { heard.out += d; if (/listening on .*\n/.test(heard.out)) r() }))
  let before // what it says goes through two pipes: all of it has come when nothing does for a while
  for (let i = 0; i < 20 && before !== heard.out + heard.err; i++) {
    before = heard.out + heard.err
    await new Promise((r) => setTimeout(r, 200))
  }
  heard.stop = async () => { child.kill('SIGTERM'); assert.equal(await exited, 0) }
  t.after(() => child.kill('SIGKILL'))
  return heard
}
const given = { TRANSLOADIT_KEY: 'k', TRANSLOADIT_SECRET: SECRET }

test('a start says what it is, and its first line stays what it was', async (t) => {
  const s = await begin(t, [], given)
  const url = s.out.match(/^workcell listening on (http:\/\/127\.0\.0\.1:\d+)\n$/)[1]
  assert.ok(s.err.startsWith(`workcell 0.1.0\n  console     ${url}/console/\n  data        ${fs.realpathSync(s.dir)}/data\n  Auth Key    from TRANSLOADIT_KEY and TRANSLOADIT_SECRET\n  signatures  not needed\n`), s.err)
  assert.doesNotMatch(s.err, / warn /)
  const page = await fetch(`${url}/`, { headers: { Accept: 'text/html,*/*;q=0.8' }, redirect: 'manual' })
  assert.deepEqual([page.status, page.headers.get('location'), page.headers.get('vary')], [302, '/console/', 'Accept'])
  assert.equal((await (await fetch(`${url}/`)).json()).ok, 'SERVER_ROOT')
  await s.stop()

  const first = await begin(t, ['--require-signature', '--public-url', 'https://files.example'])
  assert.match(first.out, /^workcell listening on http:\S+\na new Auth Key was made:\n {2}TRANSLOADIT_KEY=\w+\n {2}TRANSLOADIT_SECRET=\w+\n$/)
  assert.match(first.err, /console {5}https:\/\/files\.example\/console\/\n[^]*Auth Key {4}made at this start[^]*signatures {2}needed\n/)
  assert.ok(!first.err.includes(first.out.match(/SECRET=(\w+)/)[1]))
  assert.doesNotMatch(first.err, / warn /)
  await first.stop()

  const json = await begin(t, ['--log-format', 'json'], given)
  for (const line of json.err.trim().split('\n')) JSON.parse(line)
  assert.match(json.err, /console http:.*\/console\/, data /)
  await json.stop()
})

test('a start warns of what is open to others, of half a key, and of a secret that changed', async (t) => {
  const open = await begin(t, ['--listen', '0.0.0.0:0'], given)
  assert.match(open.err, / warn .*0\.0\.0\.0 is reached from other machines by plain HTTP.*--public-url https/)
  assert.match(open.err, / warn .*need no signature.*--require-signature/)
  await open.stop()
  const shut = await begin(t, ['--listen', '0.0.0.0:0', '--require-signature', '--public-url', 'https://files.example/'], given)
  assert.doesNotMatch(shut.err, / warn /)
  await shut.stop()
  const proxied = await begin(t, ['--public-url', 'https://files.example'], given)
  assert.match(proxied.err, / warn .*need no signature/)
  assert.doesNotMatch(proxied.err, /plain HTTP/)
  await proxied.stop()
  const half = await begin(t, [], { TRANSLOADIT_KEY: 'k', WORKCELL_LISTN: 'x' })
  assert.match(half.err, / warn .*TRANSLOADIT_KEY is set and TRANSLOADIT_SECRET is not/)
  assert.match(half.err, /WORKCELL_LISTN in the environment is no setting/)
  await half.stop()

  const data = ['--data', path.join(open.dir, 'data')]
  const changed = await begin(t, data, { TRANSLOADIT_KEY: 'k', TRANSLOADIT_SECRET: 'another-secret' })
  assert.match(changed.err, / warn .*secret of the Auth Key 'k' is now that of TRANSLOADIT_SECRET/)
  assert.ok(!changed.err.includes('another-secret') && !changed.err.includes(SECRET))
  await changed.stop()
  const again = await begin(t, data, { TRANSLOADIT_KEY: 'k', TRANSLOADIT_SECRET: 'another-secret' })
  assert.doesNotMatch(again.err, / warn /)
  await again.stop()
  const stored = await begin(t, data)
  assert.match(stored.err, /Auth Key {4}of the data directory/)
  await stored.stop()
})

test('check says all that is wrong with Instructions, where, and what is done otherwise; of a file or a Template', (t) => {
  const dir = place(t)
  const bad = `{"steps": {
  "a": {"robot": "/image/resize", "use": ":original", "widht": 3,
    "height": -1},
  "b": {"robot": "/image/facedetect", "use": "a", "provider": "aws"}
}}`
  fs.writeFileSync(path.join(dir, 'bad.json'), bad)
  const lines = (name) => [
    `${name}:2:55: refused: step 'a': unknown parameter 'widht'; did you mean 'width'? [IMAGE_RESIZE_VALIDATION]`,
    `${name}:3:15: refused: step 'a': 'height' is -1, but must be a whole number from 1 to 25000 px ` +
      '[IMAGE_RESIZE_VALIDATION]',
    `${name}:4:51: differs: step 'b': 'provider' changes nothing here: faces are found on this server`,
  ]
  const check = (args, more) => {
    const r = cli(dir, ['check', ...args], more)
    // the lines of what was found; below each stand its line and a caret
    return [r.status, r.stdout.split('\n').filter((l) => l && l[0] !== ' '), r.stderr, r.stdout]
  }
  const sum = (name) => `${name}: 2 refused, 1 done otherwise than by the hosted service\n`
  const found = check(['bad.json'])
  assert.deepEqual(found.slice(0, 3), [1, lines('bad.json'), sum('bad.json')])
  assert.ok(found[3].includes('      3 |     "height": -1},\n        |               ^~\n'), found[3])
  assert.deepEqual(check(['-'], { input: bad }).slice(0, 3), [1, lines('stdin'), sum('stdin')])
  const good = '{"steps": {"a": {"robot": "/file/hash", "use": ":original"}}}'
  assert.deepEqual(check(['-'], { input: good }), [0, [], 'stdin: the server would take it\n', ''])
  const typed = check(['-'], {
    input: `{\n  // resize it\n  'steps': {
    "a": {"robot": "/image/resize" "use": ":original", "widht": 3},\n  }\n}`,
  })
  assert.deepEqual(typed.slice(0, 3), [1, [
    'stdin:2:3: refused: not JSON: JSON has no comments [INVALID_PARAMS_FIELD]',
    'stdin:3:3: refused: not JSON: single quotes [INVALID_PARAMS_FIELD]',
    'stdin:4:35: refused: not JSON: a comma is missing before "use" [INVALID_PARAMS_FIELD]',
    "stdin:4:56: refused: step 'a': unknown parameter 'widht'; did you mean 'width'? [IMAGE_RESIZE_VALIDATION]",
    "stdin:4:67: refused: not JSON: a comma too many: nothing follows it before '}' [INVALID_PARAMS_FIELD]",
  ], 'stdin: 5 refused, 0 done otherwise than by the hosted service; read as it was probably meant\n'])
  assert.ok(typed[3].includes('      3 |   \'steps\': {\n        |   ^~~~~~~ JSON has double ' +
    'quotes only: "\n'), typed[3])
  // what would move the cursor, hide or turn a text around does not reach the terminal, nor does a line of a megabyte
  const hostile = check(['-'], { input: `{"a\x1b[2J\u202e\x9b\u0000": '${'x'.repeat(1e6)}\x07'}` })
  assert.ok(hostile[3].length < 4000, `${hostile[3].length}`)
  assert.ok(!/[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e]/.test(hostile[3]), JSON.stringify(hostile[3]))
  cli(dir, ['template', 'create', 'odd-one', 'bad.json', '--data', 'd'])
  const [status, said] = check(['odd-one', '--data', 'd'])
  assert.deepEqual([status, said.length, said[0].slice(0, 21)], [1, 3, 'odd-one:6:7: refused:'])
  assert.deepEqual(check(['nobody', '--data', 'd']).slice(0, 3), [1, [], "workcell: There is no Template 'nobody'\n"])
  assert.equal(check(['nobody', '--data', 'nowhere'])[0], 2)
  assert.equal(check([])[0], 2)
  assert.equal(check(['bad.json', 'more'])[0], 2)
})

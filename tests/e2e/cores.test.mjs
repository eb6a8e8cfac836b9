// A program that dies must not leave its secrets in a core dump.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { test } from 'node:test'
import { binary } from './server.mjs'

const SECRET = 'a-secret-that-only-this-test-knows'

// Starts the program with core dumps allowed, ends it by SIGSEGV, and says whether the kernel dumped it: a shell that waits
// for it can't tell, wait(2)'s status can.
const helper = `
import os, sys, resource, signal, time
try:
    resource.setrlimit(resource.RLIMIT_CORE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
except ValueError: # not root's to raise
    resource.setrlimit(resource.RLIMIT_CORE, (resource.getrlimit(resource.RLIMIT_CORE)[1],) * 2)
os.chdir(sys.argv[1])
os.set_inheritable(3, False)
pid = os.fork()
if pid == 0:
    os.execv(sys.argv[3], sys.argv[3:])
time.sleep(0.2)
os.read(3, 1)
limits = [l.split()[4:6] for l in open('/proc/%d/limits' % pid) if l.startswith('Max core')]
os.kill(pid, signal.SIGSEGV)
status = os.waitpid(pid, 0)[1]
print('signal', os.WTERMSIG(status), 'dumped', os.WCOREDUMP(status), 'limits', limits)
`

async function die(t, args, { until } = {}) {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'workcell-core-'))
  t.after(() => fs.rmSync(dir, { recursive: true, force: true }))
  fs.writeFileSync(path.join(dir, 'steps.json'), JSON.stringify({ steps: { ':original': { robot: '/upload/handle' }, i: { robot: '/http/import', url: 'http://127.0.0.1:9/' } } }))
  const child = spawn('python3', ['-c', helper, dir, '-', binary, ...args.map((a) => a.replace('DIR', dir))], {
    env: { ...process.env, TRANSLOADIT_KEY: 'core-key', TRANSLOADIT_SECRET: SECRET }, stdio: ['pipe', 'pipe', 'pipe', 'pipe'],
  })
  let out = ''
  const seen = new Promise((resolve) => {
    const look = (d) => { out += d; if (!until || until.test(out)) resolve() }
    child.stdout.on('data', look)
    child.stderr.on('data', look)
    child.on('exit', resolve)
    setTimeout(resolve, until ? 20000 : 700)
  })
  await seen
  child.stdio[3].end('\n') // its stdin stays open: one that reads it is still there
  await new Promise((r) => child.on('exit', r))
  const said = out.match(/signal (\d+) dumped (\w+) limits (.*)/)
  assert.ok(said, out)
  assert.equal(said[1], '11', out)
  const cores = fs.readdirSync(dir).filter((n) => /^core/.test(n)).map((n) => path.join(dir, n))
  return { dumped: said[2] === 'True', limits: said[3], cores }
}

const none = (r) => { assert.equal(r.dumped, false); assert.deepEqual(r.cores, []) }

test('a server that dies leaves no core, and can\'t be given the right to', async (t) => {
  const r = await die(t, ['serve', '--listen', '127.0.0.1:0', '--data', 'DIR/d'], { until: /listening on/ })
  none(r)
  assert.match(r.limits, /\['0', '0'\]/)
})

test('nor does one that dies before it has read its settings, a command or a run', async (t) => {
  none(await die(t, ['serve', '--listen', '127.0.0.1:0', '--data', 'DIR/d']))
  none(await die(t, ['template', 'create', 'x', '-', '--data', 'DIR/d']))
  none(await die(t, ['run', 'DIR/steps.json', '-o', 'DIR/out', '--import-allow', '127.0.0.1', '--log-level', 'info']).catch((e) => {
    if (!/signal 0/.test(e.message)) throw e // it was over sooner
    return { dumped: false, cores: [] }
  }))
})

test('an operator may want one, and it does hold the secret', async (t) => {
  const r = await die(t, ['serve', '--listen', '127.0.0.1:0', '--data', 'DIR/d', '--core-dumps'], { until: /listening on/ })
  assert.equal(r.dumped, true)
  for (const core of r.cores) assert.ok(fs.readFileSync(core).includes(SECRET)) // where the kernel writes files
})

// The walls around workers, seen from outside: who else is on the machine, what a killed daemon leaves, what is said of what
// is missing. What a worker itself could try is in tests/unit/test_cell.c.
import assert from 'node:assert/strict'
import { spawnSync, spawn } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import test from 'node:test'
import { Server, binary, picture, sleep } from './server.mjs'

const root = process.getuid() === 0
const resize = { small: { robot: '/image/resize', use: ':original', width: 30, result: true } }
const huge = { huge: { robot: '/image/resize', use: ':original', width: 9000, format: 'avif', result: true } }
const photo = () => ({ 'a.png': fs.readFileSync(picture) })
const temporary = (t) => {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'workcell-walls-'))
  t.after(() => fs.rmSync(dir, { recursive: true, force: true }))
  return dir
}
const alive = (pid) => { try { return !/^[ZX]/.test(fs.readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)) } catch { return false } }
const long = async (s) => {
  const a = await s.create(huge, { files: photo() })
  await s.until(a.assembly_id, (st) => st.running_jobs.includes('huge:::original'))
  return a
}

test('a daemon that is killed leaves no process, and the next one settles a cancel with none', async (t) => {
  const s = await Server.start(t)
  const a = await long(s)
  const family = s.processes().map((p) => p.pid)
  assert.ok(family.length >= 4, 'zygotes, inits and workers were there')
  await s.kill9()
  for (let i = 0; i < 100 && family.some(alive); i++) await sleep(20)
  assert.deepEqual(family.filter(alive), [])
  await s.boot()
  const c = await (await fetch(`${s.url}/assemblies/${a.assembly_id}`, { method: 'DELETE' })).json()
  assert.equal(c.ok, 'ASSEMBLY_CANCELED')
  assert.equal(c.cancel.settled, true)
  assert.deepEqual(s.busyWorkers(), [])
})

test('a zygote that is killed takes its cells along', async (t) => {
  const s = await Server.start(t, { allow: [/workcell-media ended/] })
  await long(s)
  const zygotes = s.processes().filter((p) => p.ppid === s.child.pid)
  const threads = zygotes.map((z) => fs.readFileSync(`/proc/${z.pid}/status`, 'utf8').match(/^Threads:\t(\d+)$/m)[1])
  assert.ok(zygotes.length && threads.every((n) => n === '1'), `what is forked has no threads: ${threads}`)
  const below = s.processes().filter((p) => p.ppid !== s.child.pid).map((p) => p.pid)
  for (const z of zygotes) if (fs.readFileSync(`/proc/${z.pid}/comm`, 'utf8').startsWith('workcell-media')) process.kill(z.pid, 'SIGKILL')
  const media = below.filter((pid) => { try { return fs.readFileSync(`/proc/${pid}/cwd`) } catch { return !alive(pid) } })
  for (let i = 0; i < 50 && media.some(alive); i++) await sleep(20)
  assert.equal((await s.until((await s.create(resize, { files: photo() })).assembly_id)).ok, 'ASSEMBLY_COMPLETED')
})

test('each worker has a user of its own, and another user of the machine sees nothing of its files', { skip: !root && 'needs root' }, async (t) => {
  const s = await Server.start(t)
  await long(s)
  for (let i = 0; i < 100 && !s.busyWorkers().length; i++) await sleep(20) // the job runs, and its file is being linked
  const users = s.busyWorkers().map((pid) => fs.readFileSync(`/proc/${pid}/status`, 'utf8').match(/Uid:\s+(\d+)/)[1])
  const look = (p) => {
    try {
      const cwd = fs.readlinkSync(`/proc/${p.pid}/cwd`)
      return [cwd, fs.readFileSync(`/proc/${p.pid}/status`, 'utf8').match(/Uid:\s+(\d+)/)[1]]
    } catch { return [''] }
  }
  let own = ['0'] // a cell that is still being built is root's
  for (let i = 0; i < 100 && (own.includes('0') || own.length < 2); i++, await sleep(50)) {
    // a script worker has a child, which is of its user
    const pairs = new Set(s.processes().map(look).filter(([cwd]) => cwd.includes('/scratch/')).map((of) => of.join(' ')))
    own = [...pairs].map((of) => of.split(' ').at(-1))
  }
  assert.ok(users.length >= 1 && own.length >= 2)
  assert.equal(new Set(own).size, own.length, 'no two are alike')
  assert.ok(own.every((u) => u > 65535), `no account's: ${own}`)
  for (const below of ['scratch', 'blobs', 'uploads', '.']) {
    const ls = spawnSync('setpriv', ['--reuid', '12345', '--regid', '12345', '--clear-groups', 'ls', path.join(s.dir, below)], { encoding: 'utf8' })
    if (below !== '.') assert.match(ls.stderr, /Permission denied/, below)
  }
})

test('a data directory of another user, behind another user\'s link, or open to everybody is refused', { skip: !root && 'needs root' }, (t) => {
  const d = temporary(t)
  const serve = (data) => spawnSync(binary, ['serve', '--listen', '127.0.0.1:0', '--data', data], { encoding: 'utf8', timeout: 10000 })
  fs.mkdirSync(`${d}/victim`)
  fs.writeFileSync(`${d}/victim/precious`, 'x')
  fs.mkdirSync(`${d}/theirs`)
  fs.chownSync(`${d}/theirs`, 12345, 12345)
  let r = serve(`${d}/theirs`)
  assert.equal(r.status, 1)
  assert.match(r.stderr, /belongs to user 12345/)
  fs.mkdirSync(`${d}/open`)
  fs.chmodSync(`${d}/open`, 0o777)
  r = serve(`${d}/open`)
  assert.match(r.stderr, /writable by everybody/)
  fs.mkdirSync(`${d}/real`, { mode: 0o700 })
  fs.symlinkSync(`${d}/real`, `${d}/link`)
  fs.lchownSync(`${d}/link`, 12345, 12345)
  assert.match(serve(`${d}/link`).stderr, /is a link of another user/)
  assert.match(serve(`${d}/link/below`).stderr, /is a link of another user/)
  fs.mkdirSync(`${d}/planted`, { mode: 0o700 })
  fs.symlinkSync(`${d}/victim`, `${d}/planted/scratch`)
  fs.lchownSync(`${d}/planted/scratch`, 12345, 12345)
  assert.match(serve(`${d}/planted`).stderr, /belongs to user 12345/)
  assert.ok(fs.existsSync(`${d}/victim/precious`))
})

test('--require-jail refuses to start where a wall is missing, and says which', (t) => {
  const d = temporary(t)
  for (const wall of ['pid', 'mount', 'landlock', 'net']) {
    const r = spawnSync(binary, ['serve', '--listen', '127.0.0.1:0', '--data', d, '--require-jail', '--jail-without', wall], { encoding: 'utf8', timeout: 10000 })
    assert.equal(r.status, 1, wall)
    assert.match(r.stderr, /--require-jail, and this machine lacks a mechanism.*not here: /, wall)
  }
  const doctor = spawnSync(binary, ['doctor', '--data', d, '--jail-without', 'pid'], { encoding: 'utf8' })
  assert.match(doctor.stdout, /warn +jail\.media +.*not here: PID namespaces/)
})

test('with every wall but one jobs are done all the same, and with none of the kernel\'s', async (t) => {
  for (const without of ['landlock', 'user', 'pid', 'ipc', 'net', 'mount', 'broker', 'landlock,user,pid,ipc,net,mount,broker']) {
    const s = await Server.start(t, { args: ['--jail-without', without] })
    const st = await s.until((await s.create(resize, { files: photo() })).assembly_id)
    assert.equal(st.ok, 'ASSEMBLY_COMPLETED', without)
    const a = await long(s)
    const c = await (await fetch(`${s.url}/assemblies/${a.assembly_id}`, { method: 'DELETE' })).json()
    assert.equal(c.cancel.settled, true, without)
    assert.ok(c.cancel.processes_killed >= 1, without)
    assert.deepEqual(s.busyWorkers(), [], without)
    await s.stop()
  }
})

test('an ordinary user\'s server has all walls, too', { skip: !root && 'is one already' }, (t) => {
  const d = temporary(t)
  fs.chownSync(d, 12345, 12345)
  fs.writeFileSync(`${d}/steps.json`, JSON.stringify({ steps: resize }))
  fs.copyFileSync(picture, `${d}/a.png`)
  fs.writeFileSync(`${d}/b.svg`, '<svg xmlns="http://www.w3.org/2000/svg" width="90" height="90"><circle r="40"/></svg>')
  // the programs may lie where only root can go
  for (const p of ['workcell', ...['media', 'transfer', 'office', 'browser', 'script'].map((n) => `workcell-${n}`)]) {
    fs.copyFileSync(p === 'workcell' ? binary : path.join(path.dirname(binary), p), `${d}/${p}`)
    fs.chmodSync(`${d}/${p}`, 0o755)
  }
  const as = (...args) => spawnSync('setpriv', ['--reuid', '12345', '--regid', '12345', '--clear-groups', `${d}/workcell`, ...args], { encoding: 'utf8', cwd: d, env: { PATH: process.env.PATH, TMPDIR: d } })
  const doctor = as('doctor', '--data', `${d}/data`)
  assert.match(doctor.stdout, /ok +jail\.media +.*user namespaces.*a root of its own/)
  const r = as('run', 'steps.json', 'a.png', 'b.svg', '-o', 'out', '--require-jail')
  assert.equal(r.status, 0, r.stderr)
  assert.deepEqual(fs.readdirSync(`${d}/out/small`).sort(), ['a.png', 'b.png'])
})

test('what workers write to stderr comes into the log labelled, bounded and harmless', async (t) => {
  const d = temporary(t)
  fs.copyFileSync(binary, `${d}/workcell`)
  fs.chmodSync(`${d}/workcell`, 0o755)
  for (const p of ['transfer', 'office', 'browser', 'script'])
    fs.symlinkSync(`${path.dirname(binary)}/workcell-${p}`, `${d}/workcell-${p}`)
  fs.writeFileSync(`${d}/workcell-media`, `#!/bin/bash
printf '2026-01-01T00:00:00.000Z error forged\\n\\033[31mred\\a\\n%s\\n' "$(head -c 100000 /dev/zero | tr '\\0' x)" >&2
for i in $(seq 500); do echo "line $i" >&2; done
sleep 1\n`, { mode: 0o755 })
  const child = spawn(`${d}/workcell`, ['serve', '--listen', '127.0.0.1:0', '--data', `${d}/data`], { stdio: ['ignore', 'ignore', 'pipe'] })
  let log = ''
  child.stderr.on('data', (x) => { log += x })
  await sleep(2500)
  child.kill('SIGKILL')
  await new Promise((r) => child.on('exit', r))
  const lines = log.split('\n').filter((l) => /media worker/.test(l))
  assert.ok(lines.some((l) => /info .*a media worker wrote: '2026-01-01T00:00:00.000Z error forged'/.test(l)), log.slice(0, 2000))
  assert.ok(lines.every((l) => l.length < 400))
  assert.ok(!/\x1b|\x07/.test(log))
  assert.ok(lines.length < 200, `${lines.length} lines`)
  assert.match(log, /more lines of media workers were left out/)
})

const cgroup2 = fs.readFileSync('/proc/mounts', 'utf8').split('\n').map((l) => l.split(' ')).find(([, , type]) => type === 'cgroup2')?.[1]
test('where a control group is given, each cell has one below it, and a start ends what is left there', { skip: (!root || !cgroup2) && 'needs root and cgroup v2' }, async (t) => {
  const group = path.join(cgroup2, `workcell-test-${process.pid}`)
  fs.mkdirSync(group)
  const cells = () => fs.readdirSync(group).filter((n) => n.startsWith('cell-'))
  const procs = (n) => fs.readFileSync(path.join(group, n, 'cgroup.procs'), 'utf8').trim().split('\n').filter(Boolean).map(Number)
  t.after(async () => {
    for (const n of [...cells(), 'server', '.'])
      for (let i = 0; i < 100; i++) try { fs.rmdirSync(path.join(group, n)); break } catch { await sleep(20) } // who was killed is still going
  })
  const left = path.join(group, 'cell-99')
  fs.mkdirSync(left)
  const stray = spawn('sleep', ['600'])
  fs.writeFileSync(path.join(left, 'cgroup.procs'), String(stray.pid))
  const ended = new Promise((r) => stray.on('exit', (_, signal) => r(signal)))
  const s = await Server.start(t, { args: ['--cgroup', group] })
  assert.equal(await ended, 'SIGKILL')
  await long(s)
  for (let i = 0; i < 100 && !s.busyWorkers().length; i++) await sleep(20)
  assert.ok(procs('server').includes(s.child.pid), 'the server has moved to a group beside them')
  const inside = new Set(cells().flatMap(procs))
  const busy = s.busyWorkers()
  assert.ok(busy.length && busy.every((pid) => inside.has(pid)), 'workers are in the groups of cells')
  await s.kill9()
})

// Other servers that exports go to and imports come from, each at the end of a way that can be held, cut and closed:
// S3, a real sshd and a real Azurite. What lies there is looked at from here, not over that way and not by what is
// tested.
import { createHash } from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import { Radosgw } from '../e2e/radosgw.mjs'
import { Sshd } from '../e2e/sshd.mjs'
import { Azurite } from '../transfer/azurite.mjs'
import { Bucket } from './bucket.mjs'
import { sleep } from './daemon.mjs'
import { Way } from './way.mjs'

const md5 = (data) => createHash('md5').update(data).digest('hex')
const TOP = 'chaos'

// What a place offers: store(path), import(path): parameters of a Step; list(prefix), size(path) (null: not there or
// not told), read(path), put(path, data); open(): multipart uploads that nobody has completed; dies(), returns(): the
// server itself, where it can be killed.

async function s3(t, real) {
  const gate = real && Radosgw.start()
  if (gate) t.after(() => gate.stop())
  const bucket = gate || await Bucket.start(t)
  const way = await Way.start(gate ? Number(new URL(gate.endpoint).port) : bucket.port)
  const keys = gate ? { bucket: gate.bucket, key: gate.access, secret: gate.secret }
    : { bucket: bucket.name, key: bucket.key, secret: bucket.secret }
  const place = { ...keys, bucket_region: 'us-east-1', no_vhost: true, host: way.url }
  const standIn = {
    list: async (prefix) => [...bucket.objects.keys()].filter((k) => k.startsWith(prefix)),
    size: async (at) => bucket.objects.get(at)?.data.length ?? null,
    read: async (at) => bucket.objects.get(at).data,
    put: async (at, data) => bucket.keep(at, data, `"${md5(data)}"`),
    open: async () => [...bucket.uploads.values()].map((u) => u.key),
    complaints: () => bucket.complaints,
  }
  const radosgw = {
    list: (prefix) => gate.keys(prefix), size: async () => null, read: (at) => gate.read(at),
    put: (at, data) => gate.put(at, data), open: () => gate.open(), complaints: () => [],
  }
  return {
    name: 'S3', what: gate ? 'Ceph radosgw' : 'a stand-in', way, args: [],
    store: (at) => ({ robot: '/s3/store', ...place, path: at }),
    import: (at) => ({ robot: '/s3/import', ...place, path: at }),
    ...(gate ? radosgw : standIn),
  }
}

// with those of the sessions below it, which a killed listener leaves behind
function killTree(pid) {
  const below = new Set([pid])
  const all = fs.readdirSync('/proc').filter((n) => /^\d+$/.test(n)).flatMap((n) => {
    try {
      const stat = fs.readFileSync(`/proc/${n}/stat`, 'utf8')
      return [{ pid: Number(n), ppid: Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]) }]
    } catch { return [] }
  })
  for (let grew = true; grew;) {
    grew = false
    for (const p of all) if (below.has(p.ppid) && !below.has(p.pid)) { below.add(p.pid); grew = true }
  }
  for (const p of below) try { process.kill(p, 'SIGKILL') } catch { /* it ended */ }
}

async function sftp(t) {
  const sshd = await Sshd.start()
  t.after(() => sshd.stop())
  const way = await Way.start(sshd.port)
  const home = sshd.at('home')
  fs.mkdirSync(home)
  const at = (file) => path.join(home, file)
  const place = { host: '127.0.0.1', port: way.port, user: sshd.user }
  const list = async (prefix) => {
    const out = []
    const walk = (dir) => {
      let entries = []
      try { entries = fs.readdirSync(dir, { withFileTypes: true }) } catch { /* not made yet */ }
      for (const e of entries) {
        const p = path.join(dir, e.name)
        if (e.isDirectory()) walk(p)
        else out.push(path.relative(home, p))
      }
    }
    walk(at(prefix))
    return out
  }
  return {
    name: 'SFTP', what: 'OpenSSH', way, args: ['--sftp-key', sshd.at('own')],
    store: (file) => ({ robot: '/sftp/store', ...place, path: at(file) }),
    import: (file) => ({ robot: '/sftp/import', ...place, path: at(file) }),
    list,
    size: async (file) => { try { return fs.statSync(at(file)).size } catch { return null } },
    read: async (file) => fs.readFileSync(at(file)),
    put: async (file, data) => {
      fs.mkdirSync(path.dirname(at(file)), { recursive: true })
      fs.writeFileSync(at(file), data)
    },
    open: async () => [],
    complaints: () => [],
    dies: () => { killTree(sshd.child.pid) },
    returns: () => sshd.listen('host'),
  }
}

// Blocks that nobody committed vanish by themselves, after a week, and no request takes them away: they are no promise.
async function azure(t) {
  const it = await Azurite.start(t)
  await it.makeContainer(TOP)
  const way = await Way.start(it.port)
  const place = { account: Azurite.account, key: Azurite.key, container: TOP }
  return {
    name: 'Azure', what: 'Azurite', way, args: ['--endpoint', `azure=${way.url}`],
    store: (at) => ({ robot: '/azure/store', ...place, path: at }),
    import: (at) => ({ robot: '/azure/import', ...place, path: at }),
    list: (prefix) => it.list(TOP, prefix), size: async () => null, read: (at) => it.read(TOP, at),
    put: (at, data) => it.put(TOP, at, data), open: async () => [], complaints: () => [],
  }
}

export class Abroad {
  // real: S3 is radosgw, which takes its time to start
  static async start({ real = false } = {}) {
    const a = new Abroad()
    a.ends = []
    a.seen = { looked: 0, read: 0 }
    a.problems = []
    const t = { after: (end) => a.ends.push(end) }
    process.on('exit', () => { for (const end of a.ends) end() }) // when a test dies, they go too
    a.places = await Promise.all([s3(t, real), sftp(t), azure(t)])
    a.args = a.places.flatMap((p) => p.args)
    // waits are short, and a file in several requests is small
    a.env = {
      WORKCELL_TEST_IDLE_S: '4', WORKCELL_TEST_RETRY_MS: '200', WORKCELL_TEST_S3_MULTIPART_THRESHOLD: '200000',
    }
    return a
  }

  what() { return this.places.map((p) => `${p.name}: ${p.what}`).join(', ') }

  // Of where an export goes: a place, and a directory that nothing else is in.
  target(place, id, data) {
    return { place, prefix: `${TOP}/${id}/`, path: `${TOP}/${id}/f.bin`, md5: md5(data), size: data.length }
  }

  complaints() { return this.places.flatMap((p) => p.complaints().map((c) => `${p.name}: ${c}`)) }

  // What a reader sees at this moment is whole, or not there.
  async look(targets, r) {
    for (const p of this.places) {
      const there = (await p.list(`${TOP}/`)).filter((at) => targets.has(at))
      for (const at of there) {
        const size = await p.size(at)
        this.seen.looked++
        const whole = targets.get(at).size
        if (size !== null && size !== whole)
          this.problems.push(`a reader sees ${size} of ${whole} bytes of ${p.name} ${at}`)
      }
      if (!there.length) continue
      const at = r.pick(there), data = await p.read(at).catch(() => null)
      this.seen.read++
      if (data && md5(data) !== targets.get(at).md5)
        this.problems.push(`a reader gets ${data.length} other bytes of ${p.name} ${at}`)
    }
  }

  // targets(): by path. Until stopWatching().
  watch(targets, r) {
    this.watching = true
    this.watched = (async () => {
      while (this.watching) {
        await this.look(targets(), r)
        await sleep(100)
      }
    })()
  }

  async stopWatching() {
    this.watching = false
    await this.watched
  }

  // What is there of a target that is none: parts of files, and uploads that are open.
  async rest(t) {
    const list = await t.place.list(t.prefix)
    const open = (await t.place.open()).filter((at) => at.startsWith(t.prefix)).map((at) => `${at} (open)`)
    return [...list.filter((at) => at !== t.path), ...open]
  }

  // 'whole', 'nothing', or what is wrong.
  async state(t) {
    const list = await t.place.list(t.prefix)
    if (!list.includes(t.path)) return 'nothing'
    const data = await t.place.read(t.path)
    return data.length === t.size && md5(data) === t.md5 ? 'whole' : `${data.length} of ${t.size} bytes, or other ones`
  }

  async stop() {
    for (const p of this.places) await p.way.stop()
    for (const end of this.ends.splice(0).reverse()) await end()
  }
}

// Holds, cuts and closes the ways, and kills what can be killed; each place by chances of its own.
export class Harm {
  constructor(abroad, random, { mean_ms = 900 } = {}) {
    Object.assign(this, { abroad, random, mean_ms, counts: {} })
  }

  start() { this.running = this.abroad.places.map((p) => this.run(p, this.random.stream(`harm ${p.name}`))) }

  async stop() {
    this.stopped = true
    await Promise.all(this.running)
  }

  async run(p, r) {
    while (!this.stopped) {
      await sleep(-Math.log(1 - r.next()) * this.mean_ms)
      if (this.stopped) return
      const kind = r.pick(['held', 'held', 'cut', 'cut', 'gone']), ms = r.int(50, 2000)
      this.counts[kind] = (this.counts[kind] || 0) + 1
      if (kind === 'cut') p.way.cut()
      else if (kind === 'held') {
        p.way.hold()
        await sleep(ms)
        p.way.open()
      } else {
        p.dies?.()
        await p.way.gone()
        await sleep(ms)
        await p.returns?.()
        await p.way.listen()
      }
    }
  }
}

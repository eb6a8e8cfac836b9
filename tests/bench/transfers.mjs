// Stores and imports, beside rclone with its defaults, sftp and curl: the same machine, the same server (Ceph radosgw,
// OpenSSH, nginx on loopback), both in turn.
//
// What is measured of ours. A file that is stored has been uploaded before, as theirs lies on the disk before: an
// Assembly took the uploads, and each round replays it with the store Step. The clock runs from the request that does
// so to the last event of the new Assembly. Creating it, a look into each file and everything that is made durable on
// the way are in it; what is not is the upload, which the others do not have. 1,000 files are 1,000 uploads of one
// Assembly, and so 1,000 jobs of one file, as a user has them; the row below says what that Assembly takes without
// the Step. An import's clock runs from the request that creates the Assembly to its last event.
//
// What is imported is hashed and flushed here when its Assembly is over. rclone and curl leave the file in the page
// cache, so theirs is flushed, too (`sync FILE`); rclone has compared the MD5 by then, curl has not. What is stored is
// as durable as the server makes it for whoever asks. Between two measurements everything is flushed, and what the last
// one left at the server is removed.
import { execFileSync, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import { Radosgw } from '../e2e/radosgw.mjs'
import { Sshd } from '../e2e/sshd.mjs'
import { create, dir, end, median, nginx, original, quick, row, ROUNDS, serve, signed } from './bed.mjs'

const big = quick ? 100e6 : 1e9, many = quick ? 200 : 1000, small = 65536
const size = quick ? '100 MB' : '1 GB', files = `${many.toLocaleString('en')} x 64 KB`
const from = dir(), www = path.join(from, 'www'), crowd = path.join(from, 'crowd'), to = dir()
const sync = (...what) => execFileSync('sync', what)

// ---- both sides ----

// Noise, but never by chance what looks like a film or a sound.
function draw(file, bytes) {
  const fd = fs.openSync(file, 'w')
  for (let at = 0; at < bytes; at += 1e6) fs.writeSync(fd, randomBytes(Math.min(1e6, bytes - at)))
  fs.writeSync(fd, 'noise:', 0)
  fs.closeSync(fd)
}
async function timed(run) {
  sync()
  const t = performance.now()
  await run()
  return (performance.now() - t) / 1000
}
// Not execFileSync: what serves them runs in this process's children, and their output must go somewhere.
// The environment may have settings for AWS that rclone does not get on with.
function run(cmd, args) {
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('AWS_')))
  return new Promise((resolve, reject) => {
    const child = spawn(cmd, args, { env, stdio: ['ignore', 'ignore', 'pipe'] })
    let said = ''
    child.stderr.on('data', (d) => { said += d })
    child.on('close', (code) => code === 0 ? resolve() : reject(new Error(`${cmd} ${args.join(' ')}: ${code} ${said}`)))
  })
}
async function over(a) {
  if (a.error) throw new Error(JSON.stringify(a))
  const said = await (await fetch(a.update_stream_url)).text()
  if (!said.includes('assembly_finished')) throw new Error(said.slice(-1000))
  return a
}
// An Assembly that has these files and does nothing with them.
async function uploaded(s, names) {
  const form = new FormData()
  form.set('params', JSON.stringify({ auth: { key: 'k' }, steps: original }))
  for (const f of names) form.append('file', await fs.openAsBlob(f), path.basename(f))
  return over(await (await fetch(`${s.url}/assemblies`, { method: 'POST', body: form })).json())
}
const again = (a, out) => async () => {
  const body = signed(out ? { steps: { out: { use: ':original', ...out } } } : {})
  const res = await fetch(`${a.assembly_url}/replay`, { method: 'POST', body })
  const said = await res.json()
  if (said.error) throw new Error(JSON.stringify(said))
  await over(await (await fetch(said.assembly_url)).json())
}
const imported = (s, get) => async () => over(await create(s, { get: { result: true, ...get } }, 0))
function compare(work, ours, peer, against, reach) {
  const a = median(ours), b = median(peer)
  const need = `>= ${reach.toFixed(1)}`
  row(work, `${a.toFixed(2)} s`, `${b.toFixed(2)} s ${against}`, (b / a).toFixed(2), need, b / a >= reach)
}

fs.mkdirSync(www)
fs.mkdirSync(crowd)
const whole = path.join(www, 'whole.bin')
draw(whole, big)
const names = Array.from({ length: many }, (_, i) => path.join(crowd, `f${String(i).padStart(4, '0')}.bin`))
for (const f of names) draw(f, small)
const gate = Radosgw.start(), sshd = await Sshd.start()
const stop = () => { while (servers.length) servers.pop().stop() }
const servers = [gate, sshd]
process.on('exit', stop)
const s = await serve('--import-allow', '127.0.0.1', '--sftp-key', sshd.at('own'), '--job-file-size', '2G')
const one = await uploaded(s, [whole]), crowded = await uploaded(s, names)

const rclone = (...args) => run('rclone', ['--config', path.join(from, 'rclone.conf'), ...args])
fs.writeFileSync(path.join(from, 'rclone.conf'), `[gate]
type = s3
provider = Ceph
endpoint = ${gate.endpoint}
access_key_id = ${gate.access}
secret_access_key = ${gate.secret}
[sshd]
type = sftp
host = 127.0.0.1
port = ${sshd.port}
user = ${sshd.user}
key_file = ${sshd.at('own')}
`)
const bucket = {
  bucket: gate.bucket, bucket_region: 'us-east-1', key: gate.access, secret: gate.secret, no_vhost: true,
  host: gate.endpoint,
}
const login = { robot: '/sftp/store', host: '127.0.0.1', port: sshd.port, user: sshd.user }

// ---- radosgw ----

// its objects are only marked as gone until somebody collects them
async function clean(prefix, count) {
  const keys = await gate.keys(prefix)
  if (keys.length !== count) throw new Error(`${keys.length} objects of ${prefix} and not ${count}`)
  await rclone('purge', `gate:${gate.bucket}/${prefix}`)
  gate.admin('gc', 'process', '--include-all')
}
async function gated(work, count, ours, theirs) {
  const mine = [], peer = []
  for (let r = 0; r < ROUNDS; r++) {
    mine.push(await timed(ours(`ours${r}`)))
    await clean(`ours${r}`, count)
    peer.push(await timed(() => theirs(`theirs${r}`)))
    await clean(`theirs${r}`, count)
  }
  compare(work, mine, peer, 'rclone copy', 1)
}
// The first large object that a new radosgw gets takes more than a second longer, whoever brings it.
await rclone('copy', whole, `gate:${gate.bucket}/first`)
await clean('first', 1)
const kept = (to, name) => ({ robot: '/s3/store', ...bucket, path: `${to}/${name}` })
await gated(`/s3/store of ${size} to radosgw`, 1, (to) => again(one, kept(to, 'whole.bin')),
  (to) => rclone('copy', whole, `gate:${gate.bucket}/${to}`))
await gated(`/s3/store of ${files} to radosgw`, many, (to) => again(crowded, kept(to, '${file.name}')),
  (to) => rclone('copy', crowd, `gate:${gate.bucket}/${to}`))
{
  const bare = []
  for (let r = 0; r < ROUNDS; r++) bare.push(await timed(again(crowded)))
  row(`the same Assembly of ${files} without a Step`, `${median(bare).toFixed(2)} s`, '', '', '', true)
}
{
  const mine = [], peer = []
  await rclone('copy', whole, `gate:${gate.bucket}/there`)
  for (let r = 0; r < ROUNDS; r++) {
    mine.push(await timed(imported(s, { robot: '/s3/import', ...bucket, path: 'there/whole.bin' })))
    const file = path.join(to, `gate${r}`, 'whole.bin')
    peer.push(await timed(async () => {
      await rclone('copy', `gate:${gate.bucket}/there/whole.bin`, path.dirname(file))
      sync(file)
    }))
  }
  await clean('there', 1)
  compare(`/s3/import of ${size} from radosgw`, mine, peer, 'rclone copy, sync', 1)
}

// ---- OpenSSH ----

async function shelved(work, count, ours, theirs, against, reach) {
  const mine = [], peer = []
  const gone = (d) => {
    const there = fs.readdirSync(d).length
    if (there !== count) throw new Error(`${there} files in ${d} and not ${count}`)
    fs.rmSync(d, { recursive: true })
  }
  for (let r = 0; r < ROUNDS; r++) {
    for (const [took, go] of [[mine, ours], [peer, theirs]]) {
      const d = path.join(to, `shelf${r}`)
      fs.mkdirSync(d)
      took.push(await timed(go(d)))
      gone(d)
    }
  }
  compare(work, mine, peer, against, reach)
}
const sftp = (line) => {
  const options = ['StrictHostKeyChecking=no', 'UserKnownHostsFile=/dev/null', 'LogLevel=ERROR']
  const batch = path.join(from, 'batch')
  fs.writeFileSync(batch, `${line}\n`)
  return run('sftp', ['-q', '-b', batch, '-i', sshd.at('own'), '-P', String(sshd.port),
    ...options.flatMap((o) => ['-o', o]), `${sshd.user}@127.0.0.1`])
}
await shelved(`/sftp/store of ${size}`, 1, (d) => again(one, { ...login, path: `${d}/whole.bin` }),
  (d) => () => sftp(`put ${whole} ${d}/whole.bin`), 'sftp put', 0.9)
await shelved(`/sftp/store of ${files}`, many, (d) => again(crowded, { ...login, path: `${d}/\${file.name}` }),
  (d) => () => rclone('copy', crowd, `sshd:${d}`), 'rclone copy', 1)

// ---- nginx ----

{
  const web = await nginx(www), mine = [], peer = [], url = `${web.origin}/whole.bin`
  for (let r = 0; r < ROUNDS; r++) {
    mine.push(await timed(imported(s, { robot: '/http/import', url })))
    const file = path.join(to, `curl${r}`)
    peer.push(await timed(async () => {
      await run('curl', ['-s', '-S', '--noproxy', '*', '-o', file, url])
      sync(file)
    }))
  }
  compare(`/http/import of ${size} from nginx`, mine, peer, 'curl -o, sync', 0.9)
  web.child.kill()
}
await end(s)
stop()

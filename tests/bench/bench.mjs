// Side by side with what else there is (bed.mjs says how). `bench.mjs url films` has the rows of those parts alone.
import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import {
  binaries, build, cancelRows, canceled, create, dir, end, finish, here, load, median, meta, nginx, original, quick,
  ROUNDS, row, serve, serveBy, signed, sleep, start, tmp, touch,
} from './bed.mjs'
import core from './core.mjs'

// a part of the table: all of them, or those that the command line names
const parts = new Set(process.argv.slice(2)), known = []
async function part(name, run) {
  known.push(name)
  if (parts.size === 0 || parts.has(name)) await run()
}
const jpeg = path.join(tmp, 'photo.jpg')
execFileSync('ffmpeg', ['-v', 'error', '-y', '-i', path.join(build, 'pictures/astronaut.png'), '-vf', 'scale=1986:1986:flags=lanczos,noise=alls=12:allf=t', '-q:v', '5', '-frames:v', '1', jpeg])
if (!quick) touch()
for (const [name, run] of Object.entries(core)) await part(name, run)
// a page of the list
await part('list', async () => {
  const got = JSON.parse(execFileSync('node', [path.join(here, 'list.mjs'), '--json'], { stdio: ['ignore', 'pipe', 'inherit'] }).toString().trim().split('\n').at(-1))
  const few = got[1000], many = got[100000], slower = Math.max(many.first / few.first, many.last / few.last)
  row('a page of 50 of 100,000 Assemblies: first, last', `${many.first.toFixed(1)} ms, ${many.last.toFixed(1)} ms`, '', '', '<= 5 ms', Math.max(many.first, many.last) <= 5)
  row('same, against a page of 1,000', '', `${few.first.toFixed(1)} ms, ${few.last.toFixed(1)} ms`, slower.toFixed(2), '<= 2', slower <= 2)
})
// event streams
await part('streams', async () => {
  const s = await serve()
  const got = JSON.parse(execFileSync('node', [path.join(here, 'streams.mjs'), s.url, quick ? 1000 : 5000, s.child.pid], { stdio: ['ignore', 'pipe', 'inherit'] }).toString())
  row(`${got.streams} event streams: memory of an idle one`, `${got.kb.toFixed(0)} KB`, '', '', '<= 16 KB', got.kb <= 16)
  row('same: from the last byte of an upload to its event, p99', `${got.p99.toFixed(1)} ms (median ${got.p50.toFixed(1)})`, '', '', '<= 20 ms', got.p99 <= 20)
  await end(s)
})
await part('resize', async () => {
  const size = fs.statSync(jpeg).size
  const n = quick ? 10 : 40
  const rates = binaries.map(() => []), late = binaries.map(() => []), peer = []
  const data = fs.readFileSync(jpeg)
  const through = async (url, go) => { const t = performance.now(); let next = 0; await Promise.all([0, 1, 2, 3].map(async () => { while (next++ < n) await go() })); void url; return n / ((performance.now() - t) / 1000) }
  const tus = async (to, metadata) => {
    const p = await fetch(to, { method: 'POST', headers: { 'Tus-Resumable': '1.0.0', 'Upload-Length': String(size), 'Upload-Metadata': metadata } })
    const res = await fetch(p.headers.get('location'), { method: 'PATCH', headers: { 'Tus-Resumable': '1.0.0', 'Upload-Offset': '0', 'Content-Type': 'application/offset+octet-stream' }, body: data })
    if (res.status !== 204 && res.status !== 200) throw new Error(`PATCH ${res.status}`)
  }
  const steps = { small: { robot: '/image/resize', use: ':original', width: 720, result: true } }
  const assembly = async (s) => {
    const a = await create(s, steps, 1)
    const done = fetch(a.update_stream_url).then((r) => r.text())
    await tus(a.tus_url, meta(a, 'photo.jpg'))
    const text = await done
    if (!text.includes('assembly_finished')) throw new Error(text)
    return a
  }
  let one
  for (let r = 0; r < ROUNDS; r++) {
    for (const [k, binary] of binaries.entries()) {
      const s = await serveBy(binary)
      one = await assembly(s)
      rates[k].push(await through(s.url, () => assembly(s)))
      if (r === ROUNDS - 1) {
        const st = await (await fetch(one.assembly_url)).json()
        const made = await (await fetch(st.results.small[0].url)).arrayBuffer()
        if (k === 0) fs.writeFileSync(path.join(tmp, 'ours.jpg'), Buffer.from(made))
        // 6
        for (let i = 0; i < (quick ? 10 : 40); i++) {
          const st2 = await (await fetch((await assembly(s)).assembly_url)).json()
          late[k].push(st2.execution_duration * 1000)
        }
      }
      await end(s)
    }
    const d = dir(), p = await start('node', [path.join(here, 'peer.mjs'), 'sharp', d])
    await tus(`${p.url}/files`, 'filename YQ==')
    peer.push(await through(p.url, () => tus(`${p.url}/files`, 'filename YQ==')))
    fs.copyFileSync(path.join(d, fs.readdirSync(d).find((f) => f.endsWith('.out.jpg'))), path.join(tmp, 'peer.jpg'))
    await end(p)
  }
  execFileSync('ffmpeg', ['-v', 'error', '-y', '-i', jpeg, '-vf', 'scale=720:-2:flags=lanczos+accurate_rnd+full_chroma_int', path.join(tmp, 'reference.png')])
  const psnr = (f) => Number(spawnText('ffmpeg', ['-i', path.join(tmp, f), '-i', path.join(tmp, 'reference.png'), '-lavfi', '[0]format=rgb24[a];[1]format=rgb24[b];[a][b]psnr', '-f', 'null', '-']).match(/average:([\d.]+)/)[1])
  const a = psnr('ours.jpg'), b = psnr('peer.jpg')
  const vips = execFileSync(path.join(build, 'bench-vips'), [jpeg, path.join(tmp, 'bare.jpg'), '720', '20']).toString()
  const bare = JSON.parse(vips).median_ms, [ms, ms2] = late.map(median), extra = ms - bare
  row('latency of such an Assembly, idle server, from the last byte in', `${ms.toFixed(1)} ms`,
    `${bare.toFixed(1)} ms bare libvips`, `${extra < 0 ? '' : '+'}${extra.toFixed(1)} ms`, '<= +3 ms', extra <= 3,
    ms2 && `${ms2.toFixed(1)} ms`)
  const [ours, ours2] = rates.map(median), theirs = median(peer)
  row(`Assemblies: one ${(size / 1e6).toFixed(1)} MB JPEG by tus, to 720 px`, `${ours.toFixed(1)}/s`,
    `${theirs.toFixed(1)}/s @tus/server + sharp`, (ours / theirs).toFixed(2), '>= 1.2', ours / theirs >= 1.2,
    ours2 && `${ours2.toFixed(1)}/s`)
  row('PSNR of its output against a full decode', `${a.toFixed(1)} dB`, `${b.toFixed(1)} dB`, `${(a - b).toFixed(1)} dB`, 'within 1 dB', Math.abs(a - b) <= 1)
})
// from one format to another
await part('formats', async () => (await import('./formats.mjs')).default(jpeg))
await part('films', () => import('./films.mjs'))
await part('transfers', () => import('./transfers.mjs'))
// files by URL: one that is kept, and one that has to be made
await part('url', async () => {
  const www = dir()
  fs.copyFileSync(jpeg, path.join(www, 'photo.jpg'))
  fs.writeFileSync(path.join(www, 'small'), Buffer.alloc(26000, 'x'))
  const { child: web, origin, port } = await nginx(www)
  const s = await serve('--import-allow', '127.0.0.1')
  const template = async (name, more, from) => {
    const get = { robot: '/http/import', url: `${origin}/\${fields.input}` }
    const body = signed({ name, template: { steps: { get, ...more, out: { robot: '/file/serve', use: from } } } })
    await (await fetch(`${s.url}/templates`, { method: 'POST', body })).text()
  }
  await template('plain', {}, 'get')
  await template('small', { small: { robot: '/image/resize', use: 'get', width: '\${fields.w}' } }, 'small')
  for (const name of ['small', 'photo.jpg']) {
    const at = `/cdn/default/plain/${name}?w=1`, ours = [], peer = [], n = quick ? 10000 : 40000
    const { size } = fs.statSync(path.join(www, name))
    const first = Buffer.from(await (await fetch(s.url + at)).arrayBuffer())
    if (first.length !== size) throw new Error(first.toString())
    for (let r = 0; r < ROUNDS; r++) {
      ours.push(load('get', s.port, at, 64, n).per_second)
      peer.push(load('get', port, `/${name}`, 64, n).per_second)
    }
    const ratio = median(ours) / median(peer)
    row(`a file of ${Math.round(size / 1000)} KB by URL that is kept, 64 connections`, `${median(ours).toFixed(0)}/s`,
      `${median(peer).toFixed(0)}/s nginx, from disk`, ratio.toFixed(2), '>= 0.7', ratio >= 0.7)
  }
  const p = await start('node', [path.join(here, 'peer.mjs'), 'ipx'])
  let w = 500
  const through = async (address, n) => {
    const t = performance.now()
    let next = 0
    await Promise.all([0, 1, 2, 3].map(async () => {
      while (next++ < n) {
        const r = await fetch(address(++w))
        if (r.status !== 200 || (await r.arrayBuffer()).byteLength < 1000) throw new Error(`${r.status}`)
      }
    }))
    return n / ((performance.now() - t) / 1000)
  }
  const mine = (x) => `${s.url}/cdn/default/small/photo.jpg?w=${x}`
  const theirs = (x) => `${p.url}/w_${x},q_92/${encodeURIComponent(`${origin}/photo.jpg`)}`
  const ours = [], peer = [], n = quick ? 10 : 40
  await through(mine, 4)
  await through(theirs, 4)
  for (let r = 0; r < ROUNDS; r++) {
    ours.push(await through(mine, n))
    peer.push(await through(theirs, n))
  }
  const ratio = median(ours) / median(peer)
  row('a picture by URL that has to be made, from 1986 to 500 px and more, 4 at a time', `${median(ours).toFixed(1)}/s`,
    `${median(peer).toFixed(1)}/s ipx`, ratio.toFixed(2), '>= 1.3', ratio >= 1.3)
  await end(p)
  await end(s)
  web.kill()
})
function spawnText(cmd, args) { try { return execFileSync(cmd, args, { stdio: ['ignore', 'pipe', 'pipe'] }).toString() + execFileSync('sh', ['-c', `${cmd} ${args.map((x) => `'${x}'`).join(' ')} 2>&1`]).toString() } catch (e) { return String(e.stderr) } }
// archives, and a digest: ten files that a deflater can make something of. The others run at the priority of workers.
// What comes of a job is summed and flushed; where that is the most of the work, theirs is, too
await part('archives', async () => {
  const each = (quick ? 20 : 100) << 20, names = Array.from({ length: 10 }, (_, i) => `f${i}.bin`), d = dir()
  const noise = randomBytes(1 << 20).map((b) => b & 0x3f)
  for (const n of names) {
    const fd = fs.openSync(path.join(d, n), 'w')
    for (let i = 0; i < each >> 20; i++) { noise[i] ^= i; fs.writeSync(fd, noise) }
    fs.closeSync(fd)
  }
  const list = names.join(' '), zip = 'bsdtar --format zip -cf'
  execFileSync('sh', ['-c', `cat f*.bin >all.bin && ${zip} all.zip ${list} && sync`], { cwd: d })
  const sh = (line) => {
    const t = performance.now()
    execFileSync('nice', ['-n', '10', 'sh', '-c', line], { cwd: d, stdio: 'ignore' })
    return (performance.now() - t) / 1000
  }
  // seconds from the last byte of the upload, when the step's job may begin, to the end
  const through = async (s, step, files) => {
    const body = new FormData()
    const steps = { out: { use: ':original', result: true, ...step } }
    body.set('params', JSON.stringify({ auth: { key: 'k' }, steps }))
    for (const f of files) body.append('file', await fs.openAsBlob(path.join(d, f)), f)
    let st = await (await fetch(`${s.url}/assemblies`, { method: 'POST', body })).json()
    while (!/COMPLETED/.test(st.ok)) {
      if (st.error) throw new Error(JSON.stringify(st))
      await sleep(5)
      st = await (await fetch(st.assembly_url)).json()
    }
    return st.execution_duration
  }
  const bundle = { steps: [':original'], bundle_steps: true }
  const whole = `${(each * 10 / 1048576).toFixed(0)} MB`
  for (const [work, step, files, line, against] of [
    [`/file/hash of ${whole}`, { robot: '/file/hash' }, ['all.bin'], 'sha256sum all.bin', 'sha256sum'],
    [`/file/compress of 10 files, ${whole}, to tar`, { robot: '/file/compress', use: bundle }, names,
      `bsdtar -cf out.tar ${list} && md5sum out.tar && sync out.tar`, 'bsdtar, md5sum, sync'],
    ['same, to zip', { robot: '/file/compress', use: bundle, format: 'zip' }, names,
      `${zip} out.zip ${list}`, 'bsdtar'],
    ['/file/decompress of that zip', { robot: '/file/decompress' }, ['all.zip'],
      'mkdir -p out && bsdtar -xf all.zip -C out', 'bsdtar'],
  ]) {
    const ours = [], peer = []
    for (let r = 0; r < ROUNDS; r++) {
      const s = await serve()
      ours.push(await through(s, step, files))
      await end(s)
      sh('rm -rf out out.tar out.zip')
      peer.push(sh(line))
    }
    const a = median(ours), b = median(peer)
    row(work, `${a.toFixed(2)} s`, `${b.toFixed(2)} s ${against}`, (b / a).toFixed(2), '>= 0.9', b / a >= 0.9)
  }
})
await part('cancels', async () => {
  const s = await serve(), other = binaries[1] && await serveBy(binaries[1])
  const n = quick ? 15 : 100
  const huge = { huge: { robot: '/image/resize', use: ':original', width: 9000, format: 'avif' } }
  const picture = { 'a.png': await fs.openAsBlob(path.join(build, 'pictures/astronaut.png')) }
  const before = other && await canceled(other, n, huge, picture, 50)
  cancelRows('a running, CPU-bound Assembly', await canceled(s, n, huge, picture, 50), 25, 40, before)
  if (other) await end(other)
  // an expression that needs the engine, against the same Step without; by turns, as both wait for the same disk
  const timed = async (partial_size) => {
    const h = { robot: '/file/hash', use: ':original', partial: 'first', partial_size, result: true }
    const a = await create(s, { h }, 1)
    const done = fetch(a.update_stream_url).then((r) => r.text())
    load('tus', s.port, '/resumable/files/', 1, 1, 100, meta(a))
    if (!(await done).includes('assembly_finished')) throw new Error('an Assembly did not finish')
    return (await (await fetch(a.assembly_url)).json()).execution_duration * 1000
  }
  const plain = [], evaluated = []
  for (let i = 0; i < (quick ? 30 : 200); i++) {
    plain.push(await timed(50))
    evaluated.push(await timed('${Math.min(50, file.size)}'))
  }
  const more = median(evaluated) - median(plain)
  row('a Step with one ${...} that needs JavaScript, warm', `${median(evaluated).toFixed(1)} ms`,
    `${median(plain).toFixed(1)} ms without`, `+${more.toFixed(1)} ms`, '<= +3 ms', more <= 3)
  // 8
  await sleep(500)
  const kb = (pid, key, file = 'smaps_rollup') => { try { return Number(fs.readFileSync(`/proc/${pid}/${file}`, 'utf8').match(new RegExp(`${key}:\\s+(\\d+)`))[1]) } catch { return 0 } }
  const fresh = await serve()
  await sleep(1500)
  const below = execFileSync('sh', ['-c', `for z in $(pgrep -P ${fresh.child.pid}); do echo $z; pgrep -P $z; done`]).toString().trim().split('\n').map(Number)
  const daemon = kb(fresh.child.pid, 'VmRSS', 'status') / 1024
  const all = [fresh.child.pid, ...below].reduce((sum, p) => sum + kb(p, 'Pss'), 0) / 1024
  row('resident memory of the idle daemon', `${daemon.toFixed(1)} MB`, `all ${below.length + 1} processes: ${all.toFixed(0)} MB (PSS)`, '', '<= 20 MB', daemon <= 20)
  await end(fresh)
  await end(s)
})
for (const name of parts) if (!known.includes(name)) console.error(`no part '${name}': ${known.join(' ')}`)
finish()

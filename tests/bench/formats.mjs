// From one format to another, two in flight, against bare calls of sharp: at the lowest of its qualities that is as
// like a full decode as ours is, by the SSIM of Debian's ffmpeg; for PNG, which has none, at the quickest of its levels
// that makes a file no larger than ours.
import { execFileSync, spawnSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import sharp from 'sharp'
import { ask, binaries, end, form, here, median, quick, row, ROUNDS, serveBy, sleep, tmp } from './bed.mjs'

sharp.cache(false) // or a file that is written again is what it was

const width = 720, names = { jpg: 'jpeg' }
const png = (f) => path.join(tmp, `${f}.png`)
const size = (file) => fs.statSync(file).size
const kb = (file) => `${Math.round(size(file) / 1000)} KB`
const ffmpeg = (...args) => execFileSync('ffmpeg', ['-v', 'error', '-y', ...args])

async function ssim(file) {
  await sharp(file).toColourspace('srgb').removeAlpha().png().toFile(png('decoded'))
  const lavfi = '[0]format=gbrp[a];[1]format=gbrp[b];[a][b]ssim'
  const args = ['-i', png('decoded'), '-i', png('like'), '-lavfi', lavfi, '-f', 'null', '-']
  const said = spawnSync('ffmpeg', args).stderr.toString()
  return Number(said.match(/All:([\d.]+)/)[1])
}

// Options of sharp with which it makes what is as good as ours.
async function alike(file, format, mine, like, theirs) {
  const more = format === 'jpg' ? { chromaSubsampling: '4:4:4' } : {}
  const options = (n) => format === 'png' ? { compressionLevel: n } : { quality: n, ...more }
  const make = (n) => sharp(file).resize(width).toFormat(names[format] ?? format, options(n)).toFile(theirs)
  if (format === 'png') {
    const sizes = []
    for (let level = 1; level <= 9; level++) {
      await make(level)
      sizes.push(size(theirs))
    }
    const first = sizes.findIndex((s) => s <= size(mine))
    const level = 1 + (first < 0 ? sizes.indexOf(Math.min(...sizes)) : first)
    await make(level)
    return { options: options(level), text: `level ${level}` }
  }
  let low = 1, high = 100
  while (low < high) {
    const q = (low + high) >> 1
    await make(q)
    if (await ssim(theirs) >= like) high = q
    else low = q + 1
  }
  await make(high)
  return { options: options(high), text: `quality ${high}` }
}

async function compare(what, file, format, times) {
  const name = path.basename(file), data = fs.readFileSync(file)
  const servers = []
  for (const binary of binaries) servers.push(await serveBy(binary))
  const mine = path.join(tmp, `mine.${format}`), theirs = path.join(tmp, `theirs.${format}`)
  const steps = { small: { robot: '/image/resize', use: ':original', width, format, result: true } }
  const posted = { method: 'POST', ...form({ steps }, { [name]: data }) }
  const assembly = async (s) => {
    const a = JSON.parse(await ask(`${s.url}/assemblies`, posted)), said = await ask(a.update_stream_url)
    if (!said.includes('assembly_finished')) throw new Error(said)
    return a
  }
  const st = await (await fetch((await assembly(servers[0])).assembly_url)).json()
  fs.writeFileSync(mine, Buffer.from(await (await fetch(st.results.small[0].url)).arrayBuffer()))
  const like = await ssim(mine), { options, text } = await alike(file, format, mine, like, theirs)
  const call = JSON.stringify({ file, out: theirs, width, format: names[format] ?? format, options, times })
  const rates = servers.map(() => []), peer = []
  for (let r = 0; r < ROUNDS; r++) {
    for (const [i, s] of servers.entries()) {
      await assembly(s)
      const t = performance.now()
      let next = 0
      await Promise.all([0, 1].map(async () => { while (next++ < times) await assembly(s) }))
      rates[i].push(times / ((performance.now() - t) / 1000))
    }
    peer.push(JSON.parse(execFileSync('node', [path.join(here, 'peer.mjs'), 'calls', call]).toString()).per_second)
    await sleep(100)
  }
  const ours = median(rates[0]), ratio = ours / median(peer)
  row(`${what} by form, to ${format} of ${width} px, 2 in flight`,
    `${ours.toFixed(1)}/s (SSIM ${like.toFixed(4)}, ${kb(mine)})`,
    `${median(peer).toFixed(1)}/s bare sharp (${text}: SSIM ${(await ssim(theirs)).toFixed(4)}, ${kb(theirs)})`,
    ratio.toFixed(2), '>= 1.0', ratio >= 1, rates[1] && `${median(rates[1]).toFixed(1)}/s`)
  for (const s of servers) await end(s)
}

export default async function formats(jpeg) {
  const large = path.join(tmp, 'large.jpg'), lossless = path.join(tmp, 'photo.png')
  ffmpeg('-i', jpeg, '-vf', 'scale=6000:4000:flags=lanczos,noise=alls=12:allf=t', '-q:v', '5', '-frames:v', '1', large)
  ffmpeg('-i', jpeg, '-vf', 'scale=1600:1200:flags=lanczos', lossless)
  for (const [what, file, wanted, times] of [
    ['a JPEG', jpeg, ['jpg', 'webp', 'avif', 'png'], 20],
    ['a JPEG of 24 megapixels', large, ['jpg', 'webp', 'png'], 8],
    ['a PNG of 2 megapixels', lossless, ['png'], 20],
  ]) {
    ffmpeg('-i', file, '-vf', `scale=${width}:-2:flags=lanczos+accurate_rnd+full_chroma_int`, png('like'))
    for (const format of wanted) await compare(what, file, format, (quick ? 1 : 3) * (format === 'avif' ? 6 : times))
  }
}

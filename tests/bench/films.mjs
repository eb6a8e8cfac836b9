// Films and sounds, beside ffmpeg by hand: at the priority of workers, and with as many threads. What they are made of
// is drawn by ffmpeg once and stays in build/films.
import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { build, cancelRows, canceled, end, median, quick, ROUNDS, row, serve, tmp } from './bed.mjs'

const films = path.join(build, 'films'), quiet = ['-v', 'error', '-nostdin', '-y']
const threads = ['-threads', String(os.cpus().length)]
const H264 = ['-c:v', 'libx264', '-preset', 'veryfast', '-pix_fmt', 'yuv420p']
fs.mkdirSync(films, { recursive: true })

// A file of that name that these arguments of ffmpeg make; one that breaks off leaves none that looks whole.
function made(name, ...args) {
  const to = path.join(films, name), part = path.join(films, `part-${name}`)
  if (fs.existsSync(to)) return to
  execFileSync('ffmpeg', [...quiet, ...args.flat(), part])
  fs.renameSync(part, to)
  return to
}
const lavfi = (source) => ['-f', 'lavfi', '-i', source]
const drawn = (s) => [
  ...lavfi(`testsrc2=s=1920x1080:r=25:d=${s},noise=alls=8:allf=t`), ...lavfi(`sine=d=${s}`), '-shortest']
const again = (times, file) => ['-stream_loop', String(times - 1), '-i', file, '-c', 'copy']

// Seconds that it takes by hand.
function hand(...calls) {
  const t = performance.now()
  for (const args of calls) execFileSync('nice', ['-n', '10', 'ffmpeg', ...quiet, ...threads, ...args.flat()])
  return (performance.now() - t) / 1000
}
// The status of an Assembly over that file, when it has completed: its stream of events ends then. To ask for the
// status twenty times a second took this program 2.6 ms of processor time each, while ffmpeg by hand has the machine
// to itself.
async function assembly(s, steps, file) {
  const form = new FormData()
  form.set('params', JSON.stringify({ auth: { key: 'k' }, steps }))
  form.set('file', await fs.openAsBlob(file), path.basename(file))
  let st = await (await fetch(`${s.url}/assemblies`, { method: 'POST', body: form })).json()
  while (st.ok !== 'ASSEMBLY_COMPLETED') {
    if (st.error) throw new Error(JSON.stringify(st))
    await (await fetch(st.update_stream_url)).text()
    st = await (await fetch(st.assembly_url)).json()
  }
  return st
}
const seconds = (v) => `${v.toFixed(2)} s`
function compare(work, ours, peer, against, reach) {
  const ratio = median(ours) / median(peer)
  const other = `${seconds(median(peer))} ${against}`
  row(work, seconds(median(ours)), other, ratio.toFixed(3), `<= ${reach}`, ratio <= reach)
}
function alike(what, a, b) {
  if (Math.abs(a / b - 1) > 0.02) throw new Error(`${what}: ${a} and ${b} are not the same`)
}
const size = (f) => fs.statSync(f).size
const both = ['-map', '0:V:0', '-map', '0:a:0']
const to = (name) => path.join(tmp, name)

const s = await serve()
const short = made(`film-${quick ? 3 : 12}.mp4`, drawn(quick ? 3 : 12), H264, '-c:a', 'aac')

// one size
{
  const out = to('made.mp4'), ours = [], peer = []
  const picture = ['-vf', 'scale=1280:720:flags=bicubic', '-c:v', 'libx264', '-crf', '22', '-preset', 'medium',
    '-pix_fmt', 'yuv420p']
  const sound = ['-c:a', 'aac', '-b:a', '128k', '-ar', '44100']
  const steps = { small: { robot: '/video/encode', use: ':original', preset: 'web/mp4/720p', result: true } }
  for (let r = 0; r < ROUNDS; r++) {
    peer.push(hand(['-i', short, both, picture, sound, '-movflags', '+faststart', threads, out].flat()))
    const st = await assembly(s, steps, short)
    ours.push(st.execution_duration)
    alike('films', st.results.small[0].size, size(out))
  }
  compare('a film from 1080p to 720p H.264, the whole Assembly without its upload', ours, peer, 'ffmpeg by hand', 1.03)
}
// a stream of three sizes: ffmpeg by hand reads and decodes the film three times, and packs nothing
{
  const sizes = { '270p': [480, 270, 400], '540p': [960, 540, 2000], '1080p': [1920, 1080, 6000] }, ours = [], peer = []
  const stream = ['-profile:v', 'high', '-g', '250', '-sc_threshold', '0', '-crf', '23',
    '-force_key_frames', 'expr:gte(t,n_forced*2)']
  const sound = ['-c:a', 'aac', '-b:a', '128k', '-ar', '48000', '-f', 'mpegts']
  const calls = Object.entries(sizes).map(([name, [w, h, max]]) => ['-i', short, both,
    '-vf', `scale=${w}:${h}:flags=bicubic`, '-c:v', 'libx264', '-pix_fmt', 'yuv420p', stream,
    '-maxrate', `${max}k`, '-bufsize', `${2 * max}k`, sound, threads, to(`${name}.ts`)].flat())
  const use = { steps: Object.keys(sizes), bundle_steps: true }
  const steps = { stream: { robot: '/video/adaptive', use, technique: 'hls', result: true } }
  for (const name of Object.keys(sizes))
    steps[name] = { robot: '/video/encode', use: ':original', preset: `hls/${name}`, result: true }
  for (let r = 0; r < ROUNDS; r++) {
    peer.push(hand(...calls))
    const st = await assembly(s, steps, short)
    ours.push(st.execution_duration)
    for (const name of Object.keys(sizes)) alike(name, st.results[name][0].size, size(to(`${name}.ts`)))
    const lists = st.results.stream.filter((f) => f.name.endsWith('.m3u8'))
    if (lists.length !== 4) throw new Error('not a stream of three variants')
  }
  compare('three /video/encode Steps and the /video/adaptive of them', ours, peer, 'three encodes by hand', 0.85)
}
// pictures of a long film. By hand the better of two: a call a picture that seeks to it, or one that selects them all,
// which is not tried again where it takes four times as long
const minutes = quick ? 2 : 10
const minute = made('film-60.mp4', drawn(60), H264, '-c:a', 'aac')
const long = made(`film-${minutes}min.mp4`, again(minutes, minute))
{
  const N = 8, at = Array.from({ length: N }, (_, i) => minutes * 60 * (i + 1) / (N + 1))
  const still = ['-q:v', '2', '-frames:v', '1'], near = [], exact = [], seek = [], select = []
  const pick = at.map((t) => `eq(n\\,${Math.floor(t * 25)})`).join('+')
  const thumbs = (more) => ({ thumbs: { robot: '/video/thumbs', use: ':original', result: true, ...more } })
  for (let r = 0; r < ROUNDS; r++) {
    for (const [took, more] of [[near, { count: N }], [exact, { offsets: at }]]) {
      const st = await assembly(s, thumbs(more), long)
      took.push(st.execution_duration)
      const seen = st.results.thumbs.map((f) => [f.meta.thumb_offset, f.meta.width])
      if (seen.join() !== at.map((t) => [Math.floor(t), 1920]).join()) throw new Error(JSON.stringify(seen))
    }
    seek.push(hand(...at.map((t, i) => ['-ss', String(t), '-i', long, still, to(`thumb-${i}.jpg`)].flat())))
    if (!r || select[0] < 4 * seek[0]) {
      const all = ['-an', '-vf', `select=${pick}`, '-fps_mode', 'vfr', '-q:v', '2', to('select-%d.jpg')]
      select.push(hand(['-i', long, ...all]))
      if (!fs.existsSync(to('select-8.jpg')) || fs.existsSync(to('select-9.jpg'))) throw new Error('not eight pictures')
    }
  }
  const best = median(seek) < median(select) ? [seek, `a seek each (one select: ${seconds(median(select))})`]
    : [select, `one select (a seek each: ${seconds(median(seek))})`]
  compare(`/video/thumbs, 8 of ${minutes} min of 1080p`, near, best[0], best[1], 1)
  compare('same, of exact moments (offsets)', exact, best[0], best[1], 1)
}
// a sound that is heard once
const tones = 'aevalsrc=0.3*sin(440*2*PI*t)*sin(t)|0.2*sin(550*2*PI*t)+0.1*random(0):s=44100:d=60'
const tone = made('sound-60.mp3', lavfi(tones), '-b:a', '128k')
const hour = made(`sound-${quick ? 10 : 60}min.mp3`, again(quick ? 10 : 60, tone))
const wave = { huge: { robot: '/audio/waveform', use: ':original', result: true } }
{
  const ours = [], peer = []
  for (let r = 0; r < ROUNDS; r++) {
    ours.push((await assembly(s, wave, hour)).execution_duration)
    peer.push(hand(['-i', hour, '-f', 'null', '-']))
  }
  compare(`/audio/waveform of ${quick ? 10 : 60} min of MP3`, ours, peer, 'ffmpeg -f null', 1.2)
}
// cancels in the middle of each
{
  const n = quick ? 10 : 100, use = ':original'
  const old = made('mpeg2-20.mpg', lavfi('testsrc2=s=1920x1080:r=25:d=20'), '-c:v', 'mpeg2video', '-q:v', '3')
  const row = async (what, step, file, wait) => {
    const files = { [path.basename(file)]: await fs.openAsBlob(file) }
    cancelRows(what, await canceled(s, n, { huge: { use, ...step } }, files, wait))
  }
  await row('an encode of 1080p by ffmpeg', { robot: '/video/encode', preset: 'web/mp4/720p' }, minute, 500)
  await row('a /video/adaptive that encodes', { robot: '/video/adaptive', technique: 'hls' }, old, 500)
  await row('a /video/thumbs of 900', { robot: '/video/thumbs', count: 900, format: 'png' }, minute, 200)
  await row('an /audio/waveform', wave.huge, hour, 50)
}
await end(s)

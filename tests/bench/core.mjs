// Uploads, creations and GETs: the rows of what the daemon itself does. Every server is warm before it is measured.
import fs from 'node:fs'
import http from 'node:http'
import path from 'node:path'
import {
  build, create, dir, end, here, load, meta, original, quick, row, serveBy, sleep, start, tmp, turns, warm,
} from './bed.mjs'

const by = (ours, theirs) => (ours / theirs).toFixed(2)
const each = (n) => n === undefined ? undefined : `${n.toFixed(0)}/s`
const peer = async (kind, run) => {
  const p = await start('node', [path.join(here, 'peer.mjs'), kind, dir()])
  try { return await run(p) } finally { await end(p) }
}
const serving = async (binary, args, run) => {
  const s = await warm(await serveBy(binary, ...args))
  try { return await run(s) } finally { await end(s) }
}

// by tus into one Assembly
async function large() {
  const files = 8, bytes = 100e6
  const send = (port, at, more) => load('tus', port, at, 2, files, bytes, more).mb_per_second
  const { ours, before, others: [bare, tus] } = await turns(
    (binary) => serving(binary, [], async (s) =>
      send(s.port, '/resumable/files/', meta(await create(s, original, files + 1)))),
    async () => {
      const b = await start(path.join(build, 'bench-bare'), [dir()])
      try { return load('put', b.port, '/', 2, files, bytes).mb_per_second } finally { await end(b) }
    },
    () => peer('tus', (p) => send(p.port, '/files', 'filename YQ==')))
  const mb = (n) => n === undefined ? undefined : `${n.toFixed(0)} MB/s`
  row('tus, 8 x 100 MB, 2 connections', mb(ours), `${mb(bare)} bare loop in C`, by(ours, bare), '>= 1.15',
    ours / bare >= 1.15, mb(before))
  row('same', mb(ours), `${mb(tus)} @tus/server`, by(ours, tus), '>= 2.2', ours / tus >= 2.2, mb(before))
}

// Counted twice: answered, and with metadata complete. The Assembly is over when the last of them is.
async function small() {
  const files = quick ? 1000 : 2000, bytes = 65536
  for (const [connections, reach] of [[4, 3], [16, 4]]) {
    const { ours, before, others: [tus] } = await turns((binary) => serving(binary, [], async (s) => {
      const a = await create(s, original, files), t = performance.now()
      const over = fetch(a.update_stream_url).then((r) => r.text()).then(() => performance.now())
      const sent = load('tus', s.port, '/resumable/files/', connections, files, bytes, meta(a)).per_second
      const probed = files / ((await over - t) / 1000)
      const st = await (await fetch(a.assembly_url)).json()
      if (st.ok !== 'ASSEMBLY_COMPLETED' || st.uploads.length !== files)
        throw new Error(JSON.stringify(st).slice(0, 300))
      return [sent, probed]
    }), () => peer('tus', (p) => load('tus', p.port, '/files', connections, files, bytes, 'filename YQ==').per_second))
    const work = `tus, ${files} x 64 KB, ${connections} connections`
    row(`${work}, answered`, each(ours[0]), `${each(tus)} @tus/server`, by(ours[0], tus), `>= ${reach}`,
      ours[0] / tus >= reach, each(before?.[0]))
    row('same, metadata complete', each(ours[1]), `${each(tus)} @tus/server, which has none`, by(ours[1], tus),
      '>= 2.5', ours[1] / tus >= 2.5, each(before?.[1]))
  }
}

async function status() {
  const body = path.join(tmp, 'status.json'), many = quick ? 20000 : 60000
  const { ours, before, others: [constant] } = await turns((binary) => serving(binary, [], async (s) => {
    const a = await create(s, original, 1)
    fs.writeFileSync(body, await (await fetch(a.assembly_url)).text())
    return load('get', s.port, new URL(a.assembly_url).pathname, 64, many).per_second
  }), async () => {
    const p = await start('node', [path.join(here, 'peer.mjs'), 'constant', body])
    try { return load('get', p.port, '/', 64, many / 2).per_second } finally { await end(p) }
  })
  row('status GET, keep-alive, 64 connections', each(ours), `${each(constant)} Node http, constant`,
    by(ours, constant), '>= 2', ours / constant >= 2, each(before))
}

const form = (more = {}) => {
  const params = JSON.stringify({ auth: { key: 'k' }, steps: original, ...more.params })
  return new URLSearchParams({ params, ...more.fields }).toString()
}
const creations = (s, n, more) => load('post', s.port, '/assemblies', 64, n, form(more))

// without files, each durable when it is answered
async function creates() {
  const n = quick ? 3000 : 10000
  const { ours, before, others: [sqlite] } = await turns(
    (binary) => serving(binary, ['--max-assemblies', '0'], async (s) => creations(s, n).per_second),
    () => peer('sqlite', (p) => load('post', p.port, '/', 64, n, form()).per_second))
  row('Assemblies created, no files, 64 connections', each(ours),
    `${each(sqlite)} Node http + SQLite, a flushed row each`, by(ours, sqlite), '>= 4', ours / sqlite >= 4, each(before))
}

// a receiver of notifications that takes connections and says nothing
async function dead() {
  const waiting = quick ? 2000 : 10000, n = quick ? 2000 : 6000
  const receiver = http.createServer(() => {})
  await new Promise((r) => receiver.listen(0, '127.0.0.1', r))
  const params = { notify_url: `http://127.0.0.1:${receiver.address().port}/` }
  const { ours, before } = await turns((binary) =>
    serving(binary, ['--max-assemblies', '0', '--notify-allow', '127.0.0.1'], async (s) => {
      const alone = creations(s, n).per_second
      creations(s, waiting, { params })
      await sleep(500)
      return [creations(s, n).per_second, alone]
    }))
  receiver.closeAllConnections()
  receiver.close()
  const ratio = ours[0] / ours[1]
  row(`same, while ${waiting} notifications hang on a dead receiver`, each(ours[0]), `${each(ours[1])} before they do`,
    ratio.toFixed(2), '>= 0.9', ratio >= 0.9, before && `${each(before[0])} of ${each(before[1])}`)
}

// how long one of many may wait when a great many are open
async function open() {
  const many = quick ? 20000 : 100000, n = quick ? 3000 : 10000
  const { ours, before } = await turns((binary) => serving(binary, ['--max-assemblies', '0'], async (s) => {
    creations(s, many, { fields: { num_expected_upload_files: 1 } })
    await warm(s)
    return load('post', s.port, '/assemblies', 4, n, form()).slowest_ms
  }))
  const ms = (v) => v === undefined ? undefined : `${v.toFixed(1)} ms`
  row(`the slowest of ${n} creations while ${many} are open, 4 connections`, ms(ours), '', '', '<= 20 ms',
    ours <= 20, ms(before))
}

async function memory() {
  const many = quick ? 50000 : 200000
  const { ours, before } = await turns((binary) => serving(binary, ['--max-assemblies', '0'], async (s) => {
    creations(s, many)
    return Number(fs.readFileSync(`/proc/${s.child.pid}/status`, 'utf8').match(/VmRSS:\s+(\d+)/)[1]) / 1024
  }))
  const mb = (v) => v === undefined ? undefined : `${v.toFixed(0)} MB`
  row(`resident memory right after ${many} Assemblies without files`, mb(ours), '', '', '<= 300 MB', ours <= 300,
    mb(before))
}

export default { large, small, status, creates, dead, open, memory }

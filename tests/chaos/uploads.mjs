// tus over a bad network (G6, G7): what HEAD says is there, was sent and stays; every upload ends with the right MD5; a
// stalled upload is handed over at once; DELETE of an upload in full flow does not wait for it.
import { createHash } from 'node:crypto'
import { census } from './census.mjs'
import { Daemon, sleep, until } from './daemon.mjs'
import { Proxy } from './proxy.mjs'
import { Series } from './stats.mjs'

const steps = { ':original': { robot: '/upload/handle' } }
const md5 = (data) => createHash('md5').update(data).digest('hex')
const batch = 50

// Sends data in pieces over the bad line until the server has all of it; counts what was cut on the way.
async function push(d, url, data, r, seen, bad) {
  let known = 0, sent = 0
  for (let i = 0; i < 500; i++) {
    try {
      const head = await fetch(url, { method: 'HEAD', headers: { 'Tus-Resumable': '1.0.0', Connection: 'close' }, signal: AbortSignal.timeout(2000) })
      const at = Number(head.headers.get('upload-offset'))
      if (head.status !== 200) return bad(`HEAD answered ${head.status}`)
      if (at < known) bad(`HEAD says ${at}, ${known} was acknowledged`)
      if (at > sent) bad(`HEAD says ${at}, only ${sent} were sent`)
      known = at
      seen.heads++
      if (known === data.length) return
      const end = r.chance(0.4) ? data.length : r.int(known + 1, data.length)
      sent = Math.max(sent, end)
      const res = await fetch(url, {
        method: 'PATCH', body: data.subarray(known, end), signal: AbortSignal.timeout(3000),
        headers: { 'Tus-Resumable': '1.0.0', 'Upload-Offset': String(known), 'Content-Type': 'application/offset+octet-stream', Connection: 'close' },
      })
      if (res.status === 204) {
        if (Number(res.headers.get('upload-offset')) !== end) bad(`PATCH to ${end} answered ${res.headers.get('upload-offset')}`)
        known = end
      } else if (res.status !== 409 && res.status !== 423) bad(`PATCH answered ${res.status} ${await res.text()}`)
    } catch { seen.cuts++ }
  }
  bad('was not through after 500 tries')
}

function stall(d, location, data, length) {
  const c = d.raw()
  c.write(`PATCH ${new URL(location).pathname} HTTP/1.1\r\nHost: x\r\nTus-Resumable: 1.0.0\r\nUpload-Offset: 0\r\nContent-Type: application/offset+octet-stream\r\nContent-Length: ${length}\r\n\r\n`)
  c.write(data)
  return c
}

export async function uploads({ random, count, say = console.log }) {
  const problems = []
  const d = await Daemon.start()
  const proxy = await Proxy.start(random.stream('proxy'), () => d.port, { badness: 0.5 })
  const seen = { heads: 0, cuts: 0 }
  const began = performance.now()
  let right = 0
  for (let left = count; left > 0; left -= batch) {
    const n = Math.min(batch, left)
    const a = await d.create(steps, { expected: n })
    const want = []
    const r = random.stream(`batch ${left}`)
    await Promise.all(Array.from({ length: 8 }, async (_, lane) => {
      const own = r.stream(`lane ${left} ${lane}`)
      while (want.length < n) {
        const data = own.bytes(Math.floor(Math.exp(own.next() * 12)) + 1)
        want.push(md5(data))
        const location = await d.tusCreate(a, data.length)
        await push(d, location.replace(`:${d.port}/`, `:${proxy.port}/`), data, own, seen, (what) => problems.push(`${location}: ${what}`))
      }
    }))
    const s = await d.until(a.assembly_id)
    const have = s.uploads.map((u) => u.md5hash)
    if (s.ok !== 'ASSEMBLY_COMPLETED') problems.push(`${a.assembly_id} is ${s.error || s.ok}`)
    if (have.sort().join() !== want.sort().join()) problems.push(`${a.assembly_id} has other files than were sent`)
    else right += n
  }
  const took = performance.now() - began

  const takeover = new Series(), removal = new Series()
  for (let i = 0; i < 25; i++) {
    const a = await d.create(steps, { expected: 2 })
    const data = random.bytes(200000)
    const first = await d.tusCreate(a, data.length)
    const stalled = stall(d, first, data.subarray(0, 70000), data.length)
    await until(() => census(d).partial_bytes >= 70000, 5000, 2)
    let t = performance.now()
    const at = Number((await d.tus('HEAD', first)).headers.get('upload-offset'))
    const res = await d.patch(first, at, data.subarray(at))
    takeover.add(performance.now() - t)
    stalled.destroy()
    if (res.status !== 204 || at !== 70000) problems.push(`taking over: offset ${at}, PATCH ${res.status}`)
    const second = await d.tusCreate(a, data.length)
    const open = stall(d, second, data.subarray(0, 50000), data.length)
    await until(() => census(d).partial_bytes >= 50000, 5000, 2)
    t = performance.now()
    const gone = await d.tus('DELETE', second)
    removal.add(performance.now() - t)
    if (gone.status !== 204) problems.push(`DELETE of an open upload answered ${gone.status}`)
    const after = (await d.tus('HEAD', second)).status
    if (after !== 410 && after !== 404) problems.push(`HEAD of a removed upload answered ${after}`)
    open.destroy()
    const s = await d.get(a.assembly_id)
    if (s.uploads[0]?.md5hash !== md5(data)) problems.push(`taken over, and its MD5 is ${s.uploads[0]?.md5hash}`)
    await d.cancel(a.assembly_id)
  }
  if (takeover.at(1) > 1000) problems.push(`hand-over of a stalled upload took ${takeover.at(1).toFixed(0)} ms`)
  if (removal.at(0.9) > 50) problems.push(`DELETE of an open upload took ${removal.at(0.9).toFixed(0)} ms at p90`)
  await sleep(100)
  if (d.partialUploads().length) problems.push(`left of uploads: ${d.partialUploads()}`)
  say(`uploads: ${count} in ${(took / 1000).toFixed(0)} s, ${right} with the right MD5; ${seen.heads} HEADs, each true; ${seen.cuts} requests broken by the network`)
  say(`  connections through the proxy: ${Object.entries(proxy.counts).map(([k, n]) => `${k} ${n}`).join(', ')}`)
  say(`  a stalled upload is handed over: ${takeover}`)
  say(`  DELETE of an upload whose PATCH is open: ${removal}`)
  proxy.stop()
  problems.push(...await d.end())
  return { problems }
}

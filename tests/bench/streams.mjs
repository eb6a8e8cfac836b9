// Many event streams on one server: what an idle one costs, and how fast an event reaches those who listen.
// streams.mjs URL STREAMS PID
import fs from 'node:fs'
import net from 'node:net'

const [url, count, pid] = [process.argv[2], Number(process.argv[3]), process.argv[4]]
const ASSEMBLIES = 100
const rss = () => Number(fs.readFileSync(`/proc/${pid}/status`, 'utf8').match(/VmRSS:\s+(\d+)/)[1])
const sleep = (ms) => new Promise((r) => setTimeout(r, ms))
const form = new URLSearchParams({ params: JSON.stringify({ auth: { key: 'k' }, steps: { ':original': { robot: '/upload/handle' } } }), num_expected_upload_files: 3 })
const assemblies = []
for (let i = 0; i < ASSEMBLIES; i++) assemblies.push(await (await fetch(`${url}/assemblies`, { method: 'POST', body: form })).json())

const before = rss()
const sockets = []
for (let i = 0; i < count; i++) {
  const u = new URL(assemblies[i % ASSEMBLIES].update_stream_url)
  const c = net.connect(u.port, u.hostname)
  c.text = ''
  c.on('data', (d) => { c.text += d; c.at = performance.now() })
  c.write(`GET ${u.pathname}${u.search} HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n\r\n`)
  await new Promise((r, j) => { c.once('data', r); c.once('error', j) })
  sockets.push(c)
}
await sleep(1000)
const kb = (rss() - before) / count

const took = []
const tus = (to, method, headers, body) => fetch(to, { method, headers: { 'Tus-Resumable': '1.0.0', ...headers }, body })
for (let i = 0; i < ASSEMBLIES; i++) {
  const mine = sockets.filter((_, k) => k % ASSEMBLIES === i)
  const made = await tus(assemblies[i].tus_url, 'POST', { 'Upload-Length': '10', 'Upload-Metadata': `assembly_url ${btoa(assemblies[i].assembly_url)},fieldname ZmlsZQ==,filename YS50eHQ=` })
  const from = performance.now()
  await tus(made.headers.get('location'), 'PATCH', { 'Upload-Offset': '0', 'Content-Type': 'application/offset+octet-stream' }, '0123456789')
  for (const until = Date.now() + 5000; !mine.every((c) => c.text.includes('assembly_upload_finished')); await sleep(2))
    if (Date.now() > until) throw new Error('an event did not come')
  took.push(...mine.map((c) => c.at - from))
}
took.sort((a, b) => a - b)
console.log(JSON.stringify({ streams: count, kb, p50: took[took.length >> 1], p99: took[Math.floor(took.length * 0.99)] }))
process.exit(0)

// node receiver.mjs: hears of Assemblies that are over. No dependency. PORT (default 3000), TRANSLOADIT_SECRET.
import { createHmac, timingSafeEqual } from 'node:crypto'
import http from 'node:http'

const secret = process.env.TRANSLOADIT_SECRET
const MAX = 16 << 20

// The signature is of the field's exact text, so it is checked before anybody reads the JSON.
function isGenuine(text, signature) {
  const [alg, hex] = (signature ?? '').split(':')
  if (!['sha384', 'sha256'].includes(alg) || !/^[0-9a-f]+$/i.test(hex ?? '')) return false
  const wanted = createHmac(alg, secret).update(text).digest()
  const got = Buffer.from(hex, 'hex')
  return got.length === wanted.length && timingSafeEqual(got, wanted)
}

const server = http.createServer(async (req, res) => {
  if (req.method !== 'POST') return res.writeHead(405).end()
  const parts = []
  let size = 0
  for await (const part of req) {
    size += part.length
    if (size > MAX) return res.writeHead(413).end()
    parts.push(part)
  }
  const form = new URLSearchParams(Buffer.concat(parts).toString())
  const text = form.get('transloadit') ?? ''
  if (!isGenuine(text, form.get('signature'))) {
    console.log('refused: the signature is wrong')
    return res.writeHead(403).end('wrong signature')
  }
  const a = JSON.parse(text)
  // The same one may come twice: let assembly_id be the key of what you do now, and answer soon.
  console.log(`${a.assembly_id} ${a.error ?? a.ok} ${Object.entries(a.results).map(([step, files]) => `${step}:${files.length}`).join(' ')}`)
  res.writeHead(200).end('thanks')
})
server.listen(Number(process.env.PORT ?? 3000), '127.0.0.1', () => console.log(`listening on http://127.0.0.1:${server.address().port}`))

// node smaller.mjs FROM-FOLDER TO-FOLDER: every picture of a folder, 320 pixels wide, as WebP.
import fs from 'node:fs/promises'
import path from 'node:path'
import { Transloadit } from 'transloadit'

const [from, to] = process.argv.slice(2)
const client = new Transloadit({
  authKey: process.env.TRANSLOADIT_KEY,
  authSecret: process.env.TRANSLOADIT_SECRET,
  endpoint: process.env.WORKCELL_URL ?? 'http://127.0.0.1:8080',
})

const names = (await fs.readdir(from)).filter((n) => /\.(jpe?g|png|webp|gif|tiff?)$/i.test(n))
const status = await client.createAssembly({
  params: { steps: { small: { robot: '/image/resize', use: ':original', width: 320, format: 'webp', result: true } } },
  files: Object.fromEntries(names.map((n, i) => [`file_${i}`, path.join(from, n)])),
  waitForCompletion: true,
})
await fs.mkdir(to, { recursive: true })
for (const file of status.results.small) {
  const res = await fetch(file.ssl_url)
  await fs.writeFile(path.join(to, path.basename(file.name)), Buffer.from(await res.arrayBuffer()))
  console.log(`${file.name}: ${file.meta.width} x ${file.meta.height}, ${file.size} bytes`)
}

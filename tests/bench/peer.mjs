// What the figures are compared with: @tus/server with its file store (mode tus), the same with sharp behind it
// (mode sharp), Node's http answering a constant (mode constant FILE), one that inserts a row into SQLite, flushed, for
// each request (mode sqlite), or ipx, which resizes what it fetches (mode ipx). Mode calls is no server: it calls sharp,
// as a program would that has nothing else to do, and says how often in a second.
import http from 'node:http'
import fs from 'node:fs'

const [mode, dir] = process.argv.slice(2)
let server
if (mode === 'calls') {
  const sharp = (await import('sharp')).default
  sharp.cache(false) // it would remember the one file that there is
  const { file, out, width, format, options, times } = JSON.parse(dir)
  const once = () => sharp(file).resize(width).toFormat(format, options).toFile(out)
  await once()
  const t = performance.now()
  let next = 0
  await Promise.all([0, 1].map(async () => { while (next++ < times) await once() }))
  console.log(JSON.stringify({ per_second: times / ((performance.now() - t) / 1000) }))
  process.exit(0)
}
if (mode === 'constant') {
  const body = fs.readFileSync(dir)
  server = http.createServer((req, res) => res.writeHead(200, { 'Content-Type': 'application/json', 'Content-Length': body.length }).end(body))
} else if (mode === 'ipx') {
  const { createIPX, createIPXNodeServer, ipxHttpStorage } = await import('ipx')
  const storage = ipxHttpStorage({ allowAllDomains: true })
  server = http.createServer(createIPXNodeServer(createIPX({ storage, httpStorage: storage })))
} else if (mode === 'sqlite') {
  const Database = (await import('better-sqlite3')).default
  const db = new Database(`${dir}/peer.db`)
  db.pragma('journal_mode = wal')
  db.pragma('synchronous = full')
  db.exec('create table assembly(id text primary key, params text)')
  const insert = db.prepare('insert into assembly values (?, ?)')
  const { randomUUID } = await import('node:crypto')
  server = http.createServer((req, res) => {
    let body = ''
    req.on('data', (d) => { body += d })
    req.on('end', () => {
      const id = randomUUID()
      insert.run(id, new URLSearchParams(body).get('params'))
      res.setHeader('Content-Type', 'application/json')
      res.end(JSON.stringify({ ok: 'ASSEMBLY_EXECUTING', assembly_id: id }))
    })
  })
} else {
  const { Server } = await import('@tus/server')
  const { FileStore } = await import('@tus/file-store')
  let onUploadFinish
  if (mode === 'sharp') {
    const sharp = (await import('sharp')).default
    onUploadFinish = async (req, upload) => {
      await sharp(`${dir}/${upload.id}`).resize(720).jpeg({ quality: 92, chromaSubsampling: '4:4:4' }).toFile(`${dir}/${upload.id}.out.jpg`)
      return {}
    }
  }
  const tus = new Server({ path: '/files', datastore: new FileStore({ directory: dir }), ...(onUploadFinish ? { onUploadFinish } : {}) })
  server = http.createServer((req, res) => tus.handle(req, res))
}
server.listen(0, '127.0.0.1', () => console.log(`listening on http://127.0.0.1:${server.address().port}`))

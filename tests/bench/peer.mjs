// What the figures are compared with: @tus/server with its file store (mode tus), the same with sharp behind it
// (mode sharp), or Node's http answering a constant (mode constant FILE).
import http from 'node:http'
import fs from 'node:fs'

const [mode, dir] = process.argv.slice(2)
let server
if (mode === 'constant') {
  const body = fs.readFileSync(dir)
  server = http.createServer((req, res) => res.writeHead(200, { 'Content-Type': 'application/json', 'Content-Length': body.length }).end(body))
} else {
  const { Server } = await import('@tus/server')
  const { FileStore } = await import('@tus/file-store')
  let onUploadFinish
  if (mode === 'sharp') {
    const sharp = (await import('sharp')).default
    onUploadFinish = async (req, upload) => {
      await sharp(`${dir}/${upload.id}`).resize(720).jpeg({ quality: 92 }).toFile(`${dir}/${upload.id}.out.jpg`)
      return {}
    }
  }
  const tus = new Server({ path: '/files', datastore: new FileStore({ directory: dir }), ...(onUploadFinish ? { onUploadFinish } : {}) })
  server = http.createServer((req, res) => tus.handle(req, res))
}
server.listen(0, '127.0.0.1', () => console.log(`listening on http://127.0.0.1:${server.address().port}`))

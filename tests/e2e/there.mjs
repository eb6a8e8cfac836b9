// An HTTP server of the test's own: what an import fetches, what a notification reaches. `got` has the requests.
import fs from 'node:fs'
import http from 'node:http'
import os from 'node:os'
import path from 'node:path'

export async function there(t, answer = () => ({})) {
  const got = []
  const server = http.createServer((req, res) => {
    const parts = []
    req.on('data', (d) => parts.push(d))
    req.on('end', async () => {
      const request = { method: req.method, path: req.url, headers: req.headers, body: Buffer.concat(parts).toString() }
      got.push(request)
      const { status = 200, headers = {}, body = '' } = await answer(request, got.length - 1, res)
      res.writeHead(status, headers).end(body)
    })
  })
  await new Promise((r) => server.listen(0, '127.0.0.1', r))
  t.after(() => { server.closeAllConnections(); server.close() })
  return { got, url: `http://127.0.0.1:${server.address().port}`, port: server.address().port }
}

export function workDir(t) {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'workcell-e2e-'))
  t.after(() => fs.rmSync(dir, { recursive: true, force: true }))
  return dir
}

// /http/import from a server of Node's, with ranges and a password.
import http from 'node:http'
import { conform } from './conform.mjs'

async function start(t) {
  const there = new Map(), lies = new Set()
  const server = http.createServer((req, res) => {
    const path = decodeURIComponent(req.url.slice(1)), data = there.get(path)
    if (req.headers['x-password'] !== 'right') { res.writeHead(401).end(); return }
    if (!data) { res.writeHead(404).end(); return }
    const etag = `"${data.length}"`, range = /^bytes=(\d+)-(\d*)$/.exec(req.headers.range ?? '')
    const from = range ? Number(range[1]) : 0, to = range?.[2] ? Number(range[2]) + 1 : data.length
    const more = range ? { 'Content-Range': `bytes ${from}-${to - 1}/${data.length}` } : {}
    const length = to - from + (lies.has(path) ? 1000 : 0)
    const type = { 'Content-Type': 'application/octet-stream', 'Accept-Ranges': 'bytes' }
    res.writeHead(range ? 206 : 200, { ...type, ETag: etag, 'Content-Length': length, ...more })
    res.write(data.subarray(from, to))
    if (lies.has(path)) res.socket.end()
    else res.end()
  })
  await new Promise((r) => server.listen(0, '127.0.0.1', r))
  t.after(() => { server.closeAllConnections(); server.close() })
  return {
    host: '127.0.0.1', port: server.address().port,
    import: (path, line) => {
      const url = `${line.url}/${encodeURIComponent(path).replaceAll('%2F', '/')}`
      return { robot: '/http/import', url, headers: ['X-Password: right'] }
    },
    wrong: { headers: ['X-Password: wrong'] },
    list: () => [],
    put: (path, data) => { there.set(path, data) },
    lie: (path) => { there.set(path, Buffer.alloc(5000)); lies.add(path) },
  }
}

conform({
  name: 'http',
  store: 'HTTP has no way to store; /tus/store has',
  imports: true,
  import_codes: {
    denied: 'HTTP_IMPORT_ACCESS_DENIED', failed: 'HTTP_IMPORT_FAILURE', missing: 'HTTP_IMPORT_NOT_FOUND',
  },
  cannot: {
    'a directory of several pages is imported whole': 'HTTP has no directories',
  },
  start,
})

// Resumable uploads (tus 1.0.0), small: a file in pieces, each with its progress; a broken connection goes on from
// where the server says it is.

const PIECE = 8 << 20
const TRIES = 6
const base64 = (text) => btoa(String.fromCharCode(...new TextEncoder().encode(text)))
const pause = (ms) => new Promise((r) => setTimeout(r, ms))

function patch(url, offset, blob, onProgress, signal) {
  return new Promise((resolve, reject) => { // XMLHttpRequest, as fetch tells nothing of what has been sent
    const x = new XMLHttpRequest()
    const stop = () => x.abort()
    x.open('PATCH', url)
    x.setRequestHeader('Tus-Resumable', '1.0.0')
    x.setRequestHeader('Upload-Offset', String(offset))
    x.setRequestHeader('Content-Type', 'application/offset+octet-stream')
    x.upload.onprogress = (e) => onProgress(offset + e.loaded)
    x.onload = () => resolve({ status: x.status, offset: Number(x.getResponseHeader('Upload-Offset')) })
    x.onerror = () => reject(new TypeError('The connection broke'))
    x.onabort = () => reject(new DOMException('Stopped', 'AbortError'))
    x.onloadend = () => signal.removeEventListener('abort', stop)
    signal.addEventListener('abort', stop)
    x.send(blob)
  })
}

async function begin(to, file, { assembly, field }, signal) {
  const meta = { assembly_url: assembly, filename: file.name, fieldname: field, filetype: file.type }
  const res = await fetch(to, {
    method: 'POST', signal,
    headers: {
      'Tus-Resumable': '1.0.0', 'Upload-Length': String(file.size),
      'Upload-Metadata': Object.entries(meta).map(([k, v]) => (v ? `${k} ${base64(v)}` : k)).join(','),
    },
  })
  if (res.status !== 201) throw new Error(`The server refused '${file.name}' (${res.status})`)
  const at = new URL(res.headers.get('Location'), location.href)
  return at.pathname + at.search
}

// Resolves when the server has all of it. onProgress(bytes sent).
export async function upload(to, file, about, onProgress, signal) {
  const url = await begin(to, file, about, signal)
  let offset = 0
  for (let tries = 0; offset < file.size;) {
    try {
      const got = await patch(url, offset, file.slice(offset, offset + PIECE), onProgress, signal)
      if (got.status === 410 || got.status === 404) throw new DOMException('The Assembly is over', 'AbortError')
      if (got.status !== 204) throw new TypeError(`The server answered ${got.status}`)
      offset = got.offset
      tries = 0
      onProgress(offset)
    } catch (e) {
      if (e.name === 'AbortError' || ++tries > TRIES) throw e
      await pause(300 * 2 ** tries)
      const res = await fetch(url, { method: 'HEAD', headers: { 'Tus-Resumable': '1.0.0' }, signal }).catch(() => null)
      if (res?.status === 410 || res?.status === 404) throw new DOMException('The Assembly is over', 'AbortError')
      if (res?.ok) offset = Number(res.headers.get('Upload-Offset'))
    }
  }
}

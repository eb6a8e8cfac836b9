// A stand-in for S3, written from its public description, where radosgw would take longer to start than the test takes:
// signatures (SigV4), lengths and checksums are checked, parts are put together as the list says, an object is there
// whole or not at all. One bucket, in memory.
import { createHash, createHmac } from 'node:crypto'
import { Answer, Cloud, digest, random } from '../transfer/cloud.mjs'

const hmac = (key, text) => createHmac('sha256', key).update(text).digest()
const hex = (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`
const coded = (s) => encodeURIComponent(s).replace(/[!'()*]/g, hex)
const form = { 'Content-Type': 'application/xml' }
const xml = (name, inside) => new Answer(200, `<?xml version="1.0"?><${name}>${inside}</${name}>`, form)
const HOUR = 3600 * 1000

export class Bucket extends Cloud {
  constructor() {
    super()
    Object.assign(this, { name: 'chaos', key: 'CHAOSKEY', secret: 'chaos-secret' })
    Object.assign(this, { objects: new Map(), uploads: new Map() })
  }

  refuse(status, code) {
    return new Answer(status, `<Error><Code>${code}</Code><Message>no</Message></Error>`)
  }

  // The signature that the request should have.
  signature(q, [, key, day, region, names, has]) {
    this.need(key === this.key, 403, 'another key')
    const lines = names.split(';').map((n) => `${n}:${String(q.headers[n]).trim().replace(/ +/g, ' ')}\n`).join('')
    const query = [...q.query].map(([k, v]) => `${coded(k)}=${coded(v)}`).sort().join('&')
    const request = [q.method, q.path, query, lines, names, q.headers['x-amz-content-sha256']].join('\n')
    const scope = `${day}/${region}/s3/aws4_request`
    const text = ['AWS4-HMAC-SHA256', q.headers['x-amz-date'], scope, digest('sha256', request)].join('\n')
    const signing = [day, region, 's3', 'aws4_request'].reduce(hmac, `AWS4${this.secret}`)
    this.need(hmac(signing, text).toString('hex') === has, 403, `${q.method} ${q.path}: its signature is wrong`)
    const least = ['host', 'x-amz-date', 'x-amz-content-sha256']
    this.need(least.every((n) => names.split(';').includes(n)), 403, 'too little is signed')
  }

  authenticate(q) {
    const who = 'Credential=([^/]+)/(\\d{8})/([^/]+)/s3/aws4_request'
    const line = new RegExp(`^AWS4-HMAC-SHA256 ${who}, ?SignedHeaders=([^,]+), ?Signature=(\\w{64})$`)
    const m = line.exec(q.headers.authorization ?? '')
    this.need(m, 403, `${q.method} ${q.path}: no Authorization as it is written`)
    const at = Date.parse(q.headers['x-amz-date'].replace(/(....)(..)(..)T(..)(..)(..)Z/, '$1-$2-$3T$4:$5:$6Z'))
    this.need(Math.abs(at - Date.now()) < HOUR / 4, 403, 'a date of another time')
    this.signature(q, m)
    const sum = q.headers['x-amz-content-sha256']
    this.need(sum === 'UNSIGNED-PAYLOAD' || sum === digest('sha256', q.body), 400, 'another body than was signed')
    const md5 = q.headers['content-md5']
    this.need(!md5 || md5 === digest('md5', q.body, 'base64'), 400, 'another body than its Content-MD5 says')
  }

  // Each is a part of what the description of S3 says for an address of this bucket.
  handle(q) {
    this.authenticate(q)
    const [, bucket, ...rest] = decodeURIComponent(q.path).split('/')
    this.need(bucket === this.name, 404, `another bucket: ${bucket}`)
    const key = rest.join('/'), id = q.query.get('uploadId')
    this.need(key || q.query.has('uploads'), 400, `of the bucket: ${q.method} ${q.query}`)
    if (!key) return this.openOnes(q)
    if (q.method === 'POST' && q.query.has('uploads')) return this.begin(key)
    if (id) return this.part(q, key, id)
    if (q.method === 'PUT') return this.keep(key, q.body, `"${digest('md5', q.body)}"`)
    const o = this.objects.get(key)
    if (!o) return this.refuse(404, 'NoSuchKey')
    this.need(q.method === 'GET' || q.method === 'HEAD', 400, `${q.method} of an object`)
    const headers = { ETag: o.etag, 'Last-Modified': new Date(o.at).toUTCString() }
    if (q.method === 'HEAD') return new Answer(200, '', { ...headers, 'Content-Length': o.data.length })
    if (q.headers['if-match'] && q.headers['if-match'] !== o.etag) return this.refuse(412, 'PreconditionFailed')
    return this.piece(q, o.data, headers)
  }

  piece(q, data, headers) {
    const m = /^bytes=(\d+)-(\d*)$/.exec(q.headers.range ?? '')
    this.need(m || !q.headers.range, 400, `a range as it is not written: ${q.headers.range}`)
    if (!m) return new Answer(200, data, headers)
    const from = Number(m[1]), to = Math.min(m[2] === '' ? Infinity : Number(m[2]), data.length - 1)
    if (from > to) return this.refuse(416, 'InvalidRange')
    const range = `bytes ${from}-${to}/${data.length}`
    return new Answer(206, data.subarray(from, to + 1), { ...headers, 'Content-Range': range })
  }

  keep(key, data, etag) {
    this.objects.set(key, { data, etag, at: Date.now() })
    return new Answer(200, '', { ETag: etag })
  }

  begin(key) {
    const id = random()
    this.uploads.set(id, { key, parts: new Map(), at: new Date().toISOString() })
    const inside = `<Bucket>${this.name}</Bucket><Key>${key}</Key><UploadId>${id}</UploadId>`
    return xml('InitiateMultipartUploadResult', inside)
  }

  part(q, key, id) {
    const u = this.uploads.get(id)
    if (!u) return this.refuse(404, 'NoSuchUpload')
    this.need(u.key === key, 404, 'the upload of another key')
    if (q.method === 'DELETE') { this.uploads.delete(id); return new Answer(204) }
    const listed = () => [...u.parts.keys()].map((n) => `<Part><PartNumber>${n}</PartNumber></Part>`).join('')
    if (q.method === 'GET') return xml('ListPartsResult', listed())
    if (q.method === 'POST') return this.complete(q, u, id)
    const number = Number(q.query.get('partNumber')), etag = `"${digest('md5', q.body)}"`
    this.need(q.method === 'PUT' && number >= 1 && number <= 10000, 400, `a part of number ${number}`)
    u.parts.set(number, { data: q.body, etag })
    return new Answer(200, '', { ETag: etag })
  }

  complete(q, u, id) {
    const one = /<Part><PartNumber>(\d+)<\/PartNumber><ETag>([^<]+)<\/ETag><\/Part>/g
    const listed = [...q.body.toString().matchAll(one)]
    const parts = listed.map(([, n, etag]) => ({ n: Number(n), etag, ...u.parts.get(Number(n)), said: etag }))
    this.need(parts.length, 400, 'a list without parts')
    parts.forEach((p, i) => {
      this.need(p.data && p.etag === p.said, 400, `part ${p.n} is not there, or another one`)
      this.need(i === 0 || parts[i - 1].n < p.n, 400, 'parts out of order')
      const last = i === parts.length - 1
      this.need(last || p.data.length >= 5 << 20, 400, 'a part in the middle that is too small')
    })
    const sums = Buffer.concat(parts.map((p) => createHash('md5').update(p.data).digest()))
    const etag = `"${digest('md5', sums)}-${parts.length}"`
    this.keep(u.key, Buffer.concat(parts.map((p) => p.data)), etag)
    this.uploads.delete(id)
    return xml('CompleteMultipartUploadResult', `<Key>${u.key}</Key><ETag>${etag}</ETag>`)
  }

  openOnes(q) {
    const prefix = q.query.get('prefix') ?? ''
    const all = [...this.uploads].filter(([, u]) => u.key.startsWith(prefix))
    return xml('ListMultipartUploadsResult', '<IsTruncated>false</IsTruncated>' + all.map(([id, u]) =>
      `<Upload><Key>${u.key}</Key><UploadId>${id}</UploadId><Initiated>${u.at}</Initiated></Upload>`).join(''))
  }
}

// Ceph radosgw of a test's own, which checks every signature (dev/radosgw.sh), and the official client to look into it.
import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import {
  CreateBucketCommand, GetObjectCommand, ListMultipartUploadsCommand, ListObjectsV2Command, PutObjectCommand, S3Client,
} from '@aws-sdk/client-s3'
import { root } from './server.mjs'

const script = path.join(root, 'dev/radosgw.sh')

export class Radosgw {
  // endpoint, access, secret, bucket, dots_bucket, s3
  static start() {
    const g = new Radosgw()
    g.dir = fs.mkdtempSync(path.join(os.tmpdir(), 'workcell-ceph-'))
    const out = execFileSync(script, ['start', g.dir], { stdio: ['ignore', 'pipe', 'pipe'] }).toString()
    for (const [, name, value] of out.matchAll(/(\w+)=(\S+)/g)) g[name] = value
    g.s3 = g.client(g.access, g.secret)
    return g
  }

  stop() { execFileSync(script, ['stop', this.dir], { stdio: 'ignore' }) }

  client(accessKeyId, secretAccessKey) {
    const credentials = { accessKeyId, secretAccessKey }
    return new S3Client({ endpoint: this.endpoint, region: 'us-east-1', forcePathStyle: true, credentials })
  }

  admin(...args) {
    const all = ['-c', path.join(this.dir, 'ceph.conf'), '-n', 'client.rgw', ...args]
    return execFileSync('radosgw-admin', all, { stdio: ['ignore', 'pipe', 'pipe'] }).toString()
  }

  makeBucket(Bucket, key = this.access, secret = this.secret) {
    return this.client(key, secret).send(new CreateBucketCommand({ Bucket }))
  }

  async keys(Prefix, Bucket = this.bucket, { key = this.access, secret = this.secret } = {}) {
    const all = [], s3 = this.client(key, secret)
    for (let ContinuationToken; ;) {
      const page = await s3.send(new ListObjectsV2Command({ Bucket, Prefix, ContinuationToken, EncodingType: 'url' }))
      all.push(...(page.Contents ?? []).map((o) => decodeURIComponent(o.Key.replaceAll('+', ' '))))
      if (!page.IsTruncated) return all
      ContinuationToken = page.NextContinuationToken
    }
  }

  async read(Key, Bucket = this.bucket) {
    return Buffer.from(await (await this.s3.send(new GetObjectCommand({ Bucket, Key }))).Body.transformToByteArray())
  }

  put(Key, Body, Bucket = this.bucket) { return this.s3.send(new PutObjectCommand({ Bucket, Key, Body })) }

  // of multipart uploads: their keys
  async open(Bucket = this.bucket) {
    return ((await this.s3.send(new ListMultipartUploadsCommand({ Bucket }))).Uploads ?? []).map((u) => u.Key)
  }
}

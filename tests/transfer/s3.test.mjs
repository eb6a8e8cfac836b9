// /s3/store against Ceph radosgw. Another user's quota makes a bucket that is full; that user may not write into the first
// one's.
import { Radosgw } from '../e2e/radosgw.mjs'
import { conform } from './conform.mjs'

async function start(t) {
  const gate = Radosgw.start()
  t.after(() => gate.stop())
  const small = { key: 'SMALL', secret: 'small-secret' }
  gate.admin('user', 'create', '--uid', 'small', '--display-name', 'Small', '--access-key', small.key, '--secret', small.secret)
  gate.admin('quota', 'set', '--uid', 'small', '--quota-scope', 'user', '--max-size', '100000')
  gate.admin('quota', 'enable', '--uid', 'small', '--quota-scope', 'user')
  await gate.makeBucket('small', small.key, small.secret)
  const { hostname: host, port } = new URL(gate.endpoint)
  return {
    host, port: Number(port),
    store: (path, line) => ({ robot: '/s3/store', bucket: gate.bucket, bucket_region: 'us-east-1', key: gate.access, secret: gate.secret, host: line.url, no_vhost: true, path }),
    wrong: { secret: 'wrong' },
    readOnly: { more: () => small },
    full: { more: () => ({ ...small, bucket: 'small' }), list: (prefix) => gate.keys(prefix, 'small', small) },
    list: (prefix) => gate.keys(prefix),
    open: () => gate.open(),
    read: (path) => gate.read(path),
    put: (path, data) => gate.put(path, data),
  }
}

conform({
  name: 's3',
  store: true,
  imports: '/s3/import is not there yet',
  codes: { denied: 'S3_STORE_ACCESS_DENIED', failed: 'S3_STORE_FAILURE', full: 'S3_STORE_ACCESS_DENIED' },
  start,
})

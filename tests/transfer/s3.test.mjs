// /s3/store and /s3/import against Ceph radosgw. Another user's quota makes a bucket that is full; that user may not
// write into the first one's.
import { Radosgw } from '../e2e/radosgw.mjs'
import { conform, NEWLINE } from './conform.mjs'

async function start(t) {
  const gate = Radosgw.start()
  t.after(() => gate.stop())
  const small = { key: 'SMALL', secret: 'small-secret' }
  const flags = ['--access-key', small.key, '--secret', small.secret]
  gate.admin('user', 'create', '--uid', 'small', '--display-name', 'Small', ...flags)
  gate.admin('quota', 'set', '--uid', 'small', '--quota-scope', 'user', '--max-size', '100000')
  gate.admin('quota', 'enable', '--uid', 'small', '--quota-scope', 'user')
  await gate.makeBucket('small', small.key, small.secret)
  const { hostname: host, port } = new URL(gate.endpoint)
  const keys = { key: gate.access, secret: gate.secret }
  const place = { bucket: gate.bucket, bucket_region: 'us-east-1', ...keys, no_vhost: true }
  const bucket = (line) => ({ ...place, host: line.url })
  return {
    host, port: Number(port),
    store: (path, line) => ({ robot: '/s3/store', ...bucket(line), path }),
    import: (path, line) => ({ robot: '/s3/import', ...bucket(line), path }),
    // an answer has 1000 keys; tests/e2e/s3.test.mjs has small pages
    directory: { count: process.env.FULL === '1' ? 1100 : 50 },
    wrong: { secret: 'wrong' },
    readOnly: { more: () => small },
    full: { more: () => ({ ...small, bucket: 'small' }), list: (prefix) => gate.keys(prefix, 'small', small) },
    list: (prefix) => gate.keys(prefix),
    open: async (prefix) => (await gate.open()).filter((key) => key.startsWith(prefix)),
    read: (path) => gate.read(path),
    put: (path, data) => gate.put(path, data),
  }
}

conform({
  name: 's3',
  store: true,
  imports: true,
  import_codes: { denied: 'S3_IMPORT_ACCESS_DENIED', failed: 'S3_IMPORT_FAILURE', missing: 'S3_IMPORT_NOT_FOUND' },
  import_refuses: { [NEWLINE]: /control character/ },
  cannot: { 'a size that is not true fails, and is no file': 'radosgw tells none: tests/robot/import/test_s3.c' },
  codes: { denied: 'S3_STORE_ACCESS_DENIED', failed: 'S3_STORE_FAILURE', full: 'S3_STORE_ACCESS_DENIED' },
  start,
})

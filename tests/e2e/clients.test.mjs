// The official clients, unmodified.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import { test } from 'node:test'
import { Transloadit } from 'transloadit'
import * as tus from 'tus-js-client'
import { KEY, picture, SECRET, Server, sleep } from './server.mjs'

const sdk = (s) => new Transloadit({ authKey: KEY, authSecret: SECRET, endpoint: s.url, validateResponses: true })
const steps = { resized: { robot: '/image/resize', use: ':original', width: 100, result: true } }

test('the Node SDK creates, watches and reads the results of an Assembly', async (t) => {
  const s = await Server.start(t)
  const client = sdk(s)
  const done = await client.createAssembly({ params: { steps }, files: { file: picture }, waitForCompletion: true })
  assert.equal(done.ok, 'ASSEMBLY_COMPLETED')
  assert.equal(done.results.resized[0].meta.width, 100)
  const again = await client.getAssembly(done.assembly_id)
  assert.equal(again.assembly_id, done.assembly_id)
})

test('the Node SDK cancels an Assembly', async (t) => {
  const s = await Server.start(t)
  const client = sdk(s)
  const a = await client.createAssembly({ params: { steps: { huge: { robot: '/image/resize', use: ':original', width: 9000, format: 'avif' } } }, files: { file: picture } })
  await sleep(300)
  const canceled = await client.cancelAssembly(a.assembly_id)
  assert.equal(canceled.ok, 'ASSEMBLY_CANCELED')
  assert.equal((await client.getAssembly(a.assembly_id)).ok, 'ASSEMBLY_CANCELED')
})

const upload = (data, options) => new Promise((resolve, reject) => {
  const u = new tus.Upload(data, { retryDelays: [0, 100], ...options, onSuccess: () => resolve(u), onError: reject })
  u.start()
})

test('tus-js-client uploads, in parallel parts too, and resumes', async (t) => {
  const s = await Server.start(t)
  const data = fs.readFileSync(picture)
  const a = await s.create({ ':original': { robot: '/upload/handle', result: true } }, { expected: 3 })
  const metadata = { assembly_url: a.assembly_ssl_url, filename: 'a.png', fieldname: 'file' }
  await upload(data, { endpoint: a.tus_url, metadata, chunkSize: 100000 })
  await upload(data, { endpoint: a.tus_url, metadata, parallelUploads: 3 })
  // stop in the middle, go on with the same URL
  const url = await new Promise((resolve, reject) => {
    const u = new tus.Upload(data, {
      endpoint: a.tus_url, metadata, chunkSize: 200000, onError: reject,
      onChunkComplete: () => u.abort().then(() => resolve(u.url)),
    })
    u.start()
  })
  await upload(data, { endpoint: a.tus_url, uploadUrl: url, metadata })
  const done = await s.until(a.assembly_id)
  assert.equal(done.ok, 'ASSEMBLY_COMPLETED')
  assert.equal(done.uploads.length, 3)
  assert.equal(new Set(done.uploads.map((f) => f.md5hash)).size, 1)
})

// /vimeo/store and /vimeo/import against a stand-in of Vimeo (vimeo.mjs).
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { test } from 'node:test'
import { binary, Server, sleep } from '../e2e/server.mjs'
import { Line } from './line.mjs'
import { tooManyRequests, Vimeo } from './vimeo.mjs'

const MB = 1024 * 1024
const done = (st) => !['ASSEMBLY_UPLOADING', 'ASSEMBLY_EXECUTING'].includes(st.ok)
const PATIENCE = 180000
const soon = async (what, is) =>
  { for (const end = Date.now() + PATIENCE; !await is(); await sleep(25)) assert.ok(Date.now() < end,
  `not in time: ${what}`) }

// A film that is no bigger than it looks, and one with so much behind it.
const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'workcell-film-'))
execFileSync('ffmpeg', ['-v', 'error', '-f', 'lavfi', '-i', 'testsrc=size=64x64:rate=5:duration=1', '-pix_fmt',
  'yuv420p', '-y', path.join(dir, 'a.mp4')])
const film = fs.readFileSync(path.join(dir, 'a.mp4'))
fs.rmSync(dir, { recursive: true })
const large = (size) => { const free = Buffer.alloc(size, 7); free.writeUInt32BE(size, 0); free.write('free',
  4); return Buffer.concat([film, free]) }

async function bed(t, { line, retry = '20' } = {}) {
  const cloud = await Vimeo.start(t)
  const way = line && await Line.start('127.0.0.1', cloud.farPort)
  if (way) { cloud.farPort = way.port; t.after(() => way.stop()) }
  const base = fs.mkdtempSync(path.join(os.tmpdir(), 'workcell-e2e-'))
  execFileSync(binary, ['credential', 'add', 'mine', 'vimeo', `access_token=${cloud.token}`, '--data', base])
  const server = await Server.start(t, { dir: base,
    args: ['--import-allow', '127.0.0.1', '--endpoint', `vimeo=${cloud.url}`], env: { WORKCELL_TEST_RETRY_MS: retry },
    allow: [/worker/] })
  const begin = (step, files) => server.create({ out: { credentials: 'mine', ...step } }, files ? { files } : {})
  const run = async (...all) => { const a = await begin(...all); return a.assembly_id
    ? server.until(a.assembly_id, done, PATIENCE) : a }
  const storing = (more) => ({ robot: '/vimeo/store', use: ':original', title: 'A film', description: 'of the sea',
    ...more })
  const store = (data, more) => run(storing(more), { 'a.mp4': data })
  const bring = (more) => run({ robot: '/vimeo/import', result: true, ...more })
  const good = (st) => { assert.equal(st.ok, 'ASSEMBLY_COMPLETED', `${st.error}: ${st.message}`); return st }
  return { cloud, way, server, begin, storing, store, bring, good }
}
const only = (cloud) => { assert.equal(cloud.videos.size, 1); return [...cloud.videos.values()][0] }

test('a video is published with all that is said of it, once all of it is there', async (t) => {
  const { cloud, server, store, good } = await bed(t)
  const tried = await server.signedPost('/template_credentials/mine/test', {})
  assert.deepEqual([tried.works, tried.message], [true, '/vimeo/import signed in'], 'no probe is written there')
  cloud.fault({ on: /POST \/me\/videos/, ...tooManyRequests })
  const st = good(await store(film, { acl: 'password', password: 'waves', showcases: ['7', '8'], folder_id: '5',
    downloadable: true }))
  const v = only(cloud)
  assert.deepEqual([v.name, v.description, v.privacy, v.password],
    ['A film', 'of the sea', { view: 'password', download: true }, 'waves'])
  assert.ok(v.data.equals(film))
  assert.deepEqual([cloud.projects.get('5'), cloud.albums.get('7'), cloud.albums.get('8')], [[v.id], [v.id], [v.id]])
  assert.deepEqual([st.uploads[0].url, st.uploads[0].ssl_url],
    [`https://vimeo.com/${v.id}`, `https://vimeo.com/${v.id}`])
  assert.ok(!JSON.stringify(st).includes(cloud.token) && !server.log.includes(cloud.token) &&
    !server.log.includes('waves'))
  good(await store(film, { folder_uri: '/users/1/projects/5' })) // the same job once more is another video
  assert.equal(cloud.videos.size, 2)
  assert.deepEqual([...cloud.videos.values()][1].privacy, { view: 'anybody', download: false })
  cloud.quiet()
})

test('only videos go there, and what Vimeo refuses is said and leaves nothing', async (t) => {
  const { cloud, server, store, good } = await bed(t)
  const text = good(await server.until((await server.create({ out: { robot: '/vimeo/store', use: ':original',
    credentials: 'mine', title: 't', description: 'd' } }, { files: { 'a.txt': 'no film' } })).assembly_id, done,
    PATIENCE))
  assert.equal(text.uploads.length, 1)
  assert.equal(cloud.videos.size, 0)
  const wrong = await store(film, { credentials: undefined, access_token: 'wrong' })
  assert.equal(wrong.error, 'VIMEO_STORE_ACCESS_DENIED')
  cloud.quota = 10
  assert.match((await store(film)).message, /quota/)
  cloud.quota = Infinity
  const long = await store(film, { title: 'x'.repeat(200) })
  assert.deepEqual([long.error, /too long/.test(long.message)], ['VIMEO_STORE_PROBLEM_SENDING_FILE', true])
  assert.equal((await store(film, { showcases: ['99'] })).error, 'VIMEO_STORE_PROBLEM_SENDING_FILE')
  cloud.broken = true
  assert.match((await store(film)).message, /could not keep/)
  assert.equal((await store(film, { acl: 'password' })).error, 'VIMEO_STORE_VALIDATION')
  assert.equal((await store(film, { showcases: ['a/b'] })).error, 'VIMEO_STORE_VALIDATION')
  assert.equal(cloud.videos.size, 0)
  cloud.quiet()
})

test('an upload that is cut goes on where it stopped, and a video whose making got no answer is made once',
  async (t) => {
  const { cloud, way, store, good } = await bed(t, { line: true })
  const data = large(9 * MB)
  way.suffer('cut', { after: 5 * MB })
  cloud.fault({ on: /POST \/me\/videos/, late: true, status: 0 })
  cloud.lost = 1
  good(await store(data))
  assert.ok(only(cloud).data.equals(data))
  assert.equal(only(cloud).name, 'A film')
  assert.equal(cloud.received, data.length) // nothing twice
  cloud.quiet()
})

for (const where of ['while it is sent', 'before Vimeo has said its name'])
  test(`what a cancel or a kill leaves ${where} is deleted`, async (t) => {
    const { cloud, way, server, begin, storing } = await bed(t, { line: true })
    const other = cloud.put('workcell', { source: film })
    const data = large(9 * MB)
    const held = () => (where === 'while it is sent' ? way.suffer('hold', { after: 4 * MB }) : new Promise((r) => {
      const { handle } = Object.getPrototypeOf(cloud)
      cloud.handle = function (q) {
        const answer = handle.call(this, q)
        if (q.method !== 'POST') return answer
        delete cloud.handle
        r()
        return new Promise(() => {})
      }
    }))
    for (const how of ['cancel', 'kill']) {
      const hit = held()
      const { assembly_id: id } = await begin(storing(), { 'a.mp4': data })
      await hit
      assert.equal(cloud.videos.size, 2)
      const half = [...cloud.videos.values()][1]
      assert.deepEqual([half.privacy.view, /^workcell-/.test(half.name)], ['nobody', true],
        'nobody sees it before it is whole')
      way.calm()
      if (how === 'cancel') {
        await server.cancel(id)
        await soon('the video is deleted', () => cloud.videos.size === 1)
      } else {
        const [pid] = server.busyWorkers()
        process.kill(pid, 'SIGKILL')
        const st = await server.until(id, done, PATIENCE)
        assert.equal(st.ok, 'ASSEMBLY_COMPLETED', `${st.error}: ${st.message}`)
        assert.deepEqual([...cloud.videos.values()].map((v) => v.name), ['workcell', 'A film'])
        assert.ok([...cloud.videos.values()][1].data.equals(data))
      }
    }
    assert.ok(cloud.videos.has(other.id))
    cloud.quiet()
  })

test('a page of a collection comes, each video in the rendition that is asked for or the nearest', async (t) => {
  const { cloud, bring, good } = await bed(t)
  const of = (n) => Buffer.concat([film, Buffer.alloc(n)])
  cloud.put('a/b: 1.5', { '360p': of(0), '720p': of(8), '1080p': of(16), source: of(24) })
  cloud.put('only small', { '240p': of(32) })
  cloud.put('only large', { '1080p': of(40), source: of(48) })
  const names = async (more) => good(await bring(more)).results.out.map((f) => [f.name, f.size - film.length]).sort()
  assert.deepEqual(await names({}), [['a_b: 1.5.mp4', 8], ['only large.mp4', 40], ['only small.mp4', 32]])
  assert.deepEqual(await names({ rendition: 'source', files_per_page: 2 }),
    [['only large.mp4', 48], ['only small.mp4', 32]])
  assert.deepEqual(await names({ rendition: '1080p', files_per_page: 2, page_number: 2 }), [['a_b: 1.5.mp4', 16]])
  const [v] = [...cloud.videos.values()]
  const [one] = good(await bring({ path: `videos/${v.id}`, force_name: 'mine.mp4', rendition: '540p' })).results.out
  assert.deepEqual([one.name, one.size - film.length, one.vimeo], ['mine.mp4', 0, { title: 'a/b: 1.5', uri: v.uri }])
  cloud.quiet()
})

test('what can not be fetched is said by its name', async (t) => {
  const { cloud, way, bring, good } = await bed(t, { line: true })
  const v = cloud.put('a', { source: large(12 * MB) })
  assert.equal((await bring({ credentials: undefined, access_token: 'wrong' })).error, 'VIMEO_IMPORT_ACCESS_DENIED')
  assert.equal((await bring({ path: 'videos/1' })).error, 'VIMEO_IMPORT_NOT_FOUND')
  assert.equal((await bring({ page_number: 9 })).error, 'VIMEO_IMPORT_NOT_FOUND')
  assert.equal((await bring({ path: 'me/videos?x=1' })).error, 'VIMEO_IMPORT_VALIDATION')
  assert.equal((await bring({ path: '../x' })).error, 'VIMEO_IMPORT_VALIDATION')
  way.suffer('cut', { way: 'received', after: 10 * MB }) // some of it is in buffers then, and lost
  assert.equal(good(await bring({})).results.out[0].size, v.download[0].data.length)
  assert.ok(way.received < 21 * MB, `${way.received} bytes came`)
  cloud.damage = true
  assert.match((await bring({})).message, /md5/)
  v.download = v.files = []
  const none = await bring({})
  assert.deepEqual([none.error, /video_files/.test(none.message)], ['VIMEO_IMPORT_ACCESS_DENIED', true])
  cloud.quiet()
})

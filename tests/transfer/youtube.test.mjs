// /youtube/store against a stand-in for Google's services (google.mjs), which can't run here. The table of transfers is
// not for it: a video has no path, and can't be read back.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { before, test } from 'node:test'
import { Server, sleep } from '../e2e/server.mjs'
import { Google } from './google.mjs'

const PATIENCE = 180000
const over = (st) => !['ASSEMBLY_UPLOADING', 'ASSEMBLY_EXECUTING'].includes(st.ok)
let film

before(() => {
  const dir = fs.mkdtempSync('/tmp/workcell-youtube-')
  execFileSync('ffmpeg', ['-v', 'error', '-f', 'lavfi', '-i', 'testsrc2=s=64x36:r=10:d=1', '-c:v', 'libx264',
    path.join(dir, 'a.mp4')])
  film = fs.readFileSync(path.join(dir, 'a.mp4'))
  fs.rmSync(dir, { recursive: true })
})

async function bed(t) {
  const g = await Google.start()
  t.after(() => g.stop())
  const s = await Server.start(t, { args: ['--import-allow', '127.0.0.1', '--endpoint', `youtube=${g.url}`],
    env: { WORKCELL_TEST_RETRY_MS: '20' }, allow: [/worker/] })
  const said = await s.signedPost('/template_credentials', { name: 'mine', type: 'youtube', content: g.oauth })
  assert.equal(said.ok, 'TEMPLATE_CREDENTIALS_CREATED', JSON.stringify(said))
  const step = { robot: '/youtube/store', use: ':original', credentials: 'mine', title: 'About ${file.name}',
    description: 'A film.\nOf tests.', category: 'science & technology', keywords: 'one, two words,, three',
    visibility: 'unlisted' }
  const begin = async (more = {}, files = { 'a.mp4': film }) => {
    const a = await s.create({ out: { ...step, ...more } }, { files })
    assert.ok(a.assembly_id, JSON.stringify(a))
    return a.assembly_id
  }
  return { g, s, begin, end: (id) => s.until(id, over, PATIENCE) }
}

// Resolves when bytes of a video come, which then get no answer.
const holds = (g) => new Promise((hit) => {
  g.fault = (req) => req.method === 'PUT' && /^bytes \d/.test(req.headers['content-range']) && (() => hit())
})
const soon = async (what, is) => {
  for (const end = Date.now() + PATIENCE; !await is(); await sleep(25)) assert.ok(Date.now() < end, what)
}

test('a video is published with what is said of it, and its address is in the Status', async (t) => {
  const { g, s, begin, end } = await bed(t)
  const st = await end(await begin())
  assert.equal(st.ok, 'ASSEMBLY_COMPLETED', `${st.error}: ${st.message}`)
  assert.equal(g.videos.size, 1)
  const [id, v] = [...g.videos][0]
  assert.deepEqual(v.snippet, { title: 'About a.mp4', description: 'A film.\nOf tests.',
    tags: ['one', 'two words', 'three'], categoryId: '28' })
  assert.deepEqual([v.status, v.type], [{ privacyStatus: 'unlisted' }, 'video/mp4'])
  assert.ok(v.data.equals(film))
  assert.equal(st.uploads[0].url, `https://www.youtube.com/watch?v=${id}`)
  assert.equal(st.uploads[0].ssl_url, st.uploads[0].url)
  assert.deepEqual([g.complaints, g.open()], [[], []])
  for (const secret of [g.oauth.refresh_token, g.oauth.client_secret, 'ya29.',
    'upload_id']) assert.ok(!s.log.includes(secret), secret)
  assert.ok(!JSON.stringify(st).includes('hush'))
})

test('what is no video, a quota that is used up and a grant that is revoked are said', async (t) => {
  const { g, begin, end } = await bed(t)
  const text = await end(await begin({}, { 'a.txt': 'hello' }))
  assert.equal(text.error, 'YOUTUBE_STORE_PROBLEM_SENDING_FILE')
  assert.match(text.message, /YouTube takes videos only, and 'a.txt' is text\/plain/)
  g.quota = 0
  const full = await end(await begin())
  assert.equal(full.error, 'YOUTUBE_STORE_PROBLEM_SENDING_FILE')
  assert.match(full.message, /exceeded your quota.*quotaExceeded/)
  g.oauth.refresh_token = 'another'
  g.revoke()
  const revoked = await end(await begin())
  assert.equal(revoked.error, 'YOUTUBE_STORE_PROBLEM_SENDING_FILE')
  assert.match(revoked.message, /expired or revoked/)
  assert.equal(g.videos.size, 0)
  assert.deepEqual([g.complaints, g.open()], [[], []])
})

test('a cancel leaves no session and no video, a kill of the worker one video', async (t) => {
  const { g, s, begin, end } = await bed(t)
  let held = holds(g)
  const id = await begin()
  await held
  g.fault = () => undefined
  await s.cancel(id)
  await soon('the session is ended', () => g.open().length === 0)
  assert.equal(g.videos.size, 0)

  held = holds(g)
  const other = await begin()
  await held
  g.fault = () => undefined
  let busy
  await soon('a worker is busy', () => (busy = s.busyWorkers()).length > 0)
  process.kill(busy[0], 'SIGKILL')
  const st = await end(other)
  assert.equal(st.ok, 'ASSEMBLY_COMPLETED', `${st.error}: ${st.message}`)
  assert.equal(g.videos.size, 1)
  await soon('nothing is open', () => g.open().length === 0)
  assert.deepEqual(g.complaints, [])
})

test('a worker that dies after the last byte, before the answer: the first video is removed, and one is left',
  async (t) => {
  const { g, s, begin, end } = await bed(t)
  const real = g.tell
  const held = new Promise((hit) => { g.tell = function (session,
    say) { if (session.done && !hit.was) { hit.was = true; hit() } else real.call(this, session, say) } })
  const id = await begin()
  await held
  assert.equal(g.videos.size, 1)
  let busy
  await soon('a worker is busy', () => (busy = s.busyWorkers()).length > 0)
  process.kill(busy[0], 'SIGKILL')
  const st = await end(id)
  assert.equal(st.ok, 'ASSEMBLY_COMPLETED', `${st.error}: ${st.message}`)
  await soon('one is left', () => g.videos.size === 1)
  assert.equal(st.uploads[0].url, `https://www.youtube.com/watch?v=${[...g.videos.keys()][0]}`)
  assert.deepEqual(g.complaints, [])
})

// Programs that the server starts for a job: how one ended is told to the client, and nothing of this machine.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Server } from './server.mjs'

test('a tool that fails: its status, and what it said without a path of the server', async (t) => {
  const s = await Server.start(t)
  const a = await s.create({ same: { robot: '/image/resize', use: ':original' } }, { files: { 'a.pdf': '%PDF-1.4\nnothing more\n' } })
  const done = await s.until(a.assembly_id)
  assert.equal(done.error, 'FILE_META_DATA_ERROR')
  assert.equal(done.exitCode, 1)
  assert.equal(done.exitSignal, undefined)
  assert.match(done.stderr, /Syntax Error/)
  assert.ok(!JSON.stringify(done).includes(s.dir))
})

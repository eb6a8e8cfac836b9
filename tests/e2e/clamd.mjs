// A clamd of the tests' own, with one signature: that of the file that every scanner knows.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { sleep } from './server.mjs'

// in two parts, so that no scanner takes offence at this file
export const eicar = ['X5O!P%@AP[4\\PZX54(P^)7CC)7}$EICAR-', 'STANDARD-ANTIVIRUS-TEST-FILE!$H+H*'].join('')

// Returns the path of its socket, and the process. It takes streams of at most 1 MiB.
export async function clamd(t) {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'workcell-clamd-'))
  const socket = path.join(dir, 'socket')
  fs.mkdirSync(path.join(dir, 'db'))
  fs.writeFileSync(path.join(dir, 'db/test.ndb'), `Test.Eicar:0:*:${Buffer.from(eicar).toString('hex')}\n`)
  const conf = ['Foreground yes', `LocalSocket ${socket}`, `DatabaseDirectory ${dir}/db`, 'StreamMaxLength 1M',
    'MaxFileSize 1M', 'AlertExceedsMax yes', '']
  fs.writeFileSync(path.join(dir, 'conf'), conf.join('\n'))
  fs.chmodSync(dir, 0o755)
  const child = spawn('/usr/sbin/clamd', ['-c', path.join(dir, 'conf')], { stdio: 'ignore' })
  t.after(() => {
    child.kill('SIGKILL')
    fs.rmSync(dir, { recursive: true })
  })
  for (let i = 0; i < 400 && !fs.existsSync(socket); i++) await sleep(25)
  assert.ok(fs.existsSync(socket), 'clamd does not start')
  return { socket, child }
}

// Companion behind the /companion/ of a Workcell. All of Companion's own COMPANION_* variables work as well
// (COMPANION_DROPBOX_KEY, COMPANION_REDIS_URL...), but for those that are set here because the place demands it.
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { socket } from '@uppy/companion'
import standalone from '@uppy/companion/standalone'

const env = process.env
const workcell = new URL(env.WORKCELL_URL ?? 'http://127.0.0.1:8080') // as browsers reach it
const tus = `${workcell.origin}/resumable/files/`

const temporary = env.COMPANION_DATADIR ? null : fs.mkdtempSync(path.join(os.tmpdir(), 'companion-'))
process.on('exit', () => { if (temporary) fs.rmSync(temporary, { recursive: true, force: true }) })
for (const signal of ['SIGTERM', 'SIGINT']) process.on(signal, () => process.exit(0))

env.COMPANION_HIDE_WELCOME ??= 'true' // it is for who runs this, and here everybody would see it

const { app } = standalone({
  server: { host: workcell.host, protocol: workcell.protocol.slice(0, -1), path: '/companion' },
  uploadUrls: [`^${tus.replace(/[.[\]]/g, '\\$&')}`], // files go to that server and nowhere else
  enableUrlEndpoint: env.COMPANION_ENABLE_URL_ENDPOINT !== 'false',
  metrics: env.COMPANION_HIDE_METRICS === 'false', // would be public as well
  filePath: temporary ?? env.COMPANION_DATADIR,
  corsOrigins: env.COMPANION_CLIENT_ORIGINS || env.COMPANION_CLIENT_ORIGINS_REGEX ? undefined : true,
})

app.set('trust proxy', 'loopback') // who asks and how is in X-Forwarded-*

// Only the server beside it has to reach it.
const server = app.listen(Number(env.COMPANION_PORT ?? 3020), env.COMPANION_HOST ?? '127.0.0.1', () => {
  console.log(`companion listening on http://${server.address().address}:${server.address().port} for ${workcell.origin}`)
})
socket(server)

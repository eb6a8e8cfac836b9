// Load, a bad network and kill -9 at the same time; then peace, and the books are compared. Transfers: exports and
// imports alone, and the other servers fail as well.
import { Abroad, Harm } from './abroad.mjs'
import { again, contents, exports, leftovers, settle, summary, usage } from './checker.mjs'
import { Daemon, sleep } from './daemon.mjs'
import { Journal } from './journal.mjs'
import { Killer } from './killer.mjs'
import { Load } from './load.mjs'
import { Origin } from './origin.mjs'
import { Proxy } from './proxy.mjs'

const counted = (o) => Object.entries(o).map(([k, n]) => `${k} ${n}`).join(', ')
const local = ['multipart', 'tus_raw', 'tus_js', 'sdk', 'import', 'film', 'bare']
const far = ['store', 'bring']

export const storm = (o) => weather({ name: 'storm', kinds: [...local, ...far], per_kind: 2, ...o })
export const transfers = (o) => weather({ name: 'transfers', kinds: far, per_kind: 5, harm: true, ...o })

async function weather({ name, kinds, random, seconds, harm, real, say = console.log, per_kind, deadline_ms = 90000 }) {
  const origin = await Origin.start()
  const abroad = await Abroad.start({ real })
  // every job may die with its worker more often here than a poison file may
  const args = ['--import-allow', '127.0.0.1', '--job-attempts', '50', ...abroad.args]
  const daemon = await Daemon.start(args, { env: abroad.env })
  const proxy = await Proxy.start(random.stream('proxy'), () => daemon.port)
  const journal = new Journal()
  const load = new Load({ daemon, proxy, origin, journal, random, abroad })
  const killer = new Killer(daemon, random.stream('killer'))
  const others = new Harm(abroad, random)
  await load.prepare()
  abroad.watch(() => load.targets, random.stream('reader'))
  load.start(kinds, per_kind)
  killer.start()
  if (harm) others.start()
  await sleep(seconds * 1000)
  await killer.stop()
  if (harm) await others.stop()
  proxy.calm()
  await load.stop()
  const quiet = Date.now()
  await settle(daemon, journal, deadline_ms)
  const settled = Date.now() - quiet
  const files = await contents(daemon, journal, { harm })
  const there = await exports(daemon, journal, abroad, deadline_ms)
  await abroad.stopWatching()
  const jobs = usage(daemon, journal)
  await leftovers(daemon, journal)
  const problems = daemon.errors().map((l) => `log: ${l}`)
  const { code } = await daemon.stop()
  if (code !== 0) problems.push(`exit code ${code} after SIGTERM`)
  daemon.log = ''
  await daemon.boot()
  await again(daemon, journal)
  problems.push(...await daemon.end(), ...journal.problems, ...abroad.problems, ...abroad.complaints())
  proxy.stop()
  await abroad.stop()
  origin.stop()
  say(`${name}: ${journal.entries.size} Assemblies in ${seconds} s; kill -9: ${counted(daemon.kills)}`)
  say(`  connections through the proxy: ${Object.entries(proxy.counts).map(([k, n]) => `${k} ${n}`).join(', ')}`)
  say(`  acknowledged: ${Object.entries(journal.acks).map(([k, n]) => `${k} ${n}`).join(', ')}`)
  say(`  outcomes: ${Object.entries(summary(journal)).map(([k, n]) => `${k} ${n}`).join(', ')}; ${files} files and ${jobs} billed jobs compared; all over ${settled} ms after the last harm`)
  say(`  abroad (${abroad.what()}): ${counted(there)}`)
  say(`  looked at meanwhile: ${counted(abroad.seen)}; the ways there: ${harm ? counted(others.counts) : 'open'}`)
  say(`  restarts to serving: ${daemon.starts}`)
  return { problems, acks: journal.acks, kills: daemon.kills, starts: daemon.starts, assemblies: journal.entries.size }
}

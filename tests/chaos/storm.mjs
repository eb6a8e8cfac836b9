// Load, a bad network and kill -9 at the same time; then peace, and the books are compared.
import { again, contents, leftovers, settle, summary, usage } from './checker.mjs'
import { Daemon, sleep } from './daemon.mjs'
import { Journal } from './journal.mjs'
import { Killer } from './killer.mjs'
import { Load } from './load.mjs'
import { Origin } from './origin.mjs'
import { Proxy } from './proxy.mjs'

export async function storm({ random, seconds, say = console.log, per_kind = 2, deadline_ms = 60000 }) {
  const origin = await Origin.start()
  // every job may die with its worker more often here than a poison file may
  const daemon = await Daemon.start(['--import-allow', '127.0.0.1', '--job-attempts', '50'])
  const proxy = await Proxy.start(random.stream('proxy'), () => daemon.port)
  const journal = new Journal()
  const load = new Load({ daemon, proxy, origin, journal, random })
  const killer = new Killer(daemon, random.stream('killer'))
  load.start(per_kind)
  killer.start()
  await sleep(seconds * 1000)
  await killer.stop()
  proxy.calm()
  await load.stop()
  const quiet = Date.now()
  await settle(daemon, journal, deadline_ms)
  const settled = Date.now() - quiet
  const files = await contents(daemon, journal)
  const jobs = usage(daemon, journal)
  await leftovers(daemon, journal)
  const problems = daemon.errors().map((l) => `log: ${l}`)
  const { code } = await daemon.stop()
  if (code !== 0) problems.push(`exit code ${code} after SIGTERM`)
  daemon.log = ''
  await daemon.boot()
  await again(daemon, journal)
  problems.push(...await daemon.end(), ...journal.problems)
  proxy.stop()
  origin.stop()
  say(`storm: ${journal.entries.size} Assemblies in ${seconds} s; kill -9: ${Object.entries(daemon.kills).map(([k, n]) => `${k} ${n}`).join(', ')}`)
  say(`  connections through the proxy: ${Object.entries(proxy.counts).map(([k, n]) => `${k} ${n}`).join(', ')}`)
  say(`  acknowledged: ${Object.entries(journal.acks).map(([k, n]) => `${k} ${n}`).join(', ')}`)
  say(`  outcomes: ${Object.entries(summary(journal)).map(([k, n]) => `${k} ${n}`).join(', ')}; ${files} files and ${jobs} billed jobs compared; all over ${settled} ms after the last harm`)
  say(`  restarts to serving: ${daemon.starts}`)
  return { problems, acks: journal.acks, kills: daemon.kills, starts: daemon.starts, assemblies: journal.entries.size }
}

// kill -9 at random moments: the daemon, a zygote, a worker. The daemon is started again at once.
import { sleep } from './daemon.mjs'

export class Killer {
  constructor(daemon, random, { mean_ms = 700, weights = { daemon: 3, zygote: 2, worker: 5 } } = {}) {
    Object.assign(this, { daemon, random, mean_ms })
    this.lots = Object.entries(weights).flatMap(([k, n]) => Array(n).fill(k))
  }

  start() { this.running = this.run() }

  async stop() {
    this.stopped = true
    await this.running
  }

  async run() {
    while (!this.stopped) {
      await sleep(-Math.log(1 - this.random.next()) * this.mean_ms)
      if (this.stopped) return
      const kind = this.random.pick(this.lots)
      if (kind === 'daemon') {
        await this.daemon.crash()
        this.daemon.late = this.random.chance(0.5) // its Assemblies are read while it serves
        await this.daemon.boot()
      } else this.daemon.kill(kind, this.random)
    }
  }
}

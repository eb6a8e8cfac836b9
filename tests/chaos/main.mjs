// make chaos, make soak: all parts, or the ones that are named. Prints the seed first, the figures, and what broke.
import { cancel } from './cancel.mjs'
import { cancels } from './cancels.mjs'
import { encodes } from './encodes.mjs'
import { poison } from './poison.mjs'
import { Random } from './random.mjs'
import { restart } from './restart.mjs'
import { storm, transfers } from './storm.mjs'
import { uploads } from './uploads.mjs'

const seed = process.env.SEED || String(Math.floor(Math.random() * 1e9))
const number = (name, otherwise) => Number(process.env[name] || otherwise)
const seconds = number('SECONDS_', 30)
const parts = {
  storm: (random) => storm({ random, seconds }),
  transfers: (random) => transfers({ random, seconds, real: process.env.RADOSGW === '1' }),
  cancel: (random) => cancel({ random }),
  cancels: (random) => cancels({ random, count: number('CANCELS', 100) }),
  uploads: (random) => uploads({ random, count: number('UPLOADS', 400) }),
  poison: () => poison({}),
  encodes: () => encodes({}),
  restart: () => restart({ open: number('OPEN', 100000) }),
}
const chosen = process.argv.slice(2).length ? process.argv.slice(2) : Object.keys(parts)

console.log(`seed ${seed}: repeat with SEED=${seed} SECONDS_=${seconds} make chaos`)
let bad = 0
for (const name of chosen) {
  const { problems } = await parts[name](new Random(seed, name))
  for (const p of problems.slice(0, 40)) console.log(`  BROKEN ${p}`)
  if (problems.length > 40) console.log(`  ... and ${problems.length - 40} more`)
  console.log(`  ${problems.length ? `${problems.length} promises broken` : 'all promises kept'}`)
  bad += problems.length
}
console.log(bad ? `chaos: ${bad} problems (seed ${seed})` : `chaos: 0 problems (seed ${seed})`)
process.exit(bad ? 1 : 0)

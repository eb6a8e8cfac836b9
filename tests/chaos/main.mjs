// make chaos, make soak: all parts, or the ones that are named. Prints the seed first, the figures, and what broke.
import { Random } from './random.mjs'
import { cancel } from './cancel.mjs'
import { cancels } from './cancels.mjs'
import { storm } from './storm.mjs'

const seed = process.env.SEED || String(Math.floor(Math.random() * 1e9))
const seconds = Number(process.env.SECONDS_ || 60)
const parts = {
  storm: (random) => storm({ random, seconds }),
  cancel: (random) => cancel({ random }),
  cancels: (random) => cancels({ random, count: Number(process.env.CANCELS || 100) }),
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

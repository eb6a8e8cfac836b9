// Phases (phases.mjs) of Assemblies that talk to another server when they are canceled: the way to it is held in the
// middle of the bytes, and open again a moment after the DELETE, so that what is to be taken back gets through.
import { randomBytes } from 'node:crypto'

const SIZE = 3 << 20

// held within 5 ms of so many bytes: ready is asked that often
function middle(place, way) {
  const from = place.way[way]
  let is = false
  return () => {
    if (is) return true
    is = place.way[way] - from > SIZE / 4
    if (!is) return false
    place.way.hold()
    setTimeout(() => place.way.open(), 400)
    return true
  }
}

const common = { far: true, process: true, may_complete: true }

async function exporting(d, r, abroad, place) {
  const data = randomBytes(SIZE), target = abroad.target(place, r.hex(32), data)
  data.write('some data\n')
  const ready = middle(place, 'sent')
  const a = await d.create({ out: { use: ':original', ...place.store(target.path) } }, { files: { 'f.bin': data } })
  const after = async () => {
    const rest = await abroad.rest(target), state = await abroad.state(target)
    if (rest.length) return `left at ${place.name}: ${rest}`
    return state === 'nothing' || `at ${place.name} there is a file: ${state}`
  }
  return { id: a.assembly_id, ready, after, ...common }
}

async function importing(d, r, place) {
  const at = `imported/${r.hex(8)}.bin`
  await place.put(at, randomBytes(SIZE))
  const ready = middle(place, 'received')
  const a = await d.create({ i: place.import(at) })
  return { id: a.assembly_id, ready, ...common }
}

export function farPhases(abroad) {
  return Object.fromEntries(abroad.places.flatMap((place) => [
    [`an export goes out (${place.name})`, (d, r) => exporting(d, r, abroad, place)],
    [`an import comes in (${place.name})`, (d, r) => importing(d, r, place)],
  ]))
}

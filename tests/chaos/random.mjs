// Chance with a seed. Every actor draws from a stream of its own, named by what it is, so that one more draw here
// does not change what happens there. The interleaving of processes is not repeatable; the decisions are.
const hash = (text) => {
  let h = 2166136261
  for (const c of text) h = Math.imul(h ^ c.charCodeAt(0), 16777619)
  return h >>> 0
}

export class Random {
  constructor(seed, name = '') {
    this.seed = seed
    this.state = hash(`${seed}/${name}`)
  }

  stream(name) { return new Random(this.seed, name) }

  // [0, 1): mulberry32
  next() {
    this.state = (this.state + 0x6d2b79f5) >>> 0
    let t = this.state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }

  int(low, high) { return low + Math.floor(this.next() * (high - low + 1)) }
  chance(p) { return this.next() < p }
  pick(list) { return list[this.int(0, list.length - 1)] }
  hex(digits) { return Array.from({ length: digits }, () => this.int(0, 15).toString(16)).join('') }

  // begins so that nothing takes it for a broken picture or sound
  bytes(n) {
    const b = Buffer.allocUnsafe(n)
    let i = 0
    for (; i + 4 <= n; i += 4) b.writeUInt32LE(Math.floor(this.next() * 4294967296), i)
    for (; i < n; i++) b[i] = this.int(0, 255)
    b.write('some data\n')
    return b
  }
}

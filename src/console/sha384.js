// HMAC-SHA384 for pages that came over plain HTTP from another machine: browsers keep WebCrypto from those.
// FIPS 180-4 and RFC 2104, with BigInt for the 64-bit words; a request's signature takes a few milliseconds.

const mask = (1n << 64n) - 1n
const rotate = (x, n) => ((x >> n) | (x << (64n - n))) & mask

// The constants are the first 64 bits of fractions of the cube and square roots of primes.
function primes(n) {
  const out = []
  for (let p = 2n; out.length < n; p++) if (out.every((q) => p % q)) out.push(p)
  return out
}
function root(n, power) { // the whole part of the power-th root
  let low = 0n
  let high = 1n << 80n
  while (high - low > 1n) {
    const mid = (low + high) >> 1n
    if (mid ** power <= n) low = mid
    else high = mid
  }
  return low
}
const K = primes(80).map((p) => root(p << 192n, 3n) & mask)
const start = primes(16).slice(8).map((p) => root(p << 128n, 2n) & mask)

function sha384(data) {
  const length = Math.ceil((data.length + 17) / 128) * 128
  const padded = new Uint8Array(length)
  padded.set(data)
  padded[data.length] = 0x80
  const view = new DataView(padded.buffer)
  view.setBigUint64(length - 8, BigInt(data.length) * 8n)
  const H = [...start]
  const w = new Array(80)
  for (let at = 0; at < length; at += 128) {
    for (let i = 0; i < 16; i++) w[i] = view.getBigUint64(at + i * 8)
    for (let i = 16; i < 80; i++) {
      const a = w[i - 15]
      const b = w[i - 2]
      w[i] = (w[i - 16] + (rotate(a, 1n) ^ rotate(a, 8n) ^ (a >> 7n)) + w[i - 7] + (rotate(b, 19n) ^ rotate(b, 61n) ^ (b >> 6n))) & mask
    }
    let [a, b, c, d, e, f, g, x] = H
    for (let i = 0; i < 80; i++) {
      const t1 = (x + (rotate(e, 14n) ^ rotate(e, 18n) ^ rotate(e, 41n)) + ((e & f) ^ (~e & mask & g)) + K[i] + w[i]) & mask
      const t2 = ((rotate(a, 28n) ^ rotate(a, 34n) ^ rotate(a, 39n)) + ((a & b) ^ (a & c) ^ (b & c))) & mask;
      [x, g, f, e, d, c, b, a] = [g, f, e, (d + t1) & mask, c, b, a, (t1 + t2) & mask]
    }
    for (const [i, v] of [a, b, c, d, e, f, g, x].entries()) H[i] = (H[i] + v) & mask
  }
  const out = new DataView(new ArrayBuffer(48))
  for (let i = 0; i < 6; i++) out.setBigUint64(i * 8, H[i])
  return new Uint8Array(out.buffer)
}

const join = (a, b) => {
  const out = new Uint8Array(a.length + b.length)
  out.set(a)
  out.set(b, a.length)
  return out
}

export function hmacSha384(key, data) {
  const block = new Uint8Array(128)
  block.set(key.length > 128 ? sha384(key) : key)
  return sha384(join(block.map((v) => v ^ 0x5c), sha384(join(block.map((v) => v ^ 0x36), data))))
}

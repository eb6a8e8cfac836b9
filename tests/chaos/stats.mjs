// Figures as people read them.
export class Series {
  constructor() { this.v = [] }
  add(x) { this.v.push(x) }
  get count() { return this.v.length }

  at(p) {
    const s = [...this.v].sort((a, b) => a - b)
    return s.length ? s[Math.min(s.length - 1, Math.ceil(p * s.length) - 1)] : NaN
  }

  toString() {
    if (!this.count) return 'none'
    const f = (x) => (x < 10 ? x.toFixed(1) : x.toFixed(0))
    return `n=${this.count} p50 ${f(this.at(0.5))} p90 ${f(this.at(0.9))} p99 ${f(this.at(0.99))} max ${f(this.at(1))} ms`
  }

  histogram(edges = [1, 2, 5, 10, 20, 50, 100, 250, 500, 1000]) {
    const n = new Array(edges.length + 1).fill(0)
    for (const x of this.v) n[edges.findIndex((e) => x <= e) === -1 ? edges.length : edges.findIndex((e) => x <= e)]++
    return n.map((c, i) => [i < edges.length ? `<=${edges[i]}` : `>${edges.at(-1)}`, c])
      .filter(([, c]) => c).map(([k, c]) => `${k}ms:${c}`).join(' ')
  }
}

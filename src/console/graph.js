// The steps as a graph that fills up as jobs finish. Wide: from left to right; narrow: one below the other.
import { h, plural, s } from './dom.js'

const W = 184
const H = 58
const GAP_X = 44
const GAP_Y = 16

// Out of an Assembly's merged_params, for who may not ask for its jobs.
export function stepsOf(params) {
  const names = (use) => [].concat(use?.steps ?? use ?? []).map((u) => (typeof u === 'string' ? u : u?.name)).filter((u) => typeof u === 'string')
  const steps = Object.entries(params?.steps ?? {}).filter(([, v]) => v && typeof v === 'object')
    .map(([name, v]) => ({ name, robot: String(v.robot ?? ''), use: names(v.use), export: /\/store$/.test(v.robot), declared: true, jobs: {} }))
  if (!steps.some((x) => x.name === ':original') && steps.some((x) => x.use.includes(':original'))) steps.unshift({ name: ':original', robot: '/upload/handle', use: [], declared: false, jobs: {} })
  return steps
}

function layers(steps) {
  const by = new Map(steps.map((x) => [x.name, x]))
  const depth = new Map()
  const find = (x, seen) => {
    if (depth.has(x.name)) return depth.get(x.name)
    if (seen.has(x.name)) return 0
    seen.add(x.name)
    const d = Math.max(-1, ...x.use.filter((u) => by.has(u)).map((u) => find(by.get(u), seen))) + 1
    depth.set(x.name, d)
    return d
  }
  for (const x of steps) find(x, new Set())
  return depth
}

const sum = (jobs, ...names) => names.reduce((n, name) => n + (jobs[name] ?? 0), 0)

function figures(step, over) {
  const j = step.jobs ?? {}
  const total = sum(j, 'queued', 'running', 'done', 'failed', 'dropped', 'stopped')
  const running = sum(j, 'running')
  const kind = sum(j, 'failed') ? 'failed' : running ? 'running' : !total ? 'idle' : sum(j, 'dropped', 'stopped') ? 'canceled'
    : sum(j, 'done') === total ? 'done' : over ? 'canceled' : 'waiting'
  return { total, done: sum(j, 'done'), running, kind, waiting: sum(j, 'queued'), stopped: sum(j, 'dropped', 'stopped'), failed: sum(j, 'failed') }
}

const cut = (text, n) => ([...text].length > n ? `${[...text].slice(0, n - 1).join('')}…` : text)

function node(step, x, y, w, over) {
  const f = figures(step, over)
  const count = f.total ? `${f.done}/${f.total}` : ''
  const room = Math.floor((w - 24 - count.length * 7) / 7.4)
  return s('g', { class: `node ${f.kind}`, transform: `translate(${x} ${y})` },
    s('title', null, `${step.name}: ${step.robot}`),
    s('rect', { class: 'box', width: w, height: H, rx: 7 }),
    s('rect', { class: 'water', width: f.total ? Math.max(0, w * (f.done / f.total)) : 0, height: H, rx: 7 }),
    s('rect', { class: 'level', x: 1, y: H - 5, height: 4, rx: 2, width: Math.max(0, (w - 2) * (f.total ? f.done / f.total : 0)) }),
    s('text', { class: 'name', x: 12, y: 24 }, cut(step.name, room)),
    s('text', { class: 'robot', x: 12, y: 42 }, cut(step.robot, Math.floor((w - 24) / 6.6))),
    s('text', { class: 'count', x: w - 12, y: 24, 'text-anchor': 'end' }, count))
}

function describe(step, over) {
  const f = figures(step, over)
  const parts = [f.total ? `${f.done} of ${plural(f.total, 'job')} done` : 'no jobs yet']
  if (f.running) parts.push(`${f.running} running`)
  if (f.waiting) parts.push(`${f.waiting} waiting`)
  if (f.failed) parts.push(`${f.failed} failed`)
  if (f.stopped) parts.push(`${f.stopped} stopped`)
  return `${step.name}, ${step.robot}${step.use.length ? `, uses ${step.use.join(', ')}` : ''}: ${parts.join(', ')}`
}

export function graph(steps, { width, over = false } = {}) {
  const used = new Set(steps.flatMap((x) => x.use))
  steps = steps.filter((x) => x.declared !== false || used.has(x.name))
  if (!steps.length) return null
  const depth = layers(steps)
  const columns = []
  for (const x of steps) (columns[depth.get(x.name)] ??= []).push(x)
  const spread = columns.length * W + (columns.length - 1) * GAP_X
  const narrow = spread > width
  const at = new Map()
  let height
  let total
  if (narrow) { // indented by depth, in an order where sources come first
    const order = [...steps].sort((a, b) => depth.get(a.name) - depth.get(b.name))
    const indent = Math.min(20, 80 / columns.length)
    total = Math.max(200, Math.min(width, 420))
    order.forEach((x, i) => at.set(x.name, { x: 8 + depth.get(x.name) * indent, y: i * (H + GAP_Y), w: total - 9 - depth.get(x.name) * indent, step: x }))
    height = order.length * (H + GAP_Y) - GAP_Y
  } else {
    const tallest = Math.max(...columns.map((c) => c.length))
    const w = Math.min(232, Math.floor((width - (columns.length - 1) * GAP_X) / columns.length))
    total = columns.length * w + (columns.length - 1) * GAP_X
    height = tallest * (H + GAP_Y) - GAP_Y
    columns.forEach((column, i) => {
      const top = (height - (column.length * (H + GAP_Y) - GAP_Y)) / 2
      column.forEach((x, k) => at.set(x.name, { x: i * (w + GAP_X), y: top + k * (H + GAP_Y), w, step: x }))
    })
  }
  const edges = []
  for (const { step, x, y } of at.values()) {
    const live = figures(step, over).kind
    for (const u of step.use) {
      const from = at.get(u)
      if (!from) continue
      const d = narrow ? `M${from.x + 6} ${from.y + H}V${y + H / 2 - 6}q0 6 6 6H${x}`
        : `M${from.x + from.w} ${from.y + H / 2}C${from.x + from.w + GAP_X * 0.6} ${from.y + H / 2} ${x - GAP_X * 0.6} ${y + H / 2} ${x} ${y + H / 2}`
      edges.push(s('path', { class: `edge ${live}`, d }))
    }
  }
  const svg = s('svg', { class: 'graph', viewBox: `-1 -1 ${total + 2} ${height + 2}`, width: total + 2, height: height + 2, role: 'img', 'aria-label': `Graph of ${plural(steps.length, 'step')}; the same as a list follows` },
    edges, [...at.values()].map((p) => node(p.step, p.x, p.y, p.w, over)))
  return [svg, h('ul', { class: 'visually-hidden' }, steps.map((x) => h('li', null, describe(x, over))))]
}

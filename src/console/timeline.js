// Jobs over time: how long each waited, ran, exported.
import { h, plural, span } from './dom.js'

const words = { queued: 'waits', running: 'runs', done: 'done', failed: 'failed', dropped: 'never began', stopped: 'stopped' }

function ticks(length) {
  const rough = length / 4
  const power = 10 ** Math.floor(Math.log10(rough || 1))
  const step = [1, 2, 5, 10].map((n) => n * power).find((n) => n >= rough) ?? rough
  const out = []
  for (let t = 0; t < length; t += step) out.push(t)
  return out
}

export function timeline(data, { all = false, more } = {}) {
  const jobs = data.jobs ?? []
  if (!jobs.length) return h('p', { class: 'muted' }, 'No job has been started yet.')
  const begin = data.created
  const end = Math.max(data.ended ?? data.now, begin + 0.05, ...jobs.flatMap((j) => j.runs.map((r) => r.ended ?? 0)))
  const length = end - begin
  const percent = (t) => `${Math.max(0, Math.min(100, ((t - begin) / length) * 100))}%`
  const bar = (kind, from, to, text) => h('i', { class: `bar ${kind}`, title: text, style: { left: percent(from), width: `max(2px, calc(${percent(to)} - ${percent(from)}))` } })
  const shown = all ? jobs : jobs.slice(0, 60)
  const row = (j) => {
    const runs = j.runs.map((r) => ({ from: r.started, to: r.ended ?? end }))
    const waited = (runs[0]?.from ?? data.ended ?? data.now) - j.queued
    const ran = runs.reduce((n, r) => n + r.to - r.from, 0)
    const kind = j.state === 'failed' ? 'bad' : j.state === 'stopped' ? 'cut' : j.kind === 'export' ? 'export' : 'run'
    return h('tr', { 'data-state': j.state },
      h('th', { scope: 'row' }, h('div', { class: 'job' }, h('span', { class: 'job-step' }, j.step), j.file && h('span', { class: 'job-file muted', title: j.file }, j.inputs > 1 ? `${j.file} + ${j.inputs - 1}` : j.file),
        j.kind !== 'work' && h('span', { class: 'tag' }, j.kind))),
      h('td', { class: 'track', 'aria-hidden': 'true' }, h('div', null,
        bar('wait', j.queued, runs[0]?.from ?? data.ended ?? data.now, 'waited'),
        runs.map((r) => bar(kind, r.from, r.to, span(r.to - r.from))))),
      h('td', { class: 'num' }, span(Math.max(0, waited))),
      h('td', { class: 'num' }, runs.length ? span(ran) : '–'),
      h('td', { class: `word ${j.state}` }, words[j.state] ?? j.state, j.attempts > 1 && h('span', { class: 'muted' }, ` (${plural(j.attempts, 'try', 'tries')})`)))
  }
  return [
    h('div', { class: 'legend', 'aria-hidden': 'true' }, [['wait', 'waiting'], ['run', 'working'], ['export', 'exporting'], ['cut', 'stopped']].map(([k, t]) => h('span', null, h('i', { class: `bar ${k}` }), t))),
    h('table', { class: 'timeline' },
      h('thead', null, h('tr', null, h('th', { scope: 'col' }, 'Job'),
        h('td', { class: 'track', 'aria-hidden': 'true' }, h('div', { class: 'ticks' }, ticks(length).map((t) => h('span', { style: { left: percent(begin + t) } }, t ? span(t) : '0')))),
        h('th', { scope: 'col', class: 'num' }, 'Waited'), h('th', { scope: 'col', class: 'num' }, 'Ran'), h('th', { scope: 'col' }, 'State'))),
      h('tbody', null, shown.map(row))),
    (shown.length < jobs.length || jobs.length < data.count) && h('p', { class: 'muted' }, `${shown.length} of ${plural(data.count, 'job')} are shown. `,
      shown.length < jobs.length && more && h('button', { type: 'button', class: 'quiet', onclick: more }, `Show ${jobs.length}`)),
  ]
}

// What runs where, and what waits.
import { call, open } from './api.js'
import { explain } from './codes.js'
import { busy, h, memo, plural, problem, put, span } from './dom.js'

const roles = { media: ['Media', 'read and make files; no network'], transfer: ['Transfer', 'import, export, notify'],
  script: ['Script', 'evaluate expressions; no network, no files'] }

function worker(w) {
  return h('li', { class: `cell ${w.state}${w.own ? ' own' : ''}` },
    h('div', { class: 'cell-head' }, h('code', null, `${w.role}-${w.id}`), h('span', { class: `word ${w.state}` }, w.state)),
    w.assembly_id ? h('div', null, h('strong', null, w.step), ' ', h('span', { class: 'muted' }, w.robot), h('div', null, h('a', { href: `#/assembly/${w.assembly_id}` }, h('code', null, w.assembly_id.slice(0, 12))), h('span', { class: 'muted num' }, ` ${w.undo ? 'takes something back, ' : ''}${span(w.seconds)}`)))
      : h('div', { class: 'muted' }, w.state === 'busy' ? (w.own ? 'tidying up' : 'another workspace') : w.own && w.jobs ? `${plural(w.jobs, 'job')} so far` : 'fresh'))
}

export function workersView(main, scope) {
  const place = h('div', null, busy('Loading…'))
  const ready = h('span', { class: 'pill' }, '…')
  put(main, h('div', { class: 'head' }, h('h1', { tabindex: '-1' }, 'Workers'), ready), place)
  const draw = memo(place, (o) => [
    o.waits_for_space && h('div', { class: 'note bad' }, h('strong', null, 'The disk is full.'), h('p', null, 'Jobs wait until there is room.')),
    Object.entries(roles).map(([role, [name, what]]) => {
      const q = o.queues[role]
      const list = o.workers.filter((w) => w.role === role)
      const working = list.filter((w) => w.state === 'busy').length
      return h('section', { class: 'panel', 'aria-labelledby': `w-${role}` },
        h('div', { class: 'panel-head' }, h('h2', { id: `w-${role}` }, name), h('p', { class: 'muted' }, what)),
        h('dl', { class: 'figures' },
          h('div', { class: 'figure' }, h('dt', null, 'Busy'), h('dd', { 'data-figure': `${role}-busy` }, `${working} of ${q.workers}`)),
          h('div', { class: 'figure' }, h('dt', null, 'Waiting, live'), h('dd', { 'data-figure': `${role}-live` }, String(q.live))),
          h('div', { class: 'figure' }, h('dt', null, 'Waiting, batch'), h('dd', { 'data-figure': `${role}-batch` }, String(q.batch)))),
        list.length ? h('ul', { class: 'plain cells' }, list.map(worker)) : h('p', { class: 'muted' }, 'No process is running.'))
    }),
    h('p', { class: 'muted' }, `${plural(o.open_assemblies, 'Assembly of this workspace is', 'Assemblies of this workspace are')} not over. The queues are this workspace's, the workers serve all.`)])
  scope.every(1000, async () => {
    open('/readyz').then(() => { ready.className = 'pill done'; put(ready, 'Ready') }, () => { ready.className = 'pill failed'; put(ready, 'Not ready') })
    try { draw(await call('GET', '/queues/work', {}, { signal: scope.signal })) } catch (e) { if (e.name !== 'AbortError') put(place, problem(e.code, e.message, explain(e.code))) }
  })
}

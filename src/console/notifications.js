// Every attempt to tell somebody that an Assembly is over.
import { call } from './api.js'
import { explain } from './codes.js'
import { busy, empty, h, memo, moment, problem, put, say, span, when } from './dom.js'

export function notificationsView(main, scope) {
  const type = h('select', { id: 'n-type', onchange: () => look() }, [['all', 'All'], ['successful', 'Delivered'], ['failed', 'Failed']].map(([v, t]) => h('option', { value: v }, t)))
  const note = h('div')
  const place = h('div', null, busy('Loading…'))
  put(main, h('div', { class: 'head' }, h('h1', { tabindex: '-1' }, 'Notifications')),
    h('form', { class: 'filters', onsubmit: (e) => e.preventDefault() }, h('div', null, h('label', { for: 'n-type' }, 'Outcome'), type)), note, place)
  const draw = memo(place, (items) => items.length ? h('table', { class: 'list' }, h('caption', { class: 'visually-hidden' }, 'Attempts, newest first'),
    h('thead', null, h('tr', null, h('th', { scope: 'col' }, 'Answer'), h('th', { scope: 'col' }, 'Receiver'), h('th', { scope: 'col' }, 'Assembly'), h('th', { scope: 'col', class: 'num' }, 'Took'), h('th', { scope: 'col', class: 'num' }, 'At'), h('th', { scope: 'col' }, h('span', { class: 'visually-hidden' }, 'Actions')))),
    h('tbody', null, items.map((n) => h('tr', null,
      h('td', null, h('span', { class: `pill ${n.response_code >= 200 && n.response_code < 300 ? 'done' : 'failed'}` }, n.response_code ?? 'None')),
      h('th', { scope: 'row', class: 'c-files' }, n.url, n.error && h('span', { class: 'small bad' }, n.error), !n.error && n.response_data && h('span', { class: 'muted small' }, n.response_data.slice(0, 120))),
      h('td', null, h('a', { href: `#/assembly/${n.assembly_id}` }, h('code', null, n.assembly_id.slice(0, 12)))),
      h('td', { class: 'num' }, span(n.duration)), h('td', { class: 'num' }, when(moment(n.created))),
      h('td', { class: 'num' }, h('button', { type: 'button', class: 'quiet', 'aria-label': `Replay the notification of ${n.assembly_id.slice(0, 12)}`, onclick: (e) => replay(n, e.target) }, 'Replay'))))))
    : empty('No notification yet.', h('p', { class: 'muted' }, 'Give an Assembly a ', h('code', null, 'notify_url'), ' to have somebody told when it is over.')))
  async function replay(n, button) {
    put(note)
    button.disabled = true
    try {
      await call('POST', `/assembly_notifications/${n.assembly_id}/replay`, { notify_url: n.url })
      say('Delivered')
      put(note, h('div', { class: 'note good', role: 'status' }, 'Delivered.'))
    } catch (e) { put(note, problem(e.code, e.message, explain(e.code))) }
    button.disabled = false
    look()
  }
  const look = scope.every(4000, async () => {
    try { draw((await call('GET', '/assembly_notifications', { type: type.value, pagesize: 100 }, { signal: scope.signal })).items) } catch (e) { if (e.name !== 'AbortError') put(place, problem(e.code, e.message, explain(e.code))) }
  })
}

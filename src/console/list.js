// The workspace's Assemblies, newest first; fresh while one looks at them.
import { call } from './api.js'
import { explain, state } from './codes.js'
import { busy, bytes, empty, h, moment, plural, problem, put, span, when } from './dom.js'

const types = { all: 'All', uploading: 'Uploading', executing: 'Running', completed: 'Completed', failed: 'Failed', canceled: 'Canceled', request_aborted: 'Aborted' }
const PAGE = 25

export const pill = (ok, error) => {
  const st = state(ok, error)
  return h('span', { class: `pill ${st.kind}` }, st.word)
}

function names(item) {
  let files = []
  try { files = JSON.parse(item.files ?? '[]') } catch { /* none then */ }
  if (!files.length) return item.num_input_files ? plural(item.num_input_files, 'file') : '–'
  return files[0].name + (files.length > 1 ? ` + ${files.length - 1}` : '')
}

function row(item) {
  const took = (item.upload_duration ?? 0) + (item.execution_duration ?? 0)
  return h('tr', { 'data-id': item.id },
    h('td', { class: 'c-state' }, pill(item.ok, item.error)),
    h('th', { scope: 'row', class: 'c-id' }, h('a', { class: 'cover', href: `#/assembly/${item.id}`, 'aria-label': `Assembly ${item.id}` }, h('code', null, item.id.slice(0, 12))),
      item.template_name && h('span', { class: 'muted small' }, item.template_name)),
    h('td', { class: 'c-files', title: names(item) }, names(item), item.error && h('span', { class: 'code bad small' }, item.error),
      item.warning_count > 0 && h('span', { class: 'tag warn' }, plural(item.warning_count, 'warning'))),
    h('td', { class: 'num c-size' }, bytes(item.bytes_received)),
    h('td', { class: 'num c-took' }, span(took)),
    h('td', { class: 'num c-when' }, when(moment(item.created))))
}

export function listView(main, scope, { query }) {
  const page = Math.max(1, Number(query.get('page')) || 1)
  const type = h('select', { id: 'f-type', name: 'type' }, Object.entries(types).map(([v, t]) => h('option', { value: v, selected: v === (query.get('type') ?? 'all') }, t)))
  const words = h('input', { id: 'f-words', name: 'words', type: 'search', value: query.get('words') ?? '', placeholder: 'id, file, field, message' })
  const from = h('input', { id: 'f-from', name: 'from', type: 'date', value: query.get('from') ?? '' })
  const to = h('input', { id: 'f-to', name: 'to', type: 'date', value: query.get('to') ?? '' })
  const go = (changes = {}) => {
    const q = new URLSearchParams()
    for (const [k, v] of Object.entries({ type: type.value, words: words.value.trim(), from: from.value, to: to.value, page: 1, ...changes }))
      if (v && !(k === 'type' && v === 'all') && !(k === 'page' && v === 1)) q.set(k, v)
    location.hash = `#/assemblies${q.size ? `?${q}` : ''}`
  }
  const body = h('tbody')
  const table = h('table', { class: 'list' }, h('caption', { class: 'visually-hidden' }, 'Assemblies, newest first'),
    h('thead', null, h('tr', null, h('th', { scope: 'col' }, 'State'), h('th', { scope: 'col' }, 'Assembly'), h('th', { scope: 'col' }, 'Files'),
      h('th', { scope: 'col', class: 'num' }, 'Received'), h('th', { scope: 'col', class: 'num' }, 'Took'), h('th', { scope: 'col', class: 'num' }, 'Started'))), body)
  const place = h('div', { class: 'list-place' }, busy('Loading…'))
  const foot = h('nav', { class: 'pages', 'aria-label': 'Pages' })
  const total = h('span', { class: 'muted', id: 'total' })
  put(main,
    h('div', { class: 'head' }, h('h1', { tabindex: '-1' }, 'Assemblies'), total, h('a', { class: 'button primary', href: '#/playground' }, 'New Assembly')),
    h('form', { class: 'filters', role: 'search', 'aria-label': 'Filter', onsubmit: (e) => { e.preventDefault(); go() }, onchange: (e) => { if (e.target !== words) go() } },
      h('div', null, h('label', { for: 'f-type' }, 'State'), type),
      h('div', { class: 'grow' }, h('label', { for: 'f-words' }, 'Words'), words),
      h('div', null, h('label', { for: 'f-from' }, 'From'), from),
      h('div', null, h('label', { for: 'f-to' }, 'To'), to),
      h('button', { class: 'quiet' }, 'Filter')),
    place, foot)

  const rows = new Map()
  scope.every(2500, async () => {
    const params = { page, pagesize: PAGE, type: type.value }
    if (query.get('words')) params.keywords = query.get('words').split(/\s+/)
    if (query.get('from')) params.fromdate = query.get('from')
    if (query.get('to')) params.todate = query.get('to')
    try {
      const got = await call('GET', '/assemblies', params, { signal: scope.signal })
      if (scope.over) return
      total.textContent = got.count ? `${got.count} in all` : ''
      const shown = []
      for (const item of got.items) {
        const text = JSON.stringify(item)
        if (rows.get(item.id)?.text !== text) { // a row that has focus keeps it
          const focused = rows.get(item.id)?.el.contains(document.activeElement)
          const el = row(item)
          rows.get(item.id)?.el.replaceWith(el)
          rows.set(item.id, { text, el })
          if (focused) el.querySelector('a').focus()
        }
        shown.push(rows.get(item.id).el)
      }
      if (shown.length !== body.children.length || shown.some((el, i) => body.children[i] !== el)) {
        const active = document.activeElement
        body.replaceChildren(...shown)
        if (body.contains(active)) active.focus()
      }
      const filtered = query.size > 0
      if (!got.items.length) put(place, empty(filtered ? 'Nothing matches.' : 'No Assembly yet.', filtered ? h('a', { href: '#/assemblies' }, 'Show all') : h('p', { class: 'muted' }, 'Try one in the ', h('a', { href: '#/playground' }, 'playground'), '.')))
      else if (!table.isConnected) put(place, table)
      const pages = Math.max(1, Math.ceil(got.count / PAGE))
      if (foot.dataset.of !== `${page}/${pages}`) {
        foot.dataset.of = `${page}/${pages}`
        put(foot, pages > 1 && [
          h('button', { type: 'button', class: 'quiet', disabled: page <= 1, onclick: () => go({ page: page - 1 }) }, 'Newer'),
          h('span', { class: 'muted' }, `Page ${page} of ${pages}`),
          h('button', { type: 'button', class: 'quiet', disabled: page >= pages, onclick: () => go({ page: page + 1 }) }, 'Older')])
      }
      return got.items.some((i) => state(i.ok, i.error).busy) ? 1000 : 2500
    } catch (e) {
      if (e.name !== 'AbortError') put(place, problem(e.code ?? 'That did not work', e.message, explain(e.code)))
      return 5000
    }
  })
}

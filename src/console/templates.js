// Templates: instructions kept under a name.
import { call } from './api.js'
import { explain } from './codes.js'
import { ask, busy, empty, h, moment, problem, put, say, when } from './dom.js'
import { editor } from './editor.js'
import { write } from './playground.js'

export function templatesView(main, scope) {
  const place = h('div', null, busy('Loading…'))
  put(main, h('div', { class: 'head' }, h('h1', { tabindex: '-1' }, 'Templates'), h('a', { class: 'button primary', href: '#/templates/new' }, 'New Template')), place)
  call('GET', '/templates', { pagesize: 500, sort: 'name', order: 'asc' }, { signal: scope.signal }).then((got) => {
    if (!got.items.length) { put(place, empty('No Template yet.', h('p', { class: 'muted' }, 'A Template keeps instructions on the server; clients then send its id alone.'))); return }
    put(place, h('table', { class: 'list' }, h('caption', { class: 'visually-hidden' }, 'Templates'),
      h('thead', null, h('tr', null, h('th', { scope: 'col' }, 'Name'), h('th', { scope: 'col' }, 'Steps'), h('th', { scope: 'col' }, 'Signature'), h('th', { scope: 'col', class: 'num' }, 'Used'), h('th', { scope: 'col', class: 'num' }, 'Changed'))),
      h('tbody', null, got.items.map((t) => h('tr', null,
        h('th', { scope: 'row', class: 'c-id' }, h('a', { class: 'cover', href: `#/templates/${t.id}` }, t.name)),
        h('td', { class: 'c-files' }, Object.keys(t.content?.steps ?? {}).join(', ') || '–'),
        h('td', null, t.require_signature_auth ? 'required' : 'optional'),
        h('td', { class: 'num' }, when(moment(t.last_used))), h('td', { class: 'num' }, when(moment(t.modified))))))))
  }).catch((e) => { if (e.name !== 'AbortError') put(place, problem(e.code, e.message, explain(e.code))) })
}

const fresh = { steps: { small: { robot: '/image/resize', use: ':original', width: 640, result: true } } }

export async function templateView(main, scope, { args: [id] }) {
  const isNew = id === 'new'
  put(main, busy('Loading…'))
  let t = { name: '', content: fresh, require_signature_auth: 0 }
  try {
    if (!isNew) t = await call('GET', `/templates/${encodeURIComponent(id)}`, {}, { signal: scope.signal })
  } catch (e) {
    if (e.name !== 'AbortError') put(main, h('h1', { tabindex: '-1' }, 'Template'), problem(e.code, e.message, explain(e.code)))
    return
  }
  if (scope.over) return
  const note = h('div')
  const name = h('input', { id: 't-name', value: t.name, required: true, spellcheck: 'false', autocapitalize: 'off', 'aria-describedby': 't-name-help' })
  const must = h('input', { id: 't-signed', type: 'checkbox', checked: Boolean(t.require_signature_auth) })
  const ed = editor({ id: 't-content', label: 'Instructions', text: JSON.stringify(t.content, null, 2), scope })
  const save = h('button', { class: 'primary' }, isNew ? 'Create' : 'Save')
  const form = h('form', {
    onsubmit: async (e) => {
      e.preventDefault()
      put(note)
      const got = await ed.check()
      if (got.value === null) { ed.area.focus(); return }
      save.disabled = true
      try {
        const made = await call(isNew ? 'POST' : 'PUT', isNew ? '/templates' : `/templates/${t.id}`, { name: name.value.trim(), template: got.value, require_signature_auth: must.checked ? 1 : 0 })
        say(isNew ? 'Created' : 'Saved')
        if (isNew) location.hash = `#/templates/${made.id}`
        else put(note, h('div', { class: 'note good', role: 'status' }, 'Saved.'))
      } catch (error) { put(note, problem(error.code, error.message, explain(error.code))) } finally { save.disabled = false }
    },
  },
  h('div', { class: 'field' }, h('label', { for: 't-name' }, 'Name'), name, h('p', { class: 'hint', id: 't-name-help' }, 'Lower-case letters, digits and dashes.')),
  ed.el,
  h('label', { class: 'check', for: 't-signed' }, must, h('span', null, 'Assemblies with this Template must be signed')),
  note,
  h('div', { class: 'actions' }, save,
    h('button', { type: 'button', onclick: () => { write(JSON.stringify(isNew ? JSON.parse(ed.text) : { template_id: t.id }, null, 2)); location.hash = '#/playground' } }, 'Open in the playground'),
    !isNew && h('button', {
      type: 'button', class: 'danger', onclick: async () => {
        if (!await ask(`Delete the Template ${t.name}?`, 'Clients that name it are refused from then on. Assemblies that run go on.', 'Delete it')) return
        try {
          await call('DELETE', `/templates/${t.id}`)
          say('Deleted')
          location.hash = '#/templates'
        } catch (error) { put(note, problem(error.code, error.message, explain(error.code))) }
      },
    }, 'Delete')))
  put(main, h('p', { class: 'trail' }, h('a', { href: '#/templates' }, 'Templates')),
    h('div', { class: 'head' }, h('h1', { tabindex: '-1' }, isNew ? 'New Template' : t.name), !isNew && h('code', { class: 'muted small' }, t.id)), form)
  main.querySelector('h1').focus({ preventScroll: true })
}

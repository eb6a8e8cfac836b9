// Template Credentials. Their secrets are never put into the page: a field that is left empty keeps what it has.
import { call } from './api.js'
import { explain } from './codes.js'
import { ask, busy, empty, h, moment, problem, put, say, when } from './dom.js'

const fields = {
  s3: ['bucket', 'bucket_region', 'key', 'secret', 'host?'], azure: ['account', 'container', 'key'], backblaze: ['bucket', 'app_key_id', 'app_key'],
  cloudflare: ['bucket', 'host', 'key', 'secret'], minio: ['bucket', 'host', 'key', 'secret'], tigris: ['bucket', 'host', 'key', 'secret'],
  supabase: ['bucket', 'host', 'bucket_region', 'key', 'secret'], swift: ['bucket', 'host', 'key', 'secret'], digitalocean: ['space', 'region', 'key', 'secret'],
  wasabi: ['bucket', 'region', 'key', 'secret'], rackspace: ['account_type', 'data_center', 'container', 'user', 'key'], ftp: ['host', 'user', 'password', 'port?'],
  box: ['key_file_contents?', 'client_id?', 'client_secret?', 'refresh_token?', 'enterprise_id?', 'user_id?',
    'access_token?'],
  dropbox: ['refresh_token', 'app_key', 'app_secret?', 'access_token?'],
  vimeo: ['access_token'],
  ai: ['openai_api_key?', 'anthropic_api_key?', 'deepseek_api_key?', 'google_generative_ai_api_key?', 'xai_api_key?'],
  sftp: ['host', 'port', 'user', 'public_key', 'private_key?'], http: ['headers'], companion: ['provider', 'key', 'secret'], google: ['project_id', 'client_email', 'private_key', 'bucket?'],
}
const hidden = /key|secret|password|headers|token/

export async function credentialsView(main, scope) {
  const place = h('div', null, busy('Loading…'))
  const side = h('div')
  const add = h('button', { type: 'button', class: 'primary', onclick: () => edit(null) }, 'New credentials')
  put(main, h('div', { class: 'head' }, h('h1', { tabindex: '-1' }, 'Credentials'), add), h('p', { class: 'muted' }, 'Steps name them as ', h('code', null, '"credentials": "name"'), ', so that no secret is in the instructions.'), side, place)
  const types = await call('GET', '/template_credentials/types', {}, { signal: scope.signal }).then((o) => o.types, () => Object.keys(fields))
  await load()

  async function load() {
    try {
      // only names stay: what else the answer holds is dropped here
      const rows = (await call('GET', '/template_credentials', {}, { signal: scope.signal })).credentials.map(({ id, name, type, modified }) => ({ id, name, type, modified }))
      if (scope.over) return
      put(place, rows.length ? h('table', { class: 'list' }, h('caption', { class: 'visually-hidden' }, 'Credentials'),
        h('thead', null, h('tr', null, h('th', { scope: 'col' }, 'Name'), h('th', { scope: 'col' }, 'Type'), h('th', { scope: 'col', class: 'num' }, 'Changed'), h('th', { scope: 'col' }, h('span', { class: 'visually-hidden' }, 'Actions')))),
        h('tbody', null, rows.map((c) => h('tr', null, h('th', { scope: 'row' }, c.name), h('td', null, c.type), h('td', { class: 'num' }, when(moment(c.modified))),
          h('td', { class: 'num' },
            action('Test', c, (e) => attempt(c, e.currentTarget)), action('Edit', c, () => edit(c)),
            action('Delete', c, () => remove(c), 'danger'))))))
        : empty('No credentials yet.'))
    } catch (e) { if (e.name !== 'AbortError') put(place, problem(e.code, e.message, explain(e.code))) }
  }

  function action(what, c, onclick, more = '') {
    return h('button', { type: 'button', class: `quiet ${more}`, 'aria-label': `${what} ${c.name}`, onclick }, what)
  }

  function edit(c) {
    const note = h('div')
    const name = h('input', { id: 'c-name', value: c?.name ?? '', required: true, spellcheck: 'false', autocapitalize: 'off' })
    const type = h('select', { id: 'c-type', disabled: Boolean(c), onchange: () => drawFields() }, types.map((t) => h('option', { value: t, selected: t === (c?.type ?? 's3') }, t)))
    const box = h('div', { class: 'grid' })
    const drawFields = () => put(box, (fields[type.value] ?? ['key', 'secret']).map((f) => {
      const n = f.replace('?', '')
      return h('div', { class: 'field' }, h('label', { for: `c-${n}` }, n, f.endsWith('?') && h('span', { class: 'muted' }, ' (optional)')),
        h('input', { id: `c-${n}`, name: n, type: hidden.test(n) ? 'password' : 'text', autocomplete: 'off', spellcheck: 'false', placeholder: c ? 'unchanged' : '', required: !c && !f.endsWith('?') }))
    }))
    drawFields()
    const close = () => { put(side); add.focus() }
    put(side, h('form', {
      class: 'panel', 'aria-labelledby': 'c-title',
      onkeydown: (e) => { if (e.key === 'Escape') close() },
      onsubmit: async (e) => {
        e.preventDefault()
        put(note)
        try {
          const given = Object.fromEntries([...box.querySelectorAll('input')].filter((i) => i.value).map((i) => [i.name, i.value]))
          const before = c ? (await call('GET', `/template_credentials/${c.id}`)).credential.content : {}
          await call(c ? 'PUT' : 'POST', `/template_credentials${c ? `/${c.id}` : ''}`, { name: name.value.trim(), type: type.value, content: { ...before, ...given } })
          say(c ? 'Saved' : 'Created')
          close()
          load()
        } catch (error) { put(note, problem(error.code, error.message, explain(error.code))) }
      },
    },
    h('div', { class: 'panel-head' }, h('h2', { id: 'c-title' }, c ? `Edit ${c.name}` : 'New credentials')),
    h('div', { class: 'grid' }, h('div', { class: 'field' }, h('label', { for: 'c-name' }, 'Name'), name), h('div', { class: 'field' }, h('label', { for: 'c-type' }, 'Type'), type)),
    box, note, h('div', { class: 'actions' }, h('button', { class: 'primary' }, c ? 'Save' : 'Create'), h('button', { type: 'button', onclick: close }, 'Close'))))
    name.focus()
  }

  // What the other side says to them; nothing of them comes here.
  async function attempt(c, button) {
    button.disabled = true
    put(side, busy(`Testing ${c.name}…`))
    try {
      const found = await call('POST', `/template_credentials/${c.id}/test`, {}, { signal: scope.signal })
      if (scope.over) return
      if (found.works) {
        put(side, h('p', { class: 'panel', role: 'status' }, h('strong', null, `${c.name} works. `),
          `${found.message} (${found.duration_ms} ms).`))
        say(`${c.name} works`)
      } else put(side, problem(found.code, `${c.name} does not work: ${found.message}`, explain(found.code)))
    } catch (e) {
      if (e.name !== 'AbortError') put(side, problem(e.code, e.message, explain(e.code)))
    } finally { button.disabled = false }
  }

  async function remove(c) {
    if (!await ask(`Delete the credentials ${c.name}?`, 'Steps that name them fail from then on.', 'Delete them')) return
    try {
      await call('DELETE', `/template_credentials/${c.id}`)
      say('Deleted')
      load()
    } catch (e) { put(side, problem(e.code, e.message, explain(e.code))) }
  }
}

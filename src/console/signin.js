import { ApiError, signIn } from './api.js'
import { explain } from './codes.js'
import { h, problem, put, say } from './dom.js'

export function signInView(main, _scope, { then }) {
  const key = h('input', { id: 'key', name: 'username', autocomplete: 'username', spellcheck: 'false', autocapitalize: 'off', required: true })
  const secret = h('input', { id: 'secret', name: 'password', type: 'password', autocomplete: 'current-password', required: true, 'aria-describedby': 'secret-help' })
  const keep = h('input', { id: 'keep', type: 'checkbox' })
  const go = h('button', { class: 'primary' }, 'Sign in')
  const trouble = h('div')
  const insecure = !globalThis.isSecureContext
  const form = h('form', {
    class: 'signin',
    onsubmit: async (e) => {
      e.preventDefault()
      put(trouble)
      go.disabled = true
      try {
        await signIn(key.value.trim(), secret.value.trim(), keep.checked)
        secret.value = ''
        say('Signed in')
        then()
      } catch (error) {
        put(trouble, problem(error instanceof ApiError ? error.code : 'That did not work', error.message, explain(error.code)))
      } finally { go.disabled = false }
    },
  },
  h('h1', { tabindex: '-1' }, 'Sign in'),
  h('p', { class: 'muted' }, 'with an Auth Key of this server.'),
  h('label', { for: 'key' }, 'Auth Key'), key,
  h('label', { for: 'secret' }, 'Auth Secret'), secret,
  h('p', { class: 'hint', id: 'secret-help' }, 'It stays in this page. Only signatures made with it are sent.'),
  h('label', { class: 'check', for: 'keep' }, keep, h('span', null, 'Keep in this tab until it is closed')),
  insecure && h('div', { class: 'note warn' }, h('strong', null, 'This page came over plain HTTP from another machine.'),
    h('p', null, 'Whoever sits between could have changed it to read your secret. Put the server behind HTTPS, or open it as localhost through a tunnel.')),
  trouble, go)
  put(main, form)
  key.focus()
}

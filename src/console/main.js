// The frame around the views, and which of them an address shows.
import { account, onAccount, resume, signOut } from './api.js'
import { assemblyView } from './assembly.js'
import { credentialsView } from './credentials.js'
import { h, put, s, Scope } from './dom.js'
import { listView } from './list.js'
import { notificationsView } from './notifications.js'
import { playgroundView } from './playground.js'
import { signInView } from './signin.js'
import { templateView, templatesView } from './templates.js'
import { workersView } from './workers.js'

const THEME = 'workcell-theme'
const routes = [
  { at: /^assemblies$/, view: listView, title: 'Assemblies', nav: 'Assemblies' },
  { at: /^assembly\/([0-9a-f]{32})$/, view: assemblyView, title: 'Assembly', open: true, under: 'Assemblies' },
  { at: /^playground$/, view: playgroundView, title: 'Playground', nav: 'Playground' },
  { at: /^templates$/, view: templatesView, title: 'Templates', nav: 'Templates' },
  { at: /^templates\/(.+)$/, view: templateView, title: 'Template', under: 'Templates' },
  { at: /^credentials$/, view: credentialsView, title: 'Credentials', nav: 'Credentials' },
  { at: /^notifications$/, view: notificationsView, title: 'Notifications', nav: 'Notifications' },
  { at: /^workers$/, view: workersView, title: 'Workers', nav: 'Workers' },
]

const main = document.getElementById('main')
const rail = document.getElementById('rail')
let scope = null

function place() {
  const [path, query = ''] = location.hash.replace(/^#\/?/, '').split('?')
  for (const route of routes) {
    const m = path.match(route.at)
    if (m) return { route, args: m.slice(1).map(decodeURIComponent), query: new URLSearchParams(query) }
  }
  return null
}

function show({ keepFocus = false } = {}) {
  if (location.hash === '#main') return // the skip link
  let here = place()
  if (!here) {
    history.replaceState(null, '', '#/assemblies')
    here = place()
  }
  scope?.end()
  scope = new Scope()
  const locked = !account() && !here.route.open
  document.title = `${locked ? 'Sign in' : here.route.title} · Workcell`
  drawRail(here, locked)
  main.className = locked ? 'bare' : ''
  if (locked) signInView(main, scope, { then: () => show() })
  else here.route.view(main, scope, { args: here.args, query: here.query })
  if (!locked && !keepFocus) (main.querySelector('h1') ?? main).focus({ preventScroll: true })
  if (!keepFocus) scrollTo(0, 0)
}

// ---- the rail ----

const mark = () => s('svg', { viewBox: '0 0 32 32', width: 24, height: 24, 'aria-hidden': 'true' },
  s('path', { class: 'mark', d: 'M16 2.5 27.7 9.25v13.5L16 29.5 4.3 22.75V9.25z' }),
  s('path', { class: 'mark-line', d: 'M9.6 12.2l2.9 8.6 3.5-8.6 3.5 8.6 2.9-8.6' }))

function theme() { return sessionStorage.getItem(THEME) ?? 'auto' }
function setTheme(t) {
  sessionStorage.setItem(THEME, t)
  if (t === 'auto') delete document.documentElement.dataset.theme
  else document.documentElement.dataset.theme = t
}

function themeSwitch() {
  const names = { auto: 'Auto', light: 'Light', dark: 'Dark' }
  return h('fieldset', { class: 'segments' }, h('legend', { class: 'visually-hidden' }, 'Theme'),
    Object.entries(names).map(([t, name]) => h('label', null,
      h('input', { type: 'radio', name: 'theme', value: t, checked: theme() === t, onchange: () => setTheme(t) }), h('span', null, name))))
}

function drawRail(here, locked) {
  const current = here.route.nav ?? here.route.under
  put(rail,
    h('a', { class: 'brand', href: '#/assemblies' }, mark(), h('span', null, 'Workcell')),
    !locked && h('nav', { 'aria-label': 'Console' }, h('ul', null, routes.filter((r) => r.nav).map((r) => h('li', null,
      h('a', { href: `#/${r.nav.toLowerCase()}`, 'aria-current': r.nav === current ? 'page' : null }, r.nav))))),
    h('div', { class: 'rail-end' },
      account() && h('p', { class: 'who' }, h('span', { class: 'muted' }, 'Auth Key'), h('code', null, account().key),
        account().kept && h('span', { class: 'muted small' }, 'kept in this tab')),
      h('div', { class: 'rail-tools' }, themeSwitch(),
        account() ? h('button', { type: 'button', class: 'quiet', onclick: signOut }, 'Sign out')
          : !locked && h('a', { class: 'button quiet', href: '#/assemblies' }, 'Sign in'))))
}

document.getElementById('skip').addEventListener('click', (e) => {
  e.preventDefault()
  main.focus()
})
addEventListener('hashchange', () => show())
onAccount(() => { if (!account()) show() })
setTheme(theme())
await resume()
show({ keepFocus: true })

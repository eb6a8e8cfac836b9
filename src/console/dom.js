// Elements out of data. A text only ever becomes a text node: there is no way to markup in here.

export function h(tag, props, ...kids) {
  return fill(document.createElement(tag), props, kids)
}

export function s(tag, props, ...kids) {
  return fill(document.createElementNS('http://www.w3.org/2000/svg', tag), props, kids)
}

function fill(el, props, kids) {
  for (const [name, value] of Object.entries(props ?? {})) {
    if (value === undefined || value === null || value === false) continue
    if (name.startsWith('on')) el.addEventListener(name.slice(2), value)
    else if (name === 'style') for (const [k, v] of Object.entries(value)) el.style.setProperty(k, v)
    else if (name === 'value' || name === 'checked' || name === 'selected') el[name] = value
    else el.setAttribute(name, value === true ? '' : String(value))
  }
  el.append(...kids.flat(Infinity).filter((k) => k !== null && k !== undefined && k !== false))
  return el
}

export function put(el, ...kids) {
  el.replaceChildren(...kids.flat(Infinity).filter((k) => k !== null && k !== undefined && k !== false))
  return el
}

let saidAt = 0
export function say(text) { // for screen readers; the same words twice are said twice
  const el = document.getElementById('said')
  el.textContent = ''
  clearTimeout(saidAt)
  saidAt = setTimeout(() => { el.textContent = text }, 50)
}

// Draw again only when what is shown has changed: focus, scrolling and running media stay.
export function memo(el, draw) {
  let before
  return (data) => {
    const now = JSON.stringify(data)
    if (now === before) return
    before = now
    put(el, draw(data))
  }
}

// What a view does until it is left.
export class Scope {
  #abort = new AbortController()
  #ends = []
  get signal() { return this.#abort.signal }
  get over() { return this.#abort.signal.aborted }
  onEnd(fn) { this.#ends.push(fn) }
  // Now, and again `ms` after each end; not while nobody looks. fn may give another pause.
  every(ms, fn) {
    let timer
    let working = false
    let again = false // asked for while it worked
    const turn = async () => {
      clearTimeout(timer)
      if (this.over) return
      if (working) { again = true; return }
      working = true
      let next = ms
      try { if (!document.hidden) next = (await fn()) ?? ms } finally { working = false }
      if (again) next = Math.min(next, 250)
      again = false
      if (!this.over) timer = setTimeout(turn, next)
    }
    const seen = () => { if (!document.hidden) turn() }
    document.addEventListener('visibilitychange', seen)
    this.onEnd(() => { clearTimeout(timer); document.removeEventListener('visibilitychange', seen) })
    turn()
    return turn
  }
  end() {
    this.#abort.abort()
    for (const fn of this.#ends.splice(0)) fn()
  }
}

// A question with two answers. Escape says no.
export function ask(question, detail, yes, { danger = true } = {}) {
  return new Promise((resolve) => {
    const title = h('h2', { id: 'ask-title' }, question)
    const go = h('button', { type: 'button', class: danger ? 'danger' : 'primary', autofocus: true, onclick: () => done(true) }, yes)
    const dialog = h('dialog', { 'aria-labelledby': 'ask-title' }, title, h('p', null, detail),
      h('div', { class: 'actions' }, go, h('button', { type: 'button', onclick: () => done(false) }, 'Go back')))
    const done = (answer) => { dialog.close(); dialog.remove(); resolve(answer) }
    dialog.addEventListener('cancel', (e) => { e.preventDefault(); done(false) })
    document.body.append(dialog)
    dialog.showModal()
    go.focus()
  })
}

export const problem = (title, text, hint) =>
  h('div', { class: 'note bad', role: 'alert' }, h('strong', null, title), text && h('p', null, text), hint && h('p', { class: 'hint' }, hint))

export const empty = (title, ...more) => h('div', { class: 'empty' }, h('p', { class: 'lead' }, title), ...more)

export const busy = (text) => h('p', { class: 'muted loading' }, text)

// ---- figures ----

const units = ['B', 'kB', 'MB', 'GB', 'TB']
export function bytes(n) {
  if (n === null || n === undefined) return '–'
  let u = 0
  for (n = Number(n); n >= 1000 && u < units.length - 1; u++) n /= 1000
  return `${u && n < 100 ? n.toFixed(1) : Math.round(n)} ${units[u]}`
}

export function span(sec) {
  if (sec === null || sec === undefined) return '–'
  if (sec < 0.9995) return `${Math.round(sec * 1000)} ms`
  if (sec < 60) return `${sec.toFixed(sec < 10 ? 2 : 1)} s`
  if (sec < 3600) return `${Math.floor(sec / 60)} min ${Math.floor(sec % 60)} s`
  return `${Math.floor(sec / 3600)} h ${Math.floor((sec % 3600) / 60)} min`
}

// "2031/05/06 07:08:09 GMT" (status) or ISO (lists)
export function moment(text) {
  if (!text) return null
  const d = new Date(/GMT$/.test(text) ? text.replace(/\//g, '-').replace(' ', 'T').replace(' GMT', 'Z') : text)
  return Number.isNaN(d.getTime()) ? null : d
}

const full = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'medium' })
const clock = new Intl.DateTimeFormat(undefined, { timeStyle: 'medium' })
const day = new Intl.DateTimeFormat(undefined, { month: 'short', day: 'numeric', hour: '2-digit', minute: '2-digit' })
export function when(d) {
  if (!d) return '–'
  const today = new Date().toDateString() === d.toDateString()
  return h('time', { datetime: d.toISOString(), title: full.format(d) }, (today ? clock : day).format(d))
}

export const plural = (n, one, many = `${one}s`) => `${n} ${n === 1 ? one : many}`

// A text area for JSON with line numbers, what may be put in where the caret is, what stands there, and all that the
// server would say of it, by line.
import { call } from './api.js'
import { explain } from './codes.js'
import { apply, complete, limits, meaning } from './complete.js'
import { h, plural, put } from './dom.js'
import { read } from './json.js'

let robots
export const robotTable = () => (robots ??= fetch('/robots').then((r) => r.json()).then((o) => o.robots).catch(() => { robots = undefined; return [] }))

const SHOWN_MOST = 200

// The list of what may be put in. take(item): it was chosen.
function suggestions(id, area, take) {
  const list = h('ul', {
    id: `${id}-list`, class: 'suggestions', role: 'listbox', 'aria-label': 'What may stand here', hidden: true,
  })
  let items = []
  let chosen = -1
  const choose = (i) => {
    chosen = i
    for (const [n, el] of [...list.children].entries()) el.setAttribute('aria-selected', String(n === i))
    const el = list.children[i]
    if (!el) { area.removeAttribute('aria-activedescendant'); return }
    area.setAttribute('aria-activedescendant', el.id)
    el.scrollIntoView({ block: 'nearest' })
  }
  const close = () => { items = []; choose(-1); list.hidden = true; put(list) }
  const show = (found, first, at) => {
    items = found.slice(0, SHOWN_MOST)
    const pick = (i) => (e) => { e.preventDefault(); take(items[i]) }
    put(list, items.map((x, i) => h('li', {
      id: `${id}-list-${i}`, role: 'option', 'aria-selected': 'false', onmousedown: pick(i),
    }, h('code', null, x.label), h('span', { class: 'muted small' }, [x.note, x.detail].filter(Boolean).join(' – ')))))
    list.hidden = false
    place(at)
    choose(first)
  }
  const place = (at) => {
    const left = Math.min(at.left, list.parentElement.clientWidth - list.offsetWidth)
    list.style.setProperty('top', `${at.top}px`)
    list.style.setProperty('left', `${Math.max(0, left)}px`)
  }
  return {
    el: list, show, place, close, get open() { return items.length > 0 }, get chosen() { return items[chosen] },
    move: (by) => choose((chosen + by + items.length + (chosen < 0 && by < 0 ? 1 : 0)) % items.length),
  }
}

// Where the caret is, in pixels of the editor: its letters are all as wide as each other.
function placeOf(area, box, at) {
  const style = getComputedStyle(area)
  const before = area.value.slice(0, at).split('\n')
  const column = [...before.at(-1).replace(/\t/g, '  ')].length
  const ruler = h('span', { class: 'ruler', 'aria-hidden': 'true' }, '0'.repeat(50))
  box.append(ruler)
  const wide = ruler.getBoundingClientRect().width / 50
  ruler.remove()
  const mine = area.getBoundingClientRect(), outer = box.getBoundingClientRect()
  return {
    top: mine.top - outer.top + parseFloat(style.paddingTop) - area.scrollTop +
      before.length * parseFloat(style.lineHeight),
    left: mine.left - outer.left + parseFloat(style.paddingLeft) + column * wide - area.scrollLeft,
  }
}

// onCheck({value, problems, steps}) after each pause in typing.
export function editor({ id, label, text, scope, onCheck }) {
  const area = h('textarea', {
    id, spellcheck: 'false', autocapitalize: 'off', autocomplete: 'off', wrap: 'off',
    'aria-describedby': `${id}-faults ${id}-keys`, 'aria-autocomplete': 'list', 'aria-controls': `${id}-list`,
  })
  area.value = text
  const gutter = h('div', { class: 'gutter', 'aria-hidden': 'true' }, h('div'))
  const faults = h('div', { class: 'faults', id: `${id}-faults`, role: 'status' })
  const meant = h('p', { class: 'meant small', id: `${id}-meant` })
  const keys = h('p', { class: 'muted small', id: `${id}-keys` }, 'Ctrl + Space: what may stand here.')
  const suggest = suggestions(id, area, (item) => putIn(item))
  const box = h('div', { class: 'editor-box' }, gutter, area)
  const el = h('div', { class: 'editor' }, h('label', { for: id }, label), box, suggest.el, meant, keys, faults)
  let table = []
  let offered = null // the context of what is suggested
  let marked = new Map()
  let timer
  let round = 0
  let last = { value: null, problems: [], steps: null }

  const number = () => {
    const n = area.value.split('\n').length
    put(gutter.firstChild, Array.from({ length: n }, (_, i) => h('div', { class: marked.get(i + 1) ?? '' }, String(i + 1))))
    area.rows = Math.min(30, Math.max(14, n + 1))
    follow()
  }
  const follow = () => gutter.firstChild.style.setProperty('transform', `translateY(${-area.scrollTop}px)`)
  const jump = (line) => {
    const lines = area.value.split('\n')
    const at = lines.slice(0, line - 1).reduce((n, l) => n + l.length + 1, 0)
    area.focus()
    area.setSelectionRange(at, at + (lines[line - 1]?.length ?? 0))
  }
  const tell = (findings, checked) => {
    const problems = findings.filter((f) => f.kind === 'refused')
    marked = new Map(findings.map((f) => [f.line, f.kind === 'refused' ? 'at-fault' : 'at-doubt']).reverse())
    for (const f of problems) marked.set(f.line, 'at-fault')
    number()
    area.setAttribute('aria-invalid', String(problems.length > 0))
    put(faults,
      findings.length > 0 && h('ul', { class: 'plain' }, findings.map((f) => h('li', { class: f.kind }, h('button', { type: 'button', class: 'fault', onclick: () => jump(f.line) }, h('span', { class: 'line' }, `Line ${f.line}`), h('span', null, f.message)), f.hint && h('p', { class: 'hint' }, f.hint)))),
      !problems.length && h('p', { class: 'good' }, checked ? 'The server would take it.' : 'Valid JSON.'))
  }
  const told = (f) => {
    const whole = f.kind === 'refused' && !f.step
    const message = [f.step && `${f.step}: `, f.message, f.help && `: ${f.help}`, whole && ` (column ${f.column})`]
    return {
      kind: f.kind, line: f.line, message: `${message.filter(Boolean).join('')}.`.replace(/([?.])\.$/, '$1'),
      hint: f.kind === 'refused' && !/^not JSON/.test(f.message) ? explain(f.error) : null,
    }
  }
  async function check() {
    const mine = ++round
    const got = read(area.value)
    const broken = got.error &&
      { kind: 'refused', line: got.error.line, message: `${got.error.message} (column ${got.error.column}).` }
    let findings = broken ? [broken] : []
    let steps = null
    let asked = false
    try {
      const answer = await call('POST', '/instructions/check', { text: area.value }, { signal: scope.signal })
      if (mine !== round) return last
      asked = true
      const all = answer.findings.map(told)
      if (!broken || all.some((f) => f.kind === 'refused')) findings = all
      if (!broken) steps = answer.steps
    } catch (e) {
      if (e.name === 'AbortError' || mine !== round) return last
    }
    last = { value: broken ? null : got.value, problems: findings.filter((f) => f.kind === 'refused'), steps }
    tell(findings, asked)
    onCheck?.(last)
    return last
  }
  // ---- what may stand where the caret is ----
  const caret = () => (area.selectionStart === area.selectionEnd ? area.selectionStart : -1)
  const clear = () => { offered = null; suggest.close() }
  const offer = (asked) => {
    const got = caret() >= 0 ? complete(area.value, caret(), table) : null
    const there = got && area.value.slice(got.context.from, got.context.to)
    const known = got?.items.length === 1 && got.items[0].insert.replace(/: $/, '') === there
    if (!got || known || (!asked && !got.context.typed && !got.context.quoted)) { clear(); return }
    offered = got.context
    suggest.show(got.items, got.context.typed || asked ? 0 : -1, placeOf(area, el, got.context.from))
  }
  const putIn = (item) => {
    const made = apply(area.value, offered, item)
    clear()
    area.focus()
    area.setSelectionRange(made.from, made.to)
    document.execCommand('insertText', false, made.insert) // with undo
    area.setSelectionRange(made.caret, made.caret)
    if (item.more) offer(true)
  }
  const mean = () => {
    const got = caret() >= 0 && document.activeElement === area ? meaning(area.value, caret(), table) : null
    put(meant, got && [h('code', null, got.title), ' ', got.text, got.note && h('span', { class: 'muted' }, ` ${got.note}`)])
  }
  robotTable().then((t) => { table = t; mean() })

  area.addEventListener('input', (e) => {
    number()
    clearTimeout(timer)
    timer = setTimeout(check, 350)
    if (e.inputType?.startsWith('insertText') || e.inputType === 'deleteContentBackward') offer(false)
    else clear()
  })
  area.addEventListener('scroll', () => {
    follow()
    if (suggest.open) suggest.place(placeOf(area, el, offered.from))
  })
  area.addEventListener('blur', clear)
  for (const name of ['keyup', 'click', 'focus']) area.addEventListener(name, mean)
  area.addEventListener('keydown', (e) => { // Enter keeps the indentation; Tab leaves, as everywhere
    if (e.isComposing) return
    if (e.key === ' ' && e.ctrlKey) { e.preventDefault(); offer(true); return }
    if (suggest.open && !e.ctrlKey && !e.metaKey && !e.altKey) {
      if (e.key === 'ArrowDown' || e.key === 'ArrowUp') { e.preventDefault(); suggest.move(e.key === 'ArrowDown' ? 1 : -1); return }
      if (e.key === 'Enter' && suggest.chosen) { e.preventDefault(); putIn(suggest.chosen); return }
      if (e.key === 'Escape') { e.preventDefault(); clear(); return }
      if (/^(Arrow(Left|Right)|Home|End|Page(Up|Down))$/.test(e.key)) clear()
    }
    if (e.key !== 'Enter' || e.ctrlKey || e.metaKey) return
    const before = area.value.slice(0, area.selectionStart)
    const line = before.slice(before.lastIndexOf('\n') + 1)
    const indent = line.match(/^\s*/)[0] + (/[{[]\s*$/.test(line) ? '  ' : '')
    if (!indent) return
    e.preventDefault()
    document.execCommand('insertText', false, `\n${indent}`)
  })
  scope.onEnd(() => clearTimeout(timer))
  number()
  check()
  return { el, area, check, get text() { return area.value }, set text(t) { area.value = t; clear(); number(); check() }, count: () => plural(last.problems.length, 'problem') }
}

export async function robotHelp() {
  const list = await robotTable()
  return list.map((r) => h('details', { class: 'robot-help' }, h('summary', null, h('code', null, r.name), h('span', { class: 'muted' }, r.summary)),
    h('dl', null, r.options.map((o) => [
      h('dt', null, h('code', null, o.name), o.required && h('span', { class: 'tag' }, 'required')),
      h('dd', null, o.help ?? '', h('span', { class: 'muted small' }, limits(o)))]))))
}

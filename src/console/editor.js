// A text area for JSON with line numbers, and what is wrong with it, by line.
import { call } from './api.js'
import { explain } from './codes.js'
import { h, plural, put } from './dom.js'
import { read } from './json.js'

let robots
export const robotTable = () => (robots ??= fetch('/robots').then((r) => r.json()).then((o) => o.robots).catch(() => { robots = undefined; return [] }))

const quoted = (text) => [...(text ?? '').matchAll(/[`'"]([^`'"]+)[`'"]/g)].map((m) => m[1])

// The line of a fault that the server found: of the parameter that it names, else of the step.
function lineOf(fault, places) {
  if (fault.step === null) return places.get('steps') ?? 1
  const step = `steps.${fault.step}`
  const words = [...quoted(fault.message), ...(fault.message ?? '').split(/[^A-Za-z0-9_]+/)]
  for (const word of words) if (places.has(`${step}.${word}`)) return places.get(`${step}.${word}`)
  return places.get(step) ?? 1
}

// onCheck({value, problems, steps}) after each pause in typing. wrap(value): the params to check.
export function editor({ id, label, text, scope, onCheck, wrap = (v) => v }) {
  const area = h('textarea', { id, spellcheck: 'false', autocapitalize: 'off', autocomplete: 'off', wrap: 'off', 'aria-describedby': `${id}-faults` })
  area.value = text
  const gutter = h('div', { class: 'gutter', 'aria-hidden': 'true' }, h('div'))
  const faults = h('div', { class: 'faults', id: `${id}-faults`, role: 'status' })
  const el = h('div', { class: 'editor' }, h('label', { for: id }, label), h('div', { class: 'editor-box' }, gutter, area), faults)
  let marked = new Set()
  let timer
  let round = 0
  let last = { value: null, problems: [], steps: null }

  const number = () => {
    const n = area.value.split('\n').length
    put(gutter.firstChild, Array.from({ length: n }, (_, i) => h('div', { class: marked.has(i + 1) ? 'at-fault' : '' }, String(i + 1))))
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
  const tell = (problems, checked) => {
    marked = new Set(problems.map((p) => p.line))
    number()
    area.setAttribute('aria-invalid', String(problems.length > 0))
    put(faults, problems.length
      ? h('ul', { class: 'plain' }, problems.map((p) => h('li', null, h('button', { type: 'button', class: 'fault', onclick: () => jump(p.line) }, h('span', { class: 'line' }, `Line ${p.line}`), h('span', null, p.message)), p.hint && h('p', { class: 'hint' }, p.hint))))
      : h('p', { class: 'good' }, checked ? 'The server would take it.' : 'Valid JSON.'))
  }
  async function check() {
    const mine = ++round
    const got = read(area.value)
    if (got.error) {
      last = { value: null, problems: [{ line: got.error.line, message: `${got.error.message} (column ${got.error.column}).` }], steps: null }
      tell(last.problems)
      onCheck?.(last)
      return last
    }
    try {
      const answer = await call('POST', '/instructions/check', { ...wrap(got.value), auth: undefined }, { signal: scope.signal })
      if (mine !== round) return last
      const problems = answer.problems.map((p) => ({ line: lineOf(p, got.places), message: `${p.step ? `${p.step}: ` : ''}${p.message}`, hint: explain(p.error) }))
      problems.sort((a, b) => a.line - b.line)
      last = { value: got.value, problems, steps: answer.steps }
      tell(problems, true)
    } catch (e) {
      if (e.name === 'AbortError' || mine !== round) return last
      last = { value: got.value, problems: [], steps: null }
      tell([])
    }
    onCheck?.(last)
    return last
  }
  area.addEventListener('input', () => { number(); clearTimeout(timer); timer = setTimeout(check, 350) })
  area.addEventListener('scroll', follow)
  area.addEventListener('keydown', (e) => { // Enter keeps the indentation; Tab leaves, as everywhere
    if (e.key !== 'Enter' || e.isComposing || e.ctrlKey || e.metaKey) return
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
  return { el, area, check, get text() { return area.value }, set text(t) { area.value = t; number(); check() }, count: () => plural(last.problems.length, 'problem') }
}

export async function robotHelp() {
  const list = await robotTable()
  return list.map((r) => h('details', { class: 'robot-help' }, h('summary', null, h('code', null, r.name), h('span', { class: 'muted' }, r.summary)),
    h('dl', null, r.options.map((o) => [
      h('dt', null, h('code', null, o.name), o.required && h('span', { class: 'tag' }, 'required')),
      h('dd', null, o.help ?? '', h('span', { class: 'muted small' }, [o.type !== 'json' && o.type, o.unit && ` in ${o.unit}`, o.min !== undefined && `, ${o.min} to ${o.max}`, o.choices && `: ${o.choices.join(', ')}`]))]))))
}

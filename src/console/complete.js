// What may stand where the caret is, and what it means: out of the table that the server serves (GET /robots).
// Text in, data out; nothing here knows the page. The text is as people leave it while they type: broken.

const DEPTH = 60
const closed = { '{': '}', '[': ']' }

// Parameters of every Robot, which no Robot's table lists.
export const shared = [
  { name: 'robot', type: 'text', required: true, help: 'What the step does.' },
  { name: 'use', type: 'json',
    help: 'Where its files come from: ":original" for what is uploaded, or the names of other steps.' },
  { name: 'result', type: 'boolean', default: false,
    help: 'Whether its files are listed in the results. What nothing uses is listed anyway.' },
  { name: 'output_meta', type: 'json',
    help: 'What is looked for in its files: false for nothing, or an object of what.' },
  { name: 'user_meta', type: 'json', help: 'An object that goes with each file.' },
  { name: 'ignore_errors', type: 'json', default: false,
    help: 'true, or a list of "meta" and "execute": such failures do not end the Assembly.' },
  { name: 'interpolate', type: 'json', help: 'Which parameters have their ${...} filled in.' },
  { name: 'queue', type: 'choice', choices: ['batch'], help: '"batch" lets live work go first.' },
  { name: 'force_accept', type: 'boolean', default: false,
    help: 'Files of a type that the Robot does not take are given to it all the same.' },
]
const outermost = [
  { name: 'steps', type: 'json', help: 'What is done, by the names of the steps.' },
  { name: 'template_id', type: 'text',
    help: 'The id of a Template whose steps are taken; what stands here goes before them.' },
  { name: 'fields', type: 'json', help: 'Values for ${fields.name}.' },
  { name: 'notify_url', type: 'text', help: 'The address that is told when all is done.' },
]
const uses = [
  { name: 'steps', type: 'json',
    help: 'The steps whose files come in, each a name or an object with "name", "as", "fields".' },
  { name: 'bundle_steps', type: 'boolean', default: false, help: 'One job has all the files, not one each.' },
  { name: 'group_by_original', type: 'boolean', default: false, help: 'A bundle for each uploaded file.' },
  { name: 'fields', type: 'text', help: 'Only files of this form field.' },
]

// Every container up to its end: {open, from, to, path, members: [{name, from, to, value: {from, to, text}}]}, and
// where the caret is in them. One pass.
function scan(text, caret) {
  const all = []
  const stack = []
  let at = 0
  let here = null // the token in which, or at whose end, the caret is
  let before = null // the last token that ends at the caret or before it
  const top = () => stack[stack.length - 1]
  const token = (kind, from, to, inner) => {
    const t = { kind, from, to, inner, box: top(), after: top()?.expects, member: top()?.member }
    if (from < caret && caret <= to) here = t
    if (to <= caret) before = t
    return t
  }
  const value = (t, read) => {
    const box = top()
    if (!box) return
    if (box.open === '{' && box.expects === 'name' && read !== undefined) {
      box.member = { name: read, from: t.from, to: t.to, value: null }
      box.members.push(box.member)
      box.expects = 'colon'
    } else {
      if (box.member && box.open === '{') box.member.value = { from: t.from, to: t.to, text: read }
      if (box.open === '[') box.items.push(read)
      box.expects = 'comma'
    }
  }
  while (at < text.length) {
    const c = text[at]
    if (/\s/.test(c)) { at++; continue }
    if (c === '"') {
      const from = at++
      while (at < text.length && text[at] !== '"' && text[at] !== '\n') at += text[at] === '\\' ? 2 : 1
      at = Math.min(at, text.length)
      const inner = text.slice(from + 1, at)
      const ended = text[at] === '"'
      if (ended) at++
      const t = token('text', from, at, inner)
      t.ended = ended
      value(t, inner)
    } else if (c === '{' || c === '[') {
      if (stack.length === DEPTH) break
      const t = token(c, at, at + 1)
      const parent = top()
      const key = parent ? (parent.open === '{' ? parent.member?.name ?? '' : '0') : null
      value(t)
      const box = {
        open: c, from: at, to: Infinity, path: key === null ? [] : [...parent.path, key],
        members: [], items: [], expects: c === '{' ? 'name' : 'value', member: null,
      }
      all.push(box)
      stack.push(box)
      at++
    } else if (c === '}' || c === ']') {
      const box = top()
      token(c, at, at + 1)
      at++
      if (box && closed[box.open] === c) {
        box.to = at
        stack.pop()
        if (top()?.open === '{' && top().member?.value) top().member.value.to = at
      }
    } else if (c === ',' || c === ':') {
      const box = top()
      token(c, at, at + 1)
      at++
      if (box && c === ':') box.expects = 'value'
      if (box && c === ',') {
        box.expects = box.open === '{' ? 'name' : 'value'
        if (box.open === '{') box.member = null
      }
    } else {
      const from = at
      while (at < text.length && !/[\s,:{}[\]"]/.test(text[at])) at++
      const word = text.slice(from, at)
      value(token('word', from, at, word), word)
    }
  }
  return { all, here, before }
}

const boxAt = (all, caret) => all.filter((b) => b.from < caret && caret < b.to).pop() ?? null

function stepOf(found, box, caret) {
  const path = box?.path ?? []
  if (path[0] !== 'steps' || path.length < 2) return null
  const is_it = (b) => b.path.length === 2 && b.path[0] === 'steps' && b.from < caret && caret <= b.to
  const step = found.all.filter(is_it).pop()
  const robot = step?.members.find((m) => m.name === 'robot')?.value?.text
  return step ? { name: step.path[1], robot, members: step.members } : null
}

// {kind: 'name' or 'value', typed, from, to, path, name, step, steps, given} of what is being typed; null: nothing is.
export function context(text, caret) {
  const found = scan(text, caret)
  const box = boxAt(found.all, caret)
  if (!box) return null
  const steps = found.all.find((b) => b.path.length === 1 && b.path[0] === 'steps')?.members.map((m) => m.name) ?? []
  const t = found.here
  const is_over = t?.kind === 'text' && t.ended && caret === t.to
  const in_it = t && (t.kind === 'text' || t.kind === 'word') && t.box === box && !is_over
  const base = {
    path: box.path, open: box.open, step: stepOf(found, box, caret), steps, items: box.items,
    given: box.members.map((m) => m.name),
  }
  let expects, member
  if (in_it) {
    expects = t.after
    member = t.member
  } else {
    const b = found.before
    expects = !b || b.box !== box ? (b && b.from === box.from ? (box.open === '{' ? 'name' : 'value') : 'comma')
      : b.kind === ',' ? (box.open === '{' ? 'name' : 'value')
        : b.kind === ':' ? 'value' : 'comma'
    if (b?.kind === ':' && b.box === box) member = b.member
  }
  if (expects !== 'name' && expects !== 'value') return null
  const quoted = in_it && t.kind === 'text'
  const typed = in_it ? text.slice(t.from + (quoted ? 1 : 0), caret) : ''
  return {
    ...base, kind: expects, typed, quoted: Boolean(quoted),
    from: in_it ? t.from : caret, to: in_it ? t.to : caret,
    name: expects === 'value' ? (box.open === '{' ? member?.name : box.path[box.path.length - 1]) : undefined,
    given: in_it && expects === 'name' ? base.given.filter((n) => n !== t.inner) : base.given,
  }
}

const robotOf = (robots, name) => robots.find((r) => r.name === name)
const optionsOf = (robots, step) => [...(robotOf(robots, step?.robot)?.options ?? []), ...shared]
const json = (v) => JSON.stringify(v)

// What an option takes, in a line: "whole number, 1 to 25000 px, default 3".
export function limits(o) {
  const kinds = {
    integer: 'whole number', number: 'number', boolean: 'true or false', choice: 'one of a list', text: 'text', json: '',
  }
  const parts = [kinds[o.type]]
  if (o.min !== undefined) parts.push(`${o.min} to ${o.max}${o.unit ? ` ${o.unit}` : ''}`)
  else if (o.unit) parts.push(`in ${o.unit}`)
  if (o.choices) parts[0] = o.choices.map(json).join(', ')
  if (o.required) parts.push('required')
  if (o.default !== undefined) parts.push(`default ${json(o.default)}`)
  return parts.filter(Boolean).join('; ')
}

const asName = (o) => ({
  label: o.name, insert: `${json(o.name)}: `, detail: o.help ?? '', note: limits(o), more: true,
})
const asValue = (v, detail = '', note = '') => ({
  label: typeof v === 'string' ? v : json(v), insert: json(v), detail, note,
})

function names(c, robots) {
  const depth = c.path.length
  if (depth === 0) return outermost.map(asName)
  if (c.path[0] !== 'steps') return []
  if (depth === 2) return optionsOf(robots, c.step).map(asName)
  if (depth === 3 && c.path[2] === 'use') return uses.map(asName)
  return []
}

function values(c, robots) {
  const [first, , third] = c.path
  if (first !== 'steps' || c.path.length < 2) return []
  const others = c.steps.filter((n) => n !== c.step?.name && n !== ':original')
  const steps = others.map((n) => asValue(n, 'A step of these Instructions.'))
  const files = [asValue(':original', 'What is uploaded.'), ...steps].filter((v) => !c.items.includes(v.label))
  if (third === 'use' || (c.path.length === 2 && c.name === 'use'))
    return c.path[3] && c.path[3] !== 'steps' ? [] : files
  if (c.path.length !== 2) return []
  if (c.name === 'robot') return robots.map((r) => asValue(r.name, r.summary))
  const o = optionsOf(robots, c.step).find((x) => x.name === c.name)
  if (!o) return []
  if (o.choices) return o.choices.map((v) => asValue(v, '', v === o.default ? 'default' : ''))
  if (o.type === 'boolean') return [true, false].map((v) => asValue(v, '', v === o.default ? 'default' : ''))
  return o.default !== undefined && o.default !== null ? [asValue(o.default, '', 'default')] : []
}

// How well what is typed fits: 0 as it begins, 1 a part of it as it begins, 2 somewhere in it; -1: it does not.
function fit(label, typed) {
  const a = label.toLowerCase(), b = typed.toLowerCase()
  if (a.startsWith(b) || a.replace(/^\//, '').startsWith(b)) return 0
  if (a.split(/[/_:-]/).some((part) => part.startsWith(b))) return 1
  return b.length > 1 && a.includes(b) ? 2 : -1
}

// {context, items: [{label, insert, detail, note}]} for the caret; null: nothing is to be said there.
export function complete(text, caret, robots) {
  const c = context(text, caret)
  if (!c) return null
  const items = (c.kind === 'name' ? names(c, robots).filter((x) => !c.given.includes(x.label)) : values(c, robots))
    .map((x) => ({ ...x, rank: fit(x.label, c.typed) })).filter((x) => x.rank >= 0)
  items.sort((a, b) => a.rank - b.rank)
  return items.length ? { context: c, items } : null
}

// The text with the item put in, and where the caret is then.
export function apply(text, c, item) {
  let { insert } = item
  const rest = text.slice(c.to)
  if (c.kind === 'name' && /^\s*:/.test(rest)) insert = insert.replace(/: $/, '')
  const caret = c.from + insert.length
  return { from: c.from, to: c.to, insert, caret, text: text.slice(0, c.from) + insert + rest }
}

// What stands at the caret: {title, text, note}; null: nothing that the table knows.
export function meaning(text, caret, robots) {
  const found = scan(text, caret)
  const box = boxAt(found.all, caret)
  const step = stepOf(found, box, caret)
  if (!step || !box) return null
  const robot = robotOf(robots, step.robot)
  const of = (name) => {
    const o = optionsOf(robots, step).find((x) => x.name === name)
    const text = o && [o.help, o.idle && `It changes nothing here: ${o.idle}.`,
      o.beyond && `The hosted service does not have it: ${o.beyond}.`].filter(Boolean).join(' ')
    if (o) return { title: name, text, note: limits(o) }
    const known = robot?.not_built.includes(name)
    return known ? { title: name, text: 'It is known, and not built here: it is refused.', note: '' } : null
  }
  const holds = (m) => m.from <= caret && caret <= Math.max(m.to, m.value?.to ?? m.to)
  const direct = box.path.length === 2 ? box.members.find(holds) : null
  const name = direct?.name ?? (box.path.length > 2 ? box.path[2] : null)
  const takes = robot?.accepts ? `takes ${robot.accepts.split('|').join(', ')}` : ''
  if (direct?.name === 'robot' && robot && direct.value && caret >= direct.value.from)
    return { title: robot.name, text: `${robot.summary}.`, note: takes }
  return (name && of(name)) || (robot ? { title: robot.name, text: `${robot.summary}.`, note: '' } : null)
}

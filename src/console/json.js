// JSON with places: where a fault is, and on which line each member stands.

class Fault extends Error {
  constructor(message, at) { super(message); this.at = at }
}

const MAX_DEPTH = 100

// {value, places: Map of "steps.small.width" -> line} or {error: {message, line, column, at}}. Lines count from 1.
export function read(text) {
  let at = 0
  const places = new Map()
  const lineOf = (pos) => text.slice(0, pos).split('\n').length
  const shown = () => (at >= text.length ? 'the end' : `'${text[at]}'`)
  const space = () => { while (' \t\r\n'.includes(text[at] || 'x')) at++ }
  const string = () => {
    const start = at++
    for (; text[at] !== '"'; at++) {
      if (at >= text.length || text[at] === '\n') throw new Fault('This text has no closing quote', start)
      if (text[at] === '\\') at++
    }
    at++
    try { return JSON.parse(text.slice(start, at)) } catch { throw new Fault('This text holds a character that must be escaped', start) }
  }
  const value = (path, depth) => {
    space()
    if (depth > MAX_DEPTH) throw new Fault('Nested too deeply', at)
    if (text[at] === '"') return string()
    if (text[at] === '{') {
      const out = {}
      at++
      for (space(); text[at] !== '}'; space()) {
        if (text[at] !== '"') throw new Fault(`A member's name in double quotes belongs here, not ${shown()}`, at)
        const start = at
        const name = string()
        if (Object.hasOwn(out, name)) throw new Fault(`"${name}" is here twice`, start)
        const below = path ? `${path}.${name}` : name
        places.set(below, lineOf(start))
        space()
        if (text[at] !== ':') throw new Fault(`A colon is missing before ${shown()}`, at)
        at++
        Object.defineProperty(out, name, { value: value(below, depth + 1), enumerable: true, writable: true, configurable: true })
        space()
        if (text[at] === ',') {
          const comma = at++
          space()
          if (text[at] === '}') throw new Fault('A comma too many', comma)
        } else if (text[at] !== '}') throw new Fault(`A comma or } is missing before ${shown()}`, at)
      }
      at++
      return out
    }
    if (text[at] === '[') {
      const out = []
      at++
      for (space(); text[at] !== ']'; space()) {
        out.push(value(`${path}.${out.length}`, depth + 1))
        space()
        if (text[at] === ',') {
          const comma = at++
          space()
          if (text[at] === ']') throw new Fault('A comma too many', comma)
        } else if (text[at] !== ']') throw new Fault(`A comma or ] is missing before ${shown()}`, at)
      }
      at++
      return out
    }
    const word = text.slice(at).match(/^(-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?|true|false|null)(?![\w.])/)
    if (!word) throw new Fault(at >= text.length ? 'A value is missing at the end' : `A value belongs here, not ${shown()}`, at)
    at += word[0].length
    return JSON.parse(word[0])
  }
  try {
    const got = value('', 0)
    space()
    if (at < text.length) throw new Fault(`Nothing may follow, but ${shown()} does`, at)
    return { value: got, places }
  } catch (e) {
    if (!(e instanceof Fault)) throw e
    const before = text.slice(0, e.at)
    return { error: { message: e.message, at: e.at, line: lineOf(e.at), column: e.at - before.lastIndexOf('\n') } }
  }
}

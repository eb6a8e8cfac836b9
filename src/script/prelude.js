// The part of an evaluation that is written in its own language. What clients could replace is taken beforehand.
// It is a client's program all the same from the first expression on: whoever reads the answer believes none of it.
(function (world, random, at) {
  'use strict'
  const { parse, stringify } = JSON
  const evaluate = world.eval
  const { String, TypeError, Promise, isFinite, Object } = world
  const names = ['assembly', 'file', 'fields', 'previous_step', 'unique_prefix', 'unique_original_prefix', 'context']
  for (const name of ['WebAssembly', 'SharedArrayBuffer', 'Atomics', 'console', '$vm', 'gc']) delete world[name]
  world.Math.random = random

  function refuse(what) { throw new TypeError(what) }

  // JSON of a value as a parameter, 'null' when it counts as not given
  function whole(v) {
    if (v === undefined || v === null) return 'null'
    if (typeof v === 'function' || typeof v === 'symbol') refuse(`it gives a ${typeof v}, which no parameter can be`)
    if (typeof v === 'bigint') refuse('it gives a BigInt, which no parameter can be')
    if (typeof v === 'number' && !isFinite(v)) refuse(`it gives ${v}, which no parameter can be`)
    if (v instanceof Promise) refuse('it gives a promise, and nothing is waited for')
    return stringify(v) ?? 'null'
  }

  // JSON of the text that stands for a value between other text
  function text(v) {
    if (v === undefined || v === null) return '""'
    if (typeof v === 'string') return stringify(v)
    if (typeof v === 'object') return stringify(v instanceof Promise ? whole(v) : stringify(v) ?? '')
    if (typeof v === 'function' || typeof v === 'symbol') refuse(`it gives a ${typeof v}, which is no text`)
    return stringify(String(v))
  }

  function why(e) {
    try {
      return stringify(String(e).slice(0, 400))
    } catch {
      return '"it threw what is no text"'
    }
  }

  return function (request) {
    const { variables, inputs, expressions, program } = parse(request)
    const out = []
    for (const name of names) world[name] = variables[name]
    world.account = {}
    world.template = {}
    const count = program === undefined ? expressions.length : 1
    for (let i = 0; i < count; i++) {
      at(i)
      try {
        if (program !== undefined) {
          out[i] = whole(evaluate(program))
        } else {
          const { of } = expressions[i]
          if (of !== undefined) for (const name in inputs[of]) world[name] = inputs[of][name]
          const v = evaluate(`(${expressions[i].code}\n)`)
          out[i] = expressions[i].text ? text(v) : whole(v)
        }
      } catch (e) {
        return `{"error":${why(e)}}`
      }
    }
    let all = '{"values":['
    for (let i = 0; i < count; i++) all += (i ? ',' : '') + out[i]
    return all + ']}'
  }
})

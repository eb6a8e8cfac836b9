// Every answer that a test sees from a server is looked up in that server's own /openapi.json and checked against it: loaded
// before the tests (`node --import`), for fetch as for node:http, so that the official clients' answers are seen too.
import Ajv from 'ajv/dist/2020.js'
import http from 'node:http'
import { syncBuiltinESMExports } from 'node:module'

const plainFetch = globalThis.fetch

// One document and its compiled schemas; servers of one binary share it.
class Contract {
  constructor(doc) {
    this.doc = doc
    this.ajv = new Ajv({ strict: false, allErrors: false })
    this.ajv.addSchema({ $id: 'doc:', ...doc })
    this.compiled = new Map()
    this.paths = Object.entries(doc.paths).map(([path, item]) => ({
      path, item, exact: !path.includes('{'),
      match: new RegExp(`^${path.replace(/[.]/g, '\\.').replace(/\{path\}$/, '.*').replace(/\{id\}/g, '[0-9a-f]{32}').replace(/\{\w+\}/g, '[^/]+')}$`),
    })).sort((a, b) => b.exact - a.exact)
  }

  // What an answer does that the document does not say; undefined: nothing.
  fault(method, path, status, type, body) {
    if (path.startsWith('/companion')) return undefined // what Companion says
    const verb = method.toLowerCase(), there = this.paths.filter((p) => p.match.test(path))
    const said = (m) => there.find((p) => p.item[m])
    const at_verb = verb === 'head' && !said('head') ? 'get' : verb // HEAD is served wherever GET is
    const found = said(at_verb), known = found?.item[at_verb]
    // no such address, or not with this method: the answer is that of every such address
    const response = known ? known.responses[status] : [400, 404, 503].includes(status) || (status === 405 && there.length) ? this.doc.components.responses.Error : undefined
    const at = `${method} ${path}: ${status}`
    if (!response) return known ? `${at} is not in the document` : `${at}, of an address that is not in the document`
    const content = (response.$ref ? this.doc.components.responses[response.$ref.split('/').at(-1)] : response).content
    const kind = (type || '').split(';')[0]
    if (kind !== 'application/json' || verb === 'head') return undefined
    if (!content?.[kind]) return content ? `${at} is JSON, the document says ${Object.keys(content)}` : undefined
    const schema = `doc:#${!known ? '/components/responses/Error' : response.$ref ? response.$ref.slice(1) : this.pointer(found.path, method, status)}/content/application~1json/schema`
    if (!this.compiled.has(schema)) this.compiled.set(schema, this.ajv.compile({ $ref: schema }))
    const check = this.compiled.get(schema)
    let value
    try { value = JSON.parse(body) } catch { return `${at} is not JSON: ${body.slice(0, 300)}` }
    if (check(value)) return undefined
    return `${at}: ${check.errors.map((e) => `${e.instancePath} ${e.message} ${JSON.stringify(e.params)}`).join('; ')} in ${body.slice(0, 1500)}`
  }

  pointer(path, method, status) {
    return `/paths/${encodeURIComponent(path.replace(/~/g, '~0').replace(/\//g, '~1'))}/${method.toLowerCase()}/responses/${status}`
  }
}

const contracts = new Map() // text of the document -> Contract
const servers = new Map()   // origin -> { contract, faults, seen }

// Called by a test's server when it has started: faults is where what is wrong goes.
async function watch(origin, faults) {
  const text = await (await plainFetch(`${origin}/openapi.json`)).text()
  const key = text.replace(origin, '')
  if (!contracts.has(key)) contracts.set(key, new Contract(JSON.parse(text)))
  servers.set(origin, { contract: contracts.get(key), faults, seen: 0 })
}

function look(method, url, status, type, body) {
  const s = servers.get(url.origin)
  if (/^\/ws\d+/.test(url.pathname) && (method === 'POST' || url.searchParams.has('EIO'))) return // Socket.IO
  // a preflight is what any address answers; methods in a header or the query are the tests' own affair
  if (!s || method === 'OPTIONS' || url.searchParams.has('callback') || url.searchParams.has('method')) return
  s.seen++
  const path = (() => { try { return decodeURIComponent(url.pathname) } catch { return url.pathname } })()
  const fault = s.contract.fault(method, path, status, type, body)
  if (fault) s.faults.push(fault)
}

globalThis.fetch = async (input, init) => {
  const res = await plainFetch(input, init)
  const url = new URL(res.url || (input.url ?? input))
  const method = (init?.method ?? input.method ?? 'GET').toUpperCase()
  const override = new Headers(init?.headers ?? input.headers).get('x-http-method-override')
  if (servers.has(url.origin) && !override && !res.redirected) {
    const type = res.headers.get('content-type') || ''
    // the body is still the test's to read; what streams is not waited for
    const body = type.startsWith('application/json') ? await res.clone().text() : ''
    look(method, url, res.status, type, body)
  }
  return res
}

const plainRequest = http.request
http.request = (...args) => {
  const req = plainRequest(...args)
  req.on('response', (res) => {
    const base = `${req.protocol}//${req.getHeader('host')}`
    if (!URL.canParse(req.path, base)) return // what a test of bad hosts sends
    const url = new URL(req.path, base)
    if (!servers.has(url.origin) || req.getHeader('x-http-method-override')) return
    const pieces = [], push = res.push
    res.push = (piece, ...rest) => {
      if (piece) pieces.push(Buffer.from(piece))
      else look(req.method, url, res.statusCode, res.headers['content-type'], Buffer.concat(pieces).toString())
      return push.call(res, piece, ...rest)
    }
  })
  return req
}
syncBuiltinESMExports()

globalThis.contract = { watch, Contract, seen: (origin) => servers.get(origin)?.seen ?? 0 }

// The API, as any client uses it. Reads and cancels of one Assembly need no key: whoever knows its address may.
import { signer } from './sign.js'

const KEPT = 'workcell-session'
const VALID_MS = 5 * 60 * 1000
let session = null // {key, sign, kept}
let skew = 0 // the server's clock is ahead by so many ms
const listeners = new Set()

export class ApiError extends Error {
  constructor(http, body) {
    super(body.message || body.reason || `The server answered ${http}`)
    this.http = http
    this.code = body.error || `HTTP_${http}`
    this.body = body
  }
}

export const account = () => session && { key: session.key, kept: session.kept }
export const onAccount = (fn) => listeners.add(fn)
const changed = () => { for (const fn of listeners) fn() }

export async function signIn(key, secret, keep) {
  const mine = { key, sign: await signer(secret), kept: keep }
  const before = session
  session = mine
  try {
    await call('GET', '/assemblies', { pagesize: 1 })
  } catch (e) {
    if (e.code !== 'INSUFFICIENT_AUTH_SCOPE') { // a key that may do other things is a good key
      session = before
      throw e
    }
  }
  if (keep) sessionStorage.setItem(KEPT, JSON.stringify({ key, secret }))
  changed()
}

export async function resume() {
  try {
    const kept = JSON.parse(sessionStorage.getItem(KEPT))
    if (kept) session = { key: kept.key, sign: await signer(kept.secret), kept: true }
  } catch { sessionStorage.removeItem(KEPT) }
}

export function signOut() {
  session = null
  sessionStorage.removeItem(KEPT)
  changed()
}

async function read(res) {
  const date = Date.parse(res.headers.get('date'))
  if (date) skew = date - Date.now()
  let body
  try { body = await res.json() } catch { body = { message: `The server answered ${res.status} without JSON` } }
  if (!res.ok) throw new ApiError(res.status, body)
  return body
}

async function send(url, init) {
  let res
  try {
    res = await fetch(url, { cache: 'no-store', ...init })
  } catch (e) {
    if (e.name === 'AbortError') throw e
    throw new ApiError(0, { error: 'NO_ANSWER', message: 'The server does not answer.' })
  }
  return read(res)
}

export async function signed(params) {
  const nonce = Array.from(crypto.getRandomValues(new Uint8Array(12)), (v) => v.toString(36)).join('')
  const auth = { ...params.auth, key: session.key, expires: new Date(Date.now() + skew + VALID_MS).toISOString(), nonce }
  const text = JSON.stringify({ ...params, auth })
  return { params: text, signature: await session.sign(text) }
}

// A signed request. A clock that is wrong is set by the server's and the request sent once more.
export async function call(method, path, params = {}, { fields = {}, signal } = {}) {
  if (!session) throw new ApiError(401, { error: 'NO_ACCOUNT', message: 'Sign in to see this.' })
  for (let again = false; ; again = true) {
    const body = new URLSearchParams({ ...await signed(params), ...fields })
    try {
      return method === 'GET' ? await send(`${path}?${body}`, { signal }) : await send(path, { method, body, signal })
    } catch (e) {
      if (e.code !== 'AUTH_EXPIRED' || again) throw e
    }
  }
}

export const status = (id, signal) => send(`/assemblies/${id}`, { signal })
export const open = (path) => send(path)

export async function cancel(id) {
  return send(`/assemblies/${id}`, { method: 'DELETE', body: session ? new URLSearchParams(await signed({})) : undefined })
}

// Addresses in answers name the server as others see it; the page asks the one that it came from.
export function local(url) {
  try {
    const u = new URL(url, location.href)
    return /^\/(tmpfiles|assemblies|resumable|ws\d+)(\/|$)/.test(u.pathname) ? u.pathname + u.search : null
  } catch { return null }
}
// http and https alone may become a link
export function link(url) {
  try { return /^https?:$/.test(new URL(url, location.href).protocol) ? url : null } catch { return null }
}

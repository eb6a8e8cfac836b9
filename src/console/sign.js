// Signatures of requests: HMAC-SHA384 of the exact text of params, with the Auth Secret.
import { hmacSha384 } from './sha384.js'

const encoder = new TextEncoder()
const hex = (data) => `sha384:${Array.from(new Uint8Array(data), (v) => v.toString(16).padStart(2, '0')).join('')}`

// A function text -> signature. With WebCrypto the secret is in a key that no script can read again.
export async function signer(secret, subtle = globalThis.crypto?.subtle) {
  const bytes = encoder.encode(secret)
  if (!subtle) return async (text) => hex(hmacSha384(bytes, encoder.encode(text)))
  const key = await subtle.importKey('raw', bytes, { name: 'HMAC', hash: 'SHA-384' }, false, ['sign'])
  return async (text) => hex(await subtle.sign('HMAC', key, encoder.encode(text)))
}

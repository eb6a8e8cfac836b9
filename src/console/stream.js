// A stream that /video/adaptive has made lies here in files that each have an address of their own. To be played by the
// browser itself, its playlists are written anew with those addresses.
import { local } from './api.js'
import { h, put } from './dom.js'

const HLS = 'application/vnd.apple.mpegurl'

export const isStream = (f) => f.mime === HLS && f.meta?.relative_path === '.'
// What only a playlist makes something of.
export const isPiece = (f) => f.meta?.relative_path !== undefined && !isStream(f)

const can = () => document.createElement('video').canPlayType(HLS) !== ''

const find = (files, folder, name) => {
  const parts = [...folder.split('/'), ...name.split('/')].filter((p) => p && p !== '.')
  const last = parts.pop()
  const at = parts.join('/') || '.'
  return files.find((f) => f.name === last && f.meta?.relative_path === at)
}

// The address of a copy of this playlist; `made` collects those that must be given back.
async function copy(f, files, made, depth = 0) {
  const text = await (await fetch(local(f.ssl_url ?? f.url))).text()
  const address = async (name) => {
    const to = find(files, f.meta.relative_path, name)
    if (!to) throw new Error(`${name} is missing`)
    if (to.mime === HLS && depth === 0) return copy(to, files, made, 1)
    return new URL(local(to.ssl_url ?? to.url), location).href
  }
  const lines = await Promise.all(text.split('\n').map(async (line) => {
    if (line && !line.startsWith('#')) return address(line)
    const uri = line.match(/^(#EXT-X-(?:MEDIA|MAP):.*URI=")([^"]+)(".*)$/)
    return uri ? uri[1] + await address(uri[2]) + uri[3] : line
  }))
  const url = URL.createObjectURL(new Blob([lines.join('\n')], { type: HLS }))
  made.push(url)
  return url
}

// files: all of the Step, now or later.
export function streamPreview(f, files) {
  if (!can()) return h('span', { class: 'muted' }, 'This browser plays no HLS.')
  const box = h('div', { class: 'preview-stream' })
  const failed = () => put(box, h('span', { class: 'muted' }, 'It can not be played.'))
  const play = h('button', {
    type: 'button',
    onclick: async () => {
      const made = []
      play.disabled = true
      try {
        const src = await copy(f, files(), made)
        put(box, h('video', { src, controls: true, autoplay: true, 'aria-label': f.name, onerror: failed }))
      } catch {
        for (const url of made) URL.revokeObjectURL(url)
        failed()
      }
    },
  }, 'Play the stream')
  return put(box, play)
}

// Files with previews. Only files that this server still has are shown here: the page may load nothing else.
import { link, local } from './api.js'
import { bytes, h, plural, put } from './dom.js'
import { isPiece, isStream, streamPreview } from './stream.js'

const MAX_PDF = 64 << 20

function facts(f) {
  const m = f.meta ?? {}
  const out = [bytes(f.size)]
  if (m.width && m.height) out.push(f.mime === 'application/pdf' ? plural(m.page_count ?? 0, 'page') : `${m.width} × ${m.height}`)
  if (m.duration) out.push(`${Number(m.duration).toFixed(1)} s`)
  if (f.mime) out.push(f.mime)
  return out.join(' · ')
}

function pdf(src, name) {
  const box = h('div', { class: 'preview-pdf' })
  const open = h('button', {
    type: 'button',
    onclick: async () => {
      open.disabled = true
      try { // files come sandboxed, which keeps a browser's own viewer out: it gets a copy
        const data = await (await fetch(src)).blob()
        const url = URL.createObjectURL(new Blob([data], { type: 'application/pdf' }))
        put(box, h('iframe', { src: url, title: `Preview of ${name}` }))
      } catch { put(box, h('span', { class: 'muted' }, 'It can not be loaded.')) }
    },
  }, 'Show the PDF')
  return put(box, open)
}

function preview(f, files) {
  const src = local(f.ssl_url ?? f.url)
  const sort = (f.mime ?? '').split('/')[0]
  if (!src) return h('span', { class: 'muted' }, 'stored elsewhere')
  if (isStream(f)) return streamPreview(f, files)
  if (isPiece(f)) return h('span', { class: 'ext', 'aria-hidden': 'true' }, f.ext || 'file')
  let again = 0 // a connection may break; what can't be shown fails twice
  const failed = ({ target }) => {
    if (again++) target.replaceWith(h('span', { class: 'muted' }, 'no preview'))
    else setTimeout(() => { target.src = src }, 1000)
  }
  if (sort === 'image') return h('img', { src, alt: '', loading: 'lazy', decoding: 'async', onerror: failed })
  if (sort === 'video') return h('video', { src, controls: true, preload: 'metadata', 'aria-label': f.name, onerror: failed })
  if (sort === 'audio') return h('audio', { src, controls: true, preload: 'metadata', 'aria-label': f.name, onerror: failed })
  if (f.mime === 'application/pdf' && f.size <= MAX_PDF) return pdf(src, f.name)
  return h('span', { class: 'ext', 'aria-hidden': 'true' }, f.ext || 'file')
}

function card(f, files) {
  const address = local(f.ssl_url ?? f.url) ?? link(f.ssl_url ?? f.url)
  return h('li', { class: 'file', 'data-id': f.id },
    h('div', { class: 'preview' }, preview(f, files)),
    h('div', { class: 'file-text' },
      address ? h('a', { href: address, target: '_blank', rel: 'noreferrer noopener' }, f.name) : h('span', null, f.name),
      h('span', { class: 'muted small' }, facts(f)),
      f.meta?.faces?.length > 0 && h('span', { class: 'muted small' }, plural(f.meta.faces.length, 'face')),
      f.exec_time !== undefined && h('span', { class: 'muted small' }, `made in ${f.exec_time} s${f.queue_time ? `, waited ${f.queue_time} s` : ''}`)))
}

// Cards stay as they are while more come, so that media go on playing.
export function fileList(el) {
  const cards = new Map()
  let now = []
  return (files) => {
    const keys = []
    now = files
    for (const f of files) {
      const key = JSON.stringify([f.id, f.size, f.url, f.exec_time, f.meta])
      if (!cards.has(key)) cards.set(key, card(f, () => now))
      keys.push(key)
    }
    const wanted = keys.map((k) => cards.get(k))
    if (wanted.length !== el.children.length || wanted.some((c, i) => el.children[i] !== c)) el.replaceChildren(...new Set(wanted))
  }
}

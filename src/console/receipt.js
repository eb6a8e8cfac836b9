// What a cancel stopped: every figure was counted by the server from what it did.
import { bytes, h, moment, plural, span, when } from './dom.js'
import { link } from './api.js'

// null: not counted yet, which is not 0
const figure = (id, n, shown, label, more) => h('div', { class: 'figure' },
  h('dt', null, label), h('dd', { 'data-figure': id, class: n == null && 'muted' }, n == null ? 'settling' : shown(n)), n != null && more && h('dd', { class: 'hint' }, more))

// Its own work is stopped and counted, and yet it is not over.
export const isElsewhere = (c) => !c.settled && c.duration != null

// In a sentence, for who hears it.
export const verdict = (c) => c.settled
  ? `Canceled. ${plural(c.processes_killed, 'process', 'processes')} killed, ${plural(c.jobs_dropped, 'job')} dropped, ` +
    `${bytes(c.bytes_freed)} freed.`
  : isElsewhere(c) ? 'Canceled. What it began at another server is still to be taken back.'
    : 'Canceled; what it ran is still being stopped.'

export function receipt(c) {
  const kept = c.exports_kept ?? []
  return h('section', { class: 'panel receipt', 'data-settled': String(c.settled), 'aria-labelledby': 'receipt-title' },
    h('div', { class: 'panel-head' }, h('h2', { id: 'receipt-title' }, 'Cancel receipt'),
      h('p', { class: 'muted' }, 'asked at ', when(moment(c.requested)))),
    h('p', { class: 'verdict' }, c.settled
      ? [h('strong', null, `All of it was gone after ${span(c.duration)}.`), ' No process is left, and what it had written is freed.']
      : isElsewhere(c)
        ? [h('strong', null, `All of it was gone here after ${span(c.duration)}.`),
          ' What it began at another server is still to be taken back there.']
        : [h('strong', null, 'Settling.'), ' What it ran is being stopped; what is not counted yet is not shown.']),
    h('dl', { class: 'figures' },
      figure('duration', c.duration, span, 'Time to stop'),
      figure('processes_killed', c.processes_killed, String, 'Processes killed'),
      figure('jobs_stopped', c.jobs_stopped, String, 'Jobs stopped'),
      figure('jobs_dropped', c.jobs_dropped, String, 'Jobs dropped', 'never began'),
      figure('uploads_stopped', c.uploads_stopped, String, 'Uploads stopped'),
      figure('bytes_freed', c.bytes_freed, bytes, 'Disk freed', c.bytes_freed >= 1000 && `${c.bytes_freed} bytes`)),
    kept.length > 0 && h('div', null, h('h3', null, `${plural(kept.length, 'export')} that had been made already stayed`),
      h('ul', { class: 'plain' }, kept.map((u) => h('li', null, link(u) ? h('a', { href: u, rel: 'noreferrer noopener', target: '_blank' }, u) : u)))),
    c.notification && h('p', { class: 'muted' }, c.notification === 'none' ? 'Nobody is notified: there was no notify_url.' : `Notification: ${c.notification}.`))
}

// One Assembly, live: the event stream says that something happened, the status says what.
import { account, call, cancel, local, status } from './api.js'
import { explain, state } from './codes.js'
import { ask, bytes, busy, h, memo, moment, plural, problem, put, say, span, when } from './dom.js'
import { fileList } from './files.js'
import { graph, stepsOf } from './graph.js'
import { pill } from './list.js'
import { isElsewhere, receipt, verdict } from './receipt.js'
import { timeline } from './timeline.js'

const events = ['assembly_upload_finished', 'assembly_result_finished', 'assembly_error', 'assembly_execution_progress']

function listen(a, scope, heard) {
  const source = new EventSource(local(a.update_stream_url))
  for (const name of events) source.addEventListener(name, heard)
  source.onmessage = heard
  scope.onEnd(() => source.close())
  return source
}

const panel = (id, title, ...kids) => h('section', { class: 'panel', 'aria-labelledby': id }, h('div', { class: 'panel-head' }, h('h2', { id }, title)), ...kids)

function trouble(a) {
  const out = []
  if (a.error) out.push(h('div', { class: 'note bad' }, h('strong', null, a.error), h('p', null, a.message, a.step && [' In the step ', h('code', null, a.step), '.']),
    explain(a.error) && h('p', { class: 'hint' }, explain(a.error)), a.stderr && h('pre', { tabindex: '0' }, a.stderr)))
  else if (a.ok === 'REQUEST_ABORTED') out.push(h('div', { class: 'note warn' }, h('strong', null, a.ok), h('p', null, a.message), h('p', { class: 'hint' }, explain(a.ok))))
  for (const w of a.warnings ?? []) out.push(h('div', { class: 'note warn' }, h('strong', null, w.level === 'notice' ? 'Notice' : 'Warning'), h('p', null, w.msg)))
  for (const i of a.ignored_errors ?? []) out.push(h('div', { class: 'note warn' }, h('strong', null, i.error, ' (ignored)'), h('p', null, i.message, i.step && [' In the step ', h('code', null, i.step), '.']),
    explain(i.error) && h('p', { class: 'hint' }, explain(i.error))))
  return out
}

function facts(a) {
  const st = state(a.ok, a.error)
  const pair = (name, value) => h('div', null, h('dt', null, name), h('dd', null, value))
  return h('dl', { class: 'facts' },
    pair('Started', when(moment(a.start_date))),
    pair('Uploading', span(a.upload_duration)),
    pair('Executing', a.execution_duration === null || a.execution_duration === undefined ? '–' : span(a.execution_duration)),
    pair('Received', st.busy && a.bytes_expected > a.bytes_received ? `${bytes(a.bytes_received)} of ${bytes(a.bytes_expected)}` : bytes(a.bytes_received)),
    pair('Billed', bytes(a.bytes_usage)),
    a.template_name && pair('Template', a.template_name),
    a.parent_id && pair('Replay of', h('a', { href: `#/assembly/${a.parent_id}` }, h('code', null, a.parent_id.slice(0, 12)))),
    a.notify_url && pair('Notification', [a.notify_status ?? 'to come', a.notify_response_code ? ` (${a.notify_response_code})` : '']))
}

function tusList(list) {
  return h('ul', { class: 'plain uploads' }, list.map((u, i) => h('li', null,
    h('span', { class: 'up-name', id: `up-${i}` }, u.filename), h('span', { class: 'muted num' }, u.size ? `${bytes(u.offset)} of ${bytes(u.size)}` : bytes(u.offset)),
    h('progress', { max: u.size || 1, value: u.finished ? u.size || 1 : u.offset, 'aria-labelledby': `up-${i}` }))))
}

const HIDDEN = new Set(['params', 'merged_params', 'template'])
function pretty(a) { // those three are JSON texts inside the JSON
  const shown = { ...a }
  for (const k of HIDDEN) try { if (shown[k]) shown[k] = JSON.parse(shown[k]) } catch { /* as it is */ }
  return JSON.stringify(shown, null, 2)
}

// Puts the Assembly into root. sending(): uploads of this page, [{name, sent, size}].
export function mount(root, id, scope, { title = 'h1', sending } = {}) {
  const heading = h(title, { tabindex: '-1' }, 'Assembly ', h('code', null, id.slice(0, 12), h('span', { class: 'rest' }, id.slice(12))))
  const stateEl = h('span')
  const head = h('div', { class: 'head' }, heading, stateEl)
  const actions = h('div', { class: 'actions' })
  const note = h('div', { 'aria-live': 'polite' })
  const factsEl = h('div')
  const problems = h('div', { class: 'notes' })
  const receiptEl = h('div')
  const graphEl = h('div', { class: 'graph-place' })
  const jobsEl = h('div', { class: 'timeline-place' })
  const uploadsEl = h('div')
  const uploadFiles = h('ul', { class: 'files' })
  const resultsEl = h('div')
  const raw = h('pre', { class: 'raw', tabindex: '0', 'aria-label': 'Status as JSON' })
  const details = h('details', { class: 'panel raw-place', ontoggle: () => drawRaw() }, h('summary', null, 'Raw status'), raw)
  const graphPanel = panel('steps-title', 'Steps', graphEl)
  const uploadsPanel = panel('uploads-title', 'Uploads', uploadsEl, uploadFiles)
  const jobsPanel = panel('jobs-title', 'Jobs', jobsEl)
  const resultsPanel = panel('results-title', 'Results', resultsEl)
  const waiting = busy('Loading…')
  const top = h('div', { class: 'head-row' }, head, actions) // its heading may have the focus: it stays where it is
  put(root, top, note, waiting)

  let a = null
  let jobs = null
  let allJobs = false
  let laidOut = false
  let stream = null
  const steps = new Map() // step -> draw
  const stop = h('button', { type: 'button', class: 'danger', onclick: cancelIt }, 'Cancel')
  const again = h('button', { type: 'button', onclick: replay }, 'Replay')
  const copy = h('button', { type: 'button', class: 'quiet', onclick: async () => { try { await navigator.clipboard.writeText(id); say('Copied') } catch { say('The browser does not allow copying') } } }, 'Copy id')

  const drawFacts = memo(factsEl, facts)
  const drawTrouble = memo(problems, trouble)
  const drawReceipt = memo(receiptEl, (c) => c && receipt(c))
  const drawUploading = memo(uploadsEl, (list) => list.length ? tusList(list) : null)
  const drawFiles = fileList(uploadFiles)
  const drawState = memo(stateEl, (st) => pill(st.ok, st.error))
  const drawRaw = () => { if (details.open && a) raw.textContent = pretty(a) }

  function drawGraph() {
    if (!a) return
    let list = jobs?.steps
    if (!list?.length) try { list = stepsOf(JSON.parse(a.merged_params ?? '{}')) } catch { list = [] }
    const width = graphEl.clientWidth || 600
    graphMemo({ list, width, over: !state(a.ok, a.error).busy })
  }
  const graphMemo = memo(graphEl, ({ list, width, over }) => graph(list, { width, over }) ?? h('p', { class: 'muted' }, 'No steps.'))
  const drawJobs = () => {
    if (jobs?.refused) put(jobsEl, h('p', { class: 'muted' }, jobs.refused))
    else if (jobs) put(jobsEl, timeline(jobs, { all: allJobs, more: () => { allJobs = true; drawJobs() } }))
  }

  function drawResults() {
    for (const [name, files] of Object.entries(a.results ?? {})) {
      if (!steps.has(name)) {
        const ul = h('ul', { class: 'files' })
        const n = h('span', { class: 'muted small' })
        const box = h('div', { class: 'step-results' }, h('h3', null, h('code', null, name), n), ul)
        steps.set(name, { draw: fileList(ul), n })
        if (steps.size === 1) put(resultsEl)
        resultsEl.append(box)
      }
      steps.get(name).draw(files)
      steps.get(name).n.textContent = plural(files.length, 'file')
    }
    if (!steps.size) put(resultsEl, h('p', { class: 'muted' }, state(a.ok, a.error).busy ? 'None yet.' : a.ok === 'ASSEMBLY_COMPLETED' && a.warnings?.length ? 'None; the warnings above say why.' : 'None.'))
  }

  function draw() {
    const st = state(a.ok, a.error)
    drawState({ ok: a.ok, error: a.error })
    if (!laidOut) {
      laidOut = true
      waiting.remove()
      root.append(receiptEl, problems, factsEl, graphPanel, uploadsPanel, resultsPanel, jobsPanel, details)
    }
    const wanted = st.busy ? [stop, copy] : account() ? [again, copy] : [copy]
    if (wanted.length !== actions.children.length || wanted[0] !== actions.children[0]) put(actions, wanted)
    drawFacts(a)
    drawTrouble(a)
    drawReceipt(a.cancel ?? null)
    const own = sending?.() ?? []
    const tus = (a.tus_uploads ?? []).filter((u) => !u.finished && st.busy).map((u) => {
      const mine = own.find((o) => o.name === u.filename && o.size === u.size)
      return { filename: u.filename, size: u.size, offset: Math.max(u.offset, mine?.sent ?? 0), finished: u.finished }
    })
    drawUploading(tus)
    drawFiles(a.uploads ?? [])
    uploadsPanel.hidden = !tus.length && !a.uploads?.length
    drawResults()
    drawGraph()
    drawRaw()
  }

  let before = null
  let told // whether its receipt was settled when it was seen last
  async function refresh() {
    try {
      const got = await status(id, scope.signal)
      if (scope.over) return 0
      a = got
    } catch (e) {
      if (e.name === 'AbortError') return 0
      if (a) { put(note, problem(e.code, e.message, explain(e.code))); return 3000 }
      waiting.remove()
      put(note, problem(e.code, e.message, explain(e.code)))
      return e.code === 'ASSEMBLY_NOT_FOUND' ? 1e9 : 3000
    }
    if (note.querySelector('.bad')) put(note)
    const st = state(a.ok, a.error)
    draw()
    if (before && before !== st.word) say(`Assembly ${st.word.toLowerCase()}`)
    before = st.word
    if (a.cancel?.settled && told === false) say(verdict(a.cancel))
    told = a.cancel?.settled
    if (st.busy && !stream) stream = listen(a, scope, hear)
    if (!st.busy) stream?.close()
    lookAtJobs()
    if (st.busy || a.notify_status === 'processing') return 1500
    if (!a.cancel || a.cancel.settled) return 1e9
    return isElsewhere(a.cancel) ? 5000 : 1500 // another server can be down for a day
  }
  const turn = scope.every(1500, refresh)

  // Many events in a short time are one look.
  let heard = 0
  function hear() {
    if (heard) return
    heard = setTimeout(() => { heard = 0; turn() }, 150)
  }
  scope.onEnd(() => clearTimeout(heard))

  let looking = false
  let lookAgain = 0
  let pauseMs = 0
  async function lookAtJobs() {
    if (!account()) { jobs = { refused: 'Sign in to see the jobs.' }; drawJobs(); return }
    if (looking || Date.now() < lookAgain) {
      if (!state(a.ok, a.error).busy && jobs && !jobs.ended && !looking) setTimeout(lookAtJobs, 300)
      return
    }
    looking = true
    const began = Date.now()
    try {
      jobs = await call('GET', `/assemblies/${id}/jobs`, {}, { signal: scope.signal })
    } catch (e) {
      if (e.name !== 'AbortError') jobs = { refused: `${e.message} ${explain(e.code) ?? ''}` }
    }
    looking = false
    if (scope.over) return
    pauseMs = Math.max(400, (Date.now() - began) * 5) // a long history is asked for less often
    lookAgain = Date.now() + pauseMs
    drawJobs()
    drawGraph()
    if (!state(a.ok, a.error).busy && jobs.created && !jobs.ended) setTimeout(lookAtJobs, pauseMs)
  }

  async function cancelIt() {
    const yes = await ask('Cancel this Assembly?', 'Its processes are killed, uploads are cut off and what waits is dropped. Results and exports that are there already stay.', 'Cancel it now')
    if (!yes) { stop.focus(); return }
    stop.disabled = true
    try {
      a = await cancel(id)
      before = state(a.ok, a.error).word // what is said below says it
      draw()
      const c = a.cancel
      say(c ? verdict(c) : `It was over already: ${state(a.ok, a.error).word}`)
      told = c?.settled
      if (!c) put(note, h('div', { class: 'note' }, h('strong', null, 'It was over already.'), h('p', null, a.message)))
      receiptEl.setAttribute('tabindex', '-1')
      receiptEl.focus({ preventScroll: true })
      turn()
    } catch (e) { put(note, problem(e.code, e.message, explain(e.code))) } finally { stop.disabled = false }
  }

  async function replay() {
    again.disabled = true
    try {
      const got = await call('POST', `/assemblies/${id}/replay`)
      say('A replay was started')
      location.hash = `#/assembly/${got.assembly_id}`
    } catch (e) { put(note, problem(e.code, e.message, explain(e.code))) } finally { again.disabled = false }
  }

  const resized = new ResizeObserver(() => drawGraph())
  resized.observe(graphEl)
  scope.onEnd(() => resized.disconnect())
  return { look: turn }
}

export function assemblyView(main, scope, { args: [id] }) {
  const root = h('div', { class: 'assembly' })
  put(main, h('p', { class: 'trail' }, h('a', { href: '#/assemblies' }, 'Assemblies')), root)
  mount(root, id, scope)
}


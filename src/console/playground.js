// Write instructions, drop files, run, see.
import { account, ApiError, call, local, onAccount } from './api.js'
import { mount } from './assembly.js'
import { explain } from './codes.js'
import { ask, bytes, h, plural, problem, put, say, Scope } from './dom.js'
import { editor, robotHelp } from './editor.js'
import { graph, stepsOf } from './graph.js'
import { upload } from './upload.js'

const resize = (width) => ({ robot: '/image/resize', use: ':original', width, result: true })
const examples = {
  'Make a picture smaller': { steps: { small: resize(640) } },
  'Three sizes, three formats': {
    steps: {
      thumb: { robot: '/image/resize', use: ':original', width: 160, height: 160, resize_strategy: 'fillcrop', result: true },
      web: { robot: '/image/resize', use: ':original', width: 960, format: 'webp', result: true },
      print: { robot: '/image/resize', use: ':original', width: 2000, zoom: false, format: 'tiff', result: true },
    },
  },
  'Cut out faces': {
    steps: {
      faces: { robot: '/image/facedetect', use: ':original', crop: true, crop_padding: '20%', result: true },
      squares: { robot: '/image/resize', use: 'faces', width: 200, height: 200, resize_strategy: 'fillcrop', result: true },
    },
  },
  'Import from an address': {
    steps: {
      imported: { robot: '/http/import', url: 'https://example.com/picture.jpg' },
      small: { robot: '/image/resize', use: 'imported', width: 640, result: true },
    },
  },
}
const pretty = (v) => JSON.stringify(v, null, 2)
const AT_A_TIME = 3

// What was written stays while one looks at other views of this tab.
let written = pretty(examples['Make a picture smaller'])
let running = null // {id, sending}
onAccount(() => { if (!account()) running = null })
export const write = (text) => { written = text }

async function start(value, files) {
  const params = { ...value }
  const a = await call('POST', '/assemblies', params, { fields: { num_expected_upload_files: files.length } })
  if (a.error) throw new ApiError(400, a)
  const abort = new AbortController()
  const sending = files.map((file) => ({ name: file.name, size: file.size, sent: 0, file }))
  running = { id: a.assembly_id, sending, failed: null }
  const mine = running
  const queue = [...sending]
  const one = async () => {
    for (let s; (s = queue.shift());) {
      try {
        await upload(local(a.tus_url), s.file, { assembly: a.assembly_ssl_url, field: 'file' }, (n) => { s.sent = n }, abort.signal)
      } catch (e) {
        abort.abort()
        if (e.name !== 'AbortError') mine.failed = e
        return
      }
    }
  }
  for (let i = 0; i < AT_A_TIME; i++) one()
  return a.assembly_id
}

export function playgroundView(main, scope) {
  let files = []
  let shown = null
  const result = h('div', { class: 'assembly run' })
  const note = h('div')
  const preview = h('div', { class: 'graph-place small' })
  const run = h('button', { type: 'button', class: 'primary', onclick: go }, 'Run')
  const list = h('ul', { class: 'plain picked' })
  const input = h('input', { type: 'file', id: 'files', multiple: true, class: 'visually-hidden', onchange: () => { add(input.files); input.value = '' } })
  const drop = h('div', { class: 'drop' }, input, h('label', { for: 'files' }, h('strong', null, 'Choose files'), h('span', { class: 'muted' }, ' or drop them here')))
  const pick = h('select', { id: 'example', onchange: () => { if (pick.value) { ed.text = written = pretty(examples[pick.value]) } pick.value = '' } },
    h('option', { value: '' }, 'Begin with an example…'), Object.keys(examples).map((n) => h('option', { value: n }, n)))
  let steps = null
  const drawSteps = () => put(preview, steps?.length ? graph(steps, { width: preview.clientWidth || 320 }) : h('p', { class: 'muted' }, 'The steps appear here when the instructions can be read.'))
  const ed = editor({ id: 'instructions', label: 'Instructions', text: written, scope, onCheck: (got) => { steps = got.steps; drawSteps() } })
  ed.area.addEventListener('input', () => { written = ed.text })
  ed.area.addEventListener('keydown', (e) => { if (e.key === 'Enter' && (e.ctrlKey || e.metaKey)) { e.preventDefault(); go() } })

  function add(more) { files.push(...more); drawFiles() }
  function drawFiles() {
    put(list, files.map((f, i) => h('li', null, h('span', { class: 'up-name' }, f.name), h('span', { class: 'muted num' }, bytes(f.size)),
      h('button', { type: 'button', class: 'quiet', 'aria-label': `Remove ${f.name}`, onclick: () => { files.splice(i, 1); drawFiles(); input.focus() } }, 'Remove'))))
  }
  for (const name of ['dragenter', 'dragover']) drop.addEventListener(name, (e) => { e.preventDefault(); drop.classList.add('over') })
  for (const name of ['dragleave', 'drop']) drop.addEventListener(name, (e) => { e.preventDefault(); drop.classList.remove('over') })
  drop.addEventListener('drop', (e) => add(e.dataTransfer.files))

  function show() {
    shown?.end()
    if (!running) return
    shown = new Scope()
    const mine = running
    const view = mount(result, mine.id, shown, { title: 'h2', sending: () => mine.sending })
    const watch = setInterval(() => {
      if (mine.failed) { put(note, problem('An upload failed', mine.failed.message)); clearInterval(watch) }
      if (mine.sending.some((s) => s.sent && s.sent < s.size)) view.look()
    }, 400)
    shown.onEnd(() => clearInterval(watch))
  }
  scope.onEnd(() => shown?.end())

  async function go() {
    put(note)
    const got = await ed.check()
    if (got.problems.length) { say(`Not started: ${ed.count()}`); ed.area.focus(); return }
    const idle = files.length ? [] : stepsOf(got.value).filter((x) => x.use.includes(':original')).map((x) => x.name)
    if (idle.length && !await ask('Run without a file?', `No file is chosen, so there is nothing to do for: ${idle.join(', ')}.`, 'Run it anyway', { danger: false })) { input.focus(); return }
    run.disabled = true
    try {
      await start(got.value, files)
      say(`Started${files.length ? ` with ${plural(files.length, 'file')}` : ''}`)
      show()
      result.scrollIntoView({ block: 'start', behavior: matchMedia('(prefers-reduced-motion: reduce)').matches ? 'auto' : 'smooth' })
    } catch (e) { put(note, problem(e.code ?? 'That did not work', e.message, explain(e.code))) } finally { run.disabled = false }
  }

  const help = h('div')
  robotHelp().then((h2) => put(help, h2))
  put(main,
    h('div', { class: 'head' }, h('h1', { tabindex: '-1' }, 'Playground')),
    h('div', { class: 'two' },
      h('div', { class: 'col' }, h('div', { class: 'field' }, h('label', { for: 'example', class: 'visually-hidden' }, 'Example'), pick), ed.el),
      h('div', { class: 'col' },
        h('section', { class: 'panel', 'aria-labelledby': 'files-title' }, h('div', { class: 'panel-head' }, h('h2', { id: 'files-title' }, 'Files')), drop, list),
        h('section', { class: 'panel', 'aria-labelledby': 'preview-title' }, h('div', { class: 'panel-head' }, h('h2', { id: 'preview-title' }, 'Steps')), preview),
        h('div', { class: 'actions' }, run, h('span', { class: 'muted small' }, 'Ctrl + Enter in the editor')),
        note,
        h('details', { class: 'panel' }, h('summary', null, 'Robots and their parameters'), help))),
    result)
  drawFiles()
  const resized = new ResizeObserver(drawSteps)
  resized.observe(preview)
  scope.onEnd(() => resized.disconnect())
  show()
}

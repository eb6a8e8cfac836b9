// The page of one Uppy version: window.start(options) sets it up, window.seen says what it has told.
import Uppy from '@uppy/core'
import Dashboard from '@uppy/dashboard'
import Transloadit from '@uppy/transloadit'
import * as extra from './extra.js'

window.seen = { events: [], results: [], complete: null, errors: [], assemblies: [] }

// Where a real site would sign on its own server.
async function signed(params) {
  const res = await fetch('/sign', { method: 'POST', body: JSON.stringify(params) })
  return res.json()
}

window.start = ({ version, service, params, companionUrl, golden = false, url = false }) => {
  const uppy = new Uppy({ id: 'test', autoProceed: false, debug: false })
  let once // 1.x asks for each file, and files with other options get an Assembly of their own
  const build = () => (once ??= signed(params))
  uppy.use(Dashboard, { inline: true, target: '#dashboard', showProgressDetails: true, width: 700, height: 420, hideProgressAfterFinish: false })
  uppy.use(Transloadit, {
    service,
    waitForEncoding: true,
    waitForMetadata: true,
    alwaysRunAssembly: false,
    companionAllowedHosts: /.*/,
    ...(version === '1.6' ? { getAssemblyOptions: build } : { assemblyOptions: build }),
  })
  if (golden) uppy.use(extra.GoldenRetriever, {})
  if (url) uppy.use(extra.Url, { target: Dashboard, companionUrl, companionAllowedHosts: /.*/ })
  const { seen } = window
  for (const name of ['transloadit:assembly-created', 'transloadit:upload', 'transloadit:assembly-executing', 'transloadit:result', 'transloadit:complete',
    'transloadit:assembly-error', 'transloadit:assembly-cancelled', 'transloadit:execution-progress', 'upload-success', 'upload-error', 'cancel-all', 'restored', 'upload-retry', 'retry-all']) {
    uppy.on(name, (a) => {
      seen.events.push(name)
      if (name === 'transloadit:assembly-created') seen.assemblies.push(a.assembly_id)
      if (name === 'transloadit:result') seen.results.push(a)
    })
  }
  uppy.on('error', (e) => seen.errors.push(String(e && e.message)))
  uppy.on('complete', (r) => { seen.complete = { successful: r.successful.length, failed: r.failed.length, transloadit: (r.transloadit || []).map((x) => x.ok) } })
  window.uppy = uppy
}

const query = new URLSearchParams(location.search)
const service = query.get('service') ?? 'http://127.0.0.1:8080'
const params = {
  auth: { key: query.get('key') ?? 'my-key' },
  steps: { small: { robot: '/image/resize', use: ':original', width: 320, result: true } },
}
const get = (id) => document.getElementById(id)
const tell = (text) => { get('state').textContent = text }

function show(file) {
  const img = document.createElement('img')
  img.src = file.ssl_url
  img.alt = file.name
  const li = document.createElement('li')
  li.append(img)
  get('results').append(li)
}

// Results may be there before the stream is: those of the status are shown first, and each only once.
function listen(a) {
  const url = a.assembly_ssl_url
  const shown = new Set()
  const once = (file) => { if (!shown.has(file.id)) { shown.add(file.id); show(file) } }
  const stream = new EventSource(a.update_stream_url)
  stream.onopen = async () => { for (const files of Object.values((await (await fetch(url)).json()).results)) files.forEach(once) }
  stream.addEventListener('assembly_result_finished', (e) => once(JSON.parse(e.data)[1]))
  stream.addEventListener('assembly_error', (e) => { tell(JSON.parse(e.data).message); end() })
  stream.onmessage = async (e) => {
    if (e.data !== 'assembly_finished') return // also said of a canceled one: the status knows
    tell((await (await fetch(url)).json()).message)
    end()
  }
  function end() {
    stream.close()
    get('cancel').hidden = get('progress').hidden = true
  }
}

// XMLHttpRequest, as fetch() does not tell how much has been sent
function send(url, form, onProgress) {
  return new Promise((resolve, reject) => {
    const x = new XMLHttpRequest()
    x.open('POST', url)
    x.responseType = 'json'
    x.upload.onprogress = (e) => onProgress(e.loaded / e.total)
    x.onload = () => (x.response?.error ? reject(new Error(x.response.message)) : resolve(x.response))
    x.onerror = () => reject(new Error('The server does not answer'))
    x.send(form)
  })
}

get('form').addEventListener('submit', async (e) => {
  e.preventDefault()
  get('results').replaceChildren()
  get('progress').hidden = get('cancel').hidden = false
  tell('Uploading …')
  const id = Array.from(crypto.getRandomValues(new Uint8Array(16)), (v) => v.toString(16).padStart(2, '0')).join('')
  const url = `${service}/assemblies/${id}`
  const body = new FormData()
  body.set('params', JSON.stringify(params))
  for (const file of e.target.elements.files.files) body.append('files', file)
  get('cancel').onclick = async () => {
    const { cancel, message } = await (await fetch(url, { method: 'DELETE' })).json()
    tell(cancel ? `Canceled: ${cancel.processes_killed} processes ended, ${cancel.bytes_freed} bytes freed.` : message)
  }
  try {
    const a = await send(url, body, (part) => { get('progress').value = part })
    tell('Working …')
    listen(a)
  } catch (error) { tell(error.message) }
})

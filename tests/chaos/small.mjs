// Small Assemblies that come and go beside a test, from a thread of their own.
import { parentPort, workerData } from 'node:worker_threads'
import { KEY } from './daemon.mjs'
import { png } from './png.mjs'

const thumb = new Blob([png(200, 150)])
const params = JSON.stringify({ auth: { key: KEY }, steps: { r: { robot: '/image/resize', use: ':original', width: 100, result: true } } })
const problems = []
let on = true
let done = 0
parentPort.once('message', () => { on = false })

async function lane() {
  while (on) {
    const body = new FormData()
    body.set('params', params)
    body.append('file', thumb, 'l.png')
    const a = await (await fetch(`${workerData.url}/assemblies`, { method: 'POST', body })).json()
    let s = a
    while (s.ok === 'ASSEMBLY_EXECUTING' || s.ok === 'ASSEMBLY_UPLOADING') {
      await new Promise((r) => setTimeout(r, 20))
      s = await (await fetch(`${workerData.url}/assemblies/${a.assembly_id}`)).json()
    }
    if (s.ok !== 'ASSEMBLY_COMPLETED') problems.push(`the load beside it: ${s.error || s.ok}: ${s.message}`)
    done++
  }
}

await Promise.all(Array.from({ length: workerData.lanes }, lane))
parentPort.postMessage({ done, problems })

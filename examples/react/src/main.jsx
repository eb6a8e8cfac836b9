import Uppy from '@uppy/core'
import Dashboard from '@uppy/react/dashboard'
import Transloadit from '@uppy/transloadit'
import { useEffect, useState } from 'react'
import { createRoot } from 'react-dom/client'
import '@uppy/core/css/style.min.css'
import '@uppy/dashboard/css/style.min.css'

const query = new URLSearchParams(location.search)

function newUppy() {
  return new Uppy({ restrictions: { allowedFileTypes: ['image/*'] } }).use(Transloadit, {
    service: query.get('service') ?? import.meta.env.VITE_SERVICE ?? 'http://127.0.0.1:8080',
    errorReporting: false, // else failures are told to the hosted service
    waitForEncoding: true,
    assemblyOptions: {
      params: {
        auth: { key: query.get('key') ?? import.meta.env.VITE_KEY ?? 'my-key' },
        steps: { small: { robot: '/image/resize', use: ':original', width: 320, result: true } },
      },
    },
  })
}

function App() {
  const [uppy] = useState(newUppy)
  const [results, setResults] = useState([])
  const [state, setState] = useState('')
  useEffect(() => {
    const onResult = (_step, file) => setResults((before) => [...before, file])
    const onComplete = (a) => setState(a.ok)
    uppy.on('transloadit:result', onResult)
    uppy.on('transloadit:complete', onComplete)
    return () => { uppy.off('transloadit:result', onResult); uppy.off('transloadit:complete', onComplete) }
  }, [uppy])
  return (
    <main style={{ maxWidth: 760, margin: '2rem auto', fontFamily: 'system-ui' }}>
      <h1>Pictures made smaller</h1>
      <Dashboard uppy={uppy} height={320} proudlyDisplayPoweredByUppy={false} />
      <p role="status">{state}</p>
      <ul style={{ listStyle: 'none', padding: 0 }}>
        {results.map((file) => <li key={file.id}><img src={file.ssl_url} alt={file.name} /></li>)}
      </ul>
    </main>
  )
}

createRoot(document.getElementById('root')).render(<App />)

// What clients were told. An entry is made before the first request, and every answer that reaches a client is kept:
// the checker asks the server for no less in the end.
export const over = (s) => s && s.ok !== 'ASSEMBLY_UPLOADING' && s.ok !== 'ASSEMBLY_EXECUTING' && (s.ok || s.error)
export const outcome = (s) => (s.error ? s.error : s.ok)

export class Journal {
  constructor() {
    this.entries = new Map()
    this.problems = []
    this.acks = { created: 0, offset: 0, finished: 0, terminal: 0, cancel: 0 }
  }

  // files: [{name, md5, size}] that will be given to it; results: {step: number of files}
  begin(id, kind, { files = [], results = {} } = {}) {
    const e = { id, kind, files, results, created: false, uploads: new Map(), terminal: null, canceled: false, cancel_asked: false, given_up: false }
    this.entries.set(id, e)
    return e
  }

  problem(e, text) { this.problems.push(`${e ? `${e.id} (${e.kind}) ` : ''}${text}`) }

  created(e) {
    if (!e.created) this.acks.created++
    e.created = true
  }

  // An offset that the server named; it must never name a smaller one again.
  offset(e, url, offset, length) {
    if (!Number.isFinite(offset)) return
    const u = e.uploads.get(url) || { offset: 0, length }
    if (offset < u.offset && !e.cancel_asked) this.problem(e, `upload ${url} went back from ${u.offset} to ${offset}`)
    if (offset > u.offset) {
      u.offset = offset
      this.acks.offset++
      if (offset === length) this.acks.finished++
    }
    e.uploads.set(url, u)
  }

  // A status that a client saw. The outcome may be seen once and never change.
  status(e, s) {
    if (!s || s.assembly_id !== e.id) return
    const end = over(s) ? outcome(s) : null
    if (e.terminal && end !== e.terminal) this.problem(e, `was ${e.terminal} and is ${end || s.ok}`)
    if (e.canceled && s.ok !== 'ASSEMBLY_CANCELED') this.problem(e, `its cancel was answered, and it is ${outcome(s)}`)
    if (end && !e.terminal) {
      e.terminal = end
      this.acks.terminal++
    }
    for (const [step, list] of Object.entries(s.results || {})) {
      if (new Set(list.map((f) => f.id)).size !== list.length) this.problem(e, `a file is listed twice in the results of ${step}`)
      if (e.results[step] !== undefined && list.length > e.results[step]) this.problem(e, `${list.length} results of ${step}, not ${e.results[step]}`)
    }
    // Jobs of several files of a step have one name. One that looks at several files (two at least) and died is followed
    // by one for each: so many more as there can have been.
    const jobs = {}, most = (j) => Math.max(1, e.files.length) + (j.startsWith(':original:') ? e.files.length >> 1 : 0)
    for (const j of s.started_jobs || []) jobs[j] = (jobs[j] || 0) + 1
    for (const [j, n] of Object.entries(jobs)) if (n > most(j)) this.problem(e, `started_jobs names ${j} ${n} times`)
  }

  canceled(e, s) {
    this.status(e, s)
    if (s.ok === 'ASSEMBLY_CANCELED') {
      e.canceled = true
      this.acks.cancel++
    }
  }
}

// Very many open Assemblies, made of a real one that is over: in the database, while the server is down.
import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'

export const sql = (server, text) => execFileSync('sqlite3', [path.join(server.dir, 'workcell.db')], { input: text, maxBuffer: 1 << 28 }).toString()

// Its events up to its first job, under new ids and with a file of their own (or, as no server makes them, all with the
// same file). Sealed steps are bound to their Assembly; the copies have them in the open, as the first versions wrote them.
export function multiply(server, source, steps, count, { sameFile = false } = {}) {
  const newId = () => randomBytes(16).toString('hex')
  const file = sql(server, `select blob_id from file where assembly_id = '${source}'`).trim()
  const blob = (id) => path.join(server.dir, 'blobs', id.slice(0, 2), id)
  const copies = Array.from({ length: count }, () => ({ id: newId(), file: sameFile ? file : newId() }))
  sql(server, `update event set body = json_remove(json_set(body, '$.d.steps', json('${JSON.stringify(steps)}')), '$.d.sealed') where assembly_id = '${source}' and seq = 1`)
  const first = sql(server, `select min(seq) from event where assembly_id = '${source}' and body like '%"job_started"%'`).trim()
  sql(server, `create temp table copy(id text, file text);
    insert into copy values ${copies.map((c) => `('${c.id}','${c.file}')`).join(',')};
    begin;
    insert into assembly(id, workspace, created_us) select copy.id, a.workspace, a.created_us from copy, assembly a where a.id = '${source}';
    insert into event(assembly_id, seq, at_us, body)
      select copy.id, e.seq, e.at_us, replace(replace(e.body, '${source}', copy.id), '${file}', copy.file) from copy, event e where e.assembly_id = '${source}' and e.seq < ${Number(first)};
    ${sameFile ? '' : `insert into file(blob_id, assembly_id, name, mime, size) select copy.file, copy.id, f.name, f.mime, f.size from copy, file f where f.blob_id = '${file}';`}
    commit;`)
  if (!sameFile) {
    const data = fs.readFileSync(blob(file))
    for (const c of copies) {
      fs.mkdirSync(path.dirname(blob(c.file)), { recursive: true })
      fs.writeFileSync(blob(c.file), data)
    }
  }
  return copies.map((c) => c.id)
}

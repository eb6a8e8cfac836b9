// What a page of GET /assemblies costs over HTTP, by how many Assemblies there are: `node list.mjs`, with --json for
// make bench (first and last page only, ms). Fills the database with
// sqlite3, as the list keeps it.
import { execFileSync } from 'node:child_process'
import { KEY, Server, sign } from '../e2e/server.mjs'

const json = process.argv.includes('--json')
const sizes = json ? [1000, 100000] : [1000, 10000, 100000]
const cleanup = []
const s = await Server.start({ after: (f) => cleanup.push(f) })
const db = `${s.dir}/workcell.db`
const sql = (text) => execFileSync('sqlite3', [db], { input: text }).toString().trim()
const workspace = sql("select value from setting where name = 'workspace'")
await s.stop()

const item = JSON.stringify({ id: '#', parent_id: null, account_id: workspace, template_id: null, template_name: null, instance: 'host', region: 'local',
  notify_url: null, redirect_url: null, files: JSON.stringify([{ name: 'a picture.jpg', size: 485784, mime: 'image/jpeg', type: 'image', field: 'file' }]),
  warning_count: 0, num_input_files: 1, bytes_usage: 1097155, bytes_received: 486608, bytes_expected: 486608, upload_duration: 2.814,
  execution_duration: 1.25, execution_start: '2031-05-06T07:08:09.000Z', created: '2031-05-06T07:08:09.000Z', created_ts: 1935817689,
  ok: 'ASSEMBLY_COMPLETED', error: null })
let have = 0
const fill = (n) => {
  sql(`begin;
    with recursive c(i) as (select ${have} union all select i + 1 from c where i < ${n - 1})
    insert into listed(assembly_id, workspace, type, created_us, item, search)
      select printf('%032x', i), '${workspace}', 4 + (i % 6 = 0), 1000000000000000 + i * 1000000,
        replace('${item}', '#', printf('%032x', i)), printf('%032x', i) || ' a picture.jpg' from c;
    delete from listed_count;
    insert into listed_count select workspace, 0, seq / 2048, count(*) from listed group by 1, 3;
    insert into listed_count select workspace, type, seq / 2048, count(*) from listed group by 1, 2, 3;
    commit;`)
  have = n
}
const median = async (params) => {
  const text = JSON.stringify({ auth: { key: KEY, expires: '2099-01-01T00:00:00Z' }, ...params })
  const url = `${s.url}/assemblies?${new URLSearchParams({ params: text, signature: sign(text) })}`
  const took = []
  for (let i = 0; i < 201; i++) {
    const from = performance.now()
    const got = await (await fetch(url)).json()
    took.push(performance.now() - from)
    if (!got.items?.length) throw new Error(`empty: ${JSON.stringify(got).slice(0, 500)}`)
  }
  return took.sort((a, b) => a - b)[100]
}
const shown = async (params) => `${(await median(params)).toFixed(2)} ms`
const figures = {}
for (const n of sizes) {
  fill(n)
  await s.boot()
  const last = Math.floor(n / 50)
  if (n === sizes[0]) await median({}) // the client warms up
  if (json) figures[n] = { first: await median({}), last: await median({ page: last }) }
  else console.log(n, {
    'first page': await shown({}),
    'last page': await shown({ page: last }),
    'type, first page': await shown({ type: 'completed' }),
    'type, last page': await shown({ type: 'completed', page: Math.floor(n / 6 * 5 / 50) }),
    'dates, last page': await shown({ fromdate: '2001-09-09 02:00:00', page: Math.max(1, Math.floor((n - 800) / 50)) }),
    'keyword that all have': await shown({ keywords: ['picture'] }),
  })
  await s.stop()
}
for (const f of cleanup) await f()
if (json) console.log(JSON.stringify(figures))

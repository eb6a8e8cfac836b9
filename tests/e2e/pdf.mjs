// A PDF written by hand. pages: {w, h, content, more, resources}; /F is a font. objects: {dict, stream}, numbered
// behind the pages (with one page from 6).
export function pdf(pages, objects = []) {
  const stream = (dict, s) => `<<${dict}/Length ${s.length}>>stream\n${s}\nendstream`
  const kids = pages.map((_, i) => `${4 + 2 * i} 0 R`).join(' ')
  const all = ['<</Type/Catalog/Pages 2 0 R>>', `<</Type/Pages/Kids[${kids}]/Count ${pages.length}>>`,
    '<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>']
  pages.forEach(({ w = 360, h = 360, content = '', more = '', resources = '' }, i) => {
    const box = `/MediaBox[0 0 ${w} ${h}]/Contents ${5 + 2 * i} 0 R`
    all.push(`<</Type/Page/Parent 2 0 R${box}/Resources<</Font<</F 3 0 R>>${resources}>>${more}>>`, stream('', content))
  })
  for (const o of objects) all.push(stream(o.dict, o.stream))
  let out = '%PDF-1.4\n'
  const at = all.map((o, i) => {
    const here = out.length
    out += `${i + 1} 0 obj\n${o}\nendobj\n`
    return here
  })
  const table = out.length
  const rows = at.map((n) => `${String(n).padStart(10, '0')} 00000 n \n`).join('')
  const trailer = `trailer<</Root 1 0 R/Size ${all.length + 1}/Info<</Title(A title)>>>>`
  return `${out}xref\n0 ${all.length + 1}\n0000000000 65535 f \n${rows}${trailer}\nstartxref\n${table}\n%%EOF\n`
}

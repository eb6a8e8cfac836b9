// Bundles the page for each version of Uppy into build/browser/VERSION.{js,css}.
import fs from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

const here = path.dirname(fileURLToPath(import.meta.url))
export const out = path.resolve(here, '../../build/browser')
export const versions = fs.readdirSync(path.join(here, 'pages'))

export async function bundle(version) {
  const dir = path.join(here, 'pages', version)
  const has = (name) => fs.existsSync(path.join(dir, 'node_modules', name))
  const css = (name) => path.join(dir, 'node_modules', name, 'dist/style.min.css')
  const extras = { GoldenRetriever: '@uppy/golden-retriever', Url: '@uppy/url' }
  await build({
    stdin: {
      contents: ['@uppy/core', '@uppy/dashboard', '@uppy/url'].filter((n) => has(n) && fs.existsSync(css(n))).map((n) => `import ${JSON.stringify(css(n))}`)
        .concat(`import ${JSON.stringify(path.join(here, 'page.js'))}`).join('\n'),
      resolveDir: dir,
    },
    bundle: true,
    minify: true,
    format: 'iife',
    target: 'es2022',
    define: { global: 'window', 'process.env.NODE_ENV': '"production"' },
    outfile: path.join(out, `${version}.js`),
    loader: { '.svg': 'dataurl', '.woff': 'dataurl', '.woff2': 'dataurl' },
    logLevel: 'error',
    plugins: [{
      name: 'from-the-version',
      setup(b) {
        // page.js lies outside of the folder that holds the version's packages
        b.onResolve({ filter: /^@uppy\// }, (a) => (a.importer.endsWith('/tests/browser/page.js') ? b.resolve(a.path, { resolveDir: dir, kind: a.kind }) : undefined))
        b.onResolve({ filter: /^\.\/extra\.js$/ }, (a) => (a.importer.endsWith('/tests/browser/page.js') ? { path: 'extra', namespace: 'extra' } : undefined))
        b.onLoad({ filter: /.*/, namespace: 'extra' }, () => ({
          contents: Object.entries(extras).filter(([, n]) => has(n)).map(([k, n]) => `export { default as ${k} } from '${n}'`).join('\n') || 'export {}',
          resolveDir: dir,
        }))
      },
    }],
  })
}

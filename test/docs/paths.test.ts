// Every file that the README and docs/ point to is there: in links, and in `backticks` that look like a path of this project.
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { test } from 'tap'

const root = dirname(fileURLToPath(import.meta.resolve('#package')))
const folders = ['schemas', 'broker', 'queue', 'ingest', 'simulator', 'certs', 'runtime', 'cli', 'test', 'bench', 'docs']

function pathsIn (text: string, page: string): string[] {
  const links = [...text.matchAll(/\]\(([^)#\s]+)(?:#[^)]*)?\)/g)].map(([, target = '']) => target)
    .filter((target) => !/^[a-z]+:/.test(target)).map((target) => join(dirname(page), target))
  const quoted = [...text.matchAll(/`([\w./-]+\.(?:ts|cddl|js|md|sh|json|sql)|[\w-]+\/[\w./-]*)`/g)].map(([, path = '']) => path)
    .filter((path) => folders.includes(path.split('/')[0] ?? '') && path.includes('/'))
  return [...links, ...quoted]
}

test('what the pages point to exists', async (t) => {
  const pages = ['README.md', ...readdirSync(join(root, 'docs'), { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.md')).map((name) => join('docs', name))]
  t.ok(pages.length > 8)
  for (const page of pages) {
    for (const path of pathsIn(readFileSync(join(root, page), 'utf8'), page)) {
      t.ok(existsSync(join(root, path)), `${page}: ${path}`)
    }
  }
})

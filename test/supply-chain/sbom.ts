// The software bill of materials: CycloneDX as `npm sbom` writes it from package-lock.json, production dependencies only, made the same
// at each run but for its time and serial number, and checked against the lock file: what runs is in it, with version,
// licence and hash.
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

export interface Component {
  readonly 'bom-ref': string
  readonly name: string
  readonly version: string
  readonly purl?: string
  readonly hashes?: ReadonlyArray<{ readonly alg: string, readonly content: string }>
  readonly licenses?: readonly unknown[]
}

export interface Bom {
  readonly bomFormat: string
  readonly specVersion: string
  readonly serialNumber: string
  readonly metadata: { readonly timestamp: string, readonly component: Component & { readonly name: string } }
  readonly components: readonly Component[]
  readonly dependencies: ReadonlyArray<{ readonly ref: string, readonly dependsOn: readonly string[] }>
}

export interface Locked {
  readonly version: string
  readonly license?: string
  readonly integrity?: string
  readonly dev?: boolean
  readonly hasInstallScript?: boolean
  readonly resolved?: string
  readonly name?: string
}

/** The packages of the lock file: path such as node_modules/pg → what is locked; the project itself left out. */
export function readLock (root: string): Array<readonly [path: string, locked: Locked]> {
  const { packages } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as { packages: Record<string, Locked> }
  return Object.entries(packages).filter(([path]) => path !== '')
}

/** `node_modules/a/node_modules/@b/c` → `@b/c`. */
export function packageName (path: string, { name }: Pick<Locked, 'name'> = {}): string {
  return name ?? path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length)
}

/** Runs `npm sbom` in `root`; needs no network. Throws with what npm said. */
export function makeBom (root: string): Bom {
  const { status, stdout, stderr } = spawnSync('npm', ['sbom', '--sbom-format', 'cyclonedx', '--sbom-type', 'application', '--package-lock-only'],
    { cwd: root, encoding: 'utf8', maxBuffer: 64 * 2 ** 20, timeout: 120_000 })
  if (status !== 0) throw new Error(`npm sbom failed: ${stderr.slice(-2_000)}`)
  return orderBom(withoutDevelopment(JSON.parse(stdout) as Bom, readLock(root)))
}

/**
 * Only what runs, by the lock file's own word. `npm sbom --omit dev` would leave out what development needs too: of
 * npm 11.19 our own lru-cache, and 32 more.
 */
function withoutDevelopment (bom: Bom, lock: ReadonlyArray<readonly [string, Locked]>): Bom {
  const runs = new Set(lock.filter(([, { dev }]) => dev !== true).map(([path, locked]) => `${packageName(path, locked)}@${locked.version}`))
  const components = bom.components.filter(({ name, version }) => runs.has(`${name}@${version}`))
  const refs = new Set([bom.metadata.component['bom-ref'], ...components.map((component) => component['bom-ref'])])
  const dependencies = bom.dependencies.filter(({ ref }) => refs.has(ref))
    .map(({ ref, dependsOn }) => ({ ref, dependsOn: dependsOn.filter((other) => refs.has(other)) }))
  return { ...bom, components, dependencies }
}

/** In an order of its own, and named as the package is: npm takes the name of the folder. */
export function orderBom (bom: Bom): Bom {
  const byRef = (a: { 'bom-ref': string }, b: { 'bom-ref': string }) => compare(a['bom-ref'], b['bom-ref'])
  const { component } = bom.metadata
  return {
    ...bom,
    metadata: { ...bom.metadata, component: { ...component, name: component['bom-ref'].replace(/@[^@]*$/, '') } },
    components: [...bom.components].sort(byRef),
    dependencies: bom.dependencies.map(({ ref, dependsOn }) => ({ ref, dependsOn: [...dependsOn].sort(compare) })).sort((a, b) => compare(a.ref, b.ref))
  }
}

function compare (a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

/** What is wrong with a bill of materials for this lock file, a line each. */
export function bomFaults (bom: Bom, lock: ReadonlyArray<readonly [string, Locked]>): string[] {
  const runtime = lock.filter(([, { dev }]) => dev !== true)
  const wanted = new Map(runtime.map(([path, locked]) => [`${packageName(path, locked)}@${locked.version}`, locked]))
  const there = new Map(bom.components.map((component) => [`${component.name}@${component.version}`, component]))
  return [
    ...bom.bomFormat === 'CycloneDX' ? [] : ['not CycloneDX'],
    ...[...wanted.keys()].filter((key) => !there.has(key)).map((key) => `${key}: in the lock file, not in the bill`),
    ...[...there.keys()].filter((key) => !wanted.has(key)).map((key) => `${key}: in the bill, not in the lock file`),
    ...[...there].flatMap(([key, component]) => componentFaults(key, component, wanted.get(key)))
  ]
}

function componentFaults (key: string, { hashes, licenses, purl }: Component, locked: Locked | undefined): string[] {
  const [hash] = hashes ?? []
  const content = locked?.integrity?.startsWith('sha512-') === true ? Buffer.from(locked.integrity.slice(7), 'base64').toString('hex') : null
  return [
    ...hash === undefined ? [`${key}: without a hash`] : hash.alg === 'SHA-512' && hash.content === content ? [] : [`${key}: its hash is not the lock file's`],
    ...(licenses?.length ?? 0) > 0 ? [] : [`${key}: without a licence`],
    ...purl?.startsWith('pkg:npm/') === true ? [] : [`${key}: without a package URL`]
  ]
}

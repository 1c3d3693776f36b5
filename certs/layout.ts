// Which CAs an authority has and what each does, in authority.json: takes the directory, gives the CAs by number. A directory without the
// file is an authority with one issuing CA, as all were before an issuing CA could be changed (layout 1); `prepare` makes the
// file. The file is replaced as a whole, so a change of phase happens at one moment or not at all.
//
//   layout 1   issuing.key issuing.crt root.key root.crt
//   layout 2   issuing-<n>.key issuing-<n>.crt, root.key (of root 1) root-<n>.key root-<n>.crt root-<n>.cross.crt
//              issuing.crt and root.crt stay: copies of the ones that issue now
import { readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { PulsegateError } from '../runtime/errors.ts'
import { isMissing, writePublic, type AuthorityPaths } from './files.ts'

/**
 * `issuing`: signs what is asked for. `trusted`: what it signed is good, it signs nothing more but its list. `retired`: not trusted,
 * its key is kept so that it can be trusted again. `withdrawn`: gone, and so is its key.
 */
export type CaState = 'issuing' | 'trusted' | 'retired' | 'withdrawn'

export interface CaEntry {
  /** From 1; never used twice. */
  readonly number: number
  readonly state: CaState
  /** Which root signed it. */
  readonly root: number
}

export interface Layout {
  readonly layout: 1 | 2
  readonly cas: readonly CaEntry[]
}

/** `steady`: one CA. `prepared`: the next one is trusted. `activated`: the next one issues, the one before is still trusted. */
export type Phase = 'steady' | 'prepared' | 'activated'

const first: Layout = { layout: 1, cas: [{ number: 1, state: 'issuing', root: 1 }] }

/** Throws CERTS_AUTHORITY_DAMAGED when it makes no sense, or was written by a later version. */
export async function readLayout (paths: AuthorityPaths): Promise<Layout> {
  let text: string
  try {
    text = await readFile(paths.layout, 'utf8')
  } catch (error) {
    if (isMissing(error)) return first
    throw error
  }
  const layout = parse(text)
  if (layout !== null) return layout
  throw new PulsegateError('CERTS_AUTHORITY_DAMAGED', `${paths.layout} does not say which CA issues, or was written by a later version of Pulsegate.`)
}

function parse (text: string): Layout | null {
  try {
    const { layout, cas } = JSON.parse(text) as Layout
    const known = cas.every(({ number, root, state }) => Number.isInteger(number) && Number.isInteger(root) && ['issuing', 'trusted', 'retired', 'withdrawn'].includes(state))
    return layout === 2 && known && cas.filter(({ state }) => state === 'issuing').length === 1 ? { layout, cas } : null
  } catch {
    return null
  }
}

export async function writeLayout (paths: AuthorityPaths, cas: readonly CaEntry[]): Promise<void> {
  await writePublic(paths.layout, `${JSON.stringify({ layout: 2, cas }, null, 2)}\n`)
}

/** Those whose certificates are good: the one that issues, then the others. */
export function livingCas ({ cas }: Layout): CaEntry[] {
  return [...cas.filter(({ state }) => state === 'issuing'), ...cas.filter(({ state }) => state === 'trusted')]
}

export function issuingCa (layout: Layout): CaEntry {
  return livingCas(layout)[0] as CaEntry
}

export function phaseOf (layout: Layout): Phase {
  const [issuing, other] = livingCas(layout) as [CaEntry, CaEntry?]
  if (other === undefined) return 'steady'
  return other.number > issuing.number ? 'prepared' : 'activated'
}

/** Roots that were made for a change which was taken back: newer than the one in use, and nothing under them is or can be. */
export function rolledBackRoots (layout: Layout): number[] {
  const roots = new Set(layout.cas.map(({ root }) => root).filter((root) => root > issuingCa(layout).root))
  return [...roots].filter((root) => layout.cas.every((ca) => ca.root !== root || ca.state === 'withdrawn'))
}

export interface CaFiles { readonly key: string, readonly certificate: string }

export function issuingFiles (paths: AuthorityPaths, { layout }: Pick<Layout, 'layout'>, number: number): CaFiles {
  if (layout === 1) return { key: paths.issuingKey, certificate: paths.issuingCertificate }
  const at = (end: string): string => join(paths.directory, `issuing-${number}.${end}`)
  return { key: at('key'), certificate: at('crt') }
}

/** `cross`: the same root's name and key, signed by the root before it: the way to it for those who trust only that one. */
export function rootFiles (paths: AuthorityPaths, { layout }: Pick<Layout, 'layout'>, number: number): CaFiles & { readonly cross: string | null } {
  const key = number === 1 ? paths.rootKey : join(dirname(paths.rootKey), `root-${number}.key`)
  if (layout === 1) return { key, certificate: paths.rootCertificate, cross: null }
  const at = (end: string): string => join(paths.directory, `root-${number}.${end}`)
  return { key, certificate: at('crt'), cross: number === 1 ? null : at('cross.crt') }
}

// Who else on this machine could read or replace what must stay private: the authority's folder and keys, the embedded database's
// password, logs and outboxes in the data folder. Looks at modes and owners; opens nothing.
import { lstat, readdir } from 'node:fs/promises'
import { basename, join, relative } from 'node:path'
import { keyFault } from '../certs/files.ts'
import { type SecurityCheck } from './doctor-security.ts'
import { findingOf } from './doctor-security-finding.ts'

/** A fleet's folder of device keys; more than this is looked at by its first ones. */
const mostFiles = 100_000

export const checkOpenFolders: SecurityCheck = async ({ config, certificates }) => {
  const inside = await walk(certificates)
  const password = await looked(join(config.data, 'postgres', 'password'))
  return [
    findingOf('key files', inside.filter(({ path, isFolder }) => !isFolder && isKey(path)).flatMap(keyFaultOf),
      { fine: 'for their owner only', todo: 'run the command named; issue anew what others may have read' }),
    findingOf('folder of the authority', inside.filter(({ isFolder }) => isFolder).flatMap(({ path, mode }) => folderFault(path, mode, path === certificates)),
      { fine: 'closed to others', todo: 'run the command named; whoever could write there could have replaced what we trust' }),
    findingOf('other secrets', [...inside.filter(({ path, isFolder }) => !isFolder && isPrivate(relative(certificates, path))), ...password].flatMap(keyFaultOf),
      { fine: 'for their owner only', todo: 'run the command named, and change what others may have read' })
  ]
}

interface Looked { readonly path: string, readonly mode: number, readonly owner: number, readonly isFolder: boolean }

async function looked (path: string): Promise<Looked[]> {
  const stats = await lstat(path).catch(() => null)
  return stats === null || stats.isSymbolicLink() ? [] : [{ path, mode: stats.mode, owner: stats.uid, isFolder: stats.isDirectory() }]
}

async function walk (directory: string): Promise<Looked[]> {
  const found = await looked(directory)
  for (let i = 0; i < found.length && found.length < mostFiles; i++) {
    const entry = found[i]
    if (entry?.isFolder !== true) continue
    for (const name of await readdir(entry.path).catch((): string[] => [])) found.push(...await looked(join(entry.path, name)))
  }
  return found
}

const isKey = (path: string) => path.endsWith('.key')
/** Enrolment tokens (hashes), the spool of audit events, passphrases. `path` within the authority: what the folders above are called says nothing. */
const isPrivate = (path: string) => /(^|\/)(tokens|audit)\//.test(path) || /pass(phrase|word)?$/.test(basename(path))

function keyFaultOf ({ path, mode, owner }: Looked): string[] {
  const us = process.geteuid?.()
  // root may look at what belongs to the user Pulsegate runs as, and need not own it
  const fault = keyFault({ path, mode, owner: us === 0 ? 0 : owner, us })
  return fault === null ? [] : [fault]
}

function folderFault (path: string, mode: number, isRoot: boolean): string[] {
  // inside, the closed folder above keeps others out; write rights are wrong everywhere
  const wrong = mode & (isRoot ? 0o077 : 0o022)
  return wrong === 0 ? [] : [`${path} has mode ${(mode & 0o777).toString(8)}: chmod ${isRoot ? '700' : 'go-w'} '${path}'`]
}

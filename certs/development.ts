// The authority of somebody who wants none: takes a directory and the broker's names, gives an authority that is ready to
// serve. Makes what is missing and renews what is past two thirds (certificate) or half (lists) of its life; calling it
// again changes nothing that is still good, so a long-running process calls it daily and reloads when `changed`.
import { X509Certificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { isIP } from 'node:net'
import { PulsegateError } from '../runtime/errors.ts'
import { initAuthority, openAuthority, type Authority, type AuthorityOptions } from './authority.ts'
import { renewalDueMs } from './describe.ts'
import { readKey, type AuthorityPaths } from './files.ts'
import { listStates } from './revocation.ts'

export interface DevelopmentAuthority {
  readonly authority: Authority
  readonly paths: AuthorityPaths
  /** What was made or renewed just now; empty when all was good. */
  readonly changed: ReadonlyArray<'authority' | 'server' | 'lists'>
}

export async function ensureDevelopmentAuthority (directory: string, serverNames: readonly string[], options: AuthorityOptions = {}): Promise<DevelopmentAuthority> {
  const changed: Array<'authority' | 'server' | 'lists'> = []
  const authority = await openAuthority(directory, options).catch(async (error: unknown) => {
    if (!(error instanceof PulsegateError && error.code === 'CERTS_AUTHORITY_MISSING')) throw error
    changed.push('authority')
    return await initAuthority(directory, options)
  })
  const { paths } = authority
  if (!await serverIsGood(paths, serverNames, options.passphrase)) {
    await authority.issueServer(serverNames)
    changed.push('server')
  }
  if (await renewLists(authority)) changed.push('lists')
  return { authority, paths, changed }
}

/** Writes an authority's lists when one of them is past half of its life; says whether. */
export async function renewLists (authority: Authority): Promise<boolean> {
  if (await listsAreGood(authority.paths)) return false
  await authority.writeCrls()
  return true
}

async function serverIsGood (paths: AuthorityPaths, names: readonly string[], passphrase: string | undefined): Promise<boolean> {
  try {
    const pem = await readFile(paths.serverCertificate, 'utf8')
    const certificate = new X509Certificate(pem)
    const covered = names.every((name) => (isIP(name) === 0 ? certificate.checkHost(name) : certificate.checkIP(name)) !== undefined)
    const ours = certificate.verify(new X509Certificate(await readFile(paths.issuingCertificate)).publicKey)
    return covered && ours && Date.now() < renewalDueMs(pem) && certificate.checkPrivateKey(await readKey(paths.serverKey, passphrase))
  } catch (error) {
    // an exposed key is for a person to judge, and so is one that we cannot open; anything missing or damaged is simply made anew
    if (error instanceof PulsegateError && error.code !== 'CERTS_AUTHORITY_DAMAGED') throw error
    return false
  }
}

async function listsAreGood (paths: AuthorityPaths): Promise<boolean> {
  const states = await listStates(paths)
  return states.every((state) => state !== null && Date.now() < (state.thisUpdate.getTime() + state.nextUpdate.getTime()) / 2)
}

// Certificates of people who administer: from an authority of their own in operators/ below the fleet's, so that no device's certificate
// can ever pass for an operator's, nor the other way round. The name says the role: `urn:pulsegate:<role>:<name>`.
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import * as asn1 from '@peculiar/asn1-x509'
import { PulsegateError } from '../runtime/errors.ts'
import { operatorUri, readOperatorUri, type OperatorRole } from '../runtime/operator-roles.ts'
import { initAuthority, openAuthority, type Authority, type AuthorityOptions, type IssuedCertificate, type LifeOptions } from './authority.ts'
import { operatorsNames } from './ca-names.ts'
import { renewLists } from './development.ts'
import { authorityPaths, isThere, keyPem, writeKey, writePublic } from './files.ts'
import { alternativeNames, leafExtensions, uriName } from './profile.ts'
import { publicKeyOfRequest } from './request.ts'
import { createKeyPair } from './signing.ts'

/** Days; an operator is asked to come back more often than a server. */
export const operatorLifeDays = 30

/** Where the operators' authority of the fleet in `directory` is kept. */
export function operatorsDirectory (directory: string): string {
  return join(directory, 'operators')
}

export interface OperatorRequest extends LifeOptions {
  /** Lower-case letters, digits, dots, dashes and underscores. */
  readonly name: string
  readonly role: OperatorRole
  /** PKCS #10 of the operator's own key, PEM; without it a key is made here. */
  readonly requestPem?: string
  /** Encrypts the key that is made here; the operator's own, not the authority's. */
  readonly keyPassphrase?: string
}

export interface IssuedOperator extends IssuedCertificate {
  /** Null when the operator brought a key. */
  readonly keyFile: string | null
  readonly certFile: string
  /** The operators' authority was made just now. */
  readonly first: boolean
}

/**
 * Issues a certificate to an operator; makes the operators' authority when there is none, its keys under the passphrase when one is given.
 * Throws CERTS_INPUT_INVALID, CERTS_REQUEST_REFUSED, CERTS_PASSPHRASE_UNUSABLE.
 */
export async function issueOperator (directory: string, request: OperatorRequest, options: AuthorityOptions = {}): Promise<IssuedOperator> {
  const { name, role, requestPem, keyPassphrase } = request
  const uri = operatorUri(role, name)
  if (readOperatorUri(uri) === null) throw new PulsegateError('CERTS_INPUT_INVALID', `An operator's name is up to 64 lower-case letters, digits, dots, dashes and underscores, not "${name}".`)
  const { authority, first } = await openOrMake(directory, options)
  const people = join(authority.paths.directory, 'people')
  await mkdir(people, { recursive: true, mode: 0o700 })
  const keys = requestPem === undefined ? createKeyPair() : null
  const publicKey = keys?.publicKey ?? await publicKeyOfRequest(requestPem ?? '')
  const extensions = [...leafExtensions(asn1.id_kp_clientAuth), alternativeNames([uriName(uri)])]
  const issued = await authority.signOther({ role: 'operator', name, publicKey, extensions }, { days: request.days ?? operatorLifeDays })
  const certFile = join(people, `${name}.crt`)
  const keyFile = keys === null ? null : join(people, `${name}.key`)
  if (keys !== null && keyFile !== null) await writeKey(keyFile, keyPem(keys.privateKey, keyPassphrase), { overwrite: true })
  await writePublic(certFile, issued.chainPem)
  return { ...issued, keyFile, certFile, first }
}

async function openOrMake (fleet: string, options: AuthorityOptions): Promise<{ authority: Authority, first: boolean }> {
  const directory = operatorsDirectory(fleet)
  if (await isThere(authorityPaths(directory).ca)) return { authority: await openAuthority(directory, options), first: false }
  // no plain keys beside encrypted ones: who encrypts the fleet's opens them here first
  if (options.passphrase === undefined && await isThere(authorityPaths(fleet).ca)) await openAuthority(fleet)
  return { authority: await initAuthority(directory, options, operatorsNames), first: true }
}

/** Writes the operators' lists when they are past half of their life; says whether. False where nobody administers. */
export async function renewOperatorLists (directory: string, options: AuthorityOptions = {}): Promise<boolean> {
  const operators = operatorsDirectory(directory)
  return await isThere(authorityPaths(operators).ca) && await renewLists(await openAuthority(operators, options))
}

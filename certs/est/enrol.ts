// The registration authority: who may have a certificate for which device. Takes an operation, the TLS peer, an Authorization header and
// a signing request; gives a certificate or throws a Refusal. Of the request only the public key and its proof of possession count.
//
//   simpleenroll    token (Basic or Bearer) → its device id, or any new one │ birth certificate → the id it names
//   simplereenroll  our certificate, not ended, not revoked → the id it names, with a new key
//
// An id is the first one's for whom something was issued, and the journal says who that was: there is no second memory of it that could
// disagree. So what a stranger may have is asked twice, first because it is cheap, and at last under the authority's lock, where nobody can
// issue or revoke in between. A process that dies leaves an id either free or issued.
//
// The cheap checks come first, what changes anything last: a token is spent only when everything else is right.
import { type KeyObject, X509Certificate } from 'node:crypto'
import { PulsegateError } from '../../runtime/errors.ts'
import { type Authority } from '../authority.ts'
import { type JournalFollower } from '../journal-follower.ts'
import { isDeviceId } from '../profile.ts'
import { publicKeyOfRequest } from '../request.ts'
import { type Tokens } from '../tokens.ts'
import { Refusal } from './answer.ts'
import { credentialsOf, type TokenCredentials } from './authorization.ts'
import { type Peer } from './peer.ts'
import { type Slots } from './slots.ts'

/** True: yes. False or a text (the registry state, say): no, and why. Rejects when it cannot be known now. */
export type MayEnrol = (id: string) => Promise<boolean | string>

export interface EnrolParts {
  readonly authority: () => Pick<Authority, 'signRequest'>
  readonly tokens: Tokens
  readonly journal: JournalFollower
  readonly mayEnrol: MayEnrol
  readonly signing: Slots
  /** Life of what is issued. */
  readonly days: number
}

export interface EnrolRequest {
  readonly operation: 'simpleenroll' | 'simplereenroll'
  readonly peer: Peer
  readonly authorization: string | undefined
  /** PKCS #10 in PEM. */
  readonly requestPem: string
}

export interface Enrolled {
  readonly id: string
  readonly by: 'token' | 'birth' | 'renewal'
  readonly serial: string
  readonly notAfterMs: number
  readonly der: Buffer
  /** Name of the token that was spent. */
  readonly token?: string
}

export async function enrol (parts: EnrolParts, request: EnrolRequest): Promise<Enrolled> {
  if (request.operation === 'simplereenroll') return await renew(parts, request)
  const credentials = credentialsOf(request.authorization)
  if (credentials !== null) return await enrolByToken(parts, request, credentials)
  return await enrolByBirth(parts, request)
}

async function enrolByToken (parts: EnrolParts, request: EnrolRequest, { user, token }: TokenCredentials): Promise<Enrolled> {
  const { tokens, signing } = parts
  const id = user === null ? await tokens.deviceOf(token) : user.toLowerCase()
  if (id === null) throw new Refusal('token', { audited: 'token-unknown' })
  if (!isDeviceId(id)) throw new Refusal('no-device-id')
  const checked = await tokens.check(token, id)
  if ('fault' in checked) throw new Refusal('token', { audited: `token-${checked.fault}` })
  const { name, device } = checked.record
  const publicKey = await keyOf(request)
  await admitted(parts, id)
  const admit = device === null ? () => refuseTaken(parts, id, null) : undefined
  await admit?.()
  return await signing.run(async () => {
    if (!await tokens.spend(name)) throw new Refusal('token', { audited: 'token-used' })
    return await sign(parts, request, { id, publicKey, by: 'token', admit }).catch(async (error: unknown) => {
      await tokens.giveBack(name)
      throw error
    })
  }).then((enrolled) => ({ ...enrolled, token: name }))
}

async function enrolByBirth (parts: EnrolParts, request: EnrolRequest): Promise<Enrolled> {
  const { peer } = request
  if (peer.kind === 'none') throw new Refusal('no-credentials')
  if (peer.kind === 'bad') throw new Refusal('certificate', { audited: peer.fault })
  if (peer.kind === 'device') throw new Refusal('wrong-operation')
  const publicKey = await keyOf(request)
  await admitted(parts, peer.id)
  const maker = peer.maker.fingerprint
  const admit = () => refuseTaken(parts, peer.id, maker)
  await admit()
  return await parts.signing.run(() => sign(parts, request, { id: peer.id, publicKey, by: 'birth', admit, maker }))
}

async function renew (parts: EnrolParts, request: EnrolRequest): Promise<Enrolled> {
  const { peer } = request
  if (peer.kind === 'none') throw new Refusal('no-certificate')
  if (peer.kind === 'bad') throw new Refusal('certificate', { audited: peer.fault })
  if (peer.kind === 'birth') throw new Refusal('wrong-operation')
  const admit = async (): Promise<void> => {
    if (await parts.journal.isRevoked(peer.certificate.serialNumber)) throw new Refusal('certificate', { audited: 'CERT_REVOKED' })
  }
  await admit()
  const publicKey = await keyOf(request)
  await admitted(parts, peer.id)
  return await parts.signing.run(() => sign(parts, request, { id: peer.id, publicKey, by: 'renewal', admit }))
}

/** The key of the request, which must be another than that of the certificate shown. Throws Refusal. */
async function keyOf ({ peer, requestPem }: EnrolRequest): Promise<KeyObject> {
  const publicKey = await publicKeyOfRequest(requestPem).catch((cause: unknown) => {
    if (!(cause instanceof PulsegateError && cause.code === 'CERTS_REQUEST_REFUSED')) throw cause
    throw new Refusal('request', { detail: cause.message.replace(/^[^:]*: /, '').replace(/\.$/, ''), cause })
  })
  if ('certificate' in peer && peer.certificate !== undefined && publicKey.equals(peer.certificate.publicKey)) throw new Refusal('same-key')
  return publicKey
}

async function admitted ({ mayEnrol }: EnrolParts, id: string): Promise<void> {
  const answer = await mayEnrol(id).catch((cause: unknown) => { throw new Refusal('unavailable', { audited: 'registry-unavailable', cause }) })
  if (answer !== true) throw new Refusal('may-not-enrol', { audited: typeof answer === 'string' ? answer : 'refused by the registry' })
}

/** Throws Refusal when the id is another's than `maker`'s (null: of somebody who may only have what nobody has), or was taken from its device. */
async function refuseTaken ({ journal }: EnrolParts, id: string, maker: string | null): Promise<void> {
  const standing = await journal.standingOf(id)
  if (standing === null) return
  if (maker === null || standing.maker !== maker) throw new Refusal('id-taken')
  if (standing.revoked) throw new Refusal('revoked')
}

interface Certified {
  readonly id: string
  readonly publicKey: KeyObject
  readonly by: Enrolled['by']
  readonly admit: (() => Promise<void>) | undefined
  readonly maker?: string
}

async function sign ({ authority, days }: EnrolParts, { requestPem }: EnrolRequest, { id, publicKey, by, admit, maker }: Certified): Promise<Enrolled> {
  const { serial, certPem, notAfterMs } = await authority().signRequest(requestPem, { id, days, ...(admit && { admit }), ...(maker !== undefined && { maker }) })
  const certificate = new X509Certificate(certPem)
  if (!certificate.publicKey.equals(publicKey)) throw new Error('unreachable: another key was certified than was checked')
  return { id, by, serial, notAfterMs, der: certificate.raw }
}

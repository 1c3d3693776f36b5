// What each certificate says, in one place: takes an identity, gives the extensions; and how long each kind lives.
// Promise: a device certificate carries exactly one URI SAN, urn:uuid:<id>, and clientAuth only; a server's carries
// serverAuth only. Neither can stand in for the other, and neither can sign.
import { isIP } from 'node:net'
import * as asn1 from '@peculiar/asn1-x509'
import { PulsegateError } from '../runtime/errors.ts'
import { extension, type Extension } from './signing.ts'

export const dayMs = 86_400_000

/** Lives in days. A revocation list that runs out locks everybody out, so each outlives the habit of renewing it. */
export const lifeDays = {
  root: 3_650,
  issuing: 1_825,
  /** A development fleet enrols weekly; `maximum` bounds what may be asked for. */
  device: 7,
  server: 30,
  maximum: 30,
  /** The root is offline: its list is renewed by hand, once a year. */
  rootCrl: 365,
  issuingCrl: 30
} as const

/** Devices' clocks are a little behind ours: without it a fresh certificate is "not yet valid" to them. */
export const backdateMs = 5 * 60_000

export interface Validity { readonly notBeforeMs: number, readonly notAfterMs: number }

/** From five minutes ago for `days`, but never beyond the life of the issuer. */
export function validity (nowMs: number, days: number, issuerNotAfterMs = Infinity): Validity {
  return { notBeforeMs: nowMs - backdateMs, notAfterMs: Math.min(nowMs + days * dayMs, issuerNotAfterMs) }
}

/** Checks a life asked for by a person. Throws CERTS_INPUT_INVALID outside 0 < days <= 30. */
export function checkDays (days: number): number {
  if (Number.isFinite(days) && days > 0 && days <= lifeDays.maximum) return days
  throw new PulsegateError('CERTS_INPUT_INVALID', `A certificate lives more than 0 and at most ${lifeDays.maximum} days, not ${days}.`)
}

const uuidText = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/

export function isDeviceId (text: string): boolean {
  return uuidText.test(text)
}

/** The id in lower case. Throws CERTS_INPUT_INVALID when it is not UUID text. */
export function checkDeviceId (text: string): string {
  const id = text.toLowerCase()
  if (isDeviceId(id)) return id
  throw new PulsegateError('CERTS_INPUT_INVALID', `A device id is a UUID such as 6f1d2c3e-0b1a-4c5d-8e9f-a0b1c2d3e4f5, not "${text}".`)
}

export function caExtensions (options: { pathLength?: number }): Extension[] {
  const constraints = new asn1.BasicConstraints({
    cA: true, ...(options.pathLength === undefined ? {} : { pathLenConstraint: options.pathLength })
  })
  return [
    extension(asn1.id_ce_basicConstraints, constraints, { critical: true }),
    keyUsage(asn1.KeyUsageFlags.keyCertSign | asn1.KeyUsageFlags.cRLSign)
  ]
}

export function deviceExtensions (id: string): Extension[] {
  return [...leafExtensions(asn1.id_kp_clientAuth), alternativeNames([uriName(deviceUri(id))])]
}

export function serverExtensions (names: readonly string[]): Extension[] {
  return [...leafExtensions(asn1.id_kp_serverAuth), alternativeNames(names.map(hostName))]
}

export function deviceUri (id: string): string {
  return `urn:uuid:${id}`
}

export function uriName (uri: string): asn1.GeneralName {
  return new asn1.GeneralName({ uniformResourceIdentifier: uri })
}

export function alternativeNames (names: asn1.GeneralName[]): Extension {
  return extension(asn1.id_ce_subjectAltName, new asn1.SubjectAlternativeName(names))
}

/** Without `purpose` there is no EKU: Node takes such a certificate for any purpose, which is why we never issue one. */
export function leafExtensions (purpose?: string): Extension[] {
  if (purpose === undefined) return [notAnAuthority, mayOnlySign]
  return [notAnAuthority, mayOnlySign, extension(asn1.id_ce_extKeyUsage, new asn1.ExtendedKeyUsage([purpose]))]
}

function keyUsage (flags: number): Extension {
  return extension(asn1.id_ce_keyUsage, new asn1.KeyUsage(flags), { critical: true })
}

const notAnAuthority = extension(asn1.id_ce_basicConstraints, new asn1.BasicConstraints({ cA: false }), { critical: true })
const mayOnlySign = keyUsage(asn1.KeyUsageFlags.digitalSignature)

const dnsLabels = /^(?=.{1,253}$)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$/i

/** A DNS name or an IP address; no wildcards: a broker knows its names. */
function hostName (name: string): asn1.GeneralName {
  if (isIP(name) !== 0) return new asn1.GeneralName({ iPAddress: name })
  if (dnsLabels.test(name)) return new asn1.GeneralName({ dNSName: name.toLowerCase() })
  throw new PulsegateError('CERTS_INPUT_INVALID', `A server name is a DNS name or an IP address, not "${name}".`)
}

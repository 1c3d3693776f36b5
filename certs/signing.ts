// Makes certificates and other signed structures that OpenSSL believes: takes fields and a signer, gives PEM.
// Keys and signatures are node:crypto's, so that one synchronous path serves certificates and revocation lists alike and
// takes about 1 ms, key included, instead of the 9 ms of the library's WebCrypto round trips.
// Promise: P-256 with ECDSA-SHA256 everywhere; serial numbers are random; what was signed is what is sent, byte for byte.
import { createHash, generateKeyPairSync, randomBytes, sign, type KeyObject } from 'node:crypto'
import { AsnConvert, OctetString } from '@peculiar/asn1-schema'
import * as asn1 from '@peculiar/asn1-x509'
import { bitString, explicit, integer, sequence, time } from './der.ts'

/** Who signs: a CA's private key, its name exactly as in its own certificate (DER), and its key identifier. */
export interface Signer {
  readonly key: KeyObject
  readonly name: Buffer
  readonly keyId: Buffer
}

/** The DER of one Extension. */
export type Extension = Buffer

export interface CertificateFields {
  readonly commonName: string
  readonly publicKey: KeyObject
  readonly notBeforeMs: number
  readonly notAfterMs: number
  /** Without subject and authority key identifiers: those are added here. */
  readonly extensions: readonly Extension[]
}

export interface SignedCertificate {
  readonly pem: string
  /** 32 upper-case hex digits, as Node and OpenSSL print it. */
  readonly serial: string
}

export interface KeyPair {
  readonly publicKey: KeyObject
  readonly privateKey: KeyObject
}

/** RFC 5758: ecdsa-with-SHA256, no parameters. */
export const ecdsaSha256 = serialize(new asn1.AlgorithmIdentifier({ algorithm: '1.2.840.10045.4.3.2' }))

export function createKeyPair (): KeyPair {
  return generateKeyPairSync('ec', { namedCurve: 'P-256' })
}

/** PKCS #8 PEM of a private key. The caller writes it 0600 or hands it to the device; nobody prints it. */
export function privateKeyPem (key: KeyObject): string {
  return key.export({ type: 'pkcs8', format: 'pem' }) as string
}

/** The signer that a CA's key and certificate make. `certificateDer` is the CA's own certificate. */
export function signerOf (key: KeyObject, certificateDer: Buffer): Signer {
  const { subject, subjectPublicKeyInfo } = AsnConvert.parse(certificateDer, asn1.Certificate).tbsCertificate
  return { key, name: serialize(subject), keyId: keyIdOfPoint(Buffer.from(subjectPublicKeyInfo.subjectPublicKey)) }
}

/** The signer of a self-signed root: it exists before its certificate does. */
export function selfSigner (keys: KeyPair, commonName: string): Signer {
  return { key: keys.privateKey, name: nameOf(commonName), keyId: keyIdOfPoint(pointOf(spkiOf(keys.publicKey))) }
}

/** RFC 5280, 4.1: a version 3 certificate. */
export function signCertificate (fields: CertificateFields, signer: Signer): SignedCertificate {
  const serial = randomSerial()
  const spki = spkiOf(fields.publicKey)
  const tbs = sequence(
    explicit(0, integer(Buffer.of(2))), // version 3 is written 2
    integer(serial),
    ecdsaSha256,
    signer.name,
    sequence(time(new Date(fields.notBeforeMs)), time(new Date(fields.notAfterMs))),
    nameOf(fields.commonName),
    spki,
    explicit(3, sequence(
      ...fields.extensions,
      extension(asn1.id_ce_subjectKeyIdentifier, new asn1.SubjectKeyIdentifier(keyIdOfPoint(pointOf(spki)))),
      authorityKeyIdentifier(signer)
    ))
  )
  return { pem: signStructure('CERTIFICATE', tbs, signer), serial: serial.toString('hex').toUpperCase() }
}

/** SIGNED{} of X.509: what was to be signed, the algorithm, the signature; as PEM under `label`. */
export function signStructure (label: string, toBeSigned: Buffer, signer: Signer): string {
  return toPem(label, sequence(toBeSigned, ecdsaSha256, bitString(sign('sha256', toBeSigned, signer.key))))
}

export function extension (id: string, value: unknown, options?: { critical: boolean }): Extension {
  const extnValue = new OctetString(AsnConvert.serialize(value))
  return serialize(new asn1.Extension({ extnID: id, critical: options?.critical ?? false, extnValue }))
}

export function authorityKeyIdentifier (signer: Signer): Extension {
  const value = new asn1.AuthorityKeyIdentifier({ keyIdentifier: new asn1.KeyIdentifier(signer.keyId) })
  return extension(asn1.id_ce_authorityKeyIdentifier, value)
}

/** RFC 7468 text: 64 columns, a newline at the end. */
export function toPem (label: string, der: Buffer): string {
  const lines = der.toString('base64').match(/.{1,64}/g) ?? []
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`
}

function nameOf (commonName: string): Buffer {
  const value = new asn1.AttributeValue({ utf8String: commonName })
  const commonNameType = '2.5.4.3'
  return serialize(new asn1.Name([new asn1.RelativeDistinguishedName([
    new asn1.AttributeTypeAndValue({ type: commonNameType, value })
  ])]))
}

/**
 * 128 bits, the top bit clear (a DER INTEGER is signed) and the next one set (no leading zero byte, which DER forbids and
 * OpenSSL refuses): 126 random bits, where RFC 5280 and the CA/Browser Forum ask for at least 64.
 */
function randomSerial (): Buffer {
  const serial = randomBytes(16)
  serial.writeUInt8((serial.readUInt8(0) & 0x3f) | 0x40, 0)
  return serial
}

function spkiOf (publicKey: KeyObject): Buffer {
  return publicKey.export({ type: 'spki', format: 'der' })
}

/** The BIT STRING's value: of a P-256 key it is the last 65 bytes of the SPKI. */
function pointOf (spki: Buffer): Buffer {
  return spki.subarray(-65)
}

/** RFC 5280, 4.2.1.2, method 1: SHA-1 of the BIT STRING's value. A name, not a protection. */
function keyIdOfPoint (point: Buffer): Buffer {
  return createHash('sha1').update(point).digest()
}

function serialize (value: unknown): Buffer {
  return Buffer.from(AsnConvert.serialize(value))
}

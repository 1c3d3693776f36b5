// Enrolment's two ends: a device makes its key and a signing request; the authority takes from a request the public key,
// after checking that the sender holds its private half, and nothing else: subject, names, uses and life in a request
// are wishes, and who may be whom is not for the applicant to say.
import 'reflect-metadata' // @peculiar/x509 needs it loaded first
import { createPublicKey, KeyObject, webcrypto } from 'node:crypto'
import { Pkcs10CertificateRequest, Pkcs10CertificateRequestGenerator, SubjectAlternativeNameExtension } from '@peculiar/x509'
import { derValue } from '../runtime/der.ts'
import { PulsegateError } from '../runtime/errors.ts'
import { pemBytes } from '../runtime/pem.ts'
import { checkDeviceId, deviceUri } from './profile.ts'
import { privateKeyPem } from './signing.ts'

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }

/** What a device does at enrolment: a fresh key that stays with it (PKCS #8 PEM) and a PKCS #10 request for `id`. */
export async function createDeviceKeyAndRequest (id: string): Promise<{ keyPem: string, requestPem: string }> {
  const uri = deviceUri(checkDeviceId(id))
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])
  const request = await Pkcs10CertificateRequestGenerator.create({
    keys,
    name: `CN=${id}`,
    signingAlgorithm: algorithm,
    extensions: [new SubjectAlternativeNameExtension([{ type: 'url', value: uri }])]
  })
  return { keyPem: privateKeyPem(KeyObject.from(keys.privateKey)), requestPem: `${request.toString('pem')}\n` }
}

/** A request is about 400 bytes; the bound keeps hostile ones from costing anything. */
const maxRequestBytes = 16_384

/** The P-256 public key of a request whose self-signature holds. Throws CERTS_REQUEST_REFUSED for anything else. */
export async function publicKeyOfRequest (requestPem: string): Promise<KeyObject> {
  if (typeof requestPem !== 'string' || requestPem.length > maxRequestBytes) throw refused(`it is longer than ${maxRequestBytes} bytes`)
  const block = onlyBlock(requestPem)
  if (!isOneValue(pemBytes(block))) throw refused('it is not one PKCS #10 request in PEM')
  const request = parseRequest(block)
  const publicKey = parseKey(request)
  if (publicKey.asymmetricKeyDetails?.namedCurve !== 'prime256v1') throw refused('its key is not on the curve P-256')
  if (!await verifies(request)) throw refused('its signature was not made with the key it carries')
  return publicKey
}

/** One request and nothing that could be taken for another: the library would read bare base64 or hex too, and the first of several. */
function onlyBlock (text: string): string {
  const blocks = text.match(/-----BEGIN (?:NEW )?CERTIFICATE REQUEST-----[A-Za-z0-9+/=\s]+-----END (?:NEW )?CERTIFICATE REQUEST-----/g) ?? []
  const [block] = blocks
  if (block === undefined || blocks.length > 1) throw refused('it is not one PKCS #10 request in PEM')
  return block.replaceAll('NEW CERTIFICATE', 'CERTIFICATE')
}

/** The library does not look at what follows the request. */
function isOneValue (der: Buffer): boolean {
  try {
    return derValue(der, 0).raw.length === der.length
  } catch {
    return false
  }
}

function parseRequest (pem: string): Pkcs10CertificateRequest {
  try {
    return new Pkcs10CertificateRequest(pem)
  } catch (error) {
    throw refused('it is not a PKCS #10 request in PEM', error)
  }
}

function parseKey (request: Pkcs10CertificateRequest): KeyObject {
  try {
    const key = createPublicKey({ key: Buffer.from(request.publicKey.rawData), format: 'der', type: 'spki' })
    // by way of JWK: a point that came compressed goes into the certificate in the plain form that every device reads
    return createPublicKey({ key: key.export({ format: 'jwk' }), format: 'jwk' })
  } catch (error) {
    throw refused('it carries no usable public key', error)
  }
}

async function verifies (request: Pkcs10CertificateRequest): Promise<boolean> {
  try {
    return await request.verify()
  } catch {
    return false // a signature that cannot even be parsed
  }
}

function refused (reason: string, cause?: unknown): PulsegateError {
  return new PulsegateError('CERTS_REQUEST_REFUSED', `The signing request is refused: ${reason}.`, { cause })
}

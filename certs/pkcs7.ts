// A bundle of certificates in the form EST answers with: PKCS #7 "certs-only", a SignedData without content and without a signature
// (RFC 5652, 5.1; RFC 5272, 4.1). Takes certificates, gives its DER; and the other way round for devices. Pure.
import { explicit, integer, sequence } from './der.ts'

const signedDataType = Buffer.from('06092a864886f70d010702', 'hex') // 1.2.840.113549.1.7.2
const dataType = Buffer.from('06092a864886f70d010701', 'hex') // 1.2.840.113549.1.7.1
const emptySet = Buffer.of(0x31, 0)

/** `certificates`: DER of each, in the order they shall have. */
export function certsOnly (certificates: readonly Uint8Array[]): Buffer {
  return sequence(signedDataType, explicit(0, sequence(
    integer(Buffer.of(1)),
    emptySet, // digest algorithms
    sequence(dataType),
    explicit(0, Buffer.concat(certificates)), // [0] IMPLICIT SET OF: constructed, so the same bytes
    emptySet // signers
  )))
}

/** The certificates (DER) of a certs-only bundle, in its order. Throws RangeError when it is none. */
export function certificatesOf (der: Buffer): Buffer[] {
  const [info] = valuesIn(der)
  const [type, wrapped] = valuesIn(content(info, 0x30))
  if (type === undefined || !type.raw.equals(signedDataType)) throw new RangeError('not a PKCS #7 SignedData')
  const [signedData] = valuesIn(content(wrapped, 0xa0))
  const certificates = valuesIn(content(signedData, 0x30)).find(({ tag }) => tag === 0xa0)
  return valuesIn(content(certificates, 0xa0)).map(({ raw }) => raw)
}

interface Value { readonly tag: number, readonly raw: Buffer, readonly content: Buffer }

function content (value: Value | undefined, tag: number): Buffer {
  if (value?.tag !== tag) throw new RangeError('not a PKCS #7 bundle of certificates')
  return value.content
}

/** The DER values in a row in `bytes`; lengths up to 4 GB, which the buffer bounds. */
function valuesIn (bytes: Buffer): Value[] {
  const values: Value[] = []
  for (let at = 0; at < bytes.length;) {
    const tag = bytes.readUInt8(at)
    const first = bytes.readUInt8(at + 1)
    const more = first < 0x80 ? 0 : first & 0x7f
    if (first === 0x80 || more > 4) throw new RangeError('not DER')
    const length = more === 0 ? first : bytes.readUIntBE(at + 2, more)
    const from = at + 2 + more
    if (from + length > bytes.length) throw new RangeError('cut off')
    values.push({ tag, raw: bytes.subarray(at, from + length), content: bytes.subarray(from, from + length) })
    at = from + length
  }
  return values
}

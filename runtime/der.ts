// Just enough DER (X.690) to read what Node's X509Certificate does not give: the serials on a CRL and its end, and names
// as bytes. Takes a buffer, gives its parts; anything that does not add up throws, and the caller names the file.
// (certs/der.ts is the other direction.)

export interface DerValue {
  readonly tag: number
  /** The whole value, tag and length included. */
  readonly raw: Buffer
  readonly content: Buffer
}

export const derTag = { integer: 0x02, utcTime: 0x17, generalizedTime: 0x18, sequence: 0x30 } as const

/** The values one after another in `buffer`. */
export function derValues (buffer: Buffer): DerValue[] {
  const values: DerValue[] = []
  for (let at = 0; at < buffer.length;) {
    const value = derValue(buffer, at)
    values.push(value)
    at += value.raw.length
  }
  return values
}

/** The values within the SEQUENCE at the start of `buffer`. */
export function derSequence (buffer: Buffer): DerValue[] {
  const value = derValue(buffer, 0)
  if (value.tag !== derTag.sequence) throw new Error('not a SEQUENCE')
  return derValues(value.content)
}

/** The value that begins at `at`. */
export function derValue (buffer: Buffer, at: number): DerValue {
  const tag = buffer[at]
  let length = buffer[at + 1]
  let from = at + 2
  if (tag === undefined || length === undefined) throw new Error('DER ends early')
  if (length >= 0x80) {
    const bytes = length & 0x7f
    if (bytes < 1 || bytes > 4 || from + bytes > buffer.length) throw new Error('DER length')
    length = buffer.readUIntBE(from, bytes)
    from += bytes
  }
  if (from + length > buffer.length) throw new Error('DER ends early')
  return { tag, raw: buffer.subarray(at, from + length), content: buffer.subarray(from, from + length) }
}

/** A Time of RFC 5280 (UTCTime or GeneralizedTime, both in Z), ms since 1970. */
export function derTimeMs (value: DerValue): number {
  const text = value.content.toString('latin1')
  // RFC 5280, 4.1.2.5.1: two digits below 50 are 20YY
  const full = value.tag === derTag.generalizedTime ? text : `${Number(text.slice(0, 2)) < 50 ? '20' : '19'}${text}`
  const parts = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/.exec(full)
  if (parts === null) throw new Error('not a time')
  const [year, month, day, hour, minute, second] = parts.slice(1).map(Number) as [number, number, number, number, number, number]
  return Date.UTC(year, month - 1, day, hour, minute, second)
}

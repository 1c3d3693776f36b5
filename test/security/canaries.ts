// Recognisable secrets to plant, and the search for them in what a program has put out: as they are, in hex, and in base64 at any
// alignment. Finding one anywhere it was not meant to be is a leak.
import { randomBytes } from 'node:crypto'

export interface Canary {
  /** Where it was planted. */
  readonly place: string
  readonly bytes: Buffer
}

/** Text that nothing else contains. */
export function textCanary (place: string): Canary {
  return { place, bytes: Buffer.from(`cnry${randomBytes(9).toString('hex')}`) }
}

/** A number of ten digits that nothing else contains, as a patient's value. */
export function numberCanary (place: string): Canary & { readonly value: number } {
  const value = 7_310_000_000 + randomBytes(4).readUInt32BE() % 9_999_999
  return { place, bytes: Buffer.from(String(value)), value }
}

/** A key file's own lines, each long enough to be nothing else. */
export function keyCanaries (place: string, pem: string): Canary[] {
  return pem.split('\n').filter((line) => line.length >= 40 && !line.startsWith('-----')).map((line) => ({ place, bytes: Buffer.from(line) }))
}

export interface Leak { readonly place: string, readonly output: string, readonly as: 'text' | 'hex' | 'base64' }

/** Every canary in every output; `outputs`: name → what came out. */
export function findLeaks (canaries: readonly Canary[], outputs: Readonly<Record<string, string | Buffer>>): Leak[] {
  return Object.entries(outputs).flatMap(([output, content]) => {
    const text = Buffer.isBuffer(content) ? content.toString('latin1') : content
    const lower = text.toLowerCase()
    return canaries.flatMap(({ place, bytes }): Leak[] => {
      if (text.includes(bytes.toString('latin1'))) return [{ place, output, as: 'text' }]
      if (lower.includes(bytes.toString('hex'))) return [{ place, output, as: 'hex' }]
      return base64Forms(bytes).some((form) => text.includes(form)) ? [{ place, output, as: 'base64' }] : []
    })
  })
}

/** The characters that the bytes give in base64 whatever stands before them: three alignments, edges cut off. */
function base64Forms (bytes: Buffer): string[] {
  return [0, 1, 2].map((before) => {
    const whole = Buffer.concat([Buffer.alloc(before), bytes]).toString('base64').replace(/=+$/, '')
    return whole.slice(before === 0 ? 0 : before + 1, whole.length - 2)
  })
}

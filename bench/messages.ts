// The payloads the generator sends: one telemetry message as a template, with the places of what makes each message new.
// Encoded by the simulator's own encoder; boot, seq and wall time are wide enough that any value the generator writes
// there keeps the bytes the shortest encoding (RFC 8949, 4.2.1).
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { encodeTelemetry } from '../schemas/encode.ts'
import { metricByName } from '../schemas/metrics.ts'
import { type Sample } from '../schemas/telemetry.ts'
import { cacheDirectory } from './places.ts'
import { type Payload } from './generator.ts'

// marks that occur nowhere else in the message, so that their places can be found
const boot = 0xb0b1_b2b3_b4b5_b6b7n
const seq = 0xc0c1_c2c3
const wallMs = 0x0000_0fd0_d1d2_d3d4

/** `count` samples of a vital sign, 100 ms apart, ending at the base time. */
export function samplesOf (count: number): Sample[] {
  const metric = metricByName('heart-rate')
  if (metric === undefined) throw new Error('no such metric')
  return Array.from({ length: count }, (_, i) => ({ metric: metric.id, dtMs: (i + 1 - count) * 100, value: 70 + i, quality: 0 }))
}

export function payloadOf (count: number): Payload {
  const header = { boot, seq, baseWallMs: wallMs, baseTickMs: 3_600_000, clock: { source: 2 as const, errorMs: 20 } }
  const bytes = encodeTelemetry({ header, samples: samplesOf(count) })
  const placeOf = (value: bigint, length: number): number => {
    const mark = Buffer.alloc(8)
    mark.writeBigUInt64BE(value)
    const at = bytes.indexOf(mark.subarray(8 - length))
    if (at < 0) throw new Error('the encoder does not write the value as expected')
    return at
  }
  mkdirSync(cacheDirectory, { recursive: true })
  const file = join(cacheDirectory, `telemetry-${count}.cbor`)
  writeFileSync(file, bytes)
  return { file, bootAt: placeOf(boot, 8), seqAt: placeOf(BigInt(seq), 4), wallAt: placeOf(BigInt(wallMs), 8) }
}

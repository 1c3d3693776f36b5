// The shape of a message as a JSON Schema for ajv, under names in place of keys: what telemetry.cddl says in CDDL (a test
// keeps the two together). It is compiled once. The guard has seen to numbers already: they are finite and safe, and a
// float stands only where a sample's value does.
//
// Bounds that the design leaves open are the database's: int2 for a metric and its quality, int4 for what is stored so.
import { Ajv, type ErrorObject, type ValidateFunction } from 'ajv'
import { type RejectReason } from './reasons.ts'

const int2Max = 32_767
const int4Max = 2_147_483_647
/** 2^42-1 ms, 139 years: the anchor of a boot stays in the range of timestamptz. */
const tickMax = 4_398_046_511_103
/** A model name or a unique device identifier is shorter; what is longer is not one. */
const maxTextLength = 128
/** Metrics a device may announce: far above the registry's size. */
const maxAnnouncedMetrics = 1024

/**
 * Half an hour: how long a wave may last from its first value to the end of its last. Longer series are samples. Views and erasure look for
 * a wave that reaches into a time only so far back, and count its microseconds in int4.
 */
export const longestWaveUs = 1_800_000_000

const headerKeys = { schema: 0, source: 1, boot: 2, seq: 3, wall: 4, tick: 5, clock: 6 } as const
const telemetryKeys = { ...headerKeys, samples: 7, waves: 8, flags: 9, rssi: 10 } as const
const birthKeys =
  { ...headerKeys, kind: 12, model: 13, firmware: 14, serial: 15, bootReason: 16, metrics: 17 } as const

/** Name to integer key, per kind of message. */
export const keys = { telemetry: telemetryKeys, birth: birthKeys } as const

/** What cbor-x hands out for a telemetry message that passed. */
export interface HeaderShape {
  readonly source?: Uint8Array
  readonly seq: number
  readonly wall?: number
  readonly tick: number
  readonly clock?: readonly [source: 0 | 1 | 2 | 3 | 4, errorMs: number]
}
export type SampleShape = readonly [metric: number, dtMs: number, value: number | null, quality?: number]
export type WaveData = Int16Array | readonly [encoding: number, bytes: Uint8Array]
export type WaveShape =
  readonly [metric: number, dtMs: number, periodUs: number, scaleNano: number, offset: number, data: WaveData]
export interface TelemetryShape extends HeaderShape {
  readonly samples?: readonly SampleShape[]
  readonly waves?: readonly WaveShape[]
  readonly flags?: number
  readonly rssi?: number
}
export interface BirthShape extends HeaderShape {
  readonly kind: string
  readonly model: string
  readonly firmware: string
  readonly serial?: string
  readonly bootReason?: number
  readonly metrics?: readonly number[]
}

const int = { type: 'integer' }
const upTo = (maximum: number, minimum = 0): object => ({ type: 'integer', minimum, maximum })
const metricId = upTo(int2Max, 1)
// 24 days to either side of the base: a message is one stretch of time, and a sum cannot leave timestamptz
const dt = upTo(int4Max, -int4Max)
// PostgreSQL text takes no NUL; no name of a device has another control character either
const text = { type: 'string', minLength: 1, maxLength: maxTextLength, pattern: '^[^\\u0000-\\u001f\\u007f]*$' }
const tuple = (required: number, ...items: object[]): object =>
  ({ type: 'array', items, minItems: required, maxItems: items.length })
const listOf = (items: object): object => ({ type: 'array', items, minItems: 1 })

const header = {
  source: { bytes: 16 },
  // the guard read it, exactly; to JavaScript it may be any double here
  boot: { type: 'number', minimum: 0 },
  seq: upTo(4_294_967_295),
  wall: int,
  tick: upTo(tickMax),
  clock: tuple(2, upTo(4), upTo(int4Max))
}

const schemas = {
  telemetry: {
    type: 'object',
    required: ['boot', 'seq', 'tick'],
    properties: {
      ...header,
      samples: listOf(tuple(3, metricId, dt, { type: ['number', 'null'] }, upTo(int2Max))),
      waves: listOf(tuple(6, metricId, dt, upTo(longestWaveUs, 1), { type: 'integer', minimum: 1 }, upTo(int4Max, -int4Max), { waveData: true })),
      flags: upTo(int4Max),
      rssi: upTo(int2Max, -int2Max)
    }
  },
  birth: {
    type: 'object',
    required: ['boot', 'seq', 'tick', 'kind', 'model', 'firmware'],
    properties: {
      ...header,
      kind: text,
      model: text,
      firmware: text,
      serial: text,
      bootReason: upTo(int4Max),
      metrics: { type: 'array', items: metricId, maxItems: maxAnnouncedMetrics }
    }
  }
} as const

const ajv = new Ajv({ strict: true, allowUnionTypes: true, strictTuples: false })
ajv.addKeyword({ keyword: 'bytes', schemaType: 'number', errors: false, validate: hasBytes })
ajv.addKeyword({ keyword: 'waveData', schemaType: 'boolean', errors: false, validate: isWaveData })

function hasBytes (length: number, data: unknown): boolean {
  return data instanceof Uint8Array && data.length === length
}

function isWaveData (_: boolean, data: unknown): boolean {
  if (data instanceof Int16Array) return true
  if (!Array.isArray(data) || data.length !== 2) return false
  const [encoding, bytes] = data as readonly unknown[]
  return typeof encoding === 'number' && encoding >= 0 && encoding <= 255 && bytes instanceof Uint8Array
}

export const validators: {
  readonly telemetry: ValidateFunction<TelemetryShape>
  readonly birth: ValidateFunction<BirthShape>
} = {
  telemetry: ajv.compile<TelemetryShape>(schemas.telemetry),
  birth: ajv.compile<BirthShape>(schemas.birth)
}

/** What the first error of a validator means: a reason, and the place without the value. */
export function shapeFault (errors: readonly ErrorObject[] | null | undefined): { reason: RejectReason, detail: string } {
  const error = errors?.[0]
  if (error === undefined) return { reason: 'wrong-type', detail: 'the message has another shape than the contract' }
  const { keyword, instancePath } = error
  const place = instancePath === '' ? 'message' : instancePath.slice(1).replaceAll('/', '.')
  if (keyword === 'bytes') return { reason: 'wrong-type', detail: `${place} must be a byte string of 16 bytes` }
  if (keyword === 'waveData') return { reason: 'wrong-type', detail: `${place} must be tag 77 on bytes, or [encoding, bytes]` }
  const reason = keyword === 'required' ? 'missing-key' : keyword === 'type' ? 'wrong-type' : 'out-of-range'
  return { reason, detail: `${place} ${keyword === 'pattern' ? 'must have no control characters' : error.message ?? 'is wrong'}` }
}

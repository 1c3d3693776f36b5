// Bytes to message: what the worker calls for every payload. The guard refuses what the contract forbids, cbor-x decodes
// what is left, the validator checks the shape, and the result is plain values. Promise: never throws, never keeps a
// reference to `payload`, and no detail carries a value of the payload (it is logged and stored).
import { Decoder, type Options } from 'cbor-x'
import {
  keys, longestWaveUs, shapeFault, validators, type BirthShape, type HeaderShape, type SampleShape, type WaveData, type WaveShape
} from './contract.ts'
import { decodeDelta } from './delta.ts'
import { Guard } from './guard.ts'
import { type RejectReason } from './reasons.ts'
import { type Birth, type Header, type Sample, type Telemetry, type Wave } from './telemetry.ts'

export interface Rejected {
  readonly ok: false
  readonly reason: RejectReason
  /** What is wrong and where, for a firmware author: a path or a rule, never a value. */
  readonly detail: string
  /** Byte offset of the fault in the payload, where one byte is to blame. */
  readonly offset?: number
}

export interface Decoded<M> { readonly ok: true, readonly message: M }

/** The kinds of payload that have a contract; `result` has none yet. */
export type MessageKind = 'telemetry' | 'birth'

// One guard for all: decoding is synchronous, and 64 KiB for its scratch are taken once.
const guard = new Guard()
const knownKeys = { telemetry: maskOf(keys.telemetry), birth: maskOf(keys.birth) }
const decoders = { telemetry: decoderFor(keys.telemetry), birth: decoderFor(keys.birth) }

/**
 * Decodes the payload of a message that came in on a topic of `kind`.
 * Returns the message with all values in wire units (integers scaled by the metric's exponent, ms, us), or the reason.
 */
export function decodeMessage (kind: 'telemetry', payload: Uint8Array): Decoded<Telemetry> | Rejected
export function decodeMessage (kind: 'birth', payload: Uint8Array): Decoded<Birth> | Rejected
export function decodeMessage (kind: MessageKind, payload: Uint8Array): Decoded<Telemetry | Birth> | Rejected
export function decodeMessage (kind: MessageKind, payload: Uint8Array): Decoded<Telemetry | Birth> | Rejected {
  const fault = guard.check(payload, knownKeys[kind])
  if (fault !== null) return { ok: false, ...fault }
  let shape: unknown
  try {
    shape = decoders[kind](guard.known, guard.knownLength)
  } catch {
    // the guard lets nothing through that cbor-x refuses; should that ever fail, it is the message that is at fault
    return reject('not-cbor', 'the decoder refused it')
  }
  return kind === 'telemetry' ? telemetryFrom(shape) : birthFrom(shape)
}

// Below, fields are set one by one and tuples read by index: spreads and destructuring cost a third of the whole here.

function telemetryFrom (shape: unknown): Decoded<Telemetry> | Rejected {
  if (!validators.telemetry(shape)) return { ok: false, ...shapeFault(validators.telemetry.errors) }
  const waves = shape.waves === undefined ? [] : wavesFrom(shape.waves)
  if ('ok' in waves) return waves
  const message: Writable<Telemetry> = {
    kind: 'telemetry',
    header: headerFrom(shape),
    samples: shape.samples === undefined ? [] : shape.samples.map(sampleFrom),
    waves,
    flags: shape.flags ?? 0,
    unknownKeys: guard.unknownKeys
  }
  if (shape.rssi !== undefined) message.rssiDbm = shape.rssi
  return { ok: true, message }
}

function birthFrom (shape: unknown): Decoded<Birth> | Rejected {
  if (!validators.birth(shape)) return { ok: false, ...shapeFault(validators.birth.errors) }
  const { serial, bootReason, metrics }: BirthShape = shape
  const message: Birth = {
    kind: 'birth',
    header: headerFrom(shape),
    deviceKind: shape.kind,
    model: shape.model,
    firmware: shape.firmware,
    ...(serial !== undefined && { serial }),
    ...(bootReason !== undefined && { bootReason }),
    ...(metrics !== undefined && { metrics }),
    unknownKeys: guard.unknownKeys
  }
  return { ok: true, message }
}

function headerFrom (shape: HeaderShape): Header {
  // the validator has seen key 2 as a number, so the guard has it as a uint
  const header: Writable<Header> = { boot: guard.boot!, seq: shape.seq, baseTickMs: shape.tick }
  if (shape.source !== undefined) header.source = uuidText(shape.source)
  if (shape.wall !== undefined) header.baseWallMs = shape.wall
  if (shape.clock !== undefined) header.clock = { source: shape.clock[0], errorMs: shape.clock[1] }
  return header
}

function sampleFrom (sample: SampleShape): Sample {
  return { metric: sample[0], dtMs: sample[1], value: sample[2], quality: sample[3] ?? 0 }
}

function wavesFrom (shapes: readonly WaveShape[]): Wave[] | Rejected {
  const waves: Wave[] = []
  for (const shape of shapes) {
    const values = waveValues(shape[5])
    if (typeof values === 'string') return reject(values, `waves.${waves.length}.5`)
    if (values.length * shape[2] > longestWaveUs) return reject('out-of-range', `waves.${waves.length} lasts longer than half an hour`)
    waves.push({ metric: shape[0], dtMs: shape[1], periodUs: shape[2], scaleNano: shape[3], offset: shape[4], values })
  }
  return waves
}

/** The values, in memory of their own: what cbor-x gives out is a view of the guard's scratch when the bytes lie even. */
function waveValues (data: WaveData): Int16Array | 'unknown-wave-encoding' | 'bad-wave' {
  if (data instanceof Int16Array) {
    if (data.length === 0) return 'bad-wave'
    return data.buffer === guard.known.buffer ? data.slice() : data
  }
  const [encoding, bytes] = data
  if (encoding !== 1) return 'unknown-wave-encoding'
  const values = decodeDelta(bytes)
  return values === null || values.length === 0 ? 'bad-wave' : values
}

function uuidText (bytes: Uint8Array): string {
  const hex = Buffer.from(bytes.buffer, bytes.byteOffset, 16).toString('hex')
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`
}

function reject (reason: RejectReason, detail: string): Rejected {
  return { ok: false, reason, detail }
}

function maskOf (known: Readonly<Record<string, number>>): number {
  return Object.values(known).reduce((mask, key) => mask | (1 << key), 0)
}

/** cbor-x under the names of `keyMap`; decodes the first `end` bytes of `source`. */
function decoderFor (keyMap: Readonly<Record<string, number>>): (source: Uint8Array, end: number) => unknown {
  // Missing from cbor-x's types: int64AsNumber, and decode's second argument, which saves a view and a DataView a message.
  // Should it ever vanish, every message would end in `not-cbor`, and every test here would say so.
  const options: Options & { int64AsNumber: boolean } = { keyMap, mapsAsObjects: true, useRecords: false, int64AsNumber: true }
  const decoder: LengthDecoder = new Decoder(options)
  return (source, end) => decoder.decode(source, end)
}

type Writable<T> = { -readonly [Key in keyof T]: T[Key] }

interface LengthDecoder { decode (source: Uint8Array, end: number): unknown }

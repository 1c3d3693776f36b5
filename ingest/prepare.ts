// From envelopes to a batch ready to be written: decode, check devices, pairing and metrics, place in time, fill the columns.
// Takes a queue batch, gives a prepared batch in which every envelope is either a message of the columns or a row for
// quarantine, never both, never neither. Asks the database at most once per kind of thing (devices, pairings, boots), and only for
// what it does not know. May run while another batch is being written.
import { decodeMessage, type Decoded, type MessageKind, type Rejected } from '../schemas/decode.ts'
import { type QuarantineReason } from '../schemas/reasons.ts'
import { type Message } from '../schemas/telemetry.ts'
import { type Envelope } from '../queue/queue.ts'
import { failPoints } from '../runtime/fail-points.ts'
import { type BirthRow, type Origin, type PreparedBatch, type QuarantineRow } from './batch.ts'
import { refuseDevices, refuseMetrics, refusePairing, type Refusal } from './check.ts'
import { Columns } from './columns.ts'
import { withoutErased } from './erased.ts'
import { addToColumns } from './fill.ts'
import { bootKey, type KnownBoot, type KnownDevice, type Lookup, type NewBoot } from './lookup.ts'
import { seriesOrder } from './order.ts'
import { type Period } from './period.ts'
import { anchorOf, type Extent, extentOf, place } from './place.ts'

/** A message on its way through the checks. */
interface Candidate {
  readonly envelope: Envelope
  readonly message: Message
  readonly source: string
  readonly relayed: boolean
  readonly extent: Extent
  publisherDevice?: KnownDevice
  sourceDevice?: KnownDevice
  /** Of a relayed message: when its source and publisher are paired. */
  periods?: readonly Period[]
  /** Unset until the boot is known. */
  boot?: KnownBoot
}

type Decode = (kind: MessageKind, payload: Uint8Array) => Decoded<Message> | (Omit<Rejected, 'reason'> & { readonly reason: QuarantineReason })

export interface PrepareContext {
  readonly lookup: Lookup
  readonly retentionMs: number
  /** Called with what the decoder threw. It throws nothing by contract; should it, one message must not stop all others. */
  readonly onDecoderFault?: (error: unknown) => void
  /** Called with how many samples and waves were left out because their time was erased. */
  readonly onErased?: (values: number) => void
  /** Default `decodeMessage`. */
  readonly decode?: Decode
  /** Cleared columns to fill; new ones when absent. */
  readonly columns?: Columns
}

export async function prepare (envelopes: readonly Envelope[], context: PrepareContext): Promise<PreparedBatch> {
  const quarantined: QuarantineRow[] = []
  const refuse: Refuse = (candidate, refusal) => {
    const { envelope, message: { header: { boot, seq } }, source } = candidate
    quarantined.push({ ...rowOf(envelope), source, boot, seq, ...refusal })
  }
  const decoded = decodeAll(envelopes, context, quarantined)
  const admitted = await admit(decoded, context.lookup, refuse)
  const placeable = await resolveBoots(admitted, context, refuse)
  return fill(placeable, context, refuse, quarantined)
}

type Refuse = (candidate: Candidate, refusal: Refusal) => void

function rowOf ({ publisher, kind, payload, receivedAtMs }: Envelope): Omit<QuarantineRow, 'reason' | 'detail'> {
  return { publisher, kind, payload, receivedAtMs, source: null, boot: null, seq: null }
}

function decodeAll (envelopes: readonly Envelope[], context: PrepareContext, quarantined: QuarantineRow[]): Candidate[] {
  const candidates: Candidate[] = []
  for (const envelope of envelopes) {
    const { kind, publisher } = envelope
    if (envelope.poison === true) {
      quarantined.push({ ...rowOf(envelope), reason: 'poison', detail: 'not decoded' })
      continue
    }
    if (kind === 'result') {
      quarantined.push({ ...rowOf(envelope), reason: 'unsupported-kind', detail: 'result messages have no contract yet' })
      continue
    }
    failPoints.read(envelope.payload)
    const result = decodeOne(kind, envelope, context)
    if (!result.ok) {
      const at = result.offset === undefined ? '' : ` (byte ${result.offset})`
      quarantined.push({ ...rowOf(envelope), reason: result.reason, detail: result.detail + at })
      continue
    }
    const { message } = result
    const source = message.header.source ?? publisher
    candidates.push({ envelope, message, source, relayed: source !== publisher, extent: extentOf(message) })
  }
  return candidates
}

function decodeOne (kind: MessageKind, { payload }: Envelope, { decode = decodeMessage, onDecoderFault }: PrepareContext): ReturnType<Decode> {
  try {
    return decode(kind, payload)
  } catch (error) {
    onDecoderFault?.(error)
    return { ok: false, reason: 'decoder-fault', detail: error instanceof Error ? error.name : typeof error }
  }
}

/** Devices, metrics and, as far as the time is known already, pairing. */
async function admit (candidates: readonly Candidate[], lookup: Lookup, refuse: Refuse): Promise<Candidate[]> {
  const ids = new Set<string>()
  for (const { envelope, source } of candidates) ids.add(envelope.publisher).add(source)
  const devices = await lookup.devices(ids)
  const active = candidates.filter((candidate) => {
    const { envelope, source, relayed, message } = candidate
    const publisherDevice = devices.get(envelope.publisher)
    const sourceDevice = devices.get(source)
    if (sourceDevice !== undefined) candidate.sourceDevice = sourceDevice
    const refusal = refuseDevices({ relayed, publisher: publisherDevice, source: sourceDevice }) ?? refuseMetrics(message)
    if (refusal !== null) refuse(candidate, refusal)
    if (refusal !== null || publisherDevice === undefined || sourceDevice === undefined) return false
    candidate.publisherDevice = publisherDevice
    return true
  })
  const relayed = active.filter((candidate) => candidate.relayed)
  if (relayed.length === 0) return active
  const times = new Map<string, number[]>()
  for (const candidate of relayed) {
    const pair = pairOf(candidate)
    const known = times.get(pair)
    if (known === undefined) times.set(pair, [timeOf(candidate)])
    else known.push(timeOf(candidate))
  }
  const pairings = await lookup.pairings(times)
  return active.filter((candidate) => {
    if (!candidate.relayed) return true
    candidate.periods = pairings.get(pairOf(candidate)) ?? []
    const refusal = refusePairing(candidate.periods, timeOf(candidate))
    if (refusal !== null) refuse(candidate, refusal)
    return refusal === null
  })
}

/** Without a clock: when it came in; its exact time is checked once the boot's anchor is known. */
function timeOf ({ message, envelope }: Candidate): number { return message.header.baseWallMs ?? envelope.receivedAtMs }

function pairOf ({ publisherDevice, sourceDevice }: Candidate): string {
  return `${publisherDevice?.key ?? 0}:${sourceDevice?.key ?? 0}`
}

/** Asks for unknown boots, but only of messages that will be stored: what is refused must not set an anchor. */
async function resolveBoots (candidates: readonly Candidate[], { lookup, retentionMs }: PrepareContext, refuse: Refuse): Promise<Candidate[]> {
  const wanted = new Map<string, NewBoot>()
  const left = candidates.filter((candidate) => {
    const { message: { header }, envelope: { receivedAtMs }, extent } = candidate
    const device = candidate.sourceDevice?.key ?? 0
    const key = bootKey(device, header.boot)
    const known = lookup.boot(key)
    const first = wanted.get(key) ?? { device, boot: header.boot, anchorMs: anchorOf(header, receivedAtMs) }
    const placed = place(header, extent, { receivedAtMs, anchorMs: (known ?? first).anchorMs, retentionMs })
    if (!placed.ok) refuse(candidate, placed)
    else if (known !== undefined) candidate.boot = known
    else wanted.set(key, first)
    return placed.ok
  })
  await lookup.resolveBoots(wanted)
  return left
}

function fill (candidates: readonly Candidate[], context: PrepareContext, refuse: Refuse, quarantined: readonly QuarantineRow[]): PreparedBatch {
  const { lookup, retentionMs, columns = new Columns() } = context
  const origins: Origin[] = []
  const births: BirthRow[] = []
  for (const candidate of candidates) {
    const { envelope, message, source, extent, publisherDevice, sourceDevice } = candidate
    const { header } = message
    if (publisherDevice === undefined || sourceDevice === undefined) continue
    const boot = candidate.boot ?? lookup.boot(bootKey(sourceDevice.key, header.boot))
    // resolved a moment ago; gone only when one batch names more boots than the cache holds
    if (boot === undefined) throw new Error('a boot of this batch is not known after it was resolved')
    const { receivedAtMs } = envelope
    const placed = place(header, extent, { receivedAtMs, anchorMs: boot.anchorMs, retentionMs })
    const refusal = placed.ok ? pairedAt(candidate, placed.baseMs) : placed
    if (!placed.ok || refusal !== null) {
      if (refusal !== null) refuse(candidate, refusal)
      continue
    }
    const kept = withoutErased(message, placed.baseMs, sourceDevice.erased)
    if (kept.left > 0) context.onErased?.(kept.left)
    const index = addToColumns(columns, {
      message: kept.message, receivedAtMs, device: sourceDevice.key, publisher: publisherDevice.key, boot: boot.key, baseMs: placed.baseMs
    })
    origins.push({ envelope, source, boot: header.boot, seq: header.seq })
    if (message.kind === 'birth') {
      const { deviceKind: kind, model, firmware, serial = null } = message
      births.push({ message: index, device: sourceDevice.key, kind, model, firmware, serial })
    }
  }
  return { columns, order: seriesOrder(columns), births, quarantined, origins }
}

/** The second look, for a relayed message placed by its boot's anchor. */
function pairedAt ({ relayed, message, periods }: Candidate, timeMs: number): Refusal | null {
  return relayed && message.header.baseWallMs === undefined ? refusePairing(periods, timeMs) : null
}

// One message into the columns of a batch: wire units become physical ones here and nowhere else. A value outside the
// metric's hard bounds is stored and marked out of range, one outside the plausible bounds is stored and marked
// questionable: the device's bits are kept, ours are added. Nothing a device measured is dropped because it looks odd.
import { metricById, rangeQuality, toPhysical } from '../schemas/metrics.ts'
import { type Message, type Sample } from '../schemas/telemetry.ts'
import { type Columns } from './columns.ts'

export interface Placement {
  readonly message: Message
  /** Of the message, ms since 1970 UTC. */
  readonly baseMs: number
  readonly receivedAtMs: number
  /** Keys of source and publisher in `device`, of the boot in `device_boot`. */
  readonly device: number
  readonly publisher: number
  readonly boot: number
}

const int2Max = 32_767
const int4Max = 2_147_483_647

/** Adds the message; gives its index. Every metric of it must be registered (check.ts). */
export function addToColumns (columns: Columns, { message, baseMs, receivedAtMs, device, publisher, boot }: Placement): number {
  const { header } = message
  const telemetry = message.kind === 'telemetry' ? message : null
  const index = columns.addMessage({
    timeMs: baseMs,
    device,
    boot,
    seq: header.seq,
    receivedAtMs,
    publisher,
    flags: telemetry?.flags ?? 0,
    clockSource: header.clock?.source ?? null,
    // a claim of more than 24 days is as good as any other large one
    clockErrorMs: header.clock === undefined ? null : Math.min(header.clock.errorMs, int4Max),
    rssiDbm: telemetry?.rssiDbm ?? null,
    placed: header.baseWallMs === undefined ? 2 : 1,
    tickMs: header.baseTickMs,
    unknownKeys: Math.min(message.unknownKeys, int2Max)
  })
  if (telemetry === null) return index
  for (const sample of telemetry.samples) addSample(columns, sample, baseMs)
  for (const { metric, dtMs, periodUs, scaleNano, offset, values } of telemetry.waves) {
    // a whole number of 1e-9, divided: the nearest double to what the device meant
    columns.addWave({ metric, timeMs: baseMs + dtMs, periodUs, scale: scaleNano / 1e9, offset, values })
  }
  return index
}

function addSample (columns: Columns, { metric: id, dtMs, value, quality }: Sample, baseMs: number): void {
  const metric = metricById(id)
  if (metric === undefined) throw new Error(`metric ${id} is not registered`)
  if (value === null) {
    columns.addSample(id, baseMs + dtMs, null, quality)
    return
  }
  const physical = toPhysical(metric, value)
  columns.addSample(id, baseMs + dtMs, physical, quality | rangeQuality(metric, physical))
}

// The batches of `bench ingest`: what prepare() gives for messages that are all good, and the same rows as text for psql.
// One message a device and batch, devices in an order that is not that of their keys, as messages arrive.
import { type PreparedBatch } from '../ingest/batch.ts'
import { Columns } from '../ingest/columns.ts'
import { seriesOrder } from '../ingest/order.ts'

export interface BatchShape {
  readonly batches: number
  /** Messages in a batch; as many devices. */
  readonly messages: number
  /** Samples of a message, of one metric, 100 ms apart. */
  readonly samples: number
}

const metric = 1
const secondMs = 1_000
// 7 has no common divisor with a thousand: every device once, neighbours far apart
const stride = 7

/** Columns of batch number `batch`; its messages are a second later than those of the batch before. `startMs`: of the first. */
export function columnsOf ({ messages, samples }: BatchShape, batch: number, startMs: number): Columns {
  const columns = new Columns()
  const timeMs = startMs + batch * secondMs
  for (let i = 0; i < messages; i++) {
    const device = (i * stride) % messages + 1
    columns.addMessage({
      timeMs,
      device,
      boot: device,
      seq: batch,
      receivedAtMs: timeMs,
      publisher: device,
      flags: 0,
      clockSource: 2,
      clockErrorMs: 20,
      rssiDbm: null,
      placed: 1,
      tickMs: batch * secondMs,
      unknownKeys: 0
    })
    for (let k = 0; k < samples; k++) columns.addSample(metric, timeMs + k * 100, 60 + (device + batch + k) % 40, 0)
  }
  return columns
}

/** Sorting is part of what a batch costs, so it is done here, each time. */
export function preparedBatch (columns: Columns): PreparedBatch {
  return { columns, order: seriesOrder(columns), births: [], quarantined: [], origins: [] }
}

/** The samples as COPY's text format, in the order in which they arrived, or as our writer sorts them. */
export function copyText (columns: Columns, sorted: boolean): string {
  const order = sorted ? seriesOrder(columns) : Int32Array.from({ length: columns.samples }, (_, i) => i)
  const lines = Array.from(order, (i) => [
    new Date(columns.sampleTimeMs[i] as number).toISOString(), columns.sampleValue[i], columns.sampleDevice[i], columns.sampleMetric[i], columns.sampleQuality[i]
  ].join('\t'))
  return `${lines.join('\n')}\n`
}

export const copyColumns = 'sample (time, value, device, metric, quality)'

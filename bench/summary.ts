// Tables out of runs, the same way for every benchmark that puts load on a server. Pure.
import { shown, type Table } from './outcome.ts'
import { median, ratiosOf, spread, valuesOf, type Run } from './statistics.ts'

/** A rate counts when the server had its core to itself and was the limit: it used at least this share of it. */
export const saturatedShare = 0.95

export function isSaturated ({ values }: Run): boolean {
  return (values['core'] ?? 0) >= saturatedShare
}

/** `123 (120-130)`: the median and the quartiles. */
export function spreadText (values: readonly number[]): string {
  const { median, low, high, n } = spread(values)
  return n === 0 ? '-' : `${shown(median)} (${shown(low)}-${shown(high)})`
}

export interface Against {
  /** the system whose speed the ratios tell; above 1 = it is faster than the row's */
  readonly ours: string
  readonly shape: string
  readonly subjects: readonly string[]
}

export const loadColumns = ['system', 'messages/s', 'rounds', 'CPU µs/message', 'p50 ms', 'p99 ms', 'CPU ratio to ours', 'rate ratio to ours']

/** One row a subject: rate, CPU per message, latency, and what ours does for the same CPU (or time). */
export function loadRows (runs: readonly Run[], { ours, shape, subjects }: Against): string[][] {
  const measured = subjects.filter((subject) => runs.some((run) => run.subject === subject && run.shape === shape))
  return measured.map((subject) => {
    const all = (name: string): number[] => valuesOf(runs, subject, shape, name)
    const rates = valuesOf(runs, subject, shape, 'rate', isSaturated)
    return [
      subject,
      spreadText(rates),
      `${rates.length} of ${all('rate').length}`,
      spreadText(all('us')),
      shown(median(all('p50Ms'))),
      shown(median(all('p99Ms'))),
      subject === ours ? '' : shown(median(ratiosOf(runs, subject, ours, shape, 'us'))),
      subject === ours ? '' : shown(median(ratiosOf(runs.filter(isSaturated), ours, subject, shape, 'rate')))
    ]
  })
}

export function loadTable (title: string, note: string, runs: readonly Run[], against: Against): Table {
  return { title, note, columns: loadColumns, rows: loadRows(runs, against) }
}

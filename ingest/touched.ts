// Which days a batch touches: what has to be there before it is written (partitions.ts).
import { type Columns } from './columns.ts'
import { type Mask } from './encode-rows.ts'
import { dayOf } from './partitions.ts'

/** UTC days, counted from 1970, of the receipts, samples and waves of the messages in `mask`. */
export function touchedDays (columns: Columns, mask: Mask): Set<number> {
  const days = new Set<number>()
  let last = NaN
  const look = (timeMs: number): void => {
    const day = dayOf(timeMs)
    // neighbours mostly share the day, and comparing is cheaper than a look into the set
    if (day !== last) days.add(last = day)
  }
  for (let i = 0; i < columns.messages; i++) if (mask[i] === 1) look(columns.timeMs[i] as number)
  for (let i = 0; i < columns.samples; i++) {
    if (mask[columns.sampleMessage[i] as number] === 1) look(columns.sampleTimeMs[i] as number)
  }
  for (const wave of columns.waves) if (mask[wave.message] === 1) look(wave.timeMs)
  return days
}

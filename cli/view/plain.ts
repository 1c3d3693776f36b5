// One line every few seconds, where there is no terminal to repaint.
import { bytes, clock, count, millis } from './format.ts'
import { type Snapshot } from './snapshot.ts'

/** The line for one moment. Pure. */
export function plainLine (now: Snapshot): string {
  const parts = [
    clock(now.elapsedMs),
    `${now.connected}/${now.devices} devices`,
    `${count(now.messagesPerS)} messages/s`,
    `${count(now.rowsPerS)} rows/s`,
    `PUBACK p50 ${millis(now.p50Ms)} ms p99 ${millis(now.p99Ms)} ms`,
    `${now.messagesPerBatch.toFixed(1)} messages/batch`,
    `${count(now.quarantined)} quarantined`,
    `database ${bytes(now.databaseBytes)}`
  ]
  return [parts.join('  '), ...now.notReady.map((reason) => `not ready: ${reason}`)].join('  ')
}

// The live view on a terminal: a block of lines repainted in place. It writes nothing but to the stream it is given.
import { bytes, clock, count, millis } from './format.ts'
import { plot } from './plot.ts'
import { type Snapshot } from './snapshot.ts'

const plotHeight = 9

/** The lines of the view, at most `width` columns. Pure. */
export function liveLines (now: Snapshot, width: number): string[] {
  const lines = [
    `Pulsegate  ${clock(now.elapsedMs)}  ·  database ${now.database}, ${bytes(now.databaseBytes)}  ·  Ctrl-C drains and compares`,
    '',
    `  devices connected   ${`${now.connected} of ${now.devices}`.padEnd(14)} publish→PUBACK p50  ${millis(now.p50Ms)} ms`,
    `  messages/s          ${count(now.messagesPerS).padEnd(14)} publish→PUBACK p99  ${millis(now.p99Ms)} ms`,
    `  rows/s              ${count(now.rowsPerS).padEnd(14)} messages per batch  ${now.messagesPerBatch.toFixed(1)}`,
    `  acknowledged        ${count(now.acknowledged).padEnd(14)} quarantined         ${count(now.quarantined)}`,
    ...now.notReady.map((reason) => `  not ready: ${reason}`),
    '',
    ...plot(now.trace, width, plotHeight)
  ]
  return lines.map((line) => line.slice(0, width))
}

/** Repaints in place on `terminal`. `close()` leaves the last picture standing. */
export function createLiveView (terminal: NodeJS.WriteStream): { show (now: Snapshot): void, close (): void } {
  let painted = 0
  terminal.write('\x1b[?25l') // hide the cursor while repainting
  return {
    show (now) {
      const lines = liveLines(now, terminal.columns || 80).slice(0, Math.max(1, (terminal.rows || 24) - 1))
      const up = painted > 0 ? `\x1b[${painted}A` : ''
      terminal.write(`${up}\r${lines.map((line) => `\x1b[2K${line}\n`).join('')}\x1b[0J`)
      painted = lines.length
    },
    close () { terminal.write('\x1b[?25h') }
  }
}

// What `pulsegate simulate` says: lines for people, one document for programs. Pure.
import { type Comparison } from '../simulator/ledger-compare.ts'
import { type Playback } from '../simulator/playback.ts'
import { type SimulatorStats } from '../simulator/stats.ts'
import { clock, count, millis } from './view/format.ts'

export interface SimulateOutcome {
  readonly stats: SimulatorStats
  /** Was everything acknowledged in the end? */
  readonly drained: boolean
  /** null = not compared with a database */
  readonly comparison: Comparison | null
  readonly ledgerFile: string
}

export function progressLine (elapsedMs: number, stats: SimulatorStats): string {
  return [
    clock(elapsedMs),
    `${stats.connected}/${stats.connections} connections`,
    `${count(stats.messagesPerS)} messages/s`,
    `acknowledged ${count(stats.acknowledged)}`,
    `outstanding ${count(stats.outstanding)}`,
    latencyText(stats),
    ...(stats.resent > 0 ? [`resent ${count(stats.resent)}`] : []),
    ...(stats.dropped > 0 ? [`dropped ${count(stats.dropped)}`] : []),
    ...(stats.connected < stats.connections && stats.disconnected !== null ? [stats.disconnected] : [])
  ].join('  ')
}

export function playbackLines ({ record, channels, skipped }: Playback): string[] {
  return [
    `${record.name}: ${clock(record.durationMs)}, ${channels.map(({ signal, metric }) => `${signal.description} as ${metric}`).join(', ')}`,
    ...skipped.map(({ name, reason }) => `  not played: ${name} (${reason})`)
  ]
}

export function summaryLines ({ stats, drained, comparison, ledgerFile }: SimulateOutcome): string[] {
  const lines = [
    `acknowledged ${count(stats.acknowledged)} messages: ${count(stats.samples)} samples, ${count(stats.waves)} waves  ${latencyText(stats)}`,
    `ledger: ${ledgerFile}`
  ]
  if (stats.dropped > 0) lines.push(`dropped ${count(stats.dropped)}: the outbox was full; their seq is a gap that the database shows`)
  if (!drained) {
    lines.push(`NOT acknowledged: ${count(stats.outstanding)}. They are kept and sent at the next start.`)
    if (stats.disconnected !== null) lines.push(`${stats.connected} of ${stats.connections} connections stand; the latest that does not: ${stats.disconnected}`)
  }
  if (comparison) {
    const { agrees, stored, missing, duplicates, different, unexpected, quarantined } = comparison
    lines.push(agrees
      ? `Ledger and database agree: ${count(stored)} messages, every one once${quarantined > 0 ? `, ${count(quarantined)} of them in quarantine` : ''}.`
      : `Ledger and database DISAGREE: missing ${missing}, duplicates ${duplicates}, different ${different}, unexpected ${unexpected}.`)
    for (const { wrong, device, boot, seq } of comparison.examples) lines.push(`  ${wrong}: device ${device} boot ${boot} seq ${seq}`)
  }
  return lines
}

/** The one line of --json. */
export function simulateResult ({ stats, drained, comparison, ledgerFile }: SimulateOutcome): Record<string, unknown> {
  const { ackLatency, messagesPerS: _lately, ...counts } = stats
  return {
    ...counts,
    ...ackLatency,
    drained,
    ledger: ledgerFile,
    ...(comparison && { comparison: { ...comparison, examples: comparison.examples.map((example) => ({ ...example, boot: example.boot.toString() })) } })
  }
}

function latencyText ({ ackLatency: { p50Ms, p99Ms } }: SimulatorStats): string {
  return `publish→PUBACK p50 ${millis(p50Ms ?? NaN)} ms p99 ${millis(p99Ms ?? NaN)} ms`
}

// The run, for a person and for a program: a table of 100 columns, what is wrong below it, and one JSON document. Pure.
import { type Figures, figuresOf, type ScenarioReport } from './result.ts'

export interface RunReport {
  readonly seed: number
  /** ISO 8601, when it began. */
  readonly date: string
  /** Of the git checkout it was run in; null elsewhere. */
  readonly commit: string | null
  readonly versions: Readonly<Record<string, string>>
  readonly settings: Readonly<Record<string, number>>
  readonly tookMs: number
  readonly passed: boolean
  readonly scenarios: readonly ScenarioReport[]
}

interface Column { readonly head: string, readonly width: number, readonly of: (figures: Figures) => string }

const columns: readonly Column[] = [
  { head: 'acked', width: 9, of: ({ acknowledged }) => grouped(acknowledged) },
  { head: 'lost', width: 7, of: ({ lost }) => grouped(lost) },
  { head: 'doubled', width: 8, of: ({ doubled }) => grouped(doubled) },
  { head: 'recov.', width: 7, of: ({ recovered }) => grouped(recovered) },
  { head: 'quar.', width: 6, of: ({ quarantined }) => grouped(quarantined) },
  { head: 'rest', width: 8, of: ({ restMs }) => `${(restMs / 1_000).toFixed(1)} s` },
  { head: 'MB b/w', width: 8, of: ({ brokerBytes, workerBytes }) => `${megabytes(brokerBytes)}/${megabytes(workerBytes)}` }
]
const nameWidth = 32
const outcomeWidth = 14

export function tableHead (): string {
  return `${'scenario'.padEnd(nameWidth)}${'outcome'.padEnd(outcomeWidth)}${columns.map(({ head, width }) => head.padStart(width)).join('')}`
}

/** One line, or the line and what is wrong below it. */
export function tableRow (report: ScenarioReport): string[] {
  const figures = figuresOf(report)
  const cells = figures === null ? '' : columns.map(({ width, of }) => of(figures).padStart(width)).join('')
  return [
    `${report.name.padEnd(nameWidth)}${outcomeText(report).padEnd(outcomeWidth)}${cells}`.trimEnd(),
    ...detailLines(report).map((line) => `    ${line}`)
  ]
}

export function tableLines (reports: readonly ScenarioReport[]): string[] {
  return [tableHead(), ...reports.flatMap(tableRow)]
}

function outcomeText ({ outcome, expect, passed }: ScenarioReport): string {
  if (outcome === 'skipped') return 'skipped'
  if (outcome === 'failed') return 'NOT RUN'
  return passed ? (expect === 'red' ? 'red, as due' : 'green') : (expect === 'red' ? 'NOT RED' : 'RED')
}

/** Why it is not what it must be; of a control, what noticed it. */
function detailLines (report: ScenarioReport): string[] {
  const { outcome, expect, passed, reason, checks, facts, directory } = report
  const red = checks.filter(({ ok }) => !ok).map(({ name, value, bound }) => `${name}: ${value} (must be ${bound})`)
  if (outcome === 'skipped') return [reason ?? '']
  if (!passed) return [...(reason ?? '').split('\n'), ...red, ...examplesOf(report), ...(directory === undefined ? [] : [`kept in ${directory}`])]
  return [...(expect === 'red' ? red.map((line) => `noticed by ${line}`) : []), ...facts?.notes ?? []]
}

function examplesOf ({ facts }: ScenarioReport): string[] {
  return (facts?.comparison.examples ?? []).slice(0, 3).map(({ wrong, device, boot, seq }) => `${wrong}: device ${device} boot ${boot} seq ${seq}`)
}

/** The last line: how many are what they must be. */
export function summaryLine ({ passed, scenarios, seed, tookMs }: RunReport): string {
  const count = (of: (report: ScenarioReport) => boolean): number => scenarios.filter(of).length
  const parts = [
    `${count(({ outcome, expect, passed }) => passed && outcome === 'green' && expect === 'green')} green`,
    `${count(({ outcome, expect, passed }) => passed && outcome === 'red' && expect === 'red')} negative controls red`,
    `${count(({ outcome }) => outcome === 'skipped')} skipped`,
    `${count(({ passed }) => !passed)} not as they must be`
  ]
  return `${passed ? 'Proven' : 'NOT PROVEN'}: ${parts.join(', ')}. Seed ${seed}, ${minutes(tookMs)}.`
}

export function toJson (report: RunReport): string {
  // a boot id is beyond what a JSON number holds
  return `${JSON.stringify(report, (_, value: unknown) => typeof value === 'bigint' ? value.toString() : value, 2)}\n`
}

function minutes (ms: number): string {
  const seconds = Math.round(ms / 1_000)
  return seconds < 60 ? `${seconds} s` : `${Math.floor(seconds / 60)} min ${seconds % 60} s`
}

function grouped (value: number): string { return value.toLocaleString('en') }
function megabytes (bytes: number): number { return Math.round(bytes / 1_048_576) }

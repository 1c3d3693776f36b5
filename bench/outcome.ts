// What a benchmark gives: its runs, the tables made of them, and whether the targets were met; with the machine and the
// commit it was measured on. Kept as JSON in results/, shown on a terminal, and written as Markdown by `report`.
import { execFileSync } from 'node:child_process'
import { cpus, release, totalmem } from 'node:os'
import { projectDirectory } from './places.ts'
import { type Run } from './statistics.ts'

export interface Table {
  readonly title: string
  /** one paragraph: what the columns mean, what to hold against the numbers */
  readonly note: string
  readonly columns: readonly string[]
  readonly rows: ReadonlyArray<readonly string[]>
}

/** A ratio we have promised: met when `got` >= `wanted`. */
export interface Target {
  readonly what: string
  readonly wanted: number
  readonly got: number
}

export interface Measurement {
  readonly runs: readonly Run[]
  readonly tables: readonly Table[]
  readonly targets: readonly Target[]
  /** Runs that failed, one line each; they are in no table. */
  readonly failures: readonly string[]
}

export interface Outcome extends Measurement {
  readonly command: string
  readonly rounds: number
  readonly seconds: number
  readonly date: string
  readonly commit: string
  readonly machine: string
}

// what tells and how it is told is not what was measured
const measured = ['--', '.', ':!bench', ':!test', ':!docs', ':!*.md']

/** The last commit that touched anything but the benchmarks, tests and documents. */
function commit (): string {
  const git = (...args: string[]): string => execFileSync('git', args, { cwd: projectDirectory, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim()
  try {
    const changes = git('status', '--porcelain', '--untracked-files=no', ...measured)
    return git('log', '-1', '--format=%h', ...measured) + (changes === '' ? '' : ' with changes')
  } catch {
    return 'unknown' // not a checkout
  }
}

function machine (): string {
  const model = cpus()[0]?.model.replace(/\s+/g, ' ').trim() ?? 'unknown CPU'
  const gib = Math.round(totalmem() / 2 ** 30)
  return `${cpus().length} x ${model}, ${gib} GiB, Linux ${release()}, Node ${process.version}`
}

export function outcome (command: string, rounds: number, seconds: number, measurement: Measurement): Outcome {
  return { command, rounds, seconds, date: new Date().toISOString().slice(0, 10), commit: commit(), machine: machine(), ...measurement }
}

/** Three significant digits, or whole numbers with thousands' commas from 1,000 on. */
export function shown (value: number): string {
  if (Number.isNaN(value)) return '-'
  return value >= 1_000 ? Math.round(value).toLocaleString('en') : String(Number(value.toPrecision(3)))
}

/** A table with its columns lined up, for a terminal. */
export function tableText ({ title, note, columns, rows }: Table): string {
  const widths = columns.map((column, i) => Math.max(column.length, ...rows.map((row) => (row[i] ?? '').length)))
  const line = (cells: readonly string[]): string => cells.map((cell, i) => i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0)).join('  ')
  return [title, '', line(columns), ...rows.map(line), ...(note === '' ? [] : ['', note])].join('\n')
}

export function targetText ({ what, wanted, got }: Target): string {
  return `${got >= wanted ? 'met   ' : 'MISSED'}  ${what}: ${got.toFixed(2)} (at least ${wanted})`
}

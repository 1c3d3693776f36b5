// docs/benchmarks.md from bench/results/*.json, so that no number in it is typed by hand. Pure but for `writeReport`.
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { projectDirectory, resultsDirectory } from './places.ts'
import { type Outcome, type Table, type Target } from './outcome.ts'

const order = ['ingest', 'accept', 'end-to-end', 'streams', 'connections', 'revocation', 'audit']

const preface = `# Benchmarks

Written by \`npm run bench -- report\` from \`bench/results/\`; do not edit. Every number is a median over rounds in which all
systems took turns on the same machine. The server side is pinned to one core, the load generator (\`bench/generator\`, C,
one thread) has another. Rates are taken only from rounds in which the server had at least 95 % of its core; ratios are
medians of the ratios inside each round, so a busy neighbour touches both sides alike. *CPU µs* is user and system time of
the server process per message. Run them yourself: \`npm run bench -- --help\`.

The machines are virtual and have neighbours: between two rounds the same server may cost a third more CPU a message. Read
the ratios, and read them with the quartiles beside the medians.
`

function markdownTable ({ title, note, columns, rows }: Table): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`
  const rule = columns.map((_, i) => i === 0 ? '---' : '---:')
  return [`### ${title}`, '', line(columns), line(rule), ...rows.map(line), '', note, ''].join('\n')
}

function markdownTargets (targets: readonly Target[]): string {
  if (targets.length === 0) return ''
  const rows = targets.map(({ what, wanted, got }) => `| ${what} | ${wanted} | ${got.toFixed(2)} | ${got >= wanted ? 'yes' : 'no'} |`)
  return ['| promised ratio | at least | measured | met |', '| --- | ---: | ---: | --- |', ...rows, ''].join('\n')
}

export function markdown (outcomes: readonly Outcome[]): string {
  const sections = outcomes.map((outcome) => {
    const { command, rounds, seconds, date, commit, machine, failures } = outcome
    const failed = failures.length === 0 ? '' : ` ${failures.length} runs failed and are in no number.`
    return [
      `## ${command}`, '',
      `\`npm run bench -- ${command} --rounds ${rounds} --seconds ${seconds} --save\`, ${date}, commit ${commit}, on ${machine}.${failed}`, '',
      markdownTargets(outcome.targets), ...outcome.tables.map(markdownTable)
    ].join('\n')
  })
  return `${[preface, ...sections].join('\n').replace(/\n{3,}/g, '\n\n').trimEnd()}\n`
}

/** Every result that was kept, in the order of the report. */
export function savedOutcomes (): Outcome[] {
  const files = order.map((command) => join(resultsDirectory, `${command}.json`)).filter((file) => existsSync(file))
  return files.map((file) => JSON.parse(readFileSync(file, 'utf8')) as Outcome)
}

/** Returns the path it wrote. */
export function writeReport (): string {
  const path = join(projectDirectory, 'docs', 'benchmarks.md')
  writeFileSync(path, markdown(savedOutcomes()))
  return path
}

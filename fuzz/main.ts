// `npm run fuzz -- --target cbor --seconds 60 --seed 1`: runs fuzzers, one after the other, and says what came of their inputs. Exits 1 with
// the file of the input when one made a crash, a hang, a growth of memory or an outcome that is not registered; 2 on wrong words.
import { parseArgs } from 'node:util'
import { runTarget, type RunReport } from './run.ts'
import { targetNames } from './targets.ts'

const usage = `npm run fuzz -- [--target <name>]… [--seconds <n> | --iterations <n>] [--seed <n>] [--corpus <folder>] [--keep] [--json]

Targets: ${targetNames().join(', ')} (all of them when none is named).
Examples:
  npm run fuzz -- --target cbor --seconds 60 --seed 1
  npm run fuzz -- --target csr --iterations 10000 --json
  npm run fuzz -- --iterations 0            only the kept corpus
--keep adds the first input of each outcome to the corpus that has none of it yet.
Exit codes: 0 nothing found, 1 a finding, written to the corpus, 2 usage.
`

process.exitCode = await main().catch((error: unknown) => {
  process.stderr.write(`fuzz: ${error instanceof Error ? error.message : String(error)}\n${usage}`)
  return 2
})

async function main (): Promise<number> {
  const { values } = parseArgs({
    options: {
      target: { type: 'string', multiple: true },
      seconds: { type: 'string' },
      iterations: { type: 'string' },
      seed: { type: 'string', default: '1' },
      corpus: { type: 'string' },
      keep: { type: 'boolean' },
      json: { type: 'boolean' },
      help: { type: 'boolean', short: 'h' }
    }
  })
  if (values.help === true) {
    process.stdout.write(usage)
    return 0
  }
  const bounds = values.iterations === undefined ? { seconds: number('--seconds', values.seconds ?? '60') } : { iterations: number('--iterations', values.iterations) }
  const seed = number('--seed', values.seed)
  const targets = values.target ?? targetNames()
  const unknown = targets.find((name) => !targetNames().includes(name))
  if (unknown !== undefined) throw new RangeError(`no target ${unknown}`)
  let found = 0
  for (const target of targets) {
    const report = await runTarget({ target, seed, ...bounds, keep: values.keep === true, ...(values.corpus !== undefined && { corpusRoot: values.corpus }), ...(process.stderr.isTTY && { onProgress: tell(target) }) })
    process.stdout.write(values.json === true ? `${JSON.stringify(report)}\n` : words(report))
    if (report.finding !== null) found++
  }
  return found > 0 ? 1 : 0
}

function number (flag: string, text: string): number {
  const value = Number(text)
  if (text === '' || !Number.isInteger(value) || value < 0) throw new RangeError(`${flag} takes a whole number, not "${text}"`)
  return value
}

function tell (target: string): (inputs: number) => void {
  return (inputs) => { process.stderr.write(`\r${target}: ${inputs} inputs `) }
}

function words ({ target, seed, runs, outcomes, finding }: RunReport): string {
  const counts = Object.entries(outcomes).sort(([, a], [, b]) => b - a).map(([outcome, count]) => `  ${String(count).padStart(9)}  ${outcome}\n`).join('')
  const end = finding === null ? '  nothing found\n' : `  FOUND: ${finding.fault}\n  the input: ${finding.file}\n`
  return `${target}, seed ${seed}: ${runs} inputs\n${counts}${end}`
}

// Checks the JSON line of `npm start -- --for 20s --json`: everything acknowledged is stored, once, and there was something.
import { readFileSync } from 'node:fs'

const path = process.argv[2] ?? '/dev/stdin'
const lines = readFileSync(path, 'utf8').trim().split('\n')
if (lines.length !== 1) fail(`expected one line on standard output, got ${lines.length}`)
const result = JSON.parse(lines[0])
const numbers = ['acknowledged', 'stored', 'missing', 'duplicates', 'quarantined', 'samples', 'waves', 'p50Ms', 'p99Ms']
for (const name of numbers) if (!Number.isFinite(result[name])) fail(`${name} is not a number`)
for (const name of ['acknowledged', 'stored', 'samples', 'waves', 'p50Ms']) if (!(result[name] > 0)) fail(`${name} is not above 0`)
for (const name of ['missing', 'duplicates', 'quarantined']) if (result[name] !== 0) fail(`${name} is ${result[name]}, not 0`)
if (result.stored < result.acknowledged) fail('less stored than acknowledged')
if (!['embedded', 'plain', 'timescaledb-apache', 'timescaledb'].includes(result.database)) fail(`unknown database ${result.database}`)
console.log('1 passed, 0 failed')

function fail (message) {
  console.error(`check-result: ${message}\n${lines.join('\n')}`)
  process.exit(1)
}

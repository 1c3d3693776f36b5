// `npm test`: the whole suite, then the check of the controls against the results of exactly this run. With arguments
// (`npm test -- test/x.test.ts`) it is tap with these arguments and nothing more: a part of the suite proves no control.
import { spawnSync } from 'node:child_process'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

// `tap test/controls` would take this for a test, and the suite would run within itself
if (process.env['TAP'] !== undefined) throw new Error('this runs tap, and is no test')

const root = dirname(fileURLToPath(import.meta.resolve('#package')))
const words = process.argv.slice(2)
const startedMs = Date.now()
const run = (...command: string[]) => spawnSync(process.execPath, command, { cwd: root, stdio: 'inherit' }).status ?? 1

const tested = run(join(root, 'node_modules', 'tap', 'dist', 'esm', 'run.mjs'), ...words)
const checked = words.length > 0 ? 0 : run(join(root, 'dist', 'test', 'controls', 'main.js'), '--check', '--since', String(startedMs))
process.exitCode = tested === 0 ? checked : tested

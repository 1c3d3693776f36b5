// `npm run sbom`: writes the bill of materials to dist/pulsegate.cdx.json (or the path given), prints where it is, and exits 1 when it
// does not cover what the lock file says will run.
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { bomFaults, makeBom, readLock } from './sbom.ts'

const root = dirname(fileURLToPath(import.meta.resolve('#package')))
const path = resolve(process.argv[2] ?? join(root, 'dist', 'pulsegate.cdx.json'))
const bom = makeBom(root)
const faults = bomFaults(bom, readLock(root))
mkdirSync(dirname(path), { recursive: true })
writeFileSync(path, `${JSON.stringify(bom, null, 2)}\n`)
process.stdout.write(`${path}: CycloneDX ${bom.specVersion}, ${bom.components.length} components\n`)
for (const fault of faults) process.stderr.write(`  ${fault}\n`)
process.exitCode = faults.length > 0 ? 1 : 0

import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const manifest = JSON.parse(readFileSync(fileURLToPath(import.meta.resolve('#package')), 'utf8')) as { version: string }

/** The version in package.json. */
export const version = manifest.version

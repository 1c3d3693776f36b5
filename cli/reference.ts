// `npm run docs`: writes the reference pages that are made from the code.
import { writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { configurationPage, errorsPage } from '../runtime/reference.ts'

const page = (name: string) => fileURLToPath(new URL(`docs/${name}`, import.meta.resolve('#package')))
writeFileSync(page('errors.md'), errorsPage())
writeFileSync(page('configuration.md'), configurationPage())

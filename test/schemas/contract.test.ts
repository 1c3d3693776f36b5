import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { test } from 'tap'
import { keys } from '../../schemas/contract.ts'
import { quality } from '../../schemas/metrics.ts'
import { quarantineReasons } from '../../schemas/reasons.ts'

const cddl = readFileSync(fileURLToPath(import.meta.resolve('#schemas/telemetry.cddl')), 'utf8')

/** The integer keys of a map or group of the CDDL file; those of `header` included where it is. */
function keysOf (rule: string): number[] {
  const body = new RegExp(`^${rule} = [{(]\\n(.*?)^[})]`, 'ms').exec(cddl)?.[1] ?? ''
  const own = Array.from(body.matchAll(/^ {2}(?:\? )?(\d+):/gm), ([, key]) => Number(key))
  return /^ {2}header,/m.test(body) ? [...keysOf('header'), ...own] : own
}

test('the CDDL and the validator know the same keys', async (t) => {
  t.same(keysOf('telemetry'), Object.values(keys.telemetry))
  t.same(keysOf('birth'), Object.values(keys.birth))
})

test('the CDDL names every quality bit', async (t) => {
  const line = /\? quality:.*; bits: (.*)/.exec(cddl)?.[1] ?? ''
  const bits = Array.from(line.matchAll(/(\d+) ([a-z ]+)/g), ([, bit, name]) => [camelCase(name ?? ''), Number(bit)])
  t.same(Object.fromEntries(bits), quality)
})

test('reasons are kebab-case with a meaning of one line', async (t) => {
  for (const [reason, meaning] of Object.entries(quarantineReasons)) {
    t.match(reason, /^[a-z]+(-[a-z]+)*$/)
    t.match(meaning, /^[A-Z].*\.$/, reason)
  }
})

function camelCase (words: string): string {
  return words.trim().replaceAll(/ (.)/g, (_, letter: string) => letter.toUpperCase())
}

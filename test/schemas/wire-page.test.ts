import { readFileSync } from 'node:fs'
import { test } from 'tap'
import { decodeMessage } from '../../schemas/decode.ts'
import { metrics } from '../../schemas/metrics.ts'
import { quarantineReasons } from '../../schemas/reasons.ts'

const page = readFileSync(new URL('../../docs/wire.md', import.meta.url), 'utf8')

/** The rows of the table whose head begins with `column`, cells trimmed. */
function tableOf (column: string): string[][] {
  const lines = page.split('\n')
  const start = lines.findIndex((line) => line.startsWith(`| ${column} |`)) + 2
  const end = lines.findIndex((line, index) => index >= start && !line.startsWith('|'))
  return lines.slice(start, end === -1 ? undefined : end).map((line) => line.split('|').slice(1, -1).map((cell) => cell.trim()))
}

test('docs/wire.md lists exactly the reasons there are', async (t) => {
  t.same(tableOf('reason'), Object.entries(quarantineReasons).map(([reason, meaning]) => [`\`${reason}\``, meaning]))
})

test('docs/wire.md lists exactly the metrics there are', async (t) => {
  const rows = tableOf('id').map(([id, name, , unit, exponent, , , mdc, loinc, checked]) => [id, name, unit, exponent, mdc, loinc, checked])
  t.same(rows, metrics.map(({ id, name, ucum, exponent, wave, mdc, loinc, verified }) =>
    [String(id), `\`${name}\``, ucum, wave ? 'wave' : String(exponent), String(mdc ?? ''), loinc ?? '', verified ? 'yes' : 'no']))
})

test('the message of docs/wire.md is what the page says', async (t) => {
  const block = /```\n(a7 {2}[^`]*)```/.exec(page)?.[1] ?? ''
  // the bytes of a line stand before the comment, two spaces apart from it
  const hex = block.split('\n').map((line) => /^ *((?:[0-9a-f]{2})+(?: (?:[0-9a-f]{2})+)*) {2}/.exec(line)?.[1] ?? '').join('')
  t.match(decodeMessage('telemetry', Buffer.from(hex.replaceAll(' ', ''), 'hex')), {
    ok: true,
    message: {
      header: { boot: 77n, seq: 0, baseWallMs: 1_780_000_000_000, baseTickMs: 5000, clock: { source: 2, errorMs: 20 } },
      samples: [{ metric: 1, dtMs: 0, value: 72 }]
    }
  })
})

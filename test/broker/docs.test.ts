import { readFile } from 'node:fs/promises'
import { test } from 'tap'
import { refusals } from '../../broker/refusals.ts'

test('docs/broker.md lists every reason for a refusal, with its stage and meaning', async (t) => {
  const text = await readFile(new URL('../../docs/broker.md', import.meta.url), 'utf8')
  const rows = text.split('\n').flatMap((line) => {
    const row = /^\| `([a-z0-9-]+)` \| (handshake|connect|publish|subscribe|session) \| (.+) \|$/.exec(line)
    return row === null ? [] : [row.slice(1).join(' | ')]
  })
  t.strictSame(rows, Object.entries(refusals).map(([reason, { stage, meaning }]) => `${reason} | ${stage} | ${meaning}`))
})

// The filter language: flags and --where say the same, and every fault is told at once.
import { test } from 'tap'
import { addFilterOptions, filterOf, type FilterOptions } from '../../cli/quarantine-filter.ts'
import { quarantineCommand } from '../../cli/quarantine.ts'
import { type QuarantineFilter } from '../../ingest/quarantine-filter.ts'
import { type Command, runCommand } from '../fixtures/run-command.ts'

const device = '00000000-0000-4000-8000-000000000001'

async function parse (...words: string[]): Promise<{ filter: QuarantineFilter | undefined, err: string, code: number }> {
  let filter: QuarantineFilter | undefined
  const { err, code } = await runCommand(() => addFilterOptions(quarantineCommand().createCommand('x'))
    .action((options: FilterOptions, command: Command) => { filter = filterOf(command, options) }), ...words)
  return { filter, err, code }
}

test('flags and --where are one filter', async (t) => {
  const time = Date.parse('2026-01-31T08:00:00Z')
  const wanted = { reasons: ['not-paired', 'bad-wave'], publisher: device, source: device, kind: 'birth', sinceMs: time, untilMs: time + 60_000 }
  const where = `reason=not-paired,bad-wave publisher=${device}  source=${device} kind=birth since=2026-01-31T08:00:00Z until=2026-01-31T08:01:00Z`
  t.strictSame((await parse('--where', where)).filter, wanted)
  t.strictSame((await parse('--reason', 'not-paired,bad-wave', '--publisher', device, '--source', device, '--kind', 'birth',
    '--since', '2026-01-31 08:00Z', '--until', '2026-01-31 08:01Z')).filter, wanted)
  t.strictSame((await parse('--where', 'reason=not-paired', '--where', 'kind=birth', '--publisher', device)).filter, { reasons: ['not-paired'], kind: 'birth', publisher: device })
  t.equal((await parse()).filter, undefined)
  const { sinceMs = 0 } = (await parse('--since', '24h')).filter ?? {}
  t.ok(Math.abs(Date.now() - 86_400_000 - sinceMs) < 60_000)
})

test('all faults at once, as a usage error', async (t) => {
  const { err, code } = await parse('--reason', 'pared', '--where', `publisher=Me color=blue paired kind=sms reason=not-cbor since=5 until=${''}`)
  t.equal(code, 2)
  for (const fault of [
    /--reason pared: no reason is called "pared"; there are too-large, not-cbor/,
    /--where publisher=Me: a device id is a lower-case UUID/,
    /--where: there is no key color; keys are reason, publisher, source, kind, since, until/,
    /--where: "paired" is not key=value/,
    /--where kind=sms: a kind is one of telemetry, birth, result/,
    /--where reason=not-cbor: reason is given more than once; several reasons are written reason=a,b/,
    /--where since=5: Give a time such as/,
    /--where: "until=" is not key=value/
  ]) t.match(err, fault)
})

test('a reason nearly right is recognised', async (t) => {
  t.match((await parse('--reason', 'paired')).err, /did you mean not-paired\?/)
  t.match((await parse('--reason', 'not-cbor,old')).err, /"old"; did you mean too-old\?/)
  t.match((await parse('--reason', 'toString')).err, /no reason is called "toString"/)
  t.match((await parse('--where', '')).err, /--where is empty/)
  t.match((await parse('--where', 'toString=1')).err, /not key=value|no key/)
  t.match((await parse('--since', '1h', '--until', '2h')).err, /since must be the earlier time/)
})

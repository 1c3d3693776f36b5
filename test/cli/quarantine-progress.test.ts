// What a replay says of itself while it runs, on a terminal, in a log, and to a program.
import { test } from 'tap'
import { Progress, type ProgressMode } from '../../cli/quarantine-progress.ts'
import { summaryText } from '../../cli/quarantine-summary.ts'
import { type ReplayPage } from '../../ingest/quarantine-replay.ts'

const page = (from: number, outcomes: Array<'stored' | 'duplicate' | 'quarantined'>): ReplayPage => ({
  results: outcomes.map((outcome, i) => ({ id: from + i, outcome, reason: outcome === 'quarantined' ? 'not-paired' : null })),
  lastId: from + outcomes.length - 1
})

function start (mode: ProgressMode, total: number | null = 4): { progress: Progress, said: () => string, at: (ms: number) => void } {
  let nowMs = 0
  let text = ''
  const progress = new Progress(total, { mode, write: (more) => { text += more }, clock: () => nowMs })
  return { progress, said: () => text, at: (ms) => { nowMs = ms } }
}

test('a terminal has one line, rewritten and taken away', async (t) => {
  const { progress, said, at } = start('terminal')
  at(1_000)
  progress.page(page(1, ['stored', 'duplicate']))
  t.equal(said(), '\r2 of 4 (50 %)  stored 1  duplicate 1  still quarantined 0  2/s')
  at(1_010)
  progress.page(page(3, ['stored']))
  t.equal(said().split('\r').length, 2, 'not more often than an eye can follow')
  at(2_000)
  progress.page(page(4, ['quarantined']))
  t.match(said(), /\r4 of 4 \(100 %\) {2}stored 2 {2}duplicate 1 {2}still quarantined 1 {2}2\/s *$/)
  progress.end()
  t.match(said(), /\r +\r$/)
})

test('elsewhere a plain line every few seconds', async (t) => {
  const { progress, said, at } = start('plain', null)
  progress.page(page(1, ['stored']))
  at(4_900)
  progress.page(page(2, ['stored']))
  t.equal(said(), '')
  at(5_000)
  progress.page(page(3, ['stored']))
  progress.note('database: SQLSTATE 57P01; trying again')
  t.equal(said(), '3  stored 3  duplicate 0  still quarantined 0  1/s\ndatabase: SQLSTATE 57P01; trying again\n')
})

test('for a program, JSON lines', async (t) => {
  const { progress, said, at } = start('json')
  at(6_000)
  progress.page(page(7, ['stored', 'quarantined', 'quarantined']))
  progress.note('nothing of this')
  const numbers = { total: 4, done: 3, stored: 1, duplicate: 0, quarantined: 2, perSecond: 1, lastId: 9 }
  t.strictSame(JSON.parse(said()), { event: 'progress', ...numbers })
  t.strictSame(JSON.parse(summaryText({ ending: 'interrupted', dryRun: false, progress, results: null }, true)),
    { event: 'interrupted', dryRun: false, ...numbers, reasons: { 'not-paired': 2 }, seconds: 6 })
})

test('the end says what stays and how to go on', async (t) => {
  const { progress, at } = start('plain')
  at(2_000)
  progress.page(page(7, ['stored', 'quarantined']))
  const said = (ending: 'done' | 'interrupted', dryRun = false): string => summaryText({ ending, dryRun, progress, results: null }, false)
  t.match(said('done'), /^2 messages in 2\.0 s: 1 stored, 0 duplicate, 1 still in quarantine\n\nreason +messages +meaning\nnot-paired +1 +The source is not paired/)
  t.match(said('interrupted'), /^interrupted after 2 of 4: [^]*The same command again goes on[^]*--after 8/)
  t.match(said('done', true), /^dry run, nothing was written: 2 messages in 2\.0 s: 1 would be stored, 0 are stored already, 1 would stay/)
  t.equal(summaryText({ ending: 'done', dryRun: false, progress: start('plain').progress, results: null }, false), 'nothing to replay\n')
})

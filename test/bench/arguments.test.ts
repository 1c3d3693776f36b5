import { test } from 'tap'
import { parseArguments, UsageError } from '../../bench/arguments.ts'

test('a command alone runs five rounds of five seconds and prints tables', async (t) => {
  t.same(parseArguments(['accept']), { command: 'accept', rounds: 5, seconds: 5, json: false, save: false, only: '', profile: '' })
})

test('every option is taken', async (t) => {
  t.same(parseArguments(['end-to-end', '--rounds', '7', '--seconds', '2.5', '--json', '--save', '--only', '50 x', '--profile', 'p']),
    { command: 'end-to-end', rounds: 7, seconds: 2.5, json: true, save: true, only: '50 x', profile: 'p' })
})

test('streams is a benchmark like the others', async (t) => {
  t.match(parseArguments(['streams', '--only', 'over Redis']), { command: 'streams', only: 'over Redis' })
})

test('--help asks for help, with or without a command', async (t) => {
  t.equal(parseArguments(['--help']), null)
  t.equal(parseArguments(['accept', '--help']), null)
})

test('what cannot be understood is named', async (t) => {
  const refused = (args: string[], named: RegExp) => t.throws(() => parseArguments(args), { constructor: UsageError, message: named }, args.join(' '))
  refused([], /one command/)
  refused(['fly'], /one command/)
  refused(['accept', 'ingest'], /one command/)
  refused(['accept', '--rounds', '0'], /--rounds/)
  refused(['accept', '--rounds', '1.5'], /--rounds/)
  refused(['accept', '--seconds', 'long'], /--seconds/)
  refused(['accept', '--fast'], /--fast/)
})

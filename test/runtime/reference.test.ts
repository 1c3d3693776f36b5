import { test } from 'tap'
import { readFileSync } from 'node:fs'
import { configurationPage, errorsPage } from '../../runtime/reference.ts'
import { describeError, errorRegistry, exitCodeOf, PulsegateError, type ErrorEntry } from '../../runtime/errors.ts'

const page = (name: string) => readFileSync(new URL(`docs/${name}`, import.meta.resolve('#package')), 'utf8')

test('the reference pages say what the code says (`npm run docs` writes them)', async (t) => {
  t.equal(page('errors.md'), errorsPage())
  t.equal(page('configuration.md'), configurationPage())
})

test('every error says what it means and what to do', async (t) => {
  for (const [code, { meaning, remedy }] of Object.entries<ErrorEntry>(errorRegistry)) {
    t.match(code, /^[A-Z]+(_[A-Z]+)*$/)
    t.match(meaning, /^[A-Z].{10,}\.$/, code)
    t.match(remedy, /^.{10,}\.$/, code)
  }
})

test('an error is told to people with its code, its remedy and its causes, and without credentials', async (t) => {
  const cause = new AggregateError([new Error('connect ECONNREFUSED ::1:5432'), new Error('connect ECONNREFUSED 127.0.0.1:5432')])
  const text = describeError(new PulsegateError('CONFIG_INVALID', 'postgres://u:c4n4ry@db/x is odd', { cause }))
  t.match(text, /^CONFIG_INVALID: postgres:\/\/\*\*\*@db\/x is odd\n {2}What to do: Correct each/)
  t.match(text, /Because: connect ECONNREFUSED ::1:5432; connect ECONNREFUSED 127/)
  t.notMatch(text, 'c4n4ry')
  t.equal(describeError('odd'), 'Unexpected: odd')
  t.equal(exitCodeOf(new PulsegateError('CONFIG_INVALID', '')), 78)
  t.equal(exitCodeOf(new Error('bug')), 1)
})

import { test } from 'tap'
import { type Check } from '../../proof/check.ts'
import { verdictOf } from '../../proof/verdict.ts'

function checks (...red: string[]): Check[] {
  return ['load', 'faults', 'rest', 'lost', 'doubled', 'pending'].map((name) => ({ name, ok: !red.includes(name), value: '', bound: '' }))
}
const control = { expect: 'red', red: ['lost'] } as const

test('a green scenario passes when every check holds', async (t) => {
  t.match(verdictOf({ expect: 'green' }, checks()), { outcome: 'green', passed: true, reason: null, redChecks: [] })
  t.match(verdictOf({ expect: 'green' }, checks('doubled')), { outcome: 'red', passed: false, redChecks: ['doubled'], reason: 'does not hold: doubled' })
})

test('a control passes when its own check is red', async (t) => {
  t.match(verdictOf(control, checks('lost', 'pending')), { outcome: 'red', passed: true, redChecks: ['lost', 'pending'], reason: null })
})

test('a control that comes out green fails the proof', async (t) => {
  t.match(verdictOf(control, checks()), { outcome: 'green', passed: false, reason: 'nobody noticed: lost had to be red' })
})

test('a control that is red for another reason fails the proof', async (t) => {
  t.match(verdictOf(control, checks('doubled')), { outcome: 'red', passed: false, reason: 'nobody noticed: lost had to be red' })
  t.match(verdictOf(control, checks('lost', 'rest')), { passed: false, reason: 'the control could not be carried out: rest' })
  t.match(verdictOf(control, checks('lost', 'load')), { passed: false })
  t.match(verdictOf({ expect: 'red' }, checks('lost')), { passed: false }, 'a control that names no check')
})

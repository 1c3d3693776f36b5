// The catalogue itself: what the issue asks for is there, and every scenario is well-formed.
import { test } from 'tap'
import { failPointNames } from '../../runtime/fail-points.ts'
import { commonChecks } from '../../proof/check.ts'
import { chooseScenarios, scenarios } from '../../proof/scenarios/index.ts'
import { goodFacts } from './facts.ts'

test('names are unique, fit the table, and each says in a sentence what it proves', async (t) => {
  t.equal(new Set(scenarios.map(({ name }) => name)).size, scenarios.length)
  for (const { name, proves } of scenarios) {
    t.match(name, /^[a-z]+(-[a-z]+)*$/)
    t.ok(name.length < 32, name)
    t.match(proves, /^[A-Z].*[.]$/, name)
  }
})

test('every fail point has a scenario of its own', async (t) => {
  for (const point of failPointNames) t.ok(scenarios.some(({ name }) => name === `at-${point}`), point)
})

test('controls name the checks that must notice, and these exist', async (t) => {
  const known = commonChecks(goodFacts()).map(({ name }) => name)
  const controls = scenarios.filter(({ expect }) => expect === 'red')
  t.equal(controls.length, 4)
  for (const { name, red = [] } of controls) {
    t.ok(red.length > 0, name)
    t.ok(red.every((check) => known.includes(check)), name)
  }
})

test('the selection for CI has kills, links, power loss, a rolling restart and two controls at least', async (t) => {
  const chosen = chooseScenarios('ci')
  for (const name of ['kill-worker', 'link-broker-redis', 'power-loss', 'rolling-restart', 'pairs-of-anything']) {
    t.ok(chosen.some((scenario) => scenario.name === name), name)
  }
  t.ok(chosen.filter(({ expect }) => expect === 'red').length >= 2)
  t.ok(chosen.length < scenarios.length)
  t.equal(chooseScenarios('full').length, scenarios.length)
})

test('a person chooses by name; what does not exist is named', async (t) => {
  t.strictSame(chooseScenarios('ci', ['kill-redis', 'no-fault']).map(({ name }) => name), ['no-fault', 'kill-redis'])
  t.throws(() => chooseScenarios('full', ['kill-redis', 'kill-everything']), /no such scenario: kill-everything/)
})

test('what a scenario checks of its own can be red', async (t) => {
  // facts in which nothing of what they want has happened
  const nothing = goodFacts({ devices: { ...goodFacts().devices, mostDisconnections: 2 } })
  const own = scenarios.filter(({ checks }) => checks !== undefined)
  t.ok(own.length >= 5)
  for (const { name, checks } of own) {
    const all = checks?.(nothing) ?? []
    if (name === 'clock-forward') continue // nothing has to be in quarantine
    t.ok(all.some(({ ok }) => !ok), name)
  }
})

import { test } from 'tap'
import { deviceKinds, fromPhysical, metricById, metricByName, metrics, quality, rangeQuality, toPhysical } from '../../schemas/metrics.ts'

test('ids and names are unique, and found again', async (t) => {
  t.equal(new Set(metrics.map(({ id }) => id)).size, metrics.length)
  t.equal(new Set(metrics.map(({ name }) => name)).size, metrics.length)
  for (const metric of metrics) {
    t.equal(metricById(metric.id), metric)
    t.equal(metricByName(metric.name), metric)
  }
  t.equal(metricById(0), undefined)
  t.equal(metricByName('mood'), undefined)
})

test('every row keeps to what its columns mean', async (t) => {
  for (const { id, name, kinds, mdc, loinc, ucum, exponent, wave, plausible, hard } of metrics) {
    t.ok(Number.isInteger(id) && id >= 1 && id <= 32_767, `${name}: id fits int2`)
    t.match(name, /^[a-z][a-z0-9]*(-[a-z0-9]+)*$/, `${name}: kebab-case`)
    t.ok(kinds.length > 0 && kinds.every((kind) => deviceKinds.includes(kind)), `${name}: known kinds`)
    t.ok(mdc === null || (Number.isInteger(mdc) && mdc > 0), `${name}: MDC code`)
    t.ok(loinc === null || checkDigitHolds(loinc), `${name}: LOINC check digit`)
    t.match(ucum, /^[!-~]+$/, `${name}: a UCUM unit`)
    t.ok(Number.isInteger(exponent) && exponent <= 0 && exponent >= -6, `${name}: a small exponent`)
    t.ok(!wave || exponent === 0, `${name}: a wave carries its own scale`)
    for (const range of [plausible, hard]) t.ok(range === null || range.low < range.high, `${name}: a range`)
    if (plausible !== null && hard !== null) {
      t.ok(hard.low <= plausible.low && plausible.high <= hard.high, `${name}: what is plausible is possible`)
    }
  }
})

test('every kind of device sends something of its own, and its battery', async (t) => {
  const battery = metricByName('battery')
  for (const kind of deviceKinds) {
    t.ok(battery?.kinds.includes(kind), `${kind}: battery`)
    t.ok(metrics.some((metric) => metric !== battery && metric.kinds.includes(kind)), `${kind}: its own`)
  }
})

test('what a bedside record holds can be sent', async (t) => {
  for (const name of ['ecg-lead-ii', 'ecg-lead-v', 'pleth', 'respiration-impedance']) {
    t.equal(metricByName(name)?.wave, true, name)
  }
})

test('scaling gives the decimal number, not a neighbour of it', async (t) => {
  const temperature = metricByName('body-temperature')!
  t.equal(toPhysical(temperature, 3701), 37.01)
  t.equal(toPhysical(temperature, 4093), 40.93)
  t.equal(fromPhysical(temperature, 37.01), 3701)
  for (const metric of metrics.filter(({ wave }) => !wave)) {
    for (let value = -30_000; value <= 30_000; value += 7) {
      const physical = toPhysical(metric, value)
      if (physical !== Number(`${value}e${metric.exponent}`) || fromPhysical(metric, physical) !== value) {
        t.fail(`${metric.name}: ${value}`)
      }
    }
  }
})

test('bounds mark a value and never drop it', async (t) => {
  const temperature = metricByName('body-temperature')!
  t.equal(rangeQuality(temperature, 37), 0)
  t.equal(rangeQuality(temperature, 32), 0, 'a bound belongs to its range')
  t.equal(rangeQuality(temperature, 31.99), quality.questionable)
  t.equal(rangeQuality(temperature, 45.01), quality.outOfRange)
  t.equal(rangeQuality(metricByName('uptime')!, 1e12), 0, 'no bound, no mark')
})

test('quality bits are single bits and fit int2 together', async (t) => {
  const bits = Object.values(quality)
  t.ok(bits.every((bit) => (bit & (bit - 1)) === 0))
  t.ok(bits.reduce((sum, bit) => sum + bit, 0) <= 32_767)
})

/** LOINC's check digit: Luhn's algorithm over the number before the hyphen. */
function checkDigitHolds (code: string): boolean {
  const [number = '', digit] = code.split('-')
  const sum = Array.from(number).reverse().reduce((total, character, index) => {
    const doubled = Number(character) * (index % 2 === 0 ? 2 : 1)
    return total + (doubled > 9 ? doubled - 9 : doubled)
  }, 0)
  return (10 - (sum % 10)) % 10 === Number(digit)
}

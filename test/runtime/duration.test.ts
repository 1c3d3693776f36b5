import { test } from 'tap'
import fc from 'fast-check'
import { formatDuration, parseDurationMs, tryParseDurationMs } from '../../runtime/duration.ts'

test('durations are a number and a unit', async (t) => {
  const cases = { '250ms': 250, '20s': 20_000, '1.5h': 5_400_000, '90d': 7_776_000_000, ' 2m ': 120_000, '0s': 0 }
  for (const [text, ms] of Object.entries(cases)) t.equal(parseDurationMs(text), ms, text)
  for (const text of ['', '20', 's', '-1s', '1e3s', '20 s', '20sec', 'NaN', '99999999999999d']) {
    t.equal(tryParseDurationMs(text), null, text)
    t.throws(() => parseDurationMs(text), { code: 'CONFIG_INVALID' })
  }
})

test('what is formatted parses back to the same ms', async () => {
  fc.assert(fc.property(fc.nat(), (ms) => tryParseDurationMs(formatDuration(ms)) === ms))
})

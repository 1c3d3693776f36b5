import { readFileSync, truncateSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'tap'
import { checksum16, readWfdb } from '../../simulator/wfdb.ts'
import { parseWfdbHeader } from '../../simulator/wfdb-header.ts'
import { realRecord, smallRecord, writeRecord } from '../fixtures/wfdb.ts'

for (const format of [16, 212] as const) {
  test(`format ${format}: every value of every channel comes out as it was written, odd counts and extremes included`, async (t) => {
    const made = smallRecord(format)
    for (const signals of [made.signals, made.signals.slice(0, 1), made.signals.slice(0, 3)]) {
      const record = await readWfdb(writeRecord(t.testdir(), { ...made, signals }))
      for (const [index, { description, values }] of signals.entries()) {
        t.strictSame([...record.signals[index]?.values ?? []], values, description)
        t.equal(record.signals[index]?.checksum, checksum16(values), 'checksum')
      }
      t.equal(record.durationMs, 7_300)
    }
  })
}

test('gain, baseline, units and defaults come from the header', async (t) => {
  const { signals, framesPerS, comments } = parseWfdbHeader([
    '#before', 'x 5 360/72.5(3) 650000 12:00:00', 'a.dat 212 200(1024)/mV 11 1000 995 -22131 0 MLII', 'a.dat 212', 'b.dat 16x4:2+24 1e3/uV 16 -5',
    'c.dat 16 0', 'c.dat 16 (7) 12 3 4 5 0 two words', '# after'
  ].join('\n'), 'x.hea')
  t.equal(framesPerS, 360)
  t.strictSame(comments, ['before', 'after'])
  t.match(signals[0], { gain: 200, baseline: 1024, units: 'mV', adcResolutionBits: 11, adcZero: 1000, initialValue: 995, checksum: -22131, description: 'MLII' })
  t.match(signals[1], { gain: 200, baseline: 0, units: 'mV', adcResolutionBits: 12, initialValue: null, checksum: null, description: '' })
  t.match(signals[2], { samplesPerFrame: 4, skewFrames: 2, byteOffset: 24, gain: 1000, baseline: -5, units: 'uV' })
  t.match(signals[3], { gain: 200, baseline: 0 }, 'a gain of 0 means: not calibrated')
  t.match(signals[4], { baseline: 7, description: 'two words' })
})

test('a record that is not what it says is refused, by name', async (t) => {
  const broken = async (change: (path: string, dat: string) => void): Promise<unknown> => {
    const path = writeRecord(t.testdir(), smallRecord())
    change(path, join(dirname(path), 'own212.dat'))
    return readWfdb(path)
  }
  const header = (from: RegExp | string, to: string) => (path: string): void => { writeFileSync(path, readFileSync(path, 'utf8').replace(from, to)) }
  await t.rejects(broken((_path, dat) => truncateSync(dat, 9_000)), { code: 'WFDB_INVALID', message: /own212\.dat.*cut off/ })
  await t.rejects(broken((_path, dat) => { const bytes = readFileSync(dat); bytes[5_000] = (bytes[5_000] ?? 0) ^ 1; writeFileSync(dat, bytes) }),
    { code: 'WFDB_INVALID', message: /checksum/ })
  await t.rejects(broken(header(/ 0 0 \d+ (-?\d+) 0 II/, ' 0 0 999 $1 0 II')), { code: 'WFDB_INVALID', message: /begins with/ })
  await t.rejects(broken(header('.dat 212 ', '.dat 310 ')), { code: 'WFDB_UNSUPPORTED', message: /format 310/ })
  await t.rejects(broken(header('own212 4', 'own212/3 4')), { code: 'WFDB_UNSUPPORTED', message: /segments/ })
  await t.rejects(broken(header('own212.dat 212', '../own212.dat 212')), { code: 'WFDB_UNSUPPORTED', message: /beside/ })
  await t.rejects(broken(header('own212 4', 'own212 9')), { code: 'WFDB_INVALID', message: /announces 9/ })
  await t.rejects(broken(header(/^.*\n/, 'nonsense\n')), { code: 'WFDB_INVALID' })
})

test('several samples a frame and a skew are brought back to their time', async (t) => {
  const dir = t.testdir({
    'multi.hea': 'multi 2 100 4\nmulti.dat 16x2 200/mV 0 0 1 36 0 II\nmulti.dat 16:1 200/mV 0 0 11 50 0 V\n',
    'multi.dat': Buffer.from(new Int16Array([1, 2, 11, 3, 4, 12, 5, 6, 13, 7, 8, 14]).buffer)
  })
  const { signals } = await readWfdb(join(dir, 'multi'))
  t.strictSame([...signals[0]?.values ?? []], [1, 2, 3, 4, 5, 6, 7, 8])
  t.equal(signals[0]?.valuesPerS, 200)
  t.strictSame([...signals[1]?.values ?? []], [12, 13, 14])
})

test('the real bedside record reads as its header says', { skip: realRecord() === null && 'the record is not here: PULSEGATE_WFDB_RECORD names it' }, async (t) => {
  const record = await readWfdb(realRecord() ?? '')
  t.strictSame(record.signals.map(({ description }) => description), ['II', 'V', 'PLETH', 'RESP'])
  for (const { description, values, checksum, initialValue } of record.signals) {
    t.equal(values.length, 75_000, description)
    t.equal(checksum16(values), checksum)
    t.equal(values[0], initialValue)
  }
})

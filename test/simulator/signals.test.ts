import { test } from 'tap'
import { LatencyHistogram } from '../../simulator/latency.ts'
import { Patient } from '../../simulator/patient.ts'
import { Random, smoothNoise, uniformAt } from '../../simulator/random.ts'
import { Throughput } from '../../simulator/throughput.ts'
import { ecgMicrovolts, pulseWave } from '../../simulator/waveforms.ts'

const noon = Date.parse('2026-03-01T12:00:00Z')
const night = Date.parse('2026-03-01T03:00:00Z')
const patients = Array.from({ length: 40 }, (_, number) => number)

const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length
const deviation = (values: readonly number[]): number => {
  const middle = mean(values)
  return Math.sqrt(mean(values.map((value) => (value - middle) ** 2)))
}

test('draws and noise: even, normal, smooth, and the same again', async (t) => {
  const uniform = Array.from({ length: 20_000 }, (_, place) => uniformAt(7, place))
  t.ok(Math.abs(mean(uniform) - 0.5) < 0.01 && Math.abs(deviation(uniform) - Math.sqrt(1 / 12)) < 0.01)
  const stream = new Random('a', 1)
  const normal = Array.from({ length: 20_000 }, () => stream.normal())
  t.ok(Math.abs(mean(normal)) < 0.03 && Math.abs(deviation(normal) - 1) < 0.03)
  t.equal(new Random('a', 1).uint32(), new Random('a', 1).uint32())
  t.not(uniformAt(1, 2 ** 40), uniformAt(1, 2 ** 41), 'far places differ')
  for (let x = 0; x < 1_000; x += 10) t.ok(Math.abs(smoothNoise(3, x + 1, 100) - smoothNoise(3, x, 100)) < 0.05)
})

test('hearts: rates of resting adults, variability within the healthy range, slower asleep', async (t) => {
  const rr = (number: number, fromMs: number): number[] => new Patient(9, number, fromMs).beats.within(fromMs, fromMs + 300_000).map(({ rrMs }) => rrMs)
  const rates: number[] = []
  let slower = 0
  for (const number of patients) {
    const [awake, asleep] = [rr(number, noon), rr(number, night)]
    rates.push(60_000 / mean(awake))
    t.ok(rates.every((rate) => rate > 45 && rate < 150))
    const sdnn = deviation(awake)
    t.ok(sdnn > 8 && sdnn < 150, `SDNN ${sdnn.toFixed(0)} ms`)
    if (mean(asleep) > mean(awake)) slower++
  }
  t.ok(mean(rates) > 62 && mean(rates) < 95, `mean rate ${mean(rates).toFixed(0)}`)
  t.ok(slower > patients.length * 0.8)
})

test('an ECG has an R peak of about a millivolt at every beat, nothing near it between T and P; the pulse follows by a quarter of a second', async (t) => {
  for (const number of patients.slice(0, 10)) {
    const { beats, traits } = new Patient(4, number, noon)
    const count = 250 * 30
    const ecg = ecgMicrovolts(beats, { grid: { originMs: noon, periodMs: 4 }, first: 0, count })
    const pleth = pulseWave(beats, { grid: { originMs: noon, periodMs: 10 }, first: 0, count: 3_000 }, traits.pulseTransitMs)
    const peaks = [...ecg.keys()].filter((at) => (ecg[at] ?? 0) > 800 && (ecg[at] ?? 0) >= (ecg[at - 1] ?? 0) && (ecg[at] ?? 0) > (ecg[at + 1] ?? 0))
    const expected = beats.within(noon, noon + 30_000).map(({ rMs }) => rMs - noon)
    t.ok(Math.abs(peaks.length - expected.length) <= 1, `${peaks.length} peaks of ${expected.length} beats`)
    t.ok(peaks.every((at) => expected.some((rMs) => Math.abs(rMs - 4 * at) <= 8)), 'where the beats are')
    for (const rMs of expected.slice(1, -2)) {
      const window = [...pleth.subarray(Math.ceil((rMs + 150) / 10), Math.ceil((rMs + 550) / 10))]
      const latestMs = window.indexOf(Math.max(...window)) * 10 + 150
      t.ok(latestMs > 250 && latestMs < 480, `pulse ${latestMs} ms after the R peak`)
    }
  }
})

test('the body over a day: fever, meals, pressure dip and desaturation stay within what a clinician would believe', async (t) => {
  const hours = Array.from({ length: 24 * 12 }, (_, at) => Date.parse('2026-03-01T00:00:00Z') + at * 300_000)
  let dips = 0
  let meals = 0
  for (const number of patients) {
    const patient = new Patient(2, number, noon)
    const glucose = hours.map((tMs) => patient.glucose(tMs))
    const temperature = hours.map((tMs) => patient.temperatureCel(tMs))
    const desaturation = hours.map((tMs) => patient.desaturation(tMs))
    t.ok(Math.min(...glucose) > 70 && Math.max(...glucose) < 260, `glucose ${Math.min(...glucose).toFixed(0)} … ${Math.max(...glucose).toFixed(0)}`)
    t.ok(Math.min(...temperature) > 35.5 && Math.max(...temperature) < 40.5)
    t.ok(Math.max(...desaturation) <= 11 && Math.min(...desaturation) >= 0)
    t.ok(hours.every((tMs) => patient.systolic(tMs) - patient.diastolic(tMs) > 15 && patient.systolic(tMs) < 190))
    if (patient.systolic(night) < patient.systolic(noon)) dips++
    if (Math.max(...glucose.slice(12 * 12, 15 * 12)) > patient.traits.glucose + 20) meals++
  }
  t.ok(dips > 30, 'pressure falls at night')
  t.ok(meals > 35, 'lunch is seen')
})

test('latency quantiles are within a bucket of the truth; throughput is of the last whole seconds', async (t) => {
  const latency = new LatencyHistogram()
  t.equal(latency.quantileMs(0.5), null)
  for (let ms = 1; ms <= 1_000; ms++) latency.record(ms)
  const [p50, p99] = [latency.quantileMs(0.5) ?? 0, latency.quantileMs(0.99) ?? 0]
  t.ok(p50 >= 500 && p50 <= 555, `${p50}`)
  t.ok(p99 >= 990 && p99 <= 1_095, `${p99}`)
  latency.record(1e9)
  t.ok((latency.quantileMs(1) ?? 0) > 300_000, 'beyond the last bucket is in the last bucket')

  const throughput = new Throughput()
  t.equal(throughput.perSecond(500), 0)
  for (let ms = 0; ms < 10_000; ms += 10) throughput.count(ms)
  t.equal(throughput.perSecond(10_500), 100)
  t.equal(throughput.perSecond(60_000), 0, 'what is long ago is not lately')
})

// The rows of the metric registry (metrics.ts says what the columns mean). Append only: an id that was once on the wire
// keeps its meaning for ever. Sources: Bluetooth health profiles, the HL7 Personal Health Device guide for MDC codes,
// LOINC's panels; a row with `verified: false` has at least one code taken from secondary sources, or none at all.
import type { DeviceKind, Metric, Range } from './metrics.ts'

const any: readonly DeviceKind[] =
  ['ecg-patch', 'pulse-oximeter', 'bp-cuff', 'thermometer', 'cgm', 'glucometer', 'scale', 'gateway']
const to = (low: number, high: number): Range => ({ low, high })
const percent = to(0, 100)

type Row = Pick<Metric, 'id' | 'name' | 'kinds' | 'ucum' | 'exponent'> & Partial<Metric>
const row = (given: Row): Metric =>
  ({ mdc: null, loinc: null, wave: false, plausible: null, hard: null, verified: false, ...given })

export const metricTable: readonly Metric[] = [
  // ECG patch
  row({ id: 1, name: 'heart-rate', kinds: ['ecg-patch'], mdc: 147842, loinc: '8867-4', ucum: '/min', exponent: 0, plausible: to(30, 220), hard: to(0, 300) }),
  // a BLE sensor counts RR in 1/1024 s: a tenth of a millisecond keeps that
  row({ id: 2, name: 'rr-interval', kinds: ['ecg-patch'], mdc: 147240, loinc: '8637-1', ucum: 'ms', exponent: -1, plausible: to(270, 2000), hard: to(150, 5000) }),
  row({ id: 3, name: 'ecg-lead-i', kinds: ['ecg-patch'], mdc: 131329, loinc: '11524-6', ucum: 'uV', exponent: 0, wave: true, plausible: to(-5000, 5000) }),
  row({ id: 4, name: 'ecg-lead-ii', kinds: ['ecg-patch'], mdc: 131330, loinc: '11524-6', ucum: 'uV', exponent: 0, wave: true, plausible: to(-5000, 5000) }),
  // a chest electrode whose place was not recorded: monitors label it V; no code of its own that we could confirm
  row({ id: 5, name: 'ecg-lead-v', kinds: ['ecg-patch'], ucum: 'uV', exponent: 0, wave: true, plausible: to(-5000, 5000) }),
  row({ id: 6, name: 'respiration-rate', kinds: ['ecg-patch'], mdc: 151578, loinc: '9279-1', ucum: '/min', exponent: -1, plausible: to(4, 60), hard: to(0, 120) }),
  // bedside records give it in normalised units, hence dimensionless
  row({ id: 7, name: 'respiration-impedance', kinds: ['ecg-patch'], mdc: 151780, ucum: '1', exponent: 0, wave: true }),

  // pulse oximeter
  row({ id: 10, name: 'spo2', kinds: ['pulse-oximeter'], mdc: 150456, loinc: '59408-5', ucum: '%', exponent: -1, plausible: to(70, 100), hard: percent }),
  row({ id: 11, name: 'pulse-rate', kinds: ['pulse-oximeter'], mdc: 149530, loinc: '8889-8', ucum: '/min', exponent: 0, plausible: to(30, 220) }),
  row({ id: 12, name: 'perfusion-index', kinds: ['pulse-oximeter'], mdc: 150488, loinc: '61006-3', ucum: '%', exponent: -2, plausible: to(0.02, 20), hard: percent }),
  row({ id: 13, name: 'pleth', kinds: ['pulse-oximeter'], mdc: 150452, ucum: '1', exponent: 0, wave: true, verified: true }),

  // blood-pressure cuff: one reading is one message, its components at the same dt
  row({ id: 20, name: 'systolic-pressure', kinds: ['bp-cuff'], mdc: 150021, loinc: '8480-6', ucum: 'mm[Hg]', exponent: -1, plausible: to(40, 260) }),
  row({ id: 21, name: 'diastolic-pressure', kinds: ['bp-cuff'], mdc: 150022, loinc: '8462-4', ucum: 'mm[Hg]', exponent: -1, plausible: to(40, 260) }),
  row({ id: 22, name: 'mean-pressure', kinds: ['bp-cuff'], mdc: 150023, loinc: '8478-0', ucum: 'mm[Hg]', exponent: -1, plausible: to(40, 260) }),
  row({ id: 23, name: 'cuff-pulse-rate', kinds: ['bp-cuff'], mdc: 149546, loinc: '8867-4', ucum: '/min', exponent: 0, plausible: to(30, 220) }),

  // thermometer, glucose, scale
  row({ id: 30, name: 'body-temperature', kinds: ['thermometer'], mdc: 150364, loinc: '8310-5', ucum: 'Cel', exponent: -2, plausible: to(32, 43), hard: to(20, 45) }),
  row({ id: 40, name: 'interstitial-glucose', kinds: ['cgm'], mdc: 160212, loinc: '99504-3', ucum: 'mg/dL', exponent: -1, plausible: to(40, 400), verified: true }),
  row({ id: 41, name: 'interstitial-glucose-molar', kinds: ['cgm'], mdc: 160212, loinc: '105272-9', ucum: 'mmol/L', exponent: -2, plausible: to(2.2, 22.2), verified: true }),
  row({ id: 42, name: 'capillary-glucose', kinds: ['glucometer'], mdc: 160184, loinc: '41653-7', ucum: 'mg/dL', exponent: -1, plausible: to(20, 600) }),
  row({ id: 50, name: 'body-mass', kinds: ['scale'], mdc: 188736, loinc: '29463-7', ucum: 'kg', exponent: -3, plausible: to(2, 300) }),

  // every device
  row({ id: 60, name: 'battery', kinds: any, mdc: 67996, ucum: '%', exponent: 0, plausible: percent, hard: percent }),

  // gateway: private terms, 0xF000 up in the private partition of IEEE 11073
  row({ id: 70, name: 'link-rssi', kinds: ['gateway'], mdc: 0xF000, ucum: 'dB{mW}', exponent: 0, plausible: to(-127, 20) }),
  row({ id: 71, name: 'uptime', kinds: ['gateway'], mdc: 0xF001, ucum: 's', exponent: 0 }),
  row({ id: 72, name: 'queue-depth', kinds: ['gateway'], mdc: 0xF002, ucum: '1', exponent: 0 }),
  row({ id: 73, name: 'free-storage', kinds: ['gateway'], mdc: 0xF003, ucum: 'By', exponent: 0 }),
  row({ id: 74, name: 'clock-error', kinds: ['gateway'], mdc: 0xF004, ucum: 'ms', exponent: 0 })
]

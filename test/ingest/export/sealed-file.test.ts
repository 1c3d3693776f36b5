// The format of a sealed export: whatever was put in comes out; a file that was cut, put in another order, extended or mixed does not.
import { createSecretKey, randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { test } from 'tap'
import { headOf, textOf, type Reading } from '../../../ingest/export/formats.ts'
import { type ExportHead, ExportOpener, ExportSealer, readHead } from '../../../ingest/export/sealed-file.ts'
import { type DataKey } from '../../../ingest/keys/data-keys.ts'

const key: DataKey = { id: 7, tenant: '', day: null, key: createSecretKey(randomBytes(32)) }
const head: ExportHead = { export: '5f0c3f0e-3f39-4c6c-9c5e-8a3c0a6f6d10', key: 7, format: 'ndjson' }

/** Head and chunks. */
function sealed (text: string, parts = 1, as = head): Buffer[] {
  const sealer = new ExportSealer(key, as)
  const size = Math.ceil(text.length / parts) || 1
  const pieces = [sealer.head]
  for (let at = 0; at < text.length; at += size) pieces.push(...sealer.add(text.slice(at, at + size)))
  return [...pieces, sealer.end()]
}

function opened (file: Buffer, pieceBytes = file.length): string {
  const found = readHead(file)
  if (found === null) throw new Error('no head')
  const opener = new ExportOpener(key, file.subarray(0, found.length))
  const out: Buffer[] = []
  for (let at = found.length; at < file.length; at += pieceBytes) out.push(...opener.add(file.subarray(at, at + pieceBytes)))
  opener.end()
  return Buffer.concat(out).toString()
}

const long = Array.from({ length: 40_000 }, (_, n) => `line ${n}`).join('\n')

test('whatever is sealed comes out, however it is cut on the way', async (t) => {
  fc.assert(fc.property(fc.string({ maxLength: 2_000 }), fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1, max: 500 }), (text, parts, pieceBytes) =>
    opened(Buffer.concat(sealed(text, parts)), pieceBytes) === Buffer.from(text).toString()), { numRuns: 50 })
  for (const parts of [1, 7, 4_000]) t.equal(opened(Buffer.concat(sealed(long, parts)), 1_000) === long, true)
})

test('cut off, in another order, extended, mixed, relabelled: each is found', async (t) => {
  const [top, ...chunks] = sealed(long) as [Buffer, ...Buffer[]]
  t.ok(chunks.length >= 5)
  const damaged = { code: 'EXPORT_DAMAGED' }
  const without = (n: number): Buffer[] => chunks.filter((_, at) => at !== n)
  const [a, b, ...rest] = chunks as [Buffer, Buffer, ...Buffer[]]
  const other = sealed(long, 1, { ...head, export: '00000000-3f39-4c6c-9c5e-8a3c0a6f6d10' })
  const cases: Record<string, Buffer[]> = {
    'the last chunk is missing': chunks.slice(0, -1),
    'the first is missing': without(0),
    'one in the middle is missing': without(2),
    'two changed places': [b, a, ...rest],
    'one is there twice': [a, a, b, ...rest],
    'something follows': [...chunks, a],
    'one is of another export': [a, other[2] as Buffer, ...rest],
    'nothing but a head': []
  }
  for (const [name, of] of Object.entries(cases)) t.throws(() => opened(Buffer.concat([top, ...of])), damaged, name)
  const whole = Buffer.concat([top, ...chunks])
  fc.assert(fc.property(fc.nat({ max: whole.length - 1 }), (at) => {
    const cut = whole.subarray(0, at)
    const changed = Buffer.from(whole)
    changed[at] = (changed[at] as number) ^ 1
    return fails(cut) && fails(changed)
  }), { numRuns: 60 })
  t.throws(() => readHead(Buffer.from('%PDF-1.7')), damaged)
})

function fails (file: Buffer): boolean {
  try {
    opened(file)
    return false
  } catch {
    return true
  }
}

test('a reading as a line of JSON and of CSV', async (t) => {
  const reading: Reading = { time: new Date(0), device: 'd', metric: 'heart-rate', value: 60.5, unit: '/min', quality: 0, mdc: 147842, loinc: null }
  t.equal(textOf(reading, 'ndjson'), '{"time":"1970-01-01T00:00:00.000Z","device":"d","metric":"heart-rate","value":60.5,"unit":"/min","quality":0,"mdc":147842,"loinc":null}\n')
  t.equal(headOf('csv') + textOf({ ...reading, value: null, unit: 'a,"b"' }, 'csv'), 'time,device,metric,value,unit,quality,mdc,loinc\r\n1970-01-01T00:00:00.000Z,d,heart-rate,,"a,""b""",0,147842,\r\n')
})

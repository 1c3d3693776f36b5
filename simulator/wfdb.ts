// Reads a WFDB record: header and signal files, formats 16 and 212, into one Int16Array of raw values per signal. The header's
// first value and checksum of each signal are verified, so what comes out is what was recorded.
import { readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { invalid, parseWfdbHeader, unsupported, type WfdbHeader, type WfdbSignalHeader } from './wfdb-header.ts'

export interface WfdbSignal extends WfdbSignalHeader {
  /** Values a second of this signal. */
  readonly valuesPerS: number
  /** Raw, as recorded; physical = (raw - baseline) / gain. */
  readonly values: Int16Array
}

export interface WfdbRecord {
  readonly name: string
  readonly header: WfdbHeader
  readonly signals: readonly WfdbSignal[]
  readonly durationMs: number
}

/** The 16-bit checksum of WFDB headers: the sum of all values modulo 2^16, as a signed number. */
export function checksum16 (values: Iterable<number>): number {
  let sum = 0
  for (const value of values) sum = (sum + value) & 0xffff
  return sum << 16 >> 16
}

/**
 * Reads the record whose header is `headerFile` (with or without `.hea`). Throws WFDB_INVALID (not there, broken, cut off, wrong checksum)
 * or WFDB_UNSUPPORTED (another format), naming the file.
 */
export async function readWfdb (headerFile: string): Promise<WfdbRecord> {
  const path = headerFile.endsWith('.hea') ? headerFile : `${headerFile}.hea`
  const header = parseWfdbHeader((await readBytes(path)).toString('utf8'), path)
  const groups = [...new Set(header.signals.map(({ file }) => file))].map((file) => header.signals.filter((signal) => signal.file === file))
  const read = new Map<WfdbSignalHeader, WfdbSignal>()
  for (const group of groups) {
    const file = join(dirname(path), group[0]?.file ?? '')
    for (const [at, values] of decodeGroup(await readBytes(file), group, header.frames, file).entries()) {
      const signal = group[at]
      if (!signal) continue
      verify(signal, values, file)
      read.set(signal, {
        ...signal,
        valuesPerS: header.framesPerS * signal.samplesPerFrame,
        // what lags in the file is moved back to its time; its last values were never recorded
        values: values.subarray(signal.skewFrames * signal.samplesPerFrame)
      })
    }
  }
  const signals = header.signals.map((signal) => read.get(signal)).filter((signal) => signal !== undefined)
  return { name: header.name, header, signals, durationMs: Math.max(...signals.map(({ values, valuesPerS }) => 1_000 * values.length / valuesPerS)) }
}

async function readBytes (path: string): Promise<Buffer> {
  try {
    return await readFile(path)
  } catch (error) {
    throw invalid(path, error instanceof Error && 'code' in error ? String(error.code) : 'it cannot be opened')
  }
}

/** The raw values of each signal of a file: frames one behind the other, in each frame the signals in order. */
function decodeGroup (bytes: Buffer, group: readonly WfdbSignalHeader[], frames: number | null, file: string): Int16Array[] {
  const { format, byteOffset } = group[0] ?? { format: 16, byteOffset: 0 }
  if (group.some((signal) => signal.format !== format)) throw unsupported(file, 'its signals are stored in different formats')
  const perFrame = group.reduce((sum, { samplesPerFrame }) => sum + samplesPerFrame, 0)
  const data = bytes.subarray(byteOffset)
  const held = format === 16 ? data.length >> 1 : Math.floor(data.length * 2 / 3)
  const wanted = (frames ?? Math.floor(held / perFrame)) * perFrame
  if (held < wanted) throw invalid(file, `it is cut off: ${held} values of ${wanted}`)
  const valueAt = format === 16 ? (index: number) => data.readInt16LE(2 * index) : (index: number) => value212(data, index)
  const signals = group.map(({ samplesPerFrame }) => new Int16Array(wanted / perFrame * samplesPerFrame))
  let index = 0
  for (let frame = 0; frame < wanted / perFrame; frame++) {
    for (const [at, values] of signals.entries()) {
      const { samplesPerFrame } = group[at] ?? { samplesPerFrame: 0 }
      for (let within = 0; within < samplesPerFrame; within++) values[frame * samplesPerFrame + within] = valueAt(index++)
    }
  }
  return signals
}

/** Format 212: two 12-bit two's complement values in three bytes; the middle byte holds the high bits of both, the first's below. */
function value212 (data: Buffer, index: number): number {
  const at = 3 * (index >> 1)
  const middle = data[at + 1] ?? 0
  const bits = index % 2 === 0 ? (middle & 0x0f) << 8 | (data[at] ?? 0) : (middle & 0xf0) << 4 | (data[at + 2] ?? 0)
  return bits << 20 >> 20
}

function verify (signal: WfdbSignalHeader, values: Int16Array, file: string): void {
  const name = signal.description === '' ? 'a signal' : signal.description
  if (signal.initialValue !== null && values.length > 0 && values[0] !== signal.initialValue) {
    throw invalid(file, `${name} begins with ${values[0]}, the header says ${signal.initialValue}`)
  }
  const sum = checksum16(values)
  // headers are seen with the sum as a signed and as an unsigned number
  if (signal.checksum !== null && sum !== signal.checksum << 16 >> 16) {
    throw invalid(file, `the checksum of ${name} is ${sum}, the header says ${signal.checksum}`)
  }
}

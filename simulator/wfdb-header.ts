// The header of a WFDB record (PhysioNet's format, header(5)): which signals there are, how they lie in which file, and how raw
// values become physical ones. Text in, plain values out; pure.
import { PulsegateError } from '../runtime/errors.ts'

export interface WfdbSignalHeader {
  readonly file: string
  readonly format: 16 | 212
  readonly samplesPerFrame: number
  /** Frames by which the signal lags behind the others in the file. */
  readonly skewFrames: number
  /** Where the samples begin in the file. */
  readonly byteOffset: number
  /** Raw steps per physical unit. */
  readonly gain: number
  /** The raw value of physical zero. */
  readonly baseline: number
  readonly units: string
  readonly adcResolutionBits: number
  readonly adcZero: number
  /** The first raw value; null = not given. */
  readonly initialValue: number | null
  /** 16-bit sum of all raw values, -32,768 … 32,767; null = not given. */
  readonly checksum: number | null
  readonly description: string
}

export interface WfdbHeader {
  readonly name: string
  readonly framesPerS: number
  /** null = not given: as many as the files hold. */
  readonly frames: number | null
  readonly signals: readonly WfdbSignalHeader[]
  /** Comment lines behind the `#`. */
  readonly comments: readonly string[]
}

// what header(5) says holds when a field is left out
const defaultFramesPerS = 250
const defaultGain = 200
const defaultUnits = 'mV'
const resolutionOf = { 16: 16, 212: 12 } as const

/** Throws WFDB_INVALID for text that is no header, WFDB_UNSUPPORTED for what this reader does not read; both name `path`. */
export function parseWfdbHeader (text: string, path: string): WfdbHeader {
  const lines = text.split(/\r?\n/).map((line) => line.trim()).filter((line) => line !== '')
  const comments = lines.filter((line) => line.startsWith('#')).map((line) => line.slice(1).trim())
  const [recordLine = '', ...signalLines] = lines.filter((line) => !line.startsWith('#'))
  const [name = '', count = '', frequency = '', frames = ''] = recordLine.split(/\s+/)
  if (name.includes('/')) throw unsupported(path, 'it is a record of several segments; give one of the segments')
  const signalCount = Number(count)
  if (!Number.isInteger(signalCount) || signalCount < 1) throw invalid(path, 'its first line does not begin with a name and a number of signals')
  if (signalLines.length < signalCount) throw invalid(path, `it announces ${signalCount} signals and describes ${signalLines.length}`)
  // the counter frequency behind the slash is about how people count time, not about samples
  const framesPerS = frequency === '' ? defaultFramesPerS : Number(frequency.split('/')[0])
  if (!(framesPerS > 0)) throw invalid(path, `its sampling frequency is ${frequency}`)
  return {
    name,
    framesPerS,
    frames: frames === '' || Number(frames) === 0 ? null : wholeNumber(frames, 'number of samples', path),
    signals: signalLines.slice(0, signalCount).map((line) => parseSignal(line, path)),
    comments
  }
}

function parseSignal (line: string, path: string): WfdbSignalHeader {
  const fields = line.split(/\s+/)
  const [file = '', formatText = '', gainText = '', resolution, zero, initial, checksum, , ...description] = fields
  const format = /^(\d+)(?:x(\d+))?(?::(\d+))?(?:\+(\d+))?$/.exec(formatText)
  if (!format) throw invalid(path, `the signal line "${line}" has no storage format`)
  const code = Number(format[1])
  if (code !== 16 && code !== 212) throw unsupported(path, `signal format ${code}; formats 16 and 212 are read`)
  if (/[/\\]/.test(file) || file === '') throw unsupported(path, `the signal file ${file} is not beside the header`)
  const gain = /^(-?[\d.eE+]+)?(?:\((-?\d+)\))?(?:\/(\S+))?$/.exec(gainText)
  if (!gain) throw invalid(path, `the gain ${gainText} is not one`)
  const adcZero = zero === undefined ? 0 : wholeNumber(zero, 'ADC zero', path)
  const stepsPerUnit = Number(gain[1] ?? 0)
  return {
    file,
    format: code,
    samplesPerFrame: Number(format[2] ?? 1),
    skewFrames: Number(format[3] ?? 0),
    byteOffset: Number(format[4] ?? 0),
    gain: Number.isFinite(stepsPerUnit) && stepsPerUnit !== 0 ? stepsPerUnit : defaultGain,
    baseline: gain[2] === undefined ? adcZero : Number(gain[2]),
    units: gain[3] ?? defaultUnits,
    adcResolutionBits: Number(resolution ?? 0) || resolutionOf[code],
    adcZero,
    initialValue: initial === undefined ? null : wholeNumber(initial, 'initial value', path),
    checksum: checksum === undefined ? null : wholeNumber(checksum, 'checksum', path),
    description: description.join(' ')
  }
}

function wholeNumber (text: string, what: string, path: string): number {
  const value = Number(text)
  if (!Number.isInteger(value)) throw invalid(path, `its ${what} is ${text}`)
  return value
}

export function invalid (path: string, reason: string): PulsegateError {
  return new PulsegateError('WFDB_INVALID', `The WFDB record ${path} cannot be read: ${reason}.`)
}

export function unsupported (path: string, reason: string): PulsegateError {
  return new PulsegateError('WFDB_UNSUPPORTED', `The WFDB record ${path} cannot be played: ${reason}.`)
}

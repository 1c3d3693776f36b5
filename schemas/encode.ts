// Message to bytes: what the simulator sends. Deterministic (RFC 8949, 4.2.1): shortest integers and lengths, definite
// lengths, keys in ascending order; a sample's value that is no integer is a float64. The same message gives the same
// bytes, whoever encodes it.
import { CborWriter } from './writer.ts'
import { encodeDelta } from './delta.ts'
import { keys } from './contract.ts'
import { type Birth, type Header, type Sample, type Telemetry, type Wave } from './telemetry.ts'

/** What a sender knows of a telemetry message; `kind` and `unknownKeys` say nothing on the wire. */
export type TelemetryInput = Pick<Telemetry, 'header'> & Partial<Omit<Telemetry, 'header'>>
export type BirthInput = Pick<Birth, 'header' | 'deviceKind' | 'model' | 'firmware'> & Partial<Birth>

export interface EncodeOptions {
  /** How waves travel: `int16` = tag 77, two bytes a value; `delta` = encoding id 1, about one byte a value. Default int16. */
  readonly waves?: 'int16' | 'delta'
}

const schemaVersion = 1
const int16Tag = 77
const deltaEncoding = 1

/**
 * The CBOR payload of a telemetry message; empty `samples` and `waves` and zero `flags` are left out.
 * Throws RangeError on what CBOR integers or the contract cannot carry: NaN, infinities, unsafe integers.
 * Whether the result is within 64 KiB is for the caller to see to, by the number of samples it puts in.
 */
export function encodeTelemetry (message: TelemetryInput, { waves: waveForm = 'int16' }: EncodeOptions = {}): Buffer {
  const { samples = [], waves = [], flags = 0, rssiDbm } = message
  const key = keys.telemetry
  const writer = new CborWriter()
  const optional = [samples.length > 0, waves.length > 0, flags !== 0, rssiDbm !== undefined]
  writeHeader(writer, message.header, optional.filter(Boolean).length)
  if (samples.length > 0) {
    writer.int(key.samples).array(samples.length)
    for (const sample of samples) writeSample(writer, sample)
  }
  if (waves.length > 0) {
    writer.int(key.waves).array(waves.length)
    for (const wave of waves) writeWave(writer, wave, waveForm)
  }
  if (flags !== 0) writer.int(key.flags).int(flags)
  if (rssiDbm !== undefined) writer.int(key.rssi).int(rssiDbm)
  return writer.bytes()
}

/** The CBOR payload of a birth message. Throws RangeError like `encodeTelemetry`. */
export function encodeBirth (message: BirthInput): Buffer {
  const { deviceKind, model, firmware, serial, bootReason, metrics } = message
  const key = keys.birth
  const writer = new CborWriter()
  const optional = [serial, bootReason, metrics].filter((field) => field !== undefined).length
  writeHeader(writer, message.header, 3 + optional)
  writer.int(key.kind).text(deviceKind).int(key.model).text(model).int(key.firmware).text(firmware)
  if (serial !== undefined) writer.int(key.serial).text(serial)
  if (bootReason !== undefined) writer.int(key.bootReason).int(bootReason)
  if (metrics !== undefined) {
    writer.int(key.metrics).array(metrics.length)
    for (const metric of metrics) writer.int(metric)
  }
  return writer.bytes()
}

/** Opens the message's map, `more` pairs included, and writes the header's. */
function writeHeader (writer: CborWriter, header: Header, more: number): void {
  const { source, boot, seq, baseWallMs, baseTickMs, clock } = header
  const key = keys.telemetry
  const optional = [source, baseWallMs, clock].filter((field) => field !== undefined).length
  writer.map(4 + optional + more).int(key.schema).int(schemaVersion)
  if (source !== undefined) writer.int(key.source).bytesOf(Buffer.from(source.replaceAll('-', ''), 'hex'))
  writer.int(key.boot).uint64(boot).int(key.seq).int(seq)
  if (baseWallMs !== undefined) writer.int(key.wall).int(baseWallMs)
  writer.int(key.tick).int(baseTickMs)
  if (clock !== undefined) writer.int(key.clock).array(2).int(clock.source).int(clock.errorMs)
}

function writeSample (writer: CborWriter, { metric, dtMs, value, quality }: Sample): void {
  writer.array(quality === 0 ? 3 : 4).int(metric).int(dtMs)
  if (value === null) writer.null()
  else if (Number.isSafeInteger(value)) writer.int(value)
  else writer.float(value)
  if (quality !== 0) writer.int(quality)
}

function writeWave (writer: CborWriter, wave: Wave, form: 'int16' | 'delta'): void {
  writer.array(6).int(wave.metric).int(wave.dtMs).int(wave.periodUs).int(wave.scaleNano).int(wave.offset)
  if (form === 'delta') writer.array(2).int(deltaEncoding).bytesOf(encodeDelta(wave.values))
  else writer.tag(int16Tag).bytesOf(littleEndian(wave.values))
}

function littleEndian (values: Int16Array): Buffer {
  const bytes = Buffer.allocUnsafe(values.length * 2)
  for (let i = 0; i < values.length; i++) bytes.writeInt16LE(values[i]!, i * 2)
  return bytes
}

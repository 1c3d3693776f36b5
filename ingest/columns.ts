// A decoded batch in columns: what the writer stores, without an object per row. Typed arrays grow by doubling and are
// used again for the next batch. Every sample and wave names its message by index, so a part of a batch (the new ones, or a half
// of a bisection) is chosen by a mask over messages and nothing is copied.
//
// Numbers are doubles throughout: int8 keys and ms since 1970 stay far below 2^53. NaN stands for NULL, which is safe
// because NaN is illegal on the wire.

/** What the receipt keeps of one message. Times in ms since 1970 UTC, except `tickMs` (ms since boot). */
export interface ReceiptRow {
  readonly timeMs: number
  readonly device: number
  /** device_boot.key */
  readonly boot: number
  readonly seq: number
  readonly receivedAtMs: number
  readonly publisher: number
  readonly flags: number
  readonly clockSource: number | null
  readonly clockErrorMs: number | null
  readonly rssiDbm: number | null
  /** 1: `timeMs` is the device's wall clock; 2: the boot's anchor + tick */
  readonly placed: 1 | 2
  readonly tickMs: number
  readonly unknownKeys: number
}

export interface WaveRow {
  readonly message: number
  readonly device: number
  readonly metric: number
  readonly timeMs: number
  readonly periodUs: number
  /** physical per raw step */
  readonly scale: number
  /** raw steps */
  readonly offset: number
  readonly values: Int16Array
}

// what a batch of the default size needs, so that growing is rare
const startMessages = 1_024
const startSamples = 16_384

export class Columns {
  /** Number of messages, samples. */
  messages = 0
  samples = 0
  timeMs = new Float64Array(startMessages)
  device = new Int32Array(startMessages)
  boot = new Float64Array(startMessages)
  seq = new Float64Array(startMessages)
  receivedAtMs = new Float64Array(startMessages)
  publisher = new Int32Array(startMessages)
  sampleCount = new Int32Array(startMessages)
  waveCount = new Int32Array(startMessages)
  flags = new Int32Array(startMessages)
  clockSource = new Float64Array(startMessages)
  clockErrorMs = new Float64Array(startMessages)
  rssiDbm = new Float64Array(startMessages)
  placed = new Int32Array(startMessages)
  tickMs = new Float64Array(startMessages)
  unknownKeys = new Int32Array(startMessages)
  /** By sample: index of its message, and its row. */
  sampleMessage = new Int32Array(startSamples)
  sampleDevice = new Int32Array(startSamples)
  sampleMetric = new Int32Array(startSamples)
  sampleTimeMs = new Float64Array(startSamples)
  sampleValue = new Float64Array(startSamples)
  sampleQuality = new Int32Array(startSamples)
  waves: WaveRow[] = []

  clear (): void {
    this.messages = 0
    this.samples = 0
    this.waves = []
  }

  /** Adds a message; its samples and waves follow. Gives its index. */
  addMessage (row: ReceiptRow): number {
    const index = this.messages++
    if (index === this.timeMs.length) this.#growMessages()
    this.timeMs[index] = row.timeMs
    this.device[index] = row.device
    this.boot[index] = row.boot
    this.seq[index] = row.seq
    this.receivedAtMs[index] = row.receivedAtMs
    this.publisher[index] = row.publisher
    this.sampleCount[index] = 0
    this.waveCount[index] = 0
    this.flags[index] = row.flags
    this.clockSource[index] = row.clockSource ?? NaN
    this.clockErrorMs[index] = row.clockErrorMs ?? NaN
    this.rssiDbm[index] = row.rssiDbm ?? NaN
    this.placed[index] = row.placed
    this.tickMs[index] = row.tickMs
    this.unknownKeys[index] = row.unknownKeys
    return index
  }

  /** Adds a sample of the message added last; `value` in physical units, null = missing. */
  addSample (metric: number, timeMs: number, value: number | null, quality: number): void {
    const index = this.samples++
    if (index === this.sampleValue.length) this.#growSamples()
    const message = this.messages - 1
    this.sampleMessage[index] = message
    this.sampleDevice[index] = this.device[message] as number
    this.sampleMetric[index] = metric
    this.sampleTimeMs[index] = timeMs
    this.sampleValue[index] = value ?? NaN
    this.sampleQuality[index] = quality
    this.sampleCount[message] = (this.sampleCount[message] as number) + 1
  }

  /** Adds a wave of the message added last. */
  addWave (wave: Omit<WaveRow, 'message' | 'device'>): void {
    const message = this.messages - 1
    this.waves.push({ ...wave, message, device: this.device[message] as number })
    this.waveCount[message] = (this.waveCount[message] as number) + 1
  }

  #growMessages (): void {
    this.timeMs = grown(this.timeMs, new Float64Array(this.timeMs.length * 2))
    this.device = grown(this.device, new Int32Array(this.device.length * 2))
    this.boot = grown(this.boot, new Float64Array(this.boot.length * 2))
    this.seq = grown(this.seq, new Float64Array(this.seq.length * 2))
    this.receivedAtMs = grown(this.receivedAtMs, new Float64Array(this.receivedAtMs.length * 2))
    this.publisher = grown(this.publisher, new Int32Array(this.publisher.length * 2))
    this.sampleCount = grown(this.sampleCount, new Int32Array(this.sampleCount.length * 2))
    this.waveCount = grown(this.waveCount, new Int32Array(this.waveCount.length * 2))
    this.flags = grown(this.flags, new Int32Array(this.flags.length * 2))
    this.clockSource = grown(this.clockSource, new Float64Array(this.clockSource.length * 2))
    this.clockErrorMs = grown(this.clockErrorMs, new Float64Array(this.clockErrorMs.length * 2))
    this.rssiDbm = grown(this.rssiDbm, new Float64Array(this.rssiDbm.length * 2))
    this.placed = grown(this.placed, new Int32Array(this.placed.length * 2))
    this.tickMs = grown(this.tickMs, new Float64Array(this.tickMs.length * 2))
    this.unknownKeys = grown(this.unknownKeys, new Int32Array(this.unknownKeys.length * 2))
  }

  #growSamples (): void {
    this.sampleMessage = grown(this.sampleMessage, new Int32Array(this.sampleMessage.length * 2))
    this.sampleDevice = grown(this.sampleDevice, new Int32Array(this.sampleDevice.length * 2))
    this.sampleMetric = grown(this.sampleMetric, new Int32Array(this.sampleMetric.length * 2))
    this.sampleTimeMs = grown(this.sampleTimeMs, new Float64Array(this.sampleTimeMs.length * 2))
    this.sampleValue = grown(this.sampleValue, new Float64Array(this.sampleValue.length * 2))
    this.sampleQuality = grown(this.sampleQuality, new Int32Array(this.sampleQuality.length * 2))
  }
}

function grown<T extends Float64Array | Int32Array> (old: T, next: T): T {
  next.set(old)
  return next
}

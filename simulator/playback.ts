// A recording played through the ward's devices in place of their models: blocks of one second, every value of every channel,
// raw integers as they were recorded, the last partial block included.
//
// Time: played in real time, a block is sent when it would have been measured. Played faster, the recording is taken to have
// ended when it was started, so that its times stay contiguous and none lies in the future; its messages are marked historical.
import { PulsegateError } from '../runtime/errors.ts'
import { type FleetDevice, type SimulatedKind } from './fleet.ts'
import { channelsOf, type Channel, type Skipped } from './channels.ts'
import { type OutMessage } from './outbox.ts'
import { type Routine } from './routine.ts'
import { flags, Source } from './source.ts'
import { type Readings } from './sensor.ts'
import { type WfdbRecord } from './wfdb.ts'
import { unsupported } from './wfdb-header.ts'

export interface PlaybackOptions {
  /** How many seconds of recording a second; default 1. */
  readonly speed?: number
  /** Begin again at the end, for ever; only at speed 1. */
  readonly loop?: boolean
}

export interface Playback {
  readonly record: WfdbRecord
  readonly channels: readonly Channel[]
  /** Channels that no device of ours measures. */
  readonly skipped: readonly Skipped[]
  /** The kinds of device it takes: the first of each in the fleet plays. */
  readonly kinds: readonly SimulatedKind[]
  /** The routine that plays on a device of one of `kinds`. */
  routineOn (device: FleetDevice, seed: number, startedAtMs: number): Routine
}

const blockMs = 1_000
// A payload may have 64 KiB; the header and every wave's own fields take a little.
const maxBlockBytes = 60_000

/** Throws WFDB_UNSUPPORTED when no channel can be played, CONFIG_INVALID for a speed or loop that makes no sense. */
export function createPlayback (record: WfdbRecord, { speed = 1, loop = false }: PlaybackOptions = {}): Playback {
  if (!(speed > 0)) throw new PulsegateError('CONFIG_INVALID', `--speed ${speed} is not above 0`)
  if (loop && speed !== 1) throw new PulsegateError('CONFIG_INVALID', '--loop plays in real time, or its times would run into the future: leave --speed out')
  const { channels, skipped } = channelsOf(record)
  if (channels.length === 0) throw unsupported(record.name, skipped.map(({ name, reason }) => `${name}: ${reason}`).join('; '))
  return {
    record,
    channels,
    skipped,
    kinds: [...new Set(channels.map(({ kind }) => kind))],
    routineOn: (device, seed, startedAtMs) => {
      const own = channels.filter(({ kind }) => kind === device.kind)
      return new PlaybackRoutine({ device, seed, startedAtMs, channels: own, durationMs: record.durationMs, speed, loop })
    }
  }
}

interface RoutineOptions {
  readonly device: FleetDevice
  readonly seed: number
  readonly startedAtMs: number
  readonly channels: readonly Channel[]
  readonly durationMs: number
  readonly speed: number
  readonly loop: boolean
}

class PlaybackRoutine implements Routine {
  readonly source: Source
  readonly finite: boolean
  readonly #options: RoutineOptions
  readonly #blockMs: number
  readonly #blocks: number
  /** Blocks played; -1 before the birth. */
  #played = -1

  constructor (options: RoutineOptions) {
    const { device, seed, startedAtMs, channels, durationMs, speed, loop } = options
    this.#options = options
    this.finite = !loop
    this.#blockMs = fittingBlockMs(channels)
    this.#blocks = Math.ceil(durationMs / this.#blockMs)
    const past = speed !== 1
    this.source = new Source({
      device,
      seed,
      bootedAtMs: past ? startedAtMs - Math.ceil(durationMs) : startedAtMs,
      begunAtMs: startedAtMs,
      sensor: { metrics: channels.map(({ metric }) => metric), read: ({ fromMs }) => ({ baseMs: fromMs, samples: [], waves: [] }) },
      flags: flags.simulated | (past ? flags.historical : 0)
    })
  }

  get dueMs (): number | null {
    const { startedAtMs, speed, durationMs } = this.#options
    if (this.#played < 0) return startedAtMs
    if (this.finite && this.#played >= this.#blocks) return null
    const round = Math.floor(this.#played / this.#blocks)
    const endMs = Math.min(durationMs, (this.#played % this.#blocks + 1) * this.#blockMs)
    return startedAtMs + (round * Math.ceil(durationMs) + endMs) / speed
  }

  act (): OutMessage {
    const played = this.#played++
    return played < 0 ? this.source.birth() : this.source.telemetry(this.#block(played))
  }

  #block (played: number): Readings {
    const round = Math.floor(played / this.#blocks)
    const fromMs = played % this.#blocks * this.#blockMs
    const baseMs = this.source.bootedAtMs + round * Math.ceil(this.#options.durationMs) + fromMs
    const waves = this.#options.channels.flatMap(({ signal, metricId, periodUs, scaleNano, offset }) => {
      const first = indexAt(signal.valuesPerS, fromMs)
      const values = signal.values.subarray(first, indexAt(signal.valuesPerS, fromMs + this.#blockMs))
      const dtMs = Math.round(1_000 * first / signal.valuesPerS - fromMs)
      return values.length === 0 ? [] : [{ metric: metricId, dtMs, periodUs, scaleNano, offset, values }]
    })
    return { baseMs, samples: [], waves }
  }
}

/** Index of the first value at or after `ms`; a billionth is forgiven, so that 1,000 ms at 250 a second is value 250. */
function indexAt (valuesPerS: number, ms: number): number {
  return Math.ceil(valuesPerS * ms / 1_000 - 1e-9)
}

/** One second, or the half, quarter … of it that a payload can carry. */
function fittingBlockMs (channels: readonly Channel[]): number {
  const bytesPerS = channels.reduce((sum, { signal }) => sum + 2 * signal.valuesPerS, 0)
  let fittingMs = blockMs
  while (bytesPerS * fittingMs / 1_000 > maxBlockBytes) fittingMs /= 2
  return fittingMs
}

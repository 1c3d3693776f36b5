// The running simulator: routines make messages on the wheel's turns, connections send them, the ledger takes what is
// acknowledged. One turn: everything due is made and put in the outbox, the outbox is written once, then connections send.
import { type Observability } from '../runtime/observability.ts'
import { type ConnectionListener, type DeviceConnection } from './connection.ts'
import { LatencyHistogram } from './latency.ts'
import { type BootRecord, type Ledger } from './ledger.ts'
import { type Outbox, type OutMessage } from './outbox.ts'
import { type Routine } from './routine.ts'
import { observeStats, type SimulatorStats } from './stats.ts'
import { Throughput } from './throughput.ts'
import { Wheel } from './wheel.ts'

export interface RunningParts {
  readonly ledger: Ledger
  readonly outbox: Outbox
  readonly routines: readonly Routine[]
  /** Start of device time, ms since 1970 UTC. */
  readonly startedAtMs: number
  readonly observability: Observability
}

export class Running implements ConnectionListener {
  readonly #parts: RunningParts
  readonly #connections = new Map<string, DeviceConnection>()
  readonly #records = new Map<string, BootRecord>()
  readonly #unsent = new Set<DeviceConnection>()
  readonly #latency = new LatencyHistogram()
  readonly #throughput = new Throughput()
  #disconnected: string | null = null
  readonly #counts = { made: 0, sent: 0, resent: 0, recovered: 0, connected: 0, disconnections: 0 }
  /** Sent more than once and not acknowledged yet. */
  readonly #unsure = new WeakSet<OutMessage>()
  readonly #disconnections = new Map<string, number>()
  readonly #stopObserving: () => void
  readonly #startedMs: number
  #measuring = true
  #unfinished: number
  #finish = (): void => {}
  /** Resolves when every recording has been played to its end; never, when there is none. */
  readonly finished = new Promise<void>((resolve) => { this.#finish = resolve })
  #drained: (() => void) | null = null
  #diskFull = false
  #closed = false
  readonly wheel = new Wheel(() => this.#endTurn())

  constructor (parts: RunningParts) {
    this.#parts = parts
    this.#unfinished = parts.routines.filter(({ finite }) => finite).length
    this.#startedMs = this.wheel.nowMs
    this.#stopObserving = observeStats(parts.observability, () => this.stats())
  }

  /** Connects the devices, spread over `connectWithinMs`, and starts their routines. */
  start (connections: readonly DeviceConnection[], connectWithinMs: number): void {
    for (const [index, connection] of connections.entries()) {
      this.#connections.set(connection.id, connection)
      this.wheel.after(connectWithinMs * index / connections.length, () => connection.open())
    }
    for (const routine of this.#parts.routines) this.#schedule(routine)
  }

  stats (): SimulatorStats {
    const { ledger, outbox, routines } = this.#parts
    return {
      devices: routines.length,
      connections: this.#connections.size,
      ...this.#counts,
      disconnected: this.#disconnected,
      mostDisconnections: Math.max(0, ...this.#disconnections.values()),
      ...ledger.counts,
      outstanding: outbox.messages,
      messagesPerS: this.#throughput.perSecond(this.wheel.nowMs),
      ackLatency: { p50Ms: this.#latency.quantileMs(0.5), p99Ms: this.#latency.quantileMs(0.99) }
    }
  }

  /** Stops measuring; true when nothing is outstanding any more, false at the deadline. */
  async drain (graceMs: number): Promise<boolean> {
    this.#measuring = false
    if (this.#parts.outbox.messages > 0) {
      await new Promise<void>((resolve) => {
        this.#drained = resolve
        this.wheel.after(graceMs, resolve)
      })
    }
    this.#parts.ledger.flush()
    return this.#parts.outbox.messages === 0
  }

  async close (): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    this.#measuring = false
    this.wheel.close()
    this.#drained?.()
    this.#stopObserving()
    await Promise.all([...this.#connections.values()].map(async (connection) => connection.close()))
    this.#parts.ledger.close()
    this.#parts.outbox.close()
  }

  onSent (message: OutMessage, resend: boolean): void {
    this.#counts.sent++
    if (!resend) return
    this.#counts.resent++
    this.#unsure.add(message)
  }

  onAcknowledged (message: OutMessage, latencyMs: number): void {
    const { ledger, outbox } = this.#parts
    ledger.acknowledge(this.#recordOf(message), message.seq, message.samples, message.waves)
    outbox.remove(message)
    if (this.#unsure.delete(message)) this.#counts.recovered++
    this.#latency.record(latencyMs)
    this.#throughput.count(this.wheel.nowMs)
    if (outbox.messages === 0 && !this.#measuring) this.#drained?.()
  }

  onConnected (id: string): void {
    this.#counts.connected++
    if (this.#counts.connected === this.#connections.size) this.#disconnected = null
    this.#parts.observability.log.debug({ device: id }, 'device connected')
  }

  onLeft (id: string): void {
    this.#counts.connected--
    this.#parts.observability.log.debug({ device: id }, 'device leaves, to come back with a new certificate')
  }

  onDisconnected (id: string, wasConnected: boolean, reason: string): void {
    if (wasConnected) {
      this.#counts.connected--
      this.#counts.disconnections++
      this.#disconnections.set(id, (this.#disconnections.get(id) ?? 0) + 1)
    }
    this.#disconnected = reason
    this.#parts.observability.log.debug({ device: id, reason }, 'device disconnected')
  }

  onCommand (id: string, payload: Buffer): void {
    this.#parts.observability.log.debug({ device: id, bytes: payload.length }, 'command received')
  }

  #schedule (routine: Routine): void {
    const { dueMs } = routine
    if (dueMs === null) {
      if (--this.#unfinished === 0) this.#finish()
      return
    }
    this.wheel.at(this.#startedMs + (dueMs - this.#parts.startedAtMs), () => {
      if (!this.#measuring) return
      const message = routine.act(this.#parts.startedAtMs + this.wheel.nowMs - this.#startedMs)
      if (message) this.#keep(message)
      this.#schedule(routine)
    })
  }

  #keep (message: OutMessage): void {
    this.#counts.made++
    const connection = this.#connections.get(message.publisher)
    if (!this.#parts.outbox.add(message)) {
      this.#parts.ledger.drop(this.#recordOf(message), message.seq)
    } else if (connection) {
      connection.enqueue(message)
      this.#unsent.add(connection)
    }
  }

  /** The promise of the outbox: on disk first, on the wire after. A full disk holds messages back until it has room. */
  #endTurn (): void {
    const { outbox, ledger, observability } = this.#parts
    try {
      outbox.flush()
      ledger.flush()
      outbox.tidy()
      this.#diskFull = false
    } catch (error) {
      if (!this.#diskFull) observability.log.error({ err: error }, 'outbox cannot be written: devices hold their messages')
      this.#diskFull = true
      return
    }
    for (const connection of this.#unsent) connection.pump()
    this.#unsent.clear()
  }

  #recordOf ({ source, boot, bootBegunAtMs }: OutMessage): BootRecord {
    const key = `${source}/${boot}`
    let record = this.#records.get(key)
    if (!record) this.#records.set(key, record = this.#parts.ledger.boot(source, boot, bootBegunAtMs))
    return record
  }
}

// The simulator: a fleet of devices that behave like hardware, in one process. Takes a fleet, credentials and an address;
// gives counts, the ledger, and an orderly end. Every message that got its PUBACK is in the ledger; every message made and
// not acknowledged is kept in the outbox, on disk too, and sent again with the same identity and bytes, after a kill -9 as well.
//
//   sensor model → source (identity, bytes) → outbox (disk) → connection (MQTT) → PUBACK → ledger (disk) → out of the outbox
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { type Observability } from '../runtime/observability.ts'
import { DeviceConnection } from './connection.ts'
import { type Fleet, type Pairing } from './fleet.ts'
import { type MessageIdentity } from './ledger-compare.ts'
import { Ledger } from './ledger.ts'
import { defaultOutboxLimits, Outbox, type OutboxLimits } from './outbox.ts'
import { type Playback } from './playback.ts'
import { type RenewalCounts, type RenewalOptions, Renewals } from './renew.ts'
import { Running } from './running.ts'
import { type SimulatorStats } from './stats.ts'
import { createRoutines } from './ward.ts'

export interface Credentials {
  /** PEM of the private key, made on the device side. */
  readonly keyPem: string
  /** PEM of the device's certificate, with the issuing CA's behind it. */
  readonly certPem: string
  /** PEM of the CAs that whoever issued it says to trust from now on; absent: as before. */
  readonly caPem?: string
}

export interface SimulatorOptions {
  /** `mqtts://host:port` of the broker */
  readonly url: string
  /** PEM of the CAs the broker's certificate is checked against. */
  readonly ca: string
  readonly fleet: Fleet
  /** Asked once for each device with a connection of its own. */
  readonly credentials: (id: string) => Credentials | Promise<Credentials>
  /** Devices renew their certificates while they run; absent: they do not. */
  readonly renewal?: RenewalOptions
  /** Where outbox and ledger live; made when missing. One running simulator per directory. */
  readonly directory: string
  /** Ledger file; default `<directory>/ledger.jsonl`. */
  readonly ledgerFile?: string
  /** Messages a second of every device; default: each kind's own tempo in the ward. */
  readonly rate?: number
  /** A recording that the ECG patch and the oximeter play in place of their models. */
  readonly playback?: Playback
  /** Default 60. */
  readonly keepaliveS?: number
  /** PUBLISHes on their way per connection before the next waits for a PUBACK; default 16. */
  readonly inFlight?: number
  readonly outboxLimits?: OutboxLimits
  /** Start of device time, ms since 1970 UTC; default now. The same seed and start give the same bytes. */
  readonly startedAtMs?: number
  readonly observability: Observability
}

export interface Simulator {
  readonly fleet: Fleet
  readonly pairings: readonly Pairing[]
  readonly ledger: Ledger
  /** Resolves when the recording has been played to its end; never, when there is none. */
  readonly finished: Promise<void>
  stats (): SimulatorStats
  /** Certificates renewed, and attempts that failed. */
  readonly renewals: Readonly<RenewalCounts>
  /** What is made and not acknowledged, for the comparison with the database. */
  outstanding (): Iterable<MessageIdentity>
  /** Cuts a device's connection, as a radio link that dies; it reconnects by itself. */
  dropConnection (id: string): void
  /** Stops measuring; resolves true when everything is acknowledged, false at the deadline. */
  drain (options: { graceMs: number }): Promise<boolean>
  /** Closes connections and files. What is unacknowledged stays in the outbox for the next start. */
  close (): Promise<void>
}

// MQTT's usual minute; 16 on their way keep a link of 100 ms busy at 160 messages a second
const defaults = { keepaliveS: 60, inFlight: 16 }
// How fast a fleet is switched on: a TLS handshake costs a core about 2 ms on either side.
const connectsPerS = 200

/**
 * Starts; resolves once files are open and credentials are there, not when devices are connected. Throws what fs or
 * `credentials` throw.
 */
export async function startSimulator (options: SimulatorOptions): Promise<Simulator> {
  const { fleet, directory, observability } = options
  const startedAtMs = options.startedAtMs ?? Date.now()
  const credentials = await credentialsOf(options)
  mkdirSync(directory, { recursive: true, mode: 0o700 })
  const ledger = await Ledger.open(options.ledgerFile ?? join(directory, 'ledger.jsonl'))
  const outbox = await Outbox.open(join(directory, 'outbox.jsonl'),
    ({ source, boot, seq }) => ledger.has(source, boot, seq), options.outboxLimits ?? defaultOutboxLimits)
  const routines = createRoutines({ fleet, startedAtMs, rate: options.rate, playback: options.playback })
  const running = new Running({ ledger, outbox, routines, startedAtMs, observability })
  const connections = [...credentials].map(([id, own]) => new DeviceConnection({
    id,
    credentials: own,
    url: options.url,
    ca: options.ca,
    keepaliveS: options.keepaliveS ?? defaults.keepaliveS,
    inFlight: options.inFlight ?? defaults.inFlight,
    outbox,
    wheel: running.wheel,
    listener: running
  }))
  running.start(connections, 1_000 * connections.length / connectsPerS)
  const renewals = options.renewal && new Renewals(options.renewal, running.wheel, observability)
  for (const connection of connections) renewals?.add(connection)
  return {
    fleet,
    pairings: fleet.pairings,
    ledger,
    finished: running.finished,
    stats: () => running.stats(),
    outstanding: () => outstandingOf(outbox),
    dropConnection: (id) => connections.find((connection) => connection.id === id)?.drop(),
    drain: async ({ graceMs }) => running.drain(graceMs),
    renewals: renewals?.counts ?? { renewed: 0, failed: 0 },
    close: async () => {
      await renewals?.close()
      await running.close()
    }
  }
}

async function credentialsOf ({ fleet, credentials }: SimulatorOptions): Promise<Map<string, Credentials>> {
  const byId = new Map<string, Credentials>()
  for (const { id, via } of fleet.devices) if (via === null) byId.set(id, await credentials(id))
  return byId
}

function * outstandingOf (outbox: Outbox): Generator<MessageIdentity> {
  for (const { source, boot, seq } of outbox.outstanding()) yield { device: source, boot, seq }
}

// The simulated ward of `pulsegate up`: registers its devices and pairings, enrols them with the development authority, starts
// them, and in the end compares what they hold as acknowledged with what the database holds.
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { storedCounts, storedMessages } from '../ingest/evidence.ts'
import { type Lifecycle } from '../runtime/lifecycle.ts'
import { type Observability } from '../runtime/observability.ts'
import { createFleet } from '../simulator/fleet.ts'
import { compareLedger } from '../simulator/ledger-compare.ts'
import { startSimulator, type Simulator } from '../simulator/simulator.ts'
import { type Service } from './serve.ts'
import { type UpConfig, type UpFlags } from './up-settings.ts'
import { type VerdictInput } from './verdict.ts'

export interface Ward {
  readonly simulator: Simulator
  /** The device whose ECG is worth a plot. */
  readonly plotted: string | null
  /** When this run began, ms since 1970. */
  readonly startedAtMs: number
}

export interface WardOptions {
  readonly service: Service
  readonly config: UpConfig
  readonly flags: UpFlags
  readonly lifecycle: Lifecycle
  readonly observability: Observability
}

export async function startWard ({ service, config, flags, lifecycle, observability }: WardOptions): Promise<Ward> {
  const startedAtMs = Date.now()
  const fleet = createFleet({ seed: flags.seed, ...(flags.devices !== undefined && { devices: flags.devices }) })
  await service.registry.register(fleet.devices.map(({ id, kind, model }) => ({ id, kind, model })))
  // from before its first message: a relayed reading is refused when its time lies outside the pairing
  for (const { gateway, sensor } of fleet.pairings) await service.registry.pair(gateway, sensor, startedAtMs - 60_000)
  const { authority, paths } = service.authority
  const simulator = await startSimulator({
    url: service.url.replace('0.0.0.0', '127.0.0.1'),
    ca: await readFile(paths.ca, 'utf8'),
    fleet,
    directory: join(config.data, 'simulator'),
    credentials: async (id) => {
      const { keyPem, chainPem } = await authority.issueDevice(id)
      return { keyPem, certPem: chainPem }
    },
    ...(flags.rate !== undefined && { rate: flags.rate }),
    observability
  })
  lifecycle.onClose('simulator', () => simulator.close())
  return { simulator, plotted: fleet.devices.find(({ kind }) => kind === 'ecg-patch')?.id ?? null, startedAtMs }
}

/** Ledger against database, message by message and row by row, for this run's boots. */
export async function compareWithDatabase (service: Service, { simulator, startedAtMs }: Ward): Promise<VerdictInput> {
  const ids = simulator.fleet.devices.map(({ id }) => id)
  const comparison = await compareLedger(simulator.ledger.entries({ sinceMs: startedAtMs }), storedMessages(service.database, ids, startedAtMs), simulator.outstanding())
  const counts = await storedCounts(service.database, ids)
  const beyond = counts.reduce((sum, { samples, waves, claimedSamples, claimedWaves }) => sum + samples + waves - claimedSamples - claimedWaves, 0)
  return { comparison, rowsBeyondReceipts: beyond, latency: simulator.stats().ackLatency, database: service.databaseKind }
}

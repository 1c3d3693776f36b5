// The simulated ward of `pulsegate up`: makes its devices and pairings known, enrols them with the development authority by
// signing requests (their keys stay on their side), and starts them.
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type Lifecycle } from '../runtime/lifecycle.ts'
import { type Observability } from '../runtime/observability.ts'
import { renewByEst } from '../simulator/enrol-est.ts'
import { CredentialStore } from '../simulator/enrol-store.ts'
import { createEnrolment } from '../simulator/enrol.ts'
import { createFleet } from '../simulator/fleet.ts'
import { createPlayback, type Playback } from '../simulator/playback.ts'
import { startSimulator, type Simulator } from '../simulator/simulator.ts'
import { readWfdb } from '../simulator/wfdb.ts'
import { prepareFleet } from './proof.ts'
import { type Service } from './serve.ts'
import { type RenewalOptions } from '../simulator/renew.ts'
import { type UpConfig, type UpFlags } from './up-settings.ts'

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
  readonly playback: Playback | undefined
  readonly lifecycle: Lifecycle
  readonly observability: Observability
}

/** Reads the recording, when one is to be played; before anything is started, so that a wrong path costs nothing. */
export async function openPlayback ({ wfdb, speed }: UpFlags): Promise<Playback | undefined> {
  return wfdb === undefined ? undefined : createPlayback(await readWfdb(wfdb), { ...(speed !== undefined && { speed }) })
}

export async function startWard ({ service, config, flags, playback, lifecycle, observability }: WardOptions): Promise<Ward> {
  const startedAtMs = Date.now()
  const fleet = createFleet({ seed: flags.seed, ...(flags.devices !== undefined && { devices: flags.devices }) })
  await prepareFleet(service.registry, fleet)
  const { authority, paths } = service.authority
  const directory = join(config.data, 'simulator')
  const ca = await readFile(paths.ca, 'utf8')
  const renewal = renewalOf(service, ca, directory)
  const simulator = await startSimulator({
    url: reachable(service.url),
    ca,
    fleet,
    directory,
    credentials: await createEnrolment({ directory, authority, days: config.deviceLifeMs / 86_400_000, renews: renewal !== null }),
    ...(renewal && { renewal }),
    ...(flags.rate !== undefined && { rate: flags.rate }),
    ...(playback && { playback }),
    observability
  })
  lifecycle.onClose('simulator', () => simulator.close())
  return { simulator, plotted: fleet.devices.find(({ kind }) => kind === 'ecg-patch')?.id ?? null, startedAtMs }
}

/** Over HTTPS, with the certificate each device has: as in life. */
function renewalOf ({ est }: Service, ca: string, directory: string): RenewalOptions | null {
  if (est === null) return null
  const server = { url: reachable(est.url), ca }
  return { store: new CredentialStore(directory), renew: (id, current, signal) => renewByEst({ ...server, ca: current.caPem ?? ca }, id, current, signal) }
}

/** Where to connect to what listens on every address. */
function reachable (url: string): string {
  return url.replace('//0.0.0.0:', '//127.0.0.1:').replace('//[::]:', '//[::1]:')
}

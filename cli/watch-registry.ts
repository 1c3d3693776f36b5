// What keeps a process in step with the registry: a suspended, retired or deleted device is out of its broker within a second, and its
// worker forgets at once what it knew of a device or a pairing that has changed.
import { type Broker } from '../broker/broker.ts'
import { type RegistryWatch, watchRegistry } from '../ingest/registry-watch.ts'
import { type Worker } from '../ingest/worker.ts'
import { type Lifecycle } from '../runtime/lifecycle.ts'
import { type Observability } from '../runtime/observability.ts'

export interface WatchRegistryOptions {
  readonly databaseUrl: string
  /** What of them this process has. */
  readonly broker?: Broker
  readonly worker?: Worker
  readonly lifecycle: Lifecycle
  readonly observability: Observability
}

/** Starts the watch, as the broker role, which may read states and nothing else; it ends with the process. */
export function watchRegistryFor ({ databaseUrl, broker, worker, lifecycle, observability }: WatchRegistryOptions): RegistryWatch {
  const watch = watchRegistry({
    url: databaseUrl,
    role: 'pulsegate_broker',
    observability,
    changed: (id, state) => {
      broker?.registryChanged(id, state)
      worker?.registryChanged({ device: id })
    },
    knownIds: () => broker?.knownIds() ?? [],
    pairingChanged: (gateway, sensor) => { worker?.registryChanged({ gateway, sensor }) },
    listening: () => { worker?.registryChanged('unknown') }
  })
  lifecycle.onClose('registry watch', () => watch.close())
  return watch
}

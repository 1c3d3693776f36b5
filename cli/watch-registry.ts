// What keeps a broker in step with the registry: a suspended, retired or deleted device is out within a second.
import { type Broker } from '../broker/broker.ts'
import { type RegistryWatch, watchRegistry } from '../ingest/registry-watch.ts'
import { type Lifecycle } from '../runtime/lifecycle.ts'
import { type Observability } from '../runtime/observability.ts'

export interface WatchRegistryOptions {
  readonly databaseUrl: string
  readonly broker: Broker
  readonly lifecycle: Lifecycle
  readonly observability: Observability
}

/** Starts the watch, as the broker role, which may read states and nothing else; it ends with the process. */
export function watchRegistryFor ({ databaseUrl, broker, lifecycle, observability }: WatchRegistryOptions): RegistryWatch {
  const watch = watchRegistry({
    url: databaseUrl,
    role: 'pulsegate_broker',
    observability,
    changed: (id, state) => { broker.registryChanged(id, state) },
    knownIds: () => broker.knownIds()
  })
  lifecycle.onClose('registry watch', () => watch.close())
  return watch
}

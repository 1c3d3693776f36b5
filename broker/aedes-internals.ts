// The members of Aedes 1.2 and its memory persistence that we use although their typings do not list them. Kept in one
// place, behind names of our own, and each held by the contract test; a new version of Aedes is taken only with it green.
import { type Aedes, type Client } from 'aedes'
import { type Readable } from 'node:stream'

interface StoredSubscription { readonly topic: string, readonly qos: number }

interface Persistence {
  addSubscriptions (client: { id: string }, subscriptions: readonly StoredSubscription[]): Promise<void>
  subscriptionsByClient (client: { id: string }): Promise<readonly StoredSubscription[]>
  outgoingStream (client: { id: string }): Readable
}

interface Inside {
  readonly persistence: Persistence
  readonly clients: Readonly<Record<string, Client & { readonly subscriptions: Readonly<Record<string, unknown>> }>>
  unregisterClient (client: Client): void
}

function inside (aedes: Aedes): Inside {
  return aedes as unknown as Inside
}

export const internals = {
  /** Takes a client off Aedes' list that was registered after it had closed. */
  unregister (aedes: Aedes, client: Client): void {
    if (inside(aedes).clients[client.id] === client) inside(aedes).unregisterClient(client)
  },

  /** Lets only subscriptions into the store that `allowed` allows. Call after `listen()`. */
  filterStoredSubscriptions (aedes: Aedes, allowed: (clientId: string, topic: string) => boolean): void {
    const { persistence } = inside(aedes)
    const add = persistence.addSubscriptions.bind(persistence)
    persistence.addSubscriptions = async (client, subscriptions) => {
      const granted = subscriptions.filter(({ topic }) => allowed(client.id, topic))
      if (granted.length > 0) await add(client, granted)
    }
  },

  /** Does the device, connected now or with a session that waits, subscribe to `topic`? */
  async subscribed (aedes: Aedes, id: string, topic: string): Promise<boolean> {
    const { clients, persistence } = inside(aedes)
    if (clients[id]?.subscriptions[topic] !== undefined) return true
    return (await persistence.subscriptionsByClient({ id })).some((stored) => stored.topic === topic && stored.qos > 0)
  },

  /** How many commands wait for the device's acknowledgement; counts no further than `limit`. */
  async waitingCommands (aedes: Aedes, id: string, limit: number): Promise<number> {
    let count = 0
    const waiting = inside(aedes).persistence.outgoingStream({ id })
    for await (const command of waiting) if (command !== null && ++count >= limit) break
    return count
  }
}

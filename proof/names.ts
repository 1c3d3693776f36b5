// What the parts of a set-up are called: in schedules, reports and logs. One place, so that a fault can name a part or a
// link by a word that a person can read, and a schedule printed today means the same tomorrow.

/** `broker-1`, `broker-2`, … */
export function brokerNames (count: number): string[] { return numbered('broker', count) }

/** `worker-1`, `worker-2`, … */
export function workerNames (count: number): string[] { return numbered('worker', count) }

/** The connections from `from` to `to`: `broker-1→redis`. */
export function linkName (from: string, to: string): string { return `${from}→${to}` }

/** Every pair of parts that speak with each other, each with a proxy between. */
export function linkNames (brokers: number, workers: number): string[] {
  return [
    ...brokerNames(brokers).flatMap((broker) => [linkName('devices', broker), linkName(broker, 'redis'), linkName(broker, 'postgres')]),
    ...workerNames(workers).flatMap((worker) => [linkName(worker, 'redis'), linkName(worker, 'postgres')])
  ]
}

function numbered (name: string, count: number): string[] {
  return Array.from({ length: count }, (_, index) => `${name}-${index + 1}`)
}

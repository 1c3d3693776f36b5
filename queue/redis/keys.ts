// The names of everything Pulsegate keeps in Redis. Keys of one partition share a hash tag, so that a script may touch them
// together and Redis Cluster can spread the partitions.

export interface Keys {
  /** string: how many partitions there are, fixed at the first start */
  readonly partitions: string
  /** sorted set: worker → when it was last alive, ms of the server's clock */
  readonly workers: string
  /** pub/sub channel: the number of a partition that has new messages, or `lease` when one is free */
  readonly wake: string
  /** stream: one entry a message */
  stream (partition: number): string
  /** string: the token of the worker that holds the partition */
  lease (partition: number): string
  /** hash: entry → how often it was taken up alone, because workers had died with it in their hands */
  suspects (partition: number): string
}

export const group = 'ingest'
// One name for all: the lease says who reads, so what a dead worker had in its hands is found under the same name.
export const consumer = 'holder'

export function keysOf (namespace: string): Keys {
  const of = (partition: number, what: string): string => `{${namespace}:p${partition}}:${what}`
  return {
    partitions: `${namespace}:partitions`,
    workers: `${namespace}:workers`,
    wake: `${namespace}:wake`,
    stream: (partition) => of(partition, 'messages'),
    lease: (partition) => of(partition, 'lease'),
    suspects: (partition) => of(partition, 'suspects')
  }
}

// The table of `bench streams`, out of its runs. Pure.
import { shown, type Table } from './outcome.ts'
import { pathLoads } from './path-loads.ts'
import { median, ratiosOf, valuesOf, type Run } from './statistics.ts'
import { spreadText } from './summary.ts'

export const oneProcess = 'Pulsegate, one process'
export const overRedis = 'Pulsegate over Redis'

const processes = ['process', 'broker', 'redis', 'worker', 'database'] as const

const columns = ['load and system', 'acknowledged/s', 'stored/s', 'behind s', ...processes.map((name) => `${name} µs`), 'CPU µs/message', 'core', 'batch', 'p50 ms', 'p99 ms',
  'times the CPU', 'times acknowledged/s', 'times stored/s']

const note = 'What separate processes cost: broker, Redis 7.0 with `appendfsync always`, worker and TimescaleDB together on the core that one process and TimescaleDB have otherwise. ' +
  'In one process a PUBACK means committed; over Redis it means on disk in Redis, and rows come later. So there are two rates: acknowledged/s while the load lasted, ' +
  'and stored/s over the whole time from the first PUBLISH to the last row; behind = how long after the load the last row came. ' +
  'CPU µs per message are over that whole time, by process; core = the share of the core all had together. Below 1 they also waited for the disk (or for a neighbour), ' +
  'and here such rounds count: one process waits for the disk once a transaction, Redis once more for what it appends. ' +
  'batch = messages a transaction; p50 and p99 are of PUBLISH to PUBACK at full load. The last three columns are over Redis against one process: above 1 is more. ' +
  'After every run the tables were counted: what was acknowledged is there, once.'

function row (runs: readonly Run[], load: string, subject: string): string[] {
  const all = (value: string): number[] => valuesOf(runs, subject, load, value)
  const middle = (value: string): string => shown(median(all(value)))
  const times = (value: string): string => subject === oneProcess ? '' : shown(median(ratiosOf(runs, subject, oneProcess, load, value)))
  return [
    `${load}: ${subject}`,
    spreadText(all('acknowledgedRate')), spreadText(all('storedRate')), middle('behindSeconds'),
    ...processes.map((name) => all(`${name}Us`).length === 0 ? '' : middle(`${name}Us`)), spreadText(all('us')), middle('core'),
    middle('batch'), middle('p50Ms'), middle('p99Ms'),
    times('us'), times('acknowledgedRate'), times('storedRate')
  ]
}

export function streamsTable (runs: readonly Run[]): Table {
  const rows = pathLoads.flatMap(({ name }) => [oneProcess, overRedis]
    .filter((subject) => valuesOf(runs, subject, name, 'us').length > 0)
    .map((subject) => row(runs, name, subject)))
  return { title: 'One process, and separate ones over Redis Streams', note, columns, rows }
}

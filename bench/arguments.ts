// The command line of the benchmarks, apart from what they do. Throws UsageError with one line that names the fault.
import { parseArgs } from 'node:util'

export const commands = ['ingest', 'accept', 'end-to-end', 'streams', 'connections', 'revocation', 'audit', 'report'] as const
export type Command = typeof commands[number]

export interface BenchOptions {
  readonly command: Command
  /** Every case runs once per round, interleaved. */
  readonly rounds: number
  /** Length of one measured window. */
  readonly seconds: number
  readonly json: boolean
  /** Keep the result in bench/results/, from which `report` writes docs/benchmarks.md. */
  readonly save: boolean
  /** Only subjects and shapes whose name holds this text. */
  readonly only: string
  /** Directory for CPU profiles of our own server processes; '' = none. */
  readonly profile: string
}

export class UsageError extends Error {}

export const usage = `usage: npm run bench -- <command> [options]

  ingest        decoded batch -> committed, against psql \\copy of the same rows into the same table
  accept        broker with a queue that acknowledges at once, against Mosquitto
  end-to-end    publish -> committed -> PUBACK on TimescaleDB, against Mosquitto + a Node subscriber that inserts
  streams       broker -> Redis Streams -> worker -> TimescaleDB, against the same path in one process
  connections   mTLS connects per second, full and resumed, and memory per idle connection
  revocation    how long \`certs revoke\` takes to end the session of one of 1,000 live devices
  audit         what a row costs \`audit verify\`, and how long a million take
  report        write docs/benchmarks.md from bench/results/*.json

  --rounds N    rounds, every case once in each (default 5)
  --seconds N   measured seconds of one case in one round (default 5)
  --only TEXT   only cases whose name ('subject, shape', as the progress lines have it) holds TEXT
  --json        print one JSON object instead of tables
  --save        keep the result in bench/results/ for the report
  --profile DIR write CPU profiles of our server processes to DIR
  --help        this text

Needs Linux with two cores or more: the server side is pinned to core 0, the load generator to core 1.`

function positive (name: string, text: string): number {
  const value = Number(text)
  if (!(value > 0) || !Number.isFinite(value)) throw new UsageError(`--${name} must be a positive number, not '${text}'`)
  return value
}

/** `null` when help is asked for. */
export function parseArguments (args: readonly string[]): BenchOptions | null {
  let parsed
  try {
    parsed = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        rounds: { type: 'string', default: '5' },
        seconds: { type: 'string', default: '5' },
        only: { type: 'string', default: '' },
        profile: { type: 'string', default: '' },
        json: { type: 'boolean', default: false },
        save: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false }
      }
    })
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error))
  }
  const { values, positionals } = parsed
  if (values.help) return null
  const command = commands.find((name) => name === positionals[0])
  if (command === undefined || positionals.length !== 1) {
    throw new UsageError(`one command is needed: ${commands.join(', ')}`)
  }
  const rounds = positive('rounds', values.rounds)
  if (!Number.isInteger(rounds)) throw new UsageError(`--rounds must be a whole number, not '${values.rounds}'`)
  const { json, save, only, profile } = values
  return { command, rounds, seconds: positive('seconds', values.seconds), json, save, only, profile }
}

// `pulsegate devices approve | suspend | retire | pair | unpair | assign | unassign`: each on several devices at once. What is refused for
// one device does not keep the others from being changed; exit code 1 says that some were.
import { type Argument, Command, createArgument } from 'commander'
import { type Change, changeDevices, type ChangeResult } from '../ingest/registry-change.ts'
import { assignTo, changeState, pairWith, unassignAt, unpairAt } from '../ingest/registry-changes.ts'
import { stateOf, type StateVerb } from '../ingest/registry-states.ts'
import { PulsegateError } from '../runtime/errors.ts'
import { operatorAgent, purposeOf } from './actor.ts'
import { oneDevice, oneSubject } from './devices-argument.ts'
import { type DevicesHooks, idsOf } from './devices-ids.ts'
import { resultText, sumsOf } from './devices-text.ts'
import { addAuditedOptions, withAudited } from './open-audit.ts'
import { parseTime, printer } from './text.ts'

interface Flags {
  readonly json?: true
  readonly force?: true
  readonly from?: number
  readonly until?: number
  readonly at?: number
}

type Write = (text: string) => void
type Run = (command: Command, words: readonly string[], flags: Flags, what: Omit<Job, 'write' | 'hooks'>) => Promise<void>

export function changeCommands (write: Write, hooks: DevicesHooks): Command[] {
  const run: Run = (command, words, flags, what) => changeAll(command, words, flags, { ...what, write, hooks })
  return [
    stateCommand(run, 'approve', 'Let devices publish: pending or suspended ones become active.'),
    stateCommand(run, 'suspend', 'Keep devices out until they are approved again; their sessions end within a second.'),
    stateCommand(run, 'retire', 'Take devices out of service for good; their sessions end within a second.'),
    pair(run), unpair(run), assign(run), unassign(run)
  ]
}

function stateCommand (run: Run, verb: StateVerb, description: string): Command {
  const command = subcommand(verb, description).addArgument(devices())
  if (verb !== 'retire') command.option('--force', 'also those that are retired, which is final otherwise')
  return command.action((ids: string[], flags: Flags, self: Command) => run(self, ids, flags, { change: changeState(verb, flags.force ?? false), done: stateOf[verb] }))
}

function pair (run: Run): Command {
  return subcommand('pair', 'Let a gateway publish for sensors; ends their open pairing with another gateway, registers sensors that are new.')
    .argument('<gateway>', 'device id of the gateway', oneDevice).addArgument(devices('sensor'))
    .option('--from <time>', 'from then on (default: now): a time, or how long ago such as 24h', parseTime)
    .action((gateway: string, sensors: string[], flags: Flags, self: Command) => run(self, sensors, flags, {
      change: pairWith(gateway, flags.from ?? Date.now()),
      faultIn: (ids) => ids.includes(gateway) ? `a gateway is not paired with itself: ${gateway} is among the sensors. Nothing was changed.` : null
    }))
}

function unpair (run: Run): Command {
  return subcommand('unpair', 'End the pairing of sensors, also one that was to end later; one that begins at that very time is taken back.').addArgument(devices('sensor'))
    .option('--at <time>', 'from then on (default: now): a time, or how long ago such as 10m', parseTime)
    .action((sensors: string[], flags: Flags, self: Command) => run(self, sensors, flags, { change: unpairAt(flags.at ?? Date.now()) }))
}

function assign (run: Run): Command {
  return subcommand('assign', 'Say which subject (a pseudonym) devices measure; ends their open assignment to another subject.')
    .argument('<subject>', 'pseudonym of the subject', oneSubject).addArgument(devices())
    .option('--from <time>', 'from then on (default: now): a time, or how long ago such as 24h', parseTime)
    .option('--until <time>', 'until then (default: until it is ended)', parseTime)
    .action((subject: string, ids: string[], flags: Flags, self: Command) => {
      const { from: fromMs = Date.now(), until: untilMs = null } = flags
      if (untilMs !== null && untilMs <= fromMs) {
        const begin = flags.from === undefined ? 'the beginning, which is now because --from is not given' : `--from ${isoOf(fromMs)}`
        usageError(self, `--until ${isoOf(untilMs)} must be later than ${begin}`)
      }
      return run(self, ids, flags, { change: assignTo({ subject, fromMs, untilMs }) })
    })
}

function unassign (run: Run): Command {
  return subcommand('unassign', 'End the assignment of devices, also one that was to end later; one that begins at that very time is taken back.').addArgument(devices())
    .option('--at <time>', 'from then on (default: now): a time, or how long ago such as 10m', parseTime)
    .action((ids: string[], flags: Flags, self: Command) => run(self, ids, flags, { change: unassignAt(flags.at ?? Date.now()) }))
}

function subcommand (name: string, description: string): Command {
  return addAuditedOptions(new Command(name).description(description)).option('--json', 'print one JSON document')
}

function devices (name = 'id'): Argument { return createArgument(`<${name}...>`, 'device ids; - reads them from standard input') }

function isoOf (ms: number): string { return new Date(ms).toISOString() }

function usageError (command: Command, fault: string): never { command.error(`error: ${fault}`, { exitCode: 2, code: 'pulsegate.usage' }) }

interface Job {
  readonly change: Change
  /** What a change of state came to. */
  readonly done?: string
  /** What cannot be meant of all these ids together. */
  readonly faultIn?: (ids: readonly string[]) => string | null
  readonly write: Write
  readonly hooks: DevicesHooks
}

async function changeAll (command: Command, words: readonly string[], flags: Flags, { change, done = '', faultIn, write, hooks }: Job): Promise<void> {
  const ids = await idsOf(command, words, hooks)
  const fault = faultIn?.(ids) ?? null
  if (fault !== null) usageError(command, fault)
  const agent = operatorAgent()
  const results: ChangeResult[] = []
  await withAudited(command, async (database, audit) => {
    for await (const page of changeDevices(ids, change, { database, audit, agent, ...purposeOf(command) })) {
      results.push(...page)
      if (ids.length > page.length) process.stderr.write(`${results.length} of ${ids.length}\n`)
    }
  })
  const [only] = results
  // alone, a refusal is the command's own error, with what to do
  if (results.length === 1 && only?.outcome === 'refused') throw new PulsegateError(only.code, only.message)
  const sums = sumsOf(results)
  printer(write)(flags, { ...sums, devices: results }, resultText(results, sums, done))
  if (sums.refused > 0) process.exitCode = 1
}

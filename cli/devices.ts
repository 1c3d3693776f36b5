// `pulsegate devices list | pair | state`: the registry by hand.
import { Argument, Command, InvalidArgumentError } from 'commander'
import { createRegistry, type DeviceRegistry } from '../ingest/registry.ts'
import { quietObservability } from '../runtime/observability.ts'
import { type DeviceState, deviceStates, isDeviceId } from '../schemas/device.ts'
import { addDatabaseOptions, withDatabase } from './open-database.ts'
import { parseTime, type Print, printer, table, timeText } from './text.ts'

interface JsonOption { readonly json?: true }

/** `write` is where the output goes: standard output, unless a test listens. */
export function devicesCommand (write: (text: string) => void = (text) => { process.stdout.write(text) }): Command {
  const print = printer(write)
  return new Command('devices').description('The registry of devices: list, pair, change states.')
    .addCommand(list(print)).addCommand(pair(print)).addCommand(state(print))
}

function list (print: Print): Command {
  return subcommand('list', 'All devices.').action(async (options: JsonOption, command: Command) => {
    const devices = await withRegistry(command, (registry) => registry.list())
    print(options, devices, devices.length === 0
      ? 'no device is registered\n'
      : table(['id', 'state', 'kind', 'model', 'firmware', 'last seen (UTC)'], devices.map(({ id, state, kind, model, firmware, lastSeen }) =>
        [id, state, kind ?? '', model ?? '', firmware ?? '', timeText(lastSeen)])))
  })
}

function pair (print: Print): Command {
  return subcommand('pair', 'Let a gateway publish for a sensor; ends the sensor\'s pairing with another gateway, registers the sensor if it is new.')
    .addArgument(deviceArgument('gateway')).addArgument(deviceArgument('sensor'))
    .option('--from <time>', 'from then on (default: now): a time, or how long ago such as 24h', parseTime)
    .action(async (gateway: string, sensor: string, options: JsonOption & { from?: number }, command: Command) => {
      const fromMs = options.from ?? Date.now()
      await withRegistry(command, (registry) => registry.pair(gateway, sensor, fromMs))
      print(options, { gateway, sensor, from: new Date(fromMs) }, `${gateway} speaks for ${sensor} from ${timeText(new Date(fromMs))} UTC\n`)
    })
}

function state (print: Print): Command {
  return subcommand('state', 'Change the state of a device; only active devices may publish.')
    .addArgument(deviceArgument('id')).addArgument(new Argument('<state>', 'its new state').choices(deviceStates))
    .action(async (id: string, next: DeviceState, options: JsonOption, command: Command) => {
      await withRegistry(command, (registry) => registry.setState(id, next))
      print(options, { id, state: next }, `${id} is ${next}\n`)
    })
}

function subcommand (name: string, description: string): Command {
  return addDatabaseOptions(new Command(name).description(description)).option('--json', 'print one JSON document')
}

function deviceArgument (name: string): Argument {
  return new Argument(`<${name}>`, 'device id').argParser((text: string) => {
    if (isDeviceId(text)) return text
    throw new InvalidArgumentError('A device id is a lower-case UUID.')
  })
}

function withRegistry<T> (command: Command, work: (registry: DeviceRegistry) => Promise<T>): Promise<T> {
  return withDatabase(command, (database) => work(createRegistry(database, { enrolment: 'pending' }, quietObservability())))
}

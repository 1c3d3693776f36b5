// `pulsegate devices list`: the registry page by page.
import { Command, Option } from 'commander'
import { type DeviceRow, listDevices } from '../ingest/registry-list.ts'
import { deviceStates, type DeviceState } from '../schemas/device.ts'
import { wholeNumber } from './arguments.ts'
import { oneDevice } from './devices-argument.ts'
import { addDatabaseOptions, withDatabase } from './open-database.ts'
import { printer, table, timeText } from './text.ts'

interface Flags {
  readonly state?: DeviceState
  readonly kind?: string
  readonly tenant?: string
  readonly search?: string
  readonly after?: string
  readonly limit: number
  readonly json?: true
}

// a program that wants more asks page by page: --after
const maxListed = 10_000

export function listCommand (write: (text: string) => void): Command {
  const print = printer(write)
  return addDatabaseOptions(new Command('list').description('Devices by id, a page at a time.'))
    .addOption(new Option('--state <state>', 'only in this state').choices(deviceStates))
    .option('--kind <kind>', 'only of this kind, such as gateway')
    .option('--tenant <tenant>', 'only of this tenant')
    .option('--search <text>', 'only with this text in id, model, serial number or firmware')
    .option('--limit <count>', 'at most so many', wholeNumber(1, maxListed), 100)
    .option('--after <id>', 'go on after this id: the last of the page before', oneDevice)
    .option('--json', 'print one JSON document')
    .addHelpText('after', `
Examples:
  pulsegate devices list --state pending
  pulsegate devices list --kind gateway --search 2.0.1 --limit 1000 --json`)
    .action(async (flags: Flags, command: Command) => {
      const { state, kind, tenant, search, after, limit } = flags
      const devices = await withDatabase(command, (database) => listDevices(database, {
        limit,
        ...(state !== undefined && { state }),
        ...(kind !== undefined && { kind }),
        ...(tenant !== undefined && { tenant }),
        ...(search !== undefined && { search }),
        ...(after !== undefined && { after })
      }))
      print(flags, devices, listText(devices, limit))
    })
}

function listText (devices: readonly DeviceRow[], limit: number): string {
  if (devices.length === 0) return 'no such device is registered\n'
  const rows = devices.map(({ id, state, kind, model, serial, firmware, tenant, lastSeen }) =>
    [id, state, kind ?? '', model ?? '', serial ?? '', firmware ?? '', tenant ?? '', timeText(lastSeen)])
  const more = devices.length === limit ? `more: --after ${devices.at(-1)?.id ?? ''}\n` : ''
  return table(['id', 'state', 'kind', 'model', 'serial', 'firmware', 'tenant', 'last seen (UTC)'], rows) + more
}

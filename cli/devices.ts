// `pulsegate devices …`: the registry by hand (docs/devices.md). Composes the subcommands; each has a file of its own.
import { Command } from 'commander'
import { changeCommands } from './devices-change.ts'
import { type DevicesHooks } from './devices-ids.ts'
import { listCommand } from './devices-list.ts'
import { showCommand } from './devices-show.ts'

const help = `
States: pending (waits for approval) → active ⇄ suspended; from each of them to retired, which is final. Only active devices may
publish. A change is felt by live sessions within a second, and is in the audit trail before it is made. - reads ids from standard input.

Examples:
  pulsegate devices list --state pending
  pulsegate devices list --state pending --json | jq -r '.[].id' | pulsegate devices approve - --purpose 'ward 7 opens'
  pulsegate devices pair <gateway> <sensor> <sensor>
  pulsegate devices assign subject-17 <device> --from 2026-03-01T08:00:00Z`

/** `write` is where the output goes: standard output, unless a test listens. */
export function devicesCommand (write: (text: string) => void = (text) => { process.stdout.write(text) }, hooks: DevicesHooks = {}): Command {
  const devices = new Command('devices').description('The registry of devices: list, approve, suspend, retire, pair, assign (docs/devices.md).').addHelpText('after', help)
  for (const command of [listCommand(write), showCommand(write), ...changeCommands(write, hooks)]) devices.addCommand(command)
  return devices
}

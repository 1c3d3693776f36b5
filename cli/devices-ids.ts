// The ids that a command is about: some on the command line, and with `-` those on standard input. Takes words, gives each id once, in
// the order in which it was named; what is no id ends the command with a usage error that names all of it.
import { type Command } from 'commander'
import { isDeviceId } from '../schemas/device.ts'

export interface DevicesHooks {
  /** In place of standard input. */
  readonly input?: AsyncIterable<Buffer | string>
}

// as many as the largest registry this is made for, ten times over; more is not a list of devices
const maxBytes = 64 * 1_024 * 1_024
const shownFaults = 10

export async function idsOf (command: Command, words: readonly string[], { input = process.stdin }: DevicesHooks): Promise<string[]> {
  const all: string[] = []
  for (const word of words) {
    if (word !== '-') all.push(word)
    else for (const line of await readWords(command, input)) all.push(line)
  }
  const faults = all.filter((word) => !isDeviceId(word))
  if (faults.length > 0) {
    const shown = faults.slice(0, shownFaults).map((word) => JSON.stringify(word.slice(0, 60))).join(', ')
    const more = faults.length > shownFaults ? ` and ${faults.length - shownFaults} more` : ''
    command.error(`error: a device id is a lower-case UUID; ${shown}${more} ${faults.length === 1 ? 'is' : 'are'} not. Nothing was changed.`, { exitCode: 2, code: 'pulsegate.ids' })
  }
  if (all.length === 0) command.error('error: no device was named', { exitCode: 2, code: 'pulsegate.ids' })
  return [...new Set(all)]
}

async function readWords (command: Command, input: AsyncIterable<Buffer | string>): Promise<string[]> {
  let text = ''
  for await (const chunk of input) {
    text += chunk.toString()
    if (text.length > maxBytes) command.error('error: standard input is longer than any list of devices', { exitCode: 2, code: 'pulsegate.ids' })
  }
  return text.split(/\s+/).filter((word) => word !== '')
}

// Who is at the command line, and why, for the audit trail.
import { hostname, userInfo } from 'node:os'
import { type Command } from 'commander'
import { type AuditAgent } from '../runtime/audit.ts'
import { addSettings, configOf } from './options.ts'

/** The setting of commands that read patient data or change rights: --purpose, PULSEGATE_PURPOSE. */
export const purposeOption = 'purpose' as const

/** `<os user>@<host>`. */
export function operatorAgent (): AuditAgent {
  return { id: `${userName()}@${hostname()}`, role: 'operator' }
}

export function addPurposeOption (command: Command): Command {
  return addSettings(command, [purposeOption])
}

/** Spread into an event: `purpose`, when one was given. */
export function purposeOf (command: Command): { readonly purpose?: string } {
  const { purpose } = configOf(command, [purposeOption])
  return purpose === undefined ? {} : { purpose }
}

function userName (): string {
  try {
    return userInfo().username
  } catch {
    return `uid ${process.geteuid?.() ?? '?'}` // a container's user without an entry in passwd
  }
}

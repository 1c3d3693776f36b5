// The command tree and the one place where an error becomes an exit code and words for a person.
import { Command, CommanderError } from 'commander'
import { describeError, exitCodeOf } from '../runtime/errors.ts'
import { auditCommand } from './audit.ts'
import { brokerCommand } from './broker.ts'
import { certsCommand } from './certs.ts'
import { completenessCommand } from './completeness.ts'
import { devicesCommand } from './devices.ts'
import { doctorCommand } from './doctor.ts'
import { eraseCommand } from './erase.ts'
import { exportCommand } from './export.ts'
import { ingestCommand } from './ingest.ts'
import { keysCommand } from './keys.ts'
import { migrateCommand } from './migrate.ts'
import { quarantineCommand } from './quarantine.ts'
import { simulateHooks } from './proof.ts'
import { proofCommand } from './proof-command.ts'
import { simulateCommand } from './simulate.ts'
import { tenantsCommand } from './tenants.ts'
import { upCommand } from './up.ts'
import { usageText } from './usage-text.ts'
import { version } from './version.ts'

const afterHelp = `
Start here:
  pulsegate up                     everything in one process, with a simulated ward
  pulsegate doctor                 what is missing on this machine, and what to do

Environment: DATABASE_URL, REDIS_URL and PULSEGATE_* stand in for flags (docs/configuration.md).
Exit codes: 0 done, 1 failed, 2 usage, 78 configuration.`

export function buildProgram (): Command {
  const program = new Command('pulsegate')
    .description('MQTT broker and ingest pipeline for medical devices: a PUBACK means stored.')
    .version(version)
    .addHelpText('after', afterHelp)
    .showHelpAfterError('(--help shows what is allowed)')
  const commands = [upCommand, () => brokerCommand(), ingestCommand, () => simulateCommand(simulateHooks), certsCommand, devicesCommand, () => tenantsCommand(),
    migrateCommand, quarantineCommand, keysCommand, exportCommand, () => eraseCommand(), completenessCommand, () => auditCommand(), doctorCommand, () => proofCommand()]
  for (const make of commands) program.addCommand(make())
  return program
}

/** Runs one command line (`argv` as in process.argv). Returns the exit code; prints errors to standard error. */
export async function run (argv: readonly string[]): Promise<number> {
  return runProgram(buildProgram(), argv)
}

export async function runProgram (program: Command, argv: readonly string[]): Promise<number> {
  everyCommand(program, (command) => command.exitOverride().configureOutput({ outputError: (text, write) => { write(usageText(text)) } }))
  try {
    await program.parseAsync([...argv])
    return typeof process.exitCode === 'number' ? process.exitCode : 0
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2
    process.stderr.write(`pulsegate: ${describeError(error)}\n`)
    return exitCodeOf(error)
  }
}

function everyCommand (command: Command, act: (command: Command) => void): void {
  act(command)
  for (const child of command.commands) everyCommand(child, act)
}

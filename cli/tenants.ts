// `pulsegate tenants list | grant | withdraw | move`: which login reads which tenant, and which tenant has which device (docs/tenants.md).
// Every change is in the audit trail, or it is not made.
import { Argument, Command, InvalidArgumentError } from 'commander'
import { grantTenant, isTenant, listTenants, moveToTenant, withdrawTenant } from '../ingest/tenants.ts'
import { type AuditEvent, type AuditLog } from '../runtime/audit.ts'
import { isDeviceId } from '../schemas/device.ts'
import { operatorAgent, purposeOf } from './actor.ts'
import { addAuditedOptions, withAudited } from './open-audit.ts'
import { addDatabaseOptions, withDatabase } from './open-database.ts'
import { tenantsText } from './tenants-text.ts'
import { parseTime, type Print, printer, timeText } from './text.ts'

interface JsonOption { readonly json?: true }

/** `write` is where the output goes: standard output, unless a test listens. */
export function tenantsCommand (write: (text: string) => void = (text) => { process.stdout.write(text) }): Command {
  const print = printer(write)
  return new Command('tenants').description('Tenants: which login reads which, and which device belongs to which (docs/tenants.md).')
    .addCommand(list(print)).addCommand(grant(print)).addCommand(withdraw(print)).addCommand(move(print))
}

function list (print: Print): Command {
  return addDatabaseOptions(new Command('list')).description('Tenants with their devices and logins, and readers that see nothing.')
    .option('--json', 'print one JSON document')
    .action(async (options: JsonOption, command: Command) => {
      const found = await withDatabase(command, listTenants)
      print(options, found, tenantsText(found))
    })
}

function grant (print: Print): Command {
  return change('grant', 'Let a login read a tenant\'s devices, of the time in which they are the tenant\'s.', `
  pulsegate tenants grant dashboard ward-7 --purpose 'contract 2026-14'
  pulsegate tenants grant dashboard '*'          every tenant, and devices that have none`)
    .addArgument(loginArgument()).addArgument(tenantArgument('*'))
    .action(async (login: string, tenant: string, options: JsonOption, command: Command) => {
      const { changed, reader } = await withAudited(command, (database, audit) =>
        grantTenant(database, login, tenant, operatorAgent().id, () => audit.recordNow(access('granted', command, login, tenant))))
      const hint = reader ? '' : `it is not a member of pulsegate_reader yet: GRANT pulsegate_reader TO ${login};\n`
      print(options, { login, tenant, changed, reader }, `${login} reads ${named(tenant)}${changed ? '' : ' already'}\n${hint}`)
    })
}

function withdraw (print: Print): Command {
  return change('withdraw', 'Take that right away again, at once, from open sessions too.', `
  pulsegate tenants withdraw dashboard ward-7`)
    .addArgument(loginArgument()).addArgument(tenantArgument('*'))
    .action(async (login: string, tenant: string, options: JsonOption, command: Command) => {
      const changed = await withAudited(command, (database, audit) =>
        withdrawTenant(database, login, tenant, () => audit.recordNow(access('withdrawn', command, login, tenant))))
      print(options, { login, tenant, changed }, `${login} ${changed ? 'no longer reads' : 'did not read'} ${named(tenant)}\n`)
    })
}

function move (print: Print): Command {
  return change('move', 'Give a device to a tenant; what it measured before stays with the tenant of that time.', `
  pulsegate tenants move 6f2c… ward-7                 from now on; since ever when it never had a tenant
  pulsegate tenants move 6f2c… ward-7 --from 2026-03-01T00:00:00Z
  pulsegate tenants move 6f2c… none                   it belongs to nobody; only who reads '*' sees what it sends`)
    .addArgument(new Argument('<device>', 'device id').argParser(parseDevice)).addArgument(tenantArgument('none'))
    .option('--from <time>', 'from then on: a time, or how long ago such as 24h', parseTime)
    .action(async (device: string, name: string, options: JsonOption & { from?: number }, command: Command) => {
      const tenant = name === 'none' ? null : name
      const moved = await withAudited(command, (database, audit: AuditLog) => moveToTenant(database, device, tenant, options.from, ({ previous, from }) => audit.recordNow({
        ...by(command),
        type: 'device',
        subtype: 'moved',
        action: 'U',
        entity: { type: 'device', id: device, ...(tenant !== null && { tenant }) },
        detail: { previous, tenant, from: from?.toISOString() ?? null }
      })))
      const since = moved.from === null ? 'since ever' : `from ${timeText(moved.from)} UTC`
      print(options, { device, tenant, ...moved }, `${device} belongs to ${tenant ?? 'no tenant'} ${moved.changed ? since : 'already'}\n`)
    })
}

function change (name: string, description: string, examples: string): Command {
  return addAuditedOptions(new Command(name)).description(description).option('--json', 'print one JSON document')
    .addHelpText('after', `\nExamples:${examples}`)
}

function by (command: Command): Pick<AuditEvent, 'agent' | 'outcome' | 'purpose'> {
  return { agent: operatorAgent(), outcome: 'success', ...purposeOf(command) }
}

function access (subtype: 'granted' | 'withdrawn', command: Command, login: string, tenant: string): AuditEvent {
  return { ...by(command), type: 'access', subtype, action: subtype === 'granted' ? 'C' : 'D', entity: { type: 'login', id: login, tenant } }
}

function named (tenant: string): string {
  return tenant === '*' ? 'every tenant' : tenant
}

function loginArgument (): Argument {
  return new Argument('<login>', 'LOGIN role of the database').argParser((text: string) => {
    if (text.length > 0 && Buffer.byteLength(text) <= 63) return text
    throw new InvalidArgumentError('A login is a name of up to 63 bytes.')
  })
}

function tenantArgument (also: '*' | 'none'): Argument {
  return new Argument('<tenant>', `name of a tenant, or ${also}`).argParser((text: string) => {
    if (text === also || isTenant(text)) return text
    throw new InvalidArgumentError(`A tenant is up to 63 letters, digits, dots, dashes or underscores, or ${also}.`)
  })
}

function parseDevice (text: string): string {
  if (isDeviceId(text)) return text
  throw new InvalidArgumentError('A device id is a lower-case UUID.')
}

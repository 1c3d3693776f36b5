// What `pulsegate tenants list` prints for a person. Pure.
import { type TenantList } from '../ingest/tenants.ts'
import { table } from './text.ts'
import { count } from './view/format.ts'

export function tenantsText ({ tenants, everything, unmapped, missing, devicesWithout }: TenantList): string {
  const head = tenants.length === 0
    ? 'no tenant has a device or a login\n'
    : table(['tenant', 'devices', 'earlier', 'logins'], tenants.map(({ tenant, devices, formerDevices, logins }) =>
      [tenant, count(devices), count(formerDevices), logins.join(' ')]))
  const rest = [
    everything.length > 0 ? `reads every tenant: ${everything.join(' ')}` : '',
    devicesWithout > 0 ? `${count(devicesWithout)} devices belong to no tenant: give them one with \`pulsegate tenants move <device> <tenant>\`` : '',
    unmapped.length > 0 ? `member of pulsegate_reader and sees nothing: ${unmapped.join(' ')}; \`pulsegate tenants grant <login> <tenant>\`, or '*' for all` : '',
    missing.length > 0 ? `mapped, but no such role: ${missing.join(' ')}; withdraw it, or whoever makes a role of that name has its rights` : ''
  ]
  return head + rest.filter((line) => line !== '').map((line) => `${line}\n`).join('')
}

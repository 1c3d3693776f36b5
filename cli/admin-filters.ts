// What may stand behind the `?` of a request to the administration address. Takes the query, gives a filter; throws BadRequest with what would
// be right.
import { BadRequest } from '../admin/routes.ts'
import { type AuditFilter } from '../ingest/audit/list.ts'
import { type DeviceFilter } from '../ingest/registry-list.ts'
import { deviceStates, isDeviceId } from '../schemas/device.ts'

export function auditFilter (query: URLSearchParams): AuditFilter {
  checkNames(query, ['type', 'entity', 'before', 'limit'])
  return { limit: number(query, 'limit', 1_000) ?? 100, ...text(query, 'type'), ...text(query, 'entity'), ...given('before', number(query, 'before', Number.MAX_SAFE_INTEGER)) }
}

export function deviceFilter (query: URLSearchParams): DeviceFilter {
  checkNames(query, ['state', 'kind', 'tenant', 'search', 'after', 'limit'])
  const [state, after] = [query.get('state'), query.get('after')]
  const known = deviceStates.find((name) => name === state)
  if (state !== null && known === undefined) throw new BadRequest(`"state" must be one of ${deviceStates.join(', ')}`)
  if (after !== null && !isDeviceId(after)) throw new BadRequest('"after" must be a device id')
  return { limit: number(query, 'limit', 1_000) ?? 100, ...text(query, 'kind'), ...text(query, 'tenant'), ...text(query, 'search'), ...given('state', known), ...given('after', after ?? undefined) }
}

function checkNames (query: URLSearchParams, names: readonly string[]): void {
  for (const name of query.keys()) if (!names.includes(name)) throw new BadRequest(`"${name.slice(0, 40)}" is not a filter; there are: ${names.join(', ')}`)
}

function number (query: URLSearchParams, name: string, most: number): number | undefined {
  const value = query.get(name)
  if (value === null) return undefined
  if (!/^\d{1,16}$/.test(value) || Number(value) < 1 || Number(value) > most) throw new BadRequest(`"${name}" must be a whole number from 1 to ${most}`)
  return Number(value)
}

function text<N extends string> (query: URLSearchParams, name: N): { readonly [K in N]?: string } {
  return given(name, query.get(name) ?? undefined)
}

function given<N extends string, T> (name: N, value: T | undefined): { readonly [K in N]?: T } {
  return value === undefined ? {} : { [name]: value } as { readonly [K in N]: T }
}

// What may be asked of the administration address: a table of routes, matched by method and path. Pure.
import { type AuditAgent, type AuditEntity } from '../runtime/audit.ts'
import { type Operator } from './operator.ts'
import { type AdminRight } from './rights.ts'

export interface AdminRequest {
  readonly operator: Operator
  /** The same, as the audit trail names them: for what is written down of a change itself. */
  readonly agent: AuditAgent
  /** Of the path's `:names`, decoded. */
  readonly params: Readonly<Record<string, string>>
  readonly query: URLSearchParams
  /** The JSON body without its `purpose`; undefined when there was none. */
  readonly body: unknown
  /** Why, in the words of the operator; undefined when they did not say. */
  readonly purpose: string | undefined
}

export interface AdminRoute {
  readonly method: 'GET' | 'POST'
  /** Such as `/v1/devices/:id/state`. */
  readonly path: string
  readonly right: AdminRight
  /** FHIR AuditEvent.action. */
  readonly action: 'R' | 'U' | 'E'
  readonly entity: (params: Readonly<Record<string, string>>) => AuditEntity
  /** What it gives goes out as JSON. Throws PulsegateError, or BadRequest. */
  readonly handle: (request: AdminRequest) => Promise<unknown>
}

/** A request that cannot be understood; `message` says what would be right and goes to the caller. */
export class BadRequest extends Error {
  readonly status: 400 | 413

  constructor (message: string, status: 400 | 413 = 400) {
    super(message)
    this.status = status
  }
}

export type Match =
  | { readonly found: true, readonly route: AdminRoute, readonly params: Record<string, string> }
  | { readonly found: false, readonly allowed: string[] }

/** `allowed`: methods of the path when only the method is wrong; empty: there is no such path. */
export function matchRoute (routes: readonly AdminRoute[], method: string, path: string): Match {
  const allowed: string[] = []
  for (const route of routes) {
    const params = paramsOf(route.path, path)
    if (params === null) continue
    if (route.method === method) return { found: true, route, params }
    allowed.push(route.method)
  }
  return { found: false, allowed }
}

function paramsOf (pattern: string, path: string): Record<string, string> | null {
  const names = pattern.split('/')
  const parts = path.split('/')
  if (names.length !== parts.length) return null
  const params: Record<string, string> = {}
  for (const [i, name] of names.entries()) {
    const part = parts[i] ?? ''
    if (!name.startsWith(':')) {
      if (name !== part) return null
    } else if (/^[A-Za-z0-9._-]{1,64}$/.test(part)) params[name.slice(1)] = part // no escapes: no id of ours needs one
    else return null
  }
  return params
}

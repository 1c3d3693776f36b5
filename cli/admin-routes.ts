// What can be asked of a running Pulsegate: its state, its devices, ending a session, a command. Composed here because it joins broker
// and registry; admin/ knows neither.
import { textFields } from '../admin/body.ts'
import { type AdminRequest, type AdminRoute, BadRequest } from '../admin/routes.ts'
import { type Broker } from '../broker/broker.ts'
import { listTrail } from '../ingest/audit/list.ts'
import { type Database } from '../ingest/database.ts'
import { listDevices } from '../ingest/registry-list.ts'
import { changeDevices } from '../ingest/registry-change.ts'
import { changeState } from '../ingest/registry-changes.ts'
import { refuseUnknown } from '../ingest/registry-show.ts'
import { stateOf, type StateVerb } from '../ingest/registry-states.ts'
import { type AuditEntity, type AuditLog } from '../runtime/audit.ts'
import { PulsegateError } from '../runtime/errors.ts'
import { isDeviceId } from '../schemas/device.ts'
import { auditFilter, deviceFilter } from './admin-filters.ts'

const process: AuditEntity = { type: 'process', id: 'broker' }
const verbs = Object.keys(stateOf) as StateVerb[]
/** What is no device id is not written down: it may be a name, or a token that was put into the wrong place. */
const device = ({ id = '' }: Readonly<Record<string, string>>): AuditEntity => ({ type: 'device', id: isDeviceId(id) ? id : '(no device id)' })

interface AtBroker extends Pick<AdminRoute, 'right' | 'action'> {
  readonly verb: string
  /** Under which name the answer says whether there was anything to do. */
  readonly answer: string
}

/** Something that this broker does with a device; 404 when it has nothing to do with it and nobody knows it. */
function atBroker (database: Database, { verb, right, action, answer }: AtBroker, act: (id: string, operator: AdminRequest['operator']) => boolean): AdminRoute {
  return {
    method: 'POST',
    path: `/v1/devices/:id/${verb}`,
    right,
    action,
    entity: device,
    async handle (request) {
      const id = deviceId(request)
      textFields(request.body, [])
      const done = act(id, request.operator)
      if (!done) await refuseUnknown(database, id)
      return { id, [answer]: done }
    }
  }
}

export interface AdminParts {
  readonly broker: Broker
  /** As somebody who may change devices and read the trail. */
  readonly database: Database
  readonly audit: AuditLog
}

export function adminRoutes ({ broker, database, audit }: AdminParts): AdminRoute[] {
  return [
    { method: 'GET', path: '/v1/whoami', right: 'status:read', action: 'R', entity: () => process, handle: async ({ operator: { name, role } }) => ({ name, role }) },
    { method: 'GET', path: '/v1/status', right: 'status:read', action: 'R', entity: () => process, handle: async () => broker.stats() },
    { method: 'GET', path: '/v1/devices', right: 'devices:read', action: 'R', entity: () => ({ type: 'device', id: '*' }), handle: async ({ query }) => ({ devices: await listDevices(database, deviceFilter(query)) }) },
    {
      method: 'POST',
      path: '/v1/devices/:id/state',
      right: 'devices:change',
      action: 'U',
      entity: device,
      async handle (request) {
        const id = deviceId(request)
        const { state } = textFields(request.body, ['state'])
        const verb = verbs.find((name) => stateOf[name] === state)
        if (verb === undefined) throw new BadRequest(`"state" must be one of ${verbs.map((name) => stateOf[name]).join(', ')}`)
        // what has no way back but by force has none here
        for await (const [result] of changeDevices([id], changeState(verb, false), { database, audit, agent: request.agent, ...(request.purpose !== undefined && { purpose: request.purpose }) })) {
          if (result?.outcome === 'refused') throw new PulsegateError(result.code, result.message)
        }
        return { id, state }
      }
    },
    atBroker(database, { verb: 'disconnect', right: 'sessions:end', action: 'E', answer: 'ended' }, (id, { name }) => broker.disconnect(id, `by ${name}`)),
    atBroker(database, { verb: 'pardon', right: 'devices:change', action: 'U', answer: 'pardoned' }, (id) => broker.pardon(id)),
    {
      method: 'POST',
      path: '/v1/devices/:id/command',
      right: 'commands:send',
      action: 'E',
      entity: device,
      async handle (request) {
        const id = deviceId(request)
        const { hex } = textFields(request.body, ['hex'])
        if (hex === undefined || !/^([0-9a-fA-F]{2})+$/.test(hex)) throw new BadRequest('"hex" must be the bytes of the command in hexadecimal')
        try {
          await broker.command(id, Buffer.from(hex, 'hex'))
        } catch (error) {
          if (error instanceof PulsegateError && error.code === 'DEVICE_AWAY') await refuseUnknown(database, id)
          throw error
        }
        return { id, handed: true }
      }
    },
    {
      method: 'GET',
      path: '/v1/audit',
      right: 'audit:read',
      action: 'R',
      entity: () => ({ type: 'audit', id: '*' }),
      handle: async ({ query }) => ({ events: await listTrail(database, auditFilter(query)) })
    }
  ]
}

function deviceId ({ params: { id = '' } }: AdminRequest): string {
  if (isDeviceId(id)) return id
  throw new BadRequest('a device id is a lower-case UUID')
}

// What a person may do to a device, each as a Change for registry-change.ts: states, pairings, assignments.
import { type Change } from './registry-change.ts'
import { assignDevice, unassignDevice, type AssignRequest } from './registry-assignments.ts'
import { assigned, nothingToEnd, paired, stateChanged } from './registry-events.ts'
import { type LockedDevice, unknownDevice } from './registry-lock.ts'
import { pairSensor, unpairSensor } from './registry-pairings.ts'
import { stateAfter, stateOf, type StateVerb } from './registry-states.ts'

/** Errors: DEVICE_UNKNOWN, DEVICE_STATE_REFUSED. */
export function changeState (verb: StateVerb, force: boolean): Change {
  return {
    asked: (agent, device) => stateChanged(agent, device, { from: device.state ?? null, to: stateOf[verb], forced: false }),
    async apply (client, id, found, agent) {
      const device = known(id, found)
      const to = stateAfter(verb, id, device.state, force)
      if (to === device.state) return { events: [] }
      await client.query('UPDATE device SET state = $2 WHERE key = $1', [device.key, to])
      return { events: [stateChanged(agent, device, { from: device.state, to, forced: device.state === 'retired' })] }
    }
  }
}

/** The ids are those of sensors. Errors: DEVICE_UNKNOWN (the gateway), PAIRING_REFUSED. */
export function pairWith (gateway: string, fromMs: number): Change {
  return {
    asked: (agent, sensor) => paired(agent, sensor, { gateway, fromMs, instead: null }),
    apply: (client, sensor, found, agent) => pairSensor(client, { gateway, sensor, fromMs }, found, agent)
  }
}

/** The ids are those of sensors. Errors: DEVICE_UNKNOWN, PAIRING_REFUSED. */
export function unpairAt (atMs: number): Change {
  return {
    asked: (agent, sensor) => nothingToEnd(agent, sensor, 'unpaired', atMs),
    apply: async (client, id, found, agent) => unpairSensor(client, atMs, known(id, found), agent)
  }
}

/** Errors: DEVICE_UNKNOWN, ASSIGNMENT_REFUSED. */
export function assignTo (request: AssignRequest): Change {
  return {
    asked: (agent, device) => assigned(agent, device, request),
    apply: async (client, id, found, agent) => assignDevice(client, request, known(id, found), agent)
  }
}

/** Errors: DEVICE_UNKNOWN, ASSIGNMENT_REFUSED. */
export function unassignAt (atMs: number): Change {
  return {
    asked: (agent, device) => nothingToEnd(agent, device, 'unassigned', atMs),
    apply: async (client, id, found, agent) => unassignDevice(client, atMs, known(id, found), agent)
  }
}

function known (id: string, device: LockedDevice | undefined): LockedDevice {
  if (device === undefined) throw unknownDevice(id)
  return device
}

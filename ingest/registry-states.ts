// The states of a device and the ways between them: pending → active ⇄ suspended, and from everywhere to retired, which is final.
// Takes a verb and the state a device is in, gives the state it goes to. Pure.
import { PulsegateError } from '../runtime/errors.ts'
import { type DeviceState } from '../schemas/device.ts'

export type StateVerb = 'approve' | 'suspend' | 'retire'

export const stateOf: Readonly<Record<StateVerb, DeviceState>> = { approve: 'active', suspend: 'suspended', retire: 'retired' }

/** The state after `verb`, the same where nothing is to be done. Error DEVICE_STATE_REFUSED: out of `retired` only by force. */
export function stateAfter (verb: StateVerb, id: string, state: DeviceState, force: boolean): DeviceState {
  const next = stateOf[verb]
  if (state === 'retired' && next !== 'retired' && !force) {
    throw new PulsegateError('DEVICE_STATE_REFUSED', `device ${id} is retired, and that is final: it is not made ${next}`)
  }
  return next
}

// Errors of the registry of devices; part of the registry of errors in errors.ts.
import { type ErrorEntry } from './error-entry.ts'

export const registryErrors = {
  ASSIGNMENT_REFUSED: {
    meaning: 'A device cannot be assigned to this subject at that time, or has no assignment to end.',
    remedy: 'A device measures one subject at a time: look at `pulsegate devices show <id>`; `unassign --at` ends the assignment that is in the way, or moves its end; or choose another time.',
    exit: 1,
    retryable: false
  },
  DEVICE_STATE_REFUSED: {
    meaning: 'The device cannot go from its present state to the one asked for; retired is final.',
    remedy: 'Give a device that comes back a new identity and certificate; or, when it was retired by mistake, repeat the command with --force.',
    exit: 1,
    retryable: false
  },
  REGISTRATION_LIMITED: {
    meaning: 'More unknown devices came in this minute than may be registered; this one was turned away and not registered.',
    remedy: 'None needed for devices that belong here: they come again and are registered. When it lasts, find out who makes certificates; --registrations-per-minute is the bound.',
    exit: 1,
    retryable: true
  }
} as const satisfies Record<string, ErrorEntry>

// Errors of tenants and erasure; part of the registry in errors.ts.
import { type ErrorEntry } from './error-entry.ts'

export const tenantErrors = {
  ERASURE_BEGUN: {
    meaning: 'An erasure began while a message of the same device was on its way to quarantine.',
    remedy: 'Nothing to do: the message is looked at again at once, and goes there without the bytes of what is erased.',
    exit: 1,
    retryable: true
  },
  ERASURE_INCOMPLETE: {
    meaning: 'An erasure ended, and the search afterwards still found values that it should have removed.',
    remedy: 'Run the same command again: it goes on where it was. If the message comes again, a writer outside of Pulsegate puts rows back.',
    exit: 1,
    retryable: true
  },
  ERASURE_TIME: {
    meaning: 'An erasure was asked for of a time that is empty.',
    remedy: 'Give --from before --to, and neither after now.',
    exit: 2,
    retryable: false
  },
  ERASURE_UNCONFIRMED: {
    meaning: 'An erasure cannot be undone, and nobody confirmed it.',
    remedy: 'Look at what would go with --dry-run, then give --yes.',
    exit: 2,
    retryable: false
  },
  ERASURE_UNOPENED: {
    meaning: 'An erasure has removed what it could, and messages in quarantine are left that it could not open to see what time they are of.',
    remedy: 'Run the same command again with the master key that they are sealed with (pulsegate keys list names it): it goes on. If that key is lost for good, run pulsegate keys destroy --lost-master first.',
    exit: 1,
    retryable: true
  },
  LOGIN_UNKNOWN: {
    meaning: 'The database server has no LOGIN role of this name.',
    remedy: 'Make it first: CREATE ROLE <login> LOGIN; GRANT pulsegate_reader TO <login>; (docs/database.md).',
    exit: 1,
    retryable: false
  },
  SUBJECT_UNKNOWN: {
    meaning: 'No device is or was assigned to this subject, and no export names it.',
    remedy: 'Check the pseudonym; after an erasure its assignments carry a tombstone instead.',
    exit: 1,
    retryable: false
  },
  TENANCY_REFUSED: {
    meaning: 'A device cannot be given to a tenant from that time on.',
    remedy: 'Choose a time that is not in the future and not before the last move of the device to another tenant.',
    exit: 1,
    retryable: false
  }
} as const satisfies Record<string, ErrorEntry>

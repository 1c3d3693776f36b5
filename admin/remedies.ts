// What to do about an error that only the administration address has; errors of Pulsegate bring their own (runtime/errors.ts). Pure.

export const remedyOf = {
  CERTIFICATE: 'Have a new certificate issued (`pulsegate certs operator <name> --role <role>`), and connect anew with it.',
  RATE: 'Wait as many seconds as Retry-After says; 10 requests a second are allowed, 50 at once.',
  PATH: 'Look up the path in docs/administration.md; an id in it is lower case, without escapes.',
  METHOD: 'Ask with the method that the message names: GET looks, POST changes.',
  RIGHT: 'Ask somebody whose certificate has a role with this right, or have one issued; docs/administration.md says which role may do what.',
  REQUEST: 'Correct what the message names; docs/administration.md shows each body and filter, and a body is JSON of at most 129 KiB (Content-Type: application/json).',
  INTERNAL: 'Look in the log of the process at that time; the audit trail has the request under the X-Request-Id of this answer.'
} as const

export type OwnCode = keyof typeof remedyOf

// The 22 controls: what each states, and which requirements it serves. This table is the source of docs/security/controls.md;
// `npm run controls` adds the tests that carry the control's number in their titles, and their last results. A control
// is what its statement says and no more: a test carries its tag only when it would fail if the statement were untrue.
import { type Requirement } from './requirements.ts'

export interface Control {
  readonly statement: string
  readonly serves: readonly Requirement[]
}

export const controls = {
  C1: {
    statement: 'A connection without a certificate, or with one that is of a foreign authority, expired, not yet valid, revoked, for servers only, or that names not exactly one identity, is refused before any MQTT byte is processed, each with its own audit reason.',
    serves: ['FDA authentication', 'HIPAA (d)', 'SOC2 CC6.1', 'ETSI 5.5', 'NIST logical access', 'IEC 5.7.1']
  },
  C2: {
    statement: 'A client id that is not the identity in the certificate is refused, and the session of the device it names survives.',
    serves: ['FDA authentication', 'HIPAA (d)', 'SOC2 CC6.1', 'NIST identification', 'IEC 5.7.2']
  },
  C3: {
    statement: 'A device publishes only under its own prefix and subscribes only to its own commands; wildcards, `$SYS`, retained messages and wills included.',
    serves: ['FDA authorization', 'HIPAA (a)(1)', 'SOC2 CC6.3', 'NIST logical access', 'IEC 5.7.1']
  },
  C4: {
    statement: 'A revocation takes effect within two seconds on live sessions, on resumed TLS sessions, and after a restart of the broker.',
    serves: ['FDA authorization', 'HIPAA (a)(1)', 'SOC2 CC6.2', 'NIST logical access', 'IEC 5.7.1']
  },
  C5: {
    statement: 'TLS 1.2 or later with ECDHE and AEAD only; TLS 1.0 and 1.1, static RSA and renegotiation are refused, and there is no listener without TLS for devices.',
    serves: ['FDA cryptography', 'HIPAA (e)(1)', 'SOC2 CC6.7', 'ETSI 5.5', 'NIST data protection', 'IEC 5.7.1']
  },
  C6: {
    statement: 'A message of an unknown device or relayed source ends in quarantine and is never a row of data; a device that waits for approval can do nothing.',
    serves: ['FDA authorization', 'FDA integrity', 'SOC2 CC6.2', 'NIST identification', 'IEC 5.7.2']
  },
  C7: {
    statement: 'Malformed, oversized, deep, slow or huge-length input costs bounded memory and time per connection.',
    serves: ['FDA resiliency', 'SOC2 CC6.6', 'ETSI 5.13', 'IEC 5.7.3']
  },
  C8: {
    statement: 'Every dropped, rejected, quarantined or dead-lettered message is counted by reason, and what came in is the sum of its outcomes.',
    serves: ['FDA integrity', 'HIPAA (c)(1)', 'SOC2 CC7.2', 'SOC2 PI1', 'ETSI 5.10']
  },
  C9: {
    statement: 'No patient value, payload, key or token is in logs, metrics, traces, error messages or crash output.',
    serves: ['FDA confidentiality', 'HIPAA (a)(2)(iv)', 'SOC2 CC6.7', 'ETSI 5.8', 'NIST data protection']
  },
  C10: {
    statement: 'Each read of patient data by a person, and each export, makes an audit event with who, what, when, why and how it ended, failures too.',
    serves: ['FDA logging', 'HIPAA (b)', 'SOC2 CC7.2']
  },
  C11: {
    statement: 'Altering, deleting, reordering or truncating rows of the audit trail is found by its verifier, against a signed head that is kept elsewhere.',
    serves: ['FDA logging', 'FDA integrity', 'HIPAA (b)', 'HIPAA (c)(1)', 'SOC2 CC7.2']
  },
  C12: {
    statement: 'The ingest role cannot read the history of patient data nor change the schema, a reader sees its own tenant only, and nobody but the role that migrates owns tables.',
    serves: ['FDA authorization', 'HIPAA (a)(1)', 'SOC2 CC6.3', 'IEC 5.7.1']
  },
  C13: {
    statement: 'Quarantined payloads and exports cannot be read without the master key; after its rotation old ones still open, after the destruction of a key they do not.',
    serves: ['FDA cryptography', 'FDA confidentiality', 'HIPAA (a)(2)(iv)', 'SOC2 CC6.7', 'NIST data protection']
  },
  C14: {
    statement: 'Secrets come from files whose mode is checked and never from arguments; start-up is refused with a default secret or one that others can read.',
    serves: ['FDA authentication', 'SOC2 CC6.1', 'ETSI 5.1', 'ETSI 5.4', 'NIST data protection']
  },
  C15: {
    statement: 'Start-up fails secure: with a missing revocation list, an expired authority, a wrong clock or a schema that is not migrated the program is not ready and says why.',
    serves: ['FDA resiliency', 'FDA authentication', 'SOC2 CC6.1', 'IEC 5.7.1']
  },
  C16: {
    statement: 'While the database, Redis, the disk or the authority is lost, devices keep what is not acknowledged, nothing acknowledged is lost, and recovery needs nobody.',
    serves: ['FDA resiliency', 'SOC2 A1.2', 'ETSI 5.9', 'IEC 5.7.1']
  },
  C17: {
    statement: 'The bill of materials (CycloneDX) is built from the lock file; every runtime dependency is in it with version, licence and hash; the lock is enforced and install scripts are off.',
    serves: ['524B (3)', 'FDA integrity', 'SOC2 CC8.1', 'IEC 8']
  },
  C18: {
    statement: 'The threat model (STRIDE per element) names for each mitigation the test that verifies it, and the table from requirements to tests is generated and fails without a passing test.',
    serves: ['524B (2)', 'FDA threat model', 'SOC2 CC7.1', 'IEC 5.7.2', 'IEC 7']
  },
  C19: {
    statement: 'Fuzzers for MQTT bytes, CBOR, signing requests and enrolment run with a kept corpus on every test run, and a crash that was found once is run again each time.',
    serves: ['524B (2)', 'FDA testing', 'SOC2 CC7.1', 'ETSI 5.13', 'IEC 5.7.3']
  },
  C20: {
    statement: 'Administration over HTTP has its own port with mutual TLS, rights by role and a rate limit, shows no stack trace, and every action is audited.',
    serves: ['FDA authorization', 'HIPAA (a)(1)', 'HIPAA (a)(2)(i)', 'HIPAA (b)', 'SOC2 CC6.1', 'SOC2 CC6.6', 'ETSI 5.6']
  },
  C21: {
    statement: 'The data of a device or a subject is erased everywhere, quarantine and exports included, and retention proves what it has deleted.',
    serves: ['SOC2 C1.2', 'ETSI 5.11', 'GDPR 17']
  },
  C22: {
    statement: 'Security events (clone, flapping, bursts of failed authentication, sequence going backwards, clock step, certificate expiring) raise metrics and are audited.',
    serves: ['FDA logging', 'SOC2 CC7.2', 'ETSI 5.10', 'NIST state awareness']
  }
} as const satisfies Record<string, Control>

export type ControlId = keyof typeof controls

export function isControlId (text: string): text is ControlId {
  return Object.hasOwn(controls, text)
}

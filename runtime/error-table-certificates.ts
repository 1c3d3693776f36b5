// Errors of certificates and keys; part of the registry in errors.ts.
import { type ErrorEntry } from './error-entry.ts'

export const certificateErrors = {
  CERTS_AUTHORITY_DAMAGED: {
    meaning: 'The certificate authority\'s directory contradicts itself: a file is missing, unreadable or does not match the others.',
    remedy: 'Restore the named file from a backup. Never edit index.jsonl: it is what a revocation is remembered by.',
    exit: 78,
    retryable: false
  },
  CERTS_AUTHORITY_EXISTS: {
    meaning: 'The directory already holds a certificate authority, or a part of one; nothing was overwritten.',
    remedy: 'Use the one that is there, or name another directory with --dir.',
    exit: 1,
    retryable: false
  },
  CERTS_AUTHORITY_EXPIRED: {
    meaning: 'The issuing certificate of the authority is not valid now, so nothing it signs would be accepted.',
    remedy: 'Check the clock. If the life is really over: `pulsegate certs ca prepare` and `activate` with the root key at hand.',
    exit: 78,
    retryable: false
  },
  CERTS_AUTHORITY_MISSING: {
    meaning: 'There is no certificate authority in the directory.',
    remedy: 'Run `pulsegate certs init`, or name the right directory with --dir.',
    exit: 78,
    retryable: false
  },
  CERTS_INPUT_INVALID: {
    meaning: 'A device id, server name, life, reason or file given to the certificate authority is not usable.',
    remedy: 'Correct the named value; `pulsegate certs <command> --help` shows examples.',
    exit: 2,
    retryable: false
  },
  CERTS_KEY_EXPOSED: {
    meaning: 'A private key, a passphrase or the directory they are in can be read or replaced by somebody who should not, so it is not used.',
    remedy: 'Run the chmod or chown that the message names; if others had access for real, revoke and issue anew.',
    exit: 78,
    retryable: false
  },
  CERTS_OPERATORS_MISSING: {
    meaning: 'An administration address is asked for (--admin-port), and there is no operators\' authority: nobody could get in.',
    remedy: 'Make it with its first certificate: `pulsegate certs operator <name> --role operator`, with --dir as the message names it; or leave --admin-port out.',
    exit: 78,
    retryable: false
  },
  CERTS_PASSPHRASE_UNUSABLE: {
    meaning: 'A private key is encrypted and the passphrase for it is not given, cannot be read, or is another one.',
    remedy: 'Name the file with the passphrase in its first line: --passphrase-file, or PULSEGATE_CERTS_PASSPHRASE_FILE.',
    exit: 78,
    retryable: false
  },
  CERTS_PHASE_WRONG: {
    meaning: 'The change of the issuing CA has not come to the step before the one that was asked for, or the CA to go back to is not good any more.',
    remedy: 'See where it stands and what comes next: `pulsegate certs ca status`.',
    exit: 1,
    retryable: false
  },
  CERTS_CA_IN_USE: {
    meaning: 'Living certificates were issued by the CA that is to be dropped; their devices would be locked out.',
    remedy: 'Let them renew and see the share fall with `pulsegate certs ca status`, or give --force and --yes.',
    exit: 1,
    retryable: false
  },
  CERTS_BUSY: {
    meaning: 'Another process has been working on the certificate authority for the whole of the time allowed, or has taken it over while ours stood still.',
    remedy: 'Try again; the message names who holds the file `lock` in the directory: a process that hangs has to be ended. After a take-over look at what was done (`pulsegate certs list`) and write the lists anew (`pulsegate certs crl`).',
    exit: 1,
    retryable: true
  },
  CERTS_REQUEST_REFUSED: {
    meaning: 'The certificate signing request is malformed, its signature is wrong, or its key is not P-256.',
    remedy: 'Make a new request on the device: `openssl ecparam -name prime256v1 -genkey` and `openssl req -new`.',
    exit: 1,
    retryable: false
  },
  CERTS_ROOT_KEY_ABSENT: {
    meaning: 'The root key is needed and is not there: it is kept offline, away from the authority\'s directory.',
    remedy: 'Attach the medium it is kept on and name its directory with --root-dir.',
    exit: 1,
    retryable: false
  },
  CERTS_TOKENS_FULL: {
    meaning: 'As many enrolment tokens are open as may be.',
    remedy: 'Revoke those that are not needed (`pulsegate certs tokens`, `pulsegate certs token revoke`), or wait until some have ended.',
    exit: 1,
    retryable: true
  },
  CERTS_TOKEN_FILE: {
    meaning: 'A file of enrolment tokens cannot be used: it is missing, others can read it, or a line is not a device id and a token.',
    remedy: 'Make it with `pulsegate certs token … --out FILE`, or correct what the message names; a token that others could read is to be revoked.',
    exit: 78,
    retryable: false
  },
  CERTS_UNKNOWN: {
    meaning: 'The authority has issued no certificate with that device id or serial number.',
    remedy: 'Look it up with `pulsegate certs list`.',
    exit: 1,
    retryable: false
  },
  ENROLMENT_REFUSED: {
    meaning: 'The EST server does not give this device a certificate; the message is its answer.',
    remedy: 'Do what the answer says; docs/enrolment.md lists all of them. A device whose certificate has ended needs a new token.',
    exit: 1,
    retryable: false
  },
  ENROLMENT_UNAVAILABLE: {
    meaning: 'The EST server cannot be reached, is not the one it should be, or is too busy at this moment.',
    remedy: 'Check the address, the port and the CA file; a device goes on with the certificate it has and asks again later.',
    exit: 1,
    retryable: true
  },
  TLS_FILE_EXPIRED: {
    meaning: 'A certificate or CRL the broker needs is past its end or not valid yet; every device would be refused.',
    remedy: 'Renew it (`pulsegate certs crl` for revocation lists, `pulsegate certs issue` for certificates) and check the clock of the machine.',
    exit: 78,
    retryable: false
  },
  TLS_FILE_EXPOSED: {
    meaning: 'The private key can be read or changed by other users of the machine.',
    remedy: 'Take the rights away (`chmod 600`), and if others may have read it, make a new key and revoke the certificate.',
    exit: 78,
    retryable: false
  },
  TLS_FILE_INVALID: {
    meaning: 'A key, certificate, CA or CRL file does not hold what it should, or key and certificate do not belong together.',
    remedy: 'Check that the setting names the right file, in PEM; `openssl x509 -in FILE -text` shows what a certificate holds.',
    exit: 78,
    retryable: false
  },
  TLS_FILE_MISSING: {
    meaning: 'A key, certificate, CA or CRL file the broker needs cannot be read.',
    remedy: 'Make it (`pulsegate certs init`, `pulsegate certs crl`) or correct the setting that names it, and let the user of the process read it.',
    exit: 78,
    retryable: false
  }
} as const satisfies Record<string, ErrorEntry>

// What every TLS listener of ours speaks: 1.2 and 1.3, AEAD suites with forward secrecy, no renegotiation.
import { type SecureContextOptions } from 'node:tls'

const noRenegotiation = 0x4000_0000 // SSL_OP_NO_RENEGOTIATION; node:crypto does not name it
const noTicket = 0x4000 // SSL_OP_NO_TICKET

export const suites = [
  'TLS_AES_256_GCM_SHA384', 'TLS_CHACHA20_POLY1305_SHA256', 'TLS_AES_128_GCM_SHA256',
  'ECDHE-ECDSA-AES256-GCM-SHA384', 'ECDHE-ECDSA-CHACHA20-POLY1305', 'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES256-GCM-SHA384', 'ECDHE-RSA-CHACHA20-POLY1305', 'ECDHE-RSA-AES128-GCM-SHA256',
  '@SECLEVEL=2' // or RSA keys of 1,024 bits pass
].join(':')

/** `resumption: false`: no session is ever resumed, so that no peer comes in on what was true of it earlier. */
export function tlsProfile ({ resumption }: { resumption: boolean }): SecureContextOptions {
  return {
    minVersion: 'TLSv1.2',
    maxVersion: 'TLSv1.3',
    ciphers: suites,
    honorCipherOrder: true,
    secureOptions: resumption ? noRenegotiation : noRenegotiation | noTicket
  }
}

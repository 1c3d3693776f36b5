// What a peer claimed to be when OpenSSL refused its certificate. Node closes the socket before anybody is told and takes the certificate with
// it, but an auditor wants to know which device of the ward it was. The first sign of life of a TLS socket that Node gives away is
// `keylog`; from it we ask to be called at the end of the handshake, before Node looks at the result. The key material that
// the event carries is not looked at and not kept. What is claimed has not been verified: it goes to the log and the audit trail and nowhere else.
import { type X509Certificate } from 'node:crypto'
import { type Server, type TLSSocket } from 'node:tls'
import { type Party } from './audit-events.ts'
import { deviceIdIn, issuerOf } from './identity.ts'

/**
 * Watches a server; the function it gives knows the certificate that a socket showed, if it showed one at all. It is read once
 * for both, those that are let in and those that are not: to read it costs a tenth of a millisecond.
 */
export function watchClaims (server: Server): (socket: TLSSocket) => X509Certificate | undefined {
  const shown = new WeakMap<TLSSocket, X509Certificate | undefined>()
  server.on('keylog', (_line, socket: TLSSocket) => {
    if (shown.has(socket)) return
    shown.set(socket, undefined)
    socket.prependOnceListener('secure', () => { shown.set(socket, socket.getPeerX509Certificate()) })
  })
  return (socket) => shown.get(socket)
}

/** Device id (if it holds one), serial and issuer of a certificate. */
export function claimOf (certificate: X509Certificate): Party {
  const id = deviceIdIn(certificate.subjectAltName)
  return { ...(id !== null && { device: id }), serial: certificate.serialNumber, issuer: issuerOf(certificate) }
}

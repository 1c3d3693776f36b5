// Is an error the end of a TLS handshake that was not accepted, and what does it mean in words? Pure. Takes what a socket rejected
// with, gives one sentence without anything secret, or null for errors of another kind (a server that is away).

const words: Readonly<Record<string, string>> = {
  CERT_HAS_EXPIRED: 'its certificate has expired',
  CERT_NOT_YET_VALID: 'its certificate is not valid yet',
  CERT_REVOKED: 'its certificate is revoked',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'its certificate is self-signed and not trusted here',
  EPROTO: 'it does not speak TLS on this port, or refused ours',
  ERR_TLS_CERT_ALTNAME_INVALID: 'its certificate is for another host name',
  SELF_SIGNED_CERT_IN_CHAIN: 'its certificate is signed by a CA that is not trusted here',
  UNABLE_TO_GET_ISSUER_CERT: 'its certificate is signed by a CA that is not trusted here',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'its certificate is signed by a CA that is not trusted here',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'its certificate is signed by a CA that is not trusted here'
}

/** Why the other side was not accepted, with the code; null when the error says nothing of the kind. */
export function tlsFaultOf (error: unknown): string | null {
  const { code, message } = (error ?? {}) as { code?: unknown, message?: unknown }
  // pg: its server answered the request for TLS with "no"
  if (typeof message === 'string' && /does not support SSL/.test(message)) return 'it does not speak TLS'
  if (typeof code !== 'string') return null
  const known = words[code]
  if (known !== undefined) return `${known} (${code})`
  return /^(?:CERT_|ERR_SSL_|UNABLE_TO_|INVALID_|HOSTNAME_|PATH_LENGTH_)/.test(code) ? `the TLS handshake was not accepted (${code})` : null
}

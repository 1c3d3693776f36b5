// PEM text (RFC 7468): takes a text and a label, gives the blocks with that label; what stands between them is a comment.

/** The blocks in their order, each from its BEGIN line to its END line. */
export function pemBlocks (text: string, label: 'CERTIFICATE' | 'X509 CRL'): string[] {
  return text.match(new RegExp(`-----BEGIN ${label}-----[^-]+-----END ${label}-----`, 'g')) ?? []
}

/** The bytes within one block. */
export function pemBytes (block: string): Buffer {
  return Buffer.from(block.replace(/-----[^-]+-----/g, ''), 'base64')
}

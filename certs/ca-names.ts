// What the CAs of an authority are called. People tell the fleet's from the operators' by it, in the audit trail's certificate_issuer too; TLS
// libraries look lists up by it, so no two CAs of one authority share a name: later ones bear their number. Pure.
import { type X509Certificate } from 'node:crypto'

/** Of the first ones. */
export interface CaNames { readonly root: string, readonly issuing: string }

export const fleetNames: CaNames = { root: 'Pulsegate root CA', issuing: 'Pulsegate issuing CA' }
export const operatorsNames: CaNames = { root: 'Pulsegate operators root CA', issuing: 'Pulsegate operators issuing CA' }

/** The name of a further CA of the kind of `before`: an authority keeps the names that it was made with. */
export function furtherName ({ subject }: Pick<X509Certificate, 'subject'>, number: number): string {
  const name = /^CN=(.*)$/m.exec(subject)?.[1] ?? subject
  return `${name.replace(/ \d+$/, '')} ${number}`
}

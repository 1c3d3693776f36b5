// Whose bucket (rate.ts) a request is taken from: a device's of ours, else the address's, for anybody can have many makers' certificates and
// tokens. Takes who is at the other end, from where, and the time; gives a name. Pure.
//
// A certificate whose renewal is due, past half of its life, pays for itself: whoever holds an older copy of it cannot keep the device from
// renewing. Those that are younger pay together with all young ones of their device: else each new certificate would bring a full bucket, and
// one that renews without end had as many as it liked. Devices renew at two thirds of the life, give or take a fifteenth.
import { type X509Certificate } from 'node:crypto'
import { addressKey } from '../../runtime/address.ts'
import { backdateMs } from '../profile.ts'
import { type Peer } from './peer.ts'

export interface Payer {
  readonly by: 'device' | 'address'
  readonly name: string
}

export function payerOf (peer: Peer, address: string, nowMs: number): Payer {
  if (peer.kind !== 'device') return { by: 'address', name: addressKey(address) }
  const { id, certificate } = peer
  return { by: 'device', name: isDue(certificate, nowMs) ? `${id} ${certificate.serialNumber}` : id }
}

function isDue ({ validFrom, validTo }: X509Certificate, nowMs: number): boolean {
  const issuedMs = Date.parse(validFrom) + backdateMs
  return nowMs >= (issuedMs + Date.parse(validTo)) / 2
}

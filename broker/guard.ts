// Watches how devices and addresses behave, and acts: finds clones, keeps out who flaps, keeps out or slows down addresses whose
// handshakes fail, and tells the audit trail of every connection that is accepted, refused or ended. It decides nothing about rights:
// those are the certificate's, the registry's and the topics'.
import { type CertificateUse } from '../queue/peers.ts'
import { type Meter, type Logger } from '../runtime/observability.ts'
import { type AuditTrail } from '../runtime/audit.ts'
import { Addresses } from './addresses.ts'
import { Auditor } from './auditor.ts'
import { Clones } from './clones.ts'
import { Flapping } from './flapping.ts'
import { type Front } from './front.ts'
import { type GateAddresses } from './gate.ts'
import { type Identity } from './identity.ts'
import { type Limits } from './limits.ts'
import { type RefusalFields, type RefusalReason, type Refusals } from './refusals.ts'
import { SecurityEvents } from './security.ts'

/**
 * Refusals that say: whoever is there cannot show who it is, or claims to be another. What an overload or we ourselves are to blame for is
 * not among them, nor a certificate that is good at another time: were our clock wrong, it would keep out every ward there is.
 */
const authenticationFailures: ReadonlySet<RefusalReason> = new Set<RefusalReason>([
  'tls-protocol', 'no-certificate', 'certificate-untrusted', 'certificate-revoked', 'certificate-purpose', 'certificate-issuer', 'certificate-identity',
  'certificate-other', 'client-id'
])

export interface GuardServices {
  readonly limits: Limits
  readonly audit: AuditTrail
  readonly refusals: Refusals
  readonly revoked: (serial: string) => boolean
  readonly observability: { readonly log: Logger, readonly meter: Meter }
}

export class Guard {
  /** Told of each certificate with which a session begins; broker/peers.ts passes it on. */
  onUsed: (use: CertificateUse) => void = () => {}
  readonly addresses: GateAddresses
  readonly events: SecurityEvents
  readonly #limits: Limits
  readonly #auditor: Auditor
  readonly #flapping: Flapping
  readonly #clones: Clones

  constructor ({ limits, audit, refusals, revoked, observability }: GuardServices) {
    this.#limits = limits
    this.addresses = new Addresses(limits)
    this.#auditor = new Auditor(audit)
    this.events = new SecurityEvents(this.#auditor, observability)
    this.#flapping = new Flapping(limits)
    this.#clones = new Clones(limits.cloneMemoryMs, revoked)
    refusals.onAdded = (reason, fields) => this.#refused(reason, fields)
  }

  /** Why a device with a good certificate is not let in now, before anything more is done for it; or null. */
  refuses (identity: Identity): RefusalReason | null {
    if (this.#flapping.banned(identity, performance.now())) return 'flapping'
    return this.#limits.clonePolicy === 'refuse' && this.#clones.superseded(identity, Date.now()) ? 'certificate-superseded' : null
  }

  /** Watches a connection from now until it has ended. */
  watch (front: Front): void {
    const place = this.addresses.get(front.address)
    let began = false
    front.once('connected', () => {
      began = true
      place?.began(performance.now())
      this.#accepted(front)
    })
    front.once('close', () => {
      if (began) place?.ended(performance.now())
      this.#ended(front)
    })
  }

  /** A session has begun at another broker. */
  heard (use: CertificateUse): void { this.#clones.heard(use, Date.now()) }

  /** Lifts a ban of the device; says whether there was one. */
  pardon (id: string): boolean { return this.#flapping.pardon(id, performance.now()) }

  banned (): { devices: number, addresses: number } {
    const nowMs = performance.now()
    return { devices: this.#flapping.count(nowMs), addresses: this.addresses.banned(nowMs) }
  }

  /** Called a few times a second. */
  tick (): void { this.#auditor.tick(Date.now()) }

  close (): void { this.#auditor.close() }

  #accepted ({ identity, address, party }: Front): void {
    this.#auditor.accepted(party)
    const clone = this.#clones.accepted(identity, address, Date.now())
    this.onUsed({ id: identity.id, serial: identity.serial, notBeforeMs: identity.notBeforeMs, expiresAtMs: identity.expiresAtMs, address })
    if (clone !== null) this.events.tell('clone', party, { sign: clone.sign, otherSerial: clone.otherSerial, otherAddress: clone.otherAddress })
  }

  #ended (front: Front): void {
    const { identity, party, refused, since } = front
    if (refused === 'displaced') this.#clones.displaced(identity.id, Date.now())
    const nowMs = performance.now()
    const contested = this.#clones.contested(identity, Date.now())
    const banMs = this.#flapping.ended(identity, { reason: refused, lastedMs: nowMs - since.accepted, contested }, nowMs)
    if (banMs > 0) this.events.tell('flapping', party, { banMs, last: refused ?? 'ended by the device' })
  }

  #refused (reason: RefusalReason, fields: RefusalFields): void {
    this.#auditor.refused(reason, fields)
    const { address, session } = fields
    if (address === undefined || session === true || !authenticationFailures.has(reason)) return
    const banMs = this.addresses.failed(address, performance.now())
    if (banMs > 0) this.events.tell('authentication-failures', { address }, { banMs, last: reason, sessions: this.addresses.get(address)?.sessions ?? 0 })
  }
}

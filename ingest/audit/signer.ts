// Signs the head of the chain every minute and at the end, and puts it in two places: a file outside of the database (first, fsynced) and
// the table audit_head. Before it signs it looks whether the chain still holds what it signed last: a head that would contradict an
// earlier one is not signed, because that is what a verifier must find, not what we should vouch for.
import { createPublicKey } from 'node:crypto'
import { open } from 'node:fs/promises'
import { type AuditTrail } from '../../runtime/audit.ts'
import { type CheckResult } from '../../runtime/health.ts'
import { type Observability } from '../../runtime/observability.ts'
import { appendLines, isMissing } from '../../runtime/private-file.ts'
import { sleep } from '../../runtime/retry.ts'
import { type Database } from '../database.ts'
import { describeFault } from '../sqlstate.ts'
import { readHead } from './append.ts'
import { type AuditFolder, ensureFolder, readSigningKey } from './folder.ts'
import { type SignedHead, parseHead, signHead } from './heads.ts'
import { keyIdOf } from './keys.ts'

export interface SignerOptions {
  readonly database: Database
  readonly folder: AuditFolder
  readonly observability: Observability
  /** Told when a key was made. */
  readonly audit: AuditTrail
  /** Default one minute. */
  readonly everyMs?: number
}

export interface HeadSigner {
  /** Signs the head as it is now; null when nothing was added since the last one, or it contradicts it. */
  sign (): Promise<SignedHead | null>
  check (): CheckResult
  /** Ends the timer, then signs a last time. */
  close (): Promise<void>
}

const lastLineBytes = 4_096

/** Makes folder and key where they are missing. Errors: AUDIT_FOLDER, AUDIT_KEY_EXPOSED, AUDIT_KEY_INVALID. */
export async function startSigner (options: SignerOptions): Promise<HeadSigner> {
  const { folder, audit } = options
  const made = await ensureFolder(folder)
  const key = keyIdOf(createPublicKey(await readSigningKey(folder)))
  if (made) audit.record({ type: 'key', subtype: 'made', action: 'C', outcome: 'success', agent: { id: 'pulsegate', role: 'service' }, entity: { type: 'audit-key', id: key } })
  return new RunningSigner(options, await lastSigned(folder))
}

class RunningSigner implements HeadSigner {
  readonly #options: SignerOptions
  readonly #log: Observability['log']
  readonly #stopping = new AbortController()
  readonly #running: Promise<void>
  readonly #unobserve: () => void
  #last: SignedHead | null
  #fault: string | null = null
  #turn: Promise<unknown> = Promise.resolve()
  #signed = 0
  #failed = 0

  constructor (options: SignerOptions, last: SignedHead | null) {
    this.#options = options
    this.#log = options.observability.log.child({ part: 'audit heads' })
    this.#last = last
    const heads = options.observability.meter.createObservableCounter('pulsegate_audit_heads_total', { description: 'Heads of the audit trail, signed or not' })
    const observe: Parameters<typeof heads.addCallback>[0] = (result) => {
      result.observe(this.#signed, { outcome: 'signed' })
      result.observe(this.#failed, { outcome: 'failed' })
    }
    heads.addCallback(observe)
    this.#unobserve = () => { heads.removeCallback(observe) }
    this.#running = this.#repeat(options.everyMs ?? 60_000)
  }

  /** One at a time: a head must not be signed behind a later one's back. */
  sign (): Promise<SignedHead | null> {
    const turn = this.#turn.then(() => this.#sign(), () => this.#sign())
    this.#turn = turn.catch(() => {})
    return turn
  }

  check (): CheckResult {
    const detail = { signedTo: this.#last?.number ?? 0 }
    return this.#fault === null ? { ready: true, detail } : { ready: true, reason: this.#fault, detail }
  }

  async close (): Promise<void> {
    this.#stopping.abort()
    await this.#running
    await this.#try()
    this.#unobserve()
  }

  async #repeat (everyMs: number): Promise<void> {
    const { signal } = this.#stopping
    while (!signal.aborted) {
      await sleep(everyMs, signal).catch(() => {})
      if (!signal.aborted) await this.#try()
    }
  }

  async #try (): Promise<void> {
    await this.sign().catch((error: unknown) => {
      this.#failed++
      this.#fault = `audit heads: not signed (${describeFault(error)})`
      this.#log.warn({ fault: describeFault(error) }, 'the head of the audit trail could not be signed; tried again later')
    })
  }

  async #sign (): Promise<SignedHead | null> {
    const { database, folder } = this.#options
    const head = await readHead(database)
    if (!await this.#agrees()) {
      this.#failed++
      this.#fault = `audit heads: row ${this.#last?.number} is not what was signed, so no more heads are: run pulsegate audit verify (a database replaced on purpose needs another --audit-dir)`
      this.#log.error({ number: this.#last?.number, folder: folder.directory }, 'the audit trail is not what was signed earlier, or this folder belongs to another database; run `pulsegate audit verify`')
      return null
    }
    this.#fault = null
    if (head.number === (this.#last?.number ?? 0)) return null
    const signed = signHead(head, Date.now(), await readSigningKey(folder))
    await appendLines(folder.heads, `${JSON.stringify(signed)}\n`)
    this.#last = signed
    await database.query('INSERT INTO audit_head (number, hash, at_ms, key, signature) VALUES ($1, $2, $3, $4, $5)',
      [signed.number, head.hash, signed.atMs, signed.key, Buffer.from(signed.signature, 'base64')])
    this.#signed++
    return signed
  }

  /** Whether the row that was signed last is still there, with its hash. */
  async #agrees (): Promise<boolean> {
    if (this.#last === null) return true
    const { rows } = await this.#options.database.query<{ hash: string }>("SELECT encode(hash, 'hex') AS hash FROM audit WHERE number = $1", [this.#last.number])
    return rows[0]?.hash === this.#last.hash
  }
}

/** The last head in the file: what was signed before this process came. */
async function lastSigned ({ heads }: AuditFolder): Promise<SignedHead | null> {
  const file = await open(heads, 'r').catch((error: unknown) => { if (isMissing(error)) return null; throw error })
  if (file === null) return null
  try {
    const { size } = await file.stat()
    const tail = Buffer.alloc(Math.min(size, lastLineBytes))
    await file.read(tail, 0, tail.length, size - tail.length)
    return tail.toString().split('\n').map(parseHead).filter((head) => head !== null).at(-1) ?? null
  } finally {
    await file.close()
  }
}

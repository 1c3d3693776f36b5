// The simulator's own list of what it holds as acknowledged, on disk, append-only. The proof compares it with the database,
// so it must never claim an acknowledgement that did not come, and must survive a kill -9 of the simulator.
//
// Durability: acknowledgements of one turn of the event loop are written before anybody is told of them, so a killed process
// loses none it has counted; a power cut may take the last second (append-file.ts). Those messages are then sent again with
// the same identity and are duplicates: the ledger never errs the other way. It grows by about 15 bytes a message.
//
// One JSON value a line:  {"boot":"<id>","device":"<uuid>","ref":0,"begunAtMs":…}   declares a boot
//                         [ref,seq,samples,waves]                                      a message was acknowledged
//                         {"dropped":ref,"seq":n}                                      made, but the outbox was full: never sent
import { AppendFile } from './append-file.ts'
import { type Evidence } from './ledger-compare.ts'
import { wholeLines } from './lines.ts'
import { Ranges } from './ranges.ts'

/** What the ledger keeps in memory of one boot of one source device: counts and ranges, nothing per message. */
export interface BootRecord {
  readonly device: string
  readonly boot: bigint
  readonly begunAtMs: number
  readonly ref: number
  readonly acknowledged: Ranges
  readonly dropped: Ranges
}

export interface LedgerCounts {
  readonly acknowledged: number
  readonly samples: number
  readonly waves: number
  readonly dropped: number
}

type Acknowledged = readonly [ref: number, seq: number, samples: number, waves: number]
type Entry = Acknowledged |
  { readonly boot: string, readonly device: string, readonly ref: number, readonly begunAtMs: number } |
  { readonly dropped: number, readonly seq: number }

export class Ledger {
  #lines: AppendFile | null = null
  readonly #boots = new Map<string, BootRecord>()
  readonly #byRef: BootRecord[] = []
  readonly #counts = { acknowledged: 0, samples: 0, waves: 0, dropped: 0 }
  #written: LedgerCounts = { ...this.#counts }
  #flushing: NodeJS.Immediate | null = null

  private constructor () {}

  /** Opens or begins `file`. Throws when it cannot be read or written. */
  static async open (file: string): Promise<Ledger> {
    const ledger = new Ledger()
    ledger.#lines = await AppendFile.open(file, (text) => ledger.#replay(JSON.parse(text) as Entry))
    return ledger
  }

  get file (): string { return this.#opened.file }

  /** The record of a boot, declared in the file when it is new; `begunAtMs` is when the simulator began it. */
  boot (device: string, boot: bigint, begunAtMs: number): BootRecord {
    const known = this.#boots.get(`${device}/${boot}`)
    if (known) return known
    const record = this.#declare(device, boot, begunAtMs)
    this.#write(JSON.stringify({ boot: boot.toString(), device, ref: record.ref, begunAtMs }))
    return record
  }

  /** A PUBACK came. False when the message was in the ledger already. */
  acknowledge (record: BootRecord, seq: number, samples: number, waves: number): boolean {
    if (!record.acknowledged.add(seq)) return false
    this.#counts.acknowledged++
    this.#counts.samples += samples
    this.#counts.waves += waves
    this.#write(`[${record.ref},${seq},${samples},${waves}]`)
    return true
  }

  /** A message was made and thrown away unsent: the database will show its seq as missing, and the ledger says why. */
  drop (record: BootRecord, seq: number): void {
    if (!record.dropped.add(seq)) return
    this.#counts.dropped++
    this.#write(`{"dropped":${record.ref},"seq":${seq}}`)
  }

  has (device: string, boot: bigint, seq: number): boolean {
    return this.#boots.get(`${device}/${boot}`)?.acknowledged.has(seq) ?? false
  }

  /** Counts since this process opened the ledger, of what is in the file: nothing is counted that a kill could take back. */
  get counts (): LedgerCounts {
    this.#flushOrRetry()
    return this.#written
  }

  /** Every boot of every device, earlier runs included. */
  get boots (): readonly BootRecord[] { return this.#byRef }

  /** Every acknowledged message, earlier runs included; with `sinceMs` only of boots that began then or later. */
  async * entries ({ sinceMs = 0 }: { sinceMs?: number } = {}): AsyncGenerator<Evidence> {
    this.flush()
    for await (const { text } of wholeLines(this.file)) {
      if (!text.startsWith('[')) continue
      const [ref, seq, samples, waves] = JSON.parse(text) as Acknowledged
      const record = this.#byRef[ref]
      if (record && record.begunAtMs >= sinceMs) yield { device: record.device, boot: record.boot, seq, samples, waves }
    }
  }

  /** Hands what is pending to the operating system. */
  flush (): void {
    if (this.#flushing) clearImmediate(this.#flushing)
    this.#flushing = null
    this.#opened.flush()
    this.#written = { ...this.#counts }
  }

  close (): void {
    this.flush()
    this.#opened.close()
  }

  get #opened (): AppendFile {
    if (!this.#lines) throw new TypeError('the ledger is not open')
    return this.#lines
  }

  #replay (entry: Entry): void {
    if ('length' in entry) this.#byRef[entry[0]]?.acknowledged.add(entry[1])
    else if ('dropped' in entry) this.#byRef[entry.dropped]?.dropped.add(entry.seq)
    else this.#declare(entry.device, BigInt(entry.boot), entry.begunAtMs)
  }

  #declare (device: string, boot: bigint, begunAtMs: number): BootRecord {
    const record = { device, boot, begunAtMs, ref: this.#byRef.length, acknowledged: new Ranges(), dropped: new Ranges() }
    this.#boots.set(`${device}/${boot}`, record)
    this.#byRef.push(record)
    return record
  }

  /** A full disk must not end the process: the entries wait in memory, uncounted, and go with the next acknowledgement. */
  #flushOrRetry (): void {
    try {
      this.flush()
    } catch {}
  }

  #write (line: string): void {
    this.#opened.append(line)
    this.#flushing ??= setImmediate(() => this.#flushOrRetry())
  }
}

// The simulator's own list of what it holds as acknowledged, on disk, append-only. The proof compares it with the database,
// so it must never claim an acknowledgement that did not come, and must survive a kill -9 of the simulator.
//
// Durability: acknowledgements of one turn of the event loop are written (write(2)) before anybody is told of them, so a
// killed process loses none it has counted. fdatasync follows once a second and on close: a power cut may lose a second of
// entries; those messages are then sent again with the same identity and are duplicates. The ledger never errs the other way.
//
// One JSON value a line:  {"boot":"<id>","device":"<uuid>","ref":0,"startedAtMs":…}   declares a boot
//                         [ref,seq,samples,waves]                                      a message was acknowledged
//                         {"dropped":ref,"seq":n}                                      made, but the outbox was full: never sent
import { closeSync, fdatasync, fdatasyncSync, ftruncateSync, openSync, writeSync } from 'node:fs'
import { type Evidence } from './ledger-compare.ts'
import { wholeLines } from './lines.ts'
import { Ranges } from './ranges.ts'

/** What the ledger keeps in memory of one boot of one source device: counts and ranges, nothing per message. */
export interface BootRecord {
  readonly device: string
  readonly boot: bigint
  readonly startedAtMs: number
  readonly ref: number
  readonly acknowledged: Ranges
  readonly dropped: Ranges
  samples: number
  waves: number
}

type Acknowledged = readonly [ref: number, seq: number, samples: number, waves: number]
type Line = Acknowledged |
  { readonly boot: string, readonly device: string, readonly ref: number, readonly startedAtMs: number } |
  { readonly dropped: number, readonly seq: number }

const syncEveryMs = 1_000

function count (record: BootRecord, [, seq, samples, waves]: Acknowledged): boolean {
  if (!record.acknowledged.add(seq)) return false
  record.samples += samples
  record.waves += waves
  return true
}

export class Ledger {
  readonly file: string
  readonly #fd: number
  readonly #boots = new Map<string, BootRecord>()
  readonly #byRef = new Map<number, BootRecord>()
  #pending: string[] = []
  #counts = { acknowledged: 0, samples: 0, waves: 0, dropped: 0 }
  #flushing: NodeJS.Immediate | null = null
  #syncing: NodeJS.Timeout | null = null
  #refs = 0

  private constructor (file: string, fd: number) {
    this.file = file
    this.#fd = fd
  }

  /** Opens or begins `file`; a last line torn by a kill is cut off. Throws when the file cannot be read or written. */
  static async open (file: string): Promise<Ledger> {
    const ledger = new Ledger(file, openSync(file, 'a', 0o600))
    let end = 0
    for await (const line of wholeLines(file)) {
      ledger.#replay(line.text)
      end = line.end
    }
    ftruncateSync(ledger.#fd, end)
    ledger.#counts = { acknowledged: 0, samples: 0, waves: 0, dropped: 0 }
    return ledger
  }

  /** The record of a boot, declared in the file when it is new. */
  boot (device: string, boot: bigint, startedAtMs: number): BootRecord {
    const known = this.#boots.get(`${device}/${boot}`)
    if (known) return known
    const record = this.#declare(device, boot, startedAtMs, this.#refs)
    this.#write(JSON.stringify({ boot: boot.toString(), device, ref: record.ref, startedAtMs }))
    return record
  }

  /** A PUBACK came. False when the message was in the ledger already. */
  acknowledge (record: BootRecord, seq: number, samples: number, waves: number): boolean {
    if (!count(record, [record.ref, seq, samples, waves])) return false
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

  /** Counts since this process opened the ledger; all of it is in the file. */
  get counts (): { readonly acknowledged: number, readonly samples: number, readonly waves: number, readonly dropped: number } {
    this.flush()
    return this.#counts
  }

  get boots (): Iterable<BootRecord> { return this.#boots.values() }

  /** Every acknowledged message, earlier runs included; with `sinceMs` only of boots that began then or later. */
  async * entries ({ sinceMs = 0 }: { sinceMs?: number } = {}): AsyncGenerator<Evidence> {
    this.flush()
    for await (const { text } of wholeLines(this.file)) {
      if (!text.startsWith('[')) continue
      const [ref, seq, samples, waves] = JSON.parse(text) as Acknowledged
      const record = this.#byRef.get(ref)
      if (record && record.startedAtMs >= sinceMs) yield { device: record.device, boot: record.boot, seq, samples, waves }
    }
  }

  /** Hands what is pending to the operating system. */
  flush (): void {
    if (this.#flushing) clearImmediate(this.#flushing)
    this.#flushing = null
    if (this.#pending.length === 0) return
    writeSync(this.#fd, this.#pending.join('\n') + '\n')
    this.#pending = []
    this.#syncing ??= setTimeout(() => {
      this.#syncing = null
      // an error here leaves the entries in the page cache: as after write(2), and close() reports it
      fdatasync(this.#fd, () => {})
    }, syncEveryMs).unref()
  }

  close (): void {
    this.flush()
    if (this.#syncing) clearTimeout(this.#syncing)
    fdatasyncSync(this.#fd)
    closeSync(this.#fd)
  }

  #replay (text: string): void {
    const line = JSON.parse(text) as Line
    if ('length' in line) {
      const record = this.#byRef.get(line[0])
      if (record) count(record, line)
    } else if ('dropped' in line) this.#byRef.get(line.dropped)?.dropped.add(line.seq)
    else this.#declare(line.device, BigInt(line.boot), line.startedAtMs, line.ref)
  }

  #declare (device: string, boot: bigint, startedAtMs: number, ref: number): BootRecord {
    const record = { device, boot, startedAtMs, ref, acknowledged: new Ranges(), dropped: new Ranges(), samples: 0, waves: 0 }
    this.#boots.set(`${device}/${boot}`, record)
    this.#byRef.set(ref, record)
    this.#refs = Math.max(this.#refs, ref + 1)
    return record
  }

  #write (line: string): void {
    this.#pending.push(line)
    this.#flushing ??= setImmediate(() => this.flush())
  }
}

// Which messages in quarantine are meant, in words: flags such as `--reason not-paired`, and `--where 'reason=not-paired since=24h'`,
// one grammar for both. Strict: what is not understood, or said twice, is a usage error, and all faults are told at once.
import { type Command } from 'commander'
import { type QuarantineFilter } from '../ingest/quarantine-filter.ts'
import { isDeviceId } from '../schemas/device.ts'
import { quarantineReasons } from '../schemas/reasons.ts'
import { uplinkTopicKinds } from '../schemas/topics.ts'
import { parseTime } from './text.ts'

/** Options as commander keeps them: texts, not parsed yet. */
export interface FilterOptions {
  readonly where?: readonly string[]
  readonly reason?: string
  readonly publisher?: string
  readonly source?: string
  readonly kind?: string
  readonly since?: string
  readonly until?: string
}

/** Thrown by a key's parser: what is wrong with its value. */
class Fault extends Error {}

const parsers = {
  reason: (text: string): QuarantineFilter => ({ reasons: text.split(',').map(parseReason) }),
  publisher: (text: string): QuarantineFilter => ({ publisher: parseDevice(text) }),
  source: (text: string): QuarantineFilter => ({ source: parseDevice(text) }),
  kind: (text: string): QuarantineFilter => ({ kind: parseKind(text) }),
  since: (text: string): QuarantineFilter => ({ sinceMs: parseTime(text) }),
  until: (text: string): QuarantineFilter => ({ untilMs: parseTime(text) })
} as const

const keys = Object.keys(parsers) as Array<keyof typeof parsers>

export function addFilterOptions (command: Command): Command {
  return command
    .option('--reason <reason>', 'only with this reason, or these: a,b')
    .option('--publisher <uuid>', 'only published by this device')
    .option('--source <uuid>', 'only with readings of this device, as far as the header could be read')
    .option('--kind <kind>', `only of this kind: ${uplinkTopicKinds.join(', ')}`)
    .option('--since <time>', 'only received since then: a time, or how long ago such as 24h')
    .option('--until <time>', 'only received before then')
    .option('--where <filter>', `the same as key=value pairs, such as 'reason=not-paired since=24h'; keys: ${keys.join(', ')}`,
      (text: string, before: string[] = []) => [...before, text])
}

/** The filter of `command`'s options; undefined when nothing restricts. Ends with a usage error that lists every fault. */
export function filterOf (command: Command, options: FilterOptions): QuarantineFilter | undefined {
  const { pairs, faults } = pairsOf(options)
  let filter: QuarantineFilter = {}
  const said = new Set<string>()
  for (const { key, value, shown } of pairs) {
    if (said.has(key)) {
      faults.push(`${shown}: ${key} is given more than once${key === 'reason' ? '; several reasons are written reason=a,b' : ''}`)
      continue
    }
    said.add(key)
    try {
      filter = { ...filter, ...parsers[key](value) }
    } catch (error) {
      faults.push(`${shown}: ${(error as Error).message}`)
    }
  }
  const { sinceMs = -Infinity, untilMs = Infinity } = filter
  if (sinceMs >= untilMs) faults.push('nothing is at once since and until: since must be the earlier time')
  if (faults.length > 0) command.error(`error: ${faults.join('\nerror: ')}`, { exitCode: 2, code: 'pulsegate.filter' })
  return pairs.length === 0 ? undefined : filter
}

interface Pair { readonly key: keyof typeof parsers, readonly value: string, readonly shown: string }

function pairsOf (options: FilterOptions): { pairs: Pair[], faults: string[] } {
  const pairs: Pair[] = []
  const faults: string[] = []
  for (const key of keys) {
    const value = options[key]
    if (value !== undefined) pairs.push({ key, value, shown: `--${key} ${value}` })
  }
  for (const text of options.where ?? []) {
    const words = text.split(/\s+/).filter((word) => word !== '')
    if (words.length === 0) faults.push('--where is empty')
    for (const word of words) {
      const [, key, value] = /^([a-z]+)=(.+)$/.exec(word) ?? []
      if (key === undefined || value === undefined) faults.push(`--where: ${JSON.stringify(word)} is not key=value`)
      else if (isKey(key)) pairs.push({ key, value, shown: `--where ${word}` })
      else faults.push(`--where: there is no key ${key}; keys are ${keys.join(', ')}`)
    }
  }
  return { pairs, faults }
}

function isKey (text: string): text is keyof typeof parsers { return Object.hasOwn(parsers, text) }

function parseReason (text: string): string {
  if (Object.hasOwn(quarantineReasons, text)) return text
  const all = Object.keys(quarantineReasons)
  const near = all.filter((reason) => text.length > 2 && (reason.includes(text) || text.split(/[-_ ]/).some((word) => word.length > 2 && reason.includes(word))))
  throw new Fault(`no reason is called ${JSON.stringify(text)}; ${near.length > 0 ? `did you mean ${near.join(' or ')}? All: ` : 'there are '}${all.join(', ')}`)
}

function parseDevice (text: string): string {
  if (isDeviceId(text)) return text
  throw new Fault('a device id is a lower-case UUID')
}

function parseKind (text: string): NonNullable<QuarantineFilter['kind']> {
  const kind = uplinkTopicKinds.find((known) => known === text)
  if (kind === undefined) throw new Fault(`a kind is one of ${uplinkTopicKinds.join(', ')}`)
  return kind
}

// The computed columns of the audit table, pure: how a query shows them, and whether they say what the event says that was hashed. PostgreSQL
// computes them from the event, but whoever owns the database can make them say something else, so the verifier relies on nothing: it
// compares every column of every row. They come as one text a row, because taking twenty apart is most of what a row would cost.
import { canonicalJson, type Json } from './canonical.ts'

export type Fields = Readonly<Record<string, Json | undefined>>

export interface ShownColumns {
  /** All but `detail`: a JSON array of texts and nulls, in the order of `toldColumns`; `recorded` in microseconds since 1970. */
  readonly texts: string
  /** In PostgreSQL's own form of JSON. */
  readonly detail: string | null
}

const names = ['type', 'subtype', 'action', 'outcome', 'reason', 'purpose', 'agent', 'agent_role', 'agent_address', 'certificate_issuer',
  'certificate_serial', 'source_node', 'source_version', 'entity_type', 'entity', 'entity_tenant', 'request_id', 'count']

/** What a query selects to get `texts` and `detail`; also of columns that somebody gave another type. */
export const columnsSql = `array_to_json(ARRAY[(extract(epoch FROM recorded) * 1000000)::int8::text, ${names.map((name) => `${name}::text`).join(', ')}]), detail`

/** Whether the columns are those of `event`. */
export function saysTheSame ({ texts, detail }: ShownColumns, event: Fields): boolean {
  const told = toldColumns(event)
  // nearly always to the letter; another way to write the same JSON is no fault
  return (texts === JSON.stringify(told) || sameTexts(JSON.parse(texts) as Array<string | null>, told)) && sameDetail(detail, event['detail'] ?? null)
}

const nothing: Fields = {}

function toldColumns (event: Fields): Array<string | null> {
  const agent = (event['agent'] ?? nothing) as Fields
  const source = (event['source'] ?? nothing) as Fields
  const entity = (event['entity'] ?? nothing) as Fields
  return [
    String((event['atMs'] as number) * 1_000), textOf(event['type']), textOf(event['subtype']), textOf(event['action']), textOf(event['outcome']),
    textOf(event['reason']), textOf(event['purpose']), textOf(agent['id']), textOf(agent['role']), textOf(agent['address']),
    textOf(agent['certificateIssuer']), textOf(agent['certificateSerial']), textOf(source['node']), textOf(source['version']),
    textOf(entity['type']), textOf(entity['id']), textOf(entity['tenant']), textOf(event['requestId']), textOf(event['count'] ?? 1)
  ]
}

function textOf (value: Json | undefined): string | null {
  if (typeof value === 'string') return value
  if (value === undefined || value === null) return null
  return typeof value === 'object' ? canonicalJson(value) : String(value)
}

function sameTexts (shown: ReadonlyArray<string | null>, told: ReadonlyArray<string | null>): boolean {
  return shown.length === told.length && shown.every((text, index) => text === told[index])
}

function sameDetail (shown: string | null, told: Json): boolean {
  if (shown === null || told === null) return shown === told
  const value = parsed(shown)
  return sameMembers(value, told) || canonicalJson(value) === canonicalJson(told)
}

/** Null when it is no JSON, as in a column that somebody gave another type. */
function parsed (text: string): Json {
  try {
    return JSON.parse(text) as Json
  } catch {
    return null
  }
}

/** Enough for what Pulsegate writes: plain values by name. False says nothing. */
function sameMembers (a: Json, b: Json): boolean {
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null || Array.isArray(a) || Array.isArray(b)) return false
  const names = Object.keys(a)
  return names.length === Object.keys(b).length && names.every((name) => (a as Fields)[name] === (b as Fields)[name])
}

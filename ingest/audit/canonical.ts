// JSON in the one form that everybody who hashes it must get (RFC 8785, JCS): keys sorted by UTF-16 code units, no space, numbers and texts
// as ECMAScript writes them. Takes plain data; texts must be well formed (event.ts sees to it), numbers finite.

export type Json = string | number | boolean | null | JsonObject | readonly Json[]
export interface JsonObject { readonly [key: string]: Json | undefined }

/** Canonical JSON of `value`; keys whose value is undefined are left out. */
export function canonicalJson (value: Json): string {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  if (isArray(value)) return `[${value.map(canonicalJson).join(',')}]`
  const members = Object.keys(value).sort().flatMap((key) => {
    const member = value[key]
    return member === undefined ? [] : [`${JSON.stringify(key)}:${canonicalJson(member)}`]
  })
  return `{${members.join(',')}}`
}

function isArray (value: Json): value is readonly Json[] { return Array.isArray(value) }

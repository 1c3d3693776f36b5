// What may stand in a log line. First an allow-list by kind of value: text, numbers, booleans, dates, plain objects and
// lists of them, and of an error only its type, code, message, stack and cause. Anything else (a socket, a certificate,
// a Buffer with a patient's values) is named, never shown. Then names and texts that look secret are removed.
// Bounds: depth, list length and text length, so that no line grows with what a device sends.

/** Field names whose values never appear, at any depth (numbers and booleans may: `key: 7` is a device's row key). */
export const secretNames = [
  'payload', 'key', 'keyPem', 'privateKey', 'token', 'password', 'passphrase', 'secret', 'authorization', 'cookie', 'csr', 'pem'
]

const secretName = new Set(secretNames.map((name) => name.toLowerCase()))
const maxDepth = 5
const maxItems = 50
const maxTextLength = 2_000

/** A copy of `fields` that is safe to log. */
export function safeFields (fields: object): Record<string, unknown> {
  return safeRecord(fields, 0)
}

/** `text` without credentials in URLs and without PEM blocks. */
export function safeText (text: string): string {
  const clean = text
    .replace(/\b([a-z][a-z0-9+.-]*:\/\/)[^\s/@]*@/gi, '$1***@')
    .replace(/([?&](?:password|token|sslkey|sslpassword)=)[^&\s]*/gi, '$1***')
    .replace(/-----BEGIN [^-]+-----[^-]*(-----END [^-]+-----)?/g, '[PEM removed]')
  return clean.length > maxTextLength ? `${clean.slice(0, maxTextLength)}… (${clean.length} characters)` : clean
}

function safeValue (value: unknown, depth: number): unknown {
  switch (typeof value) {
    case 'string': return safeText(value)
    case 'number':
    case 'boolean':
    case 'undefined': return value
    case 'bigint': return value.toString()
    case 'object': return value === null ? null : safeObject(value, depth)
    default: return `[${typeof value}]`
  }
}

function safeObject (value: object, depth: number): unknown {
  if (value instanceof Error) return safeError(value, depth)
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? '[invalid date]' : value.toISOString()
  if (ArrayBuffer.isView(value)) return `[${value.byteLength} bytes]`
  if (depth >= maxDepth) return '[deeper]'
  if (Array.isArray(value)) {
    const items = value.slice(0, maxItems).map((item) => safeValue(item, depth + 1))
    return value.length > maxItems ? [...items, `[${value.length - maxItems} more]`] : items
  }
  const prototype: unknown = Object.getPrototypeOf(value)
  if (prototype !== Object.prototype && prototype !== null) return `[${value.constructor.name}]`
  return safeRecord(value, depth + 1)
}

function safeRecord (record: object, depth: number): Record<string, unknown> {
  const safe: Record<string, unknown> = {}
  for (const [name, value] of Object.entries(record).slice(0, maxItems)) {
    const shown = secretName.has(name.toLowerCase()) && typeof value !== 'number' && typeof value !== 'boolean'
      ? '[redacted]'
      : safeValue(value, depth)
    if (shown !== undefined) safe[name] = shown
  }
  return safe
}

interface ErrorLike { code?: unknown, severity?: unknown, cause?: unknown, errors?: unknown }

function safeError (error: Error, depth: number): Record<string, unknown> {
  const { code, severity, cause, errors } = error as ErrorLike
  // PostgreSQL quotes the offending value in the message of a data error (class 22, 23): keep the shape, not the value
  const isDataError = typeof severity === 'string' && typeof code === 'string' && /^2[123]/.test(code)
  const message = isDataError ? error.message.replace(/"[^"]*"/g, '"…"').replace(/: .*/s, ': …') : safeText(error.message)
  const frames = (error.stack ?? '').split('\n').filter((line) => /^\s+at /.test(line)).slice(0, 12)
  return {
    type: error.name,
    ...(typeof code === 'string' || typeof code === 'number' ? { code } : {}),
    message,
    ...(frames.length > 0 ? { stack: frames.map((line) => line.trim()).join('\n') } : {}),
    ...(cause !== undefined && depth < maxDepth ? { cause: safeValue(cause, depth + 1) } : {}),
    ...(Array.isArray(errors) && depth < maxDepth ? { errors: safeValue(errors, depth + 1) } : {})
  }
}

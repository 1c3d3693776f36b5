// The code of an error, for a place where its message must not stand. Pure.

/** Ours, an SQLSTATE or Node's; else the error's name. */
export function errorCodeOf (error: unknown): string {
  const { code, name } = (error ?? {}) as { code?: unknown, name?: unknown }
  if (typeof code === 'string') return code
  return typeof name === 'string' ? name : typeof error
}

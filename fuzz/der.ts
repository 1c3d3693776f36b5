// A reader of DER for fuzzers: where each element of a stretch of bytes begins and ends. Knows short and long lengths, stops at the first
// thing it does not understand; independent of the reader that is being tested.

/** `start`: its tag; `body` … `end`: its content. */
export interface Element { readonly start: number, readonly body: number, readonly end: number }

export function elements (der: Buffer, from: number, end: number): Element[] {
  const found: Element[] = []
  let at = from
  while (at + 2 <= end) {
    const first = der[at + 1] ?? 0
    const more = first < 0x80 ? 0 : first & 0x7f
    if (more > 4 || first === 0x80 || at + 2 + more > end) break
    const length = more === 0 ? first : der.readUIntBE(at + 2, more)
    const body = at + 2 + more
    if (body + length > end) break
    found.push({ start: at, body, end: body + length })
    at = body + length
  }
  return found
}

// Reads Prometheus' text format as far as the proof needs it: series and their values. Pure.

const line = /^([A-Za-z_:][\w:]*(?:\{.*\})?)\s+(NaN|[+-]?Inf|[+-]?[\d.]+(?:e[+-]?\d+)?)(?:\s+-?\d+)?\s*$/i

/** `name{labels}`, as written, → value. Comments and lines that are none are passed over. */
export function parseMetrics (text: string): Map<string, number> {
  const found = new Map<string, number>()
  for (const each of text.split('\n')) {
    const [, series, value] = line.exec(each) ?? []
    if (series !== undefined && value !== undefined) found.set(series, valueOf(value))
  }
  return found
}

/** Prometheus writes infinity as +Inf. */
function valueOf (text: string): number {
  const infinite = /^([+-]?)Inf$/i.exec(text)
  return infinite ? (infinite[1] === '-' ? -Infinity : Infinity) : Number(text)
}

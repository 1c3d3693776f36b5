// A reading as text: one JSON object a line, or a line of CSV (RFC 4180). Pure.

export interface Reading {
  readonly time: Date
  readonly device: string
  readonly metric: string
  /** Null: missing, the quality says why. */
  readonly value: number | null
  readonly unit: string
  readonly quality: number
  readonly mdc: number | null
  readonly loinc: string | null
}

export const exportFormats = ['ndjson', 'csv'] as const
export type ExportFormat = typeof exportFormats[number]

const columns = ['time', 'device', 'metric', 'value', 'unit', 'quality', 'mdc', 'loinc'] as const

/** What stands before the first reading. */
export function headOf (format: ExportFormat): string {
  return format === 'csv' ? `${columns.join(',')}\r\n` : ''
}

export function textOf (reading: Reading, format: ExportFormat): string {
  const row = { ...reading, time: reading.time.toISOString() }
  if (format === 'ndjson') return `${JSON.stringify(Object.fromEntries(columns.map((name) => [name, row[name]])))}\n`
  return `${columns.map((name) => cell(row[name])).join(',')}\r\n`
}

function cell (value: string | number | null): string {
  const text = value === null ? '' : String(value)
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}

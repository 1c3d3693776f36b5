// Numbers as a person reads them. Pure.

/** 1_234_567 → '1 234 567' (thin groups, no locale, the same on every machine). */
export function count (value: number): string {
  return Math.round(value).toString().replace(/\B(?=(\d{3})+$)/g, ' ')
}

/** A number with what it counts: '1 data key', '2 data keys'. */
export function counted (value: number, one: string): string {
  return `${count(value)} ${one}${value === 1 ? '' : 's'}`
}

/** Bytes with a binary unit: 1536 → '1.5 KiB'. */
export function bytes (value: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB']
  let scaled = value
  let unit = 0
  while (scaled >= 1024 && unit < units.length - 1) {
    scaled /= 1024
    unit++
  }
  return `${unit === 0 ? scaled : scaled.toFixed(1)} ${units[unit] ?? ''}`
}

/** Milliseconds with as many digits as mean something: 0.42, 7.1, 125. '–' when nothing was measured. */
export function millis (value: number): string {
  if (!Number.isFinite(value)) return '–'
  return value < 1 ? value.toFixed(2) : value < 100 ? value.toFixed(1) : value.toFixed(0)
}

/** Elapsed time as m:ss or h:mm:ss. */
export function clock (ms: number): string {
  const seconds = Math.floor(ms / 1000)
  const two = (value: number): string => String(value).padStart(2, '0')
  const hours = Math.floor(seconds / 3600)
  const minutes = Math.floor(seconds / 60) % 60
  return hours > 0 ? `${hours}:${two(minutes)}:${two(seconds % 60)}` : `${minutes}:${two(seconds % 60)}`
}

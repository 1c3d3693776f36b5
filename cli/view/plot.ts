// A small plot of one signal in text. Pure.
import asciichart from 'asciichart'
import { type Trace } from './snapshot.ts'

/** Lines of text: a title and a plot `height` rows high, at most `width` columns wide. Empty when there is nothing to show. */
export function plot (trace: Trace | null, width: number, height: number): string[] {
  if (trace === null || trace.values.length < 2) return []
  const label = 9 // columns asciichart takes for the axis
  const points = thin(trace.values, Math.max(16, width - label))
  const format = (value: number): string => value.toFixed(Math.abs(value) < 10 ? 2 : 0).padStart(7)
  const chart = asciichart.plot(points, { height: height - 1, format })
  return [`${trace.title} [${trace.unit}], read back from the database`, ...chart.split('\n')]
}

/**
 * Thins a signal to `columns` points, keeping in each column the value that stands out most from the mean: taking
 * every nth would miss the R peaks of an ECG, averaging would flatten them.
 */
export function thin (values: readonly number[], columns: number): number[] {
  if (values.length <= columns) return [...values]
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length
  const points: number[] = []
  for (let column = 0; column < columns; column++) {
    const from = Math.floor(column * values.length / columns)
    const to = Math.floor((column + 1) * values.length / columns)
    let standsOut = values[from] ?? mean
    for (const value of values.slice(from, to)) {
      if (Math.abs(value - mean) > Math.abs(standsOut - mean)) standsOut = value
    }
    points.push(standsOut)
  }
  return points
}

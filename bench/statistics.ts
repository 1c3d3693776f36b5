// The few numbers the benchmarks speak in. Pure. A neighbour on the machine disturbs single rounds, so: medians, and
// ratios taken inside a round (both sides of a ratio then saw the same neighbour), never a ratio of two averages.

export interface Spread {
  readonly median: number
  /** first and third quartile */
  readonly low: number
  readonly high: number
  readonly n: number
}

/** The value below which `share` (0..1) of `values` lies, linear between neighbours; NaN when there are none. */
export function quantile (values: readonly number[], share: number): number {
  const sorted = values.filter((value) => !Number.isNaN(value)).sort((a, b) => a - b)
  if (sorted.length === 0) return NaN
  const at = share * (sorted.length - 1)
  const below = sorted[Math.floor(at)] ?? NaN
  const above = sorted[Math.ceil(at)] ?? NaN
  return below + (above - below) * (at - Math.floor(at))
}

export function median (values: readonly number[]): number {
  return quantile(values, 0.5)
}

export function spread (values: readonly number[]): Spread {
  return { median: median(values), low: quantile(values, 0.25), high: quantile(values, 0.75), n: values.length }
}

/** One measurement: what was measured, in which round, and its numbers by name. */
export interface Run {
  readonly round: number
  /** the system measured, such as `pulsegate` or `mosquitto` */
  readonly subject: string
  /** the load, such as `50 x 16` */
  readonly shape: string
  readonly values: Readonly<Record<string, number>>
}

/** The values named `name` of every run of `subject` under `shape` that `keep` lets pass. */
export function valuesOf (runs: readonly Run[], subject: string, shape: string, name: string, keep: (run: Run) => boolean = () => true): number[] {
  return runs
    .filter((run) => run.subject === subject && run.shape === shape && keep(run))
    .flatMap((run) => run.values[name] ?? [])
}

/** Per round: value of `over` divided by value of `under`; rounds that miss one of them are left out. */
export function ratiosOf (runs: readonly Run[], over: string, under: string, shape: string, name: string): number[] {
  const rounds = [...new Set(runs.map((run) => run.round))]
  return rounds.flatMap((round) => {
    const inRound = runs.filter((run) => run.round === round)
    const [above] = valuesOf(inRound, over, shape, name)
    const [below] = valuesOf(inRound, under, shape, name)
    return above === undefined || below === undefined ? [] : [above / below]
  })
}

// A half-open time, as pairings and erasures have them, and what lies in it. Pure.

/** In ms since 1970 UTC; ±Infinity where it has no end. */
export interface Period { readonly fromMs: number, readonly toMs: number }

/** Does a time lie in one of the periods? */
export function isIn (periods: readonly Period[], timeMs: number): boolean {
  return periods.some(({ fromMs, toMs }) => timeMs >= fromMs && timeMs < toMs)
}

// What the thread that runs inputs and the one that watches it say to each other.

export interface Orders {
  readonly target: string
  readonly seed: number
  /** Whichever comes first; 0: only the corpus. */
  readonly iterations: number
  readonly untilMs: number
  readonly corpusRoot: string
  /** Write to the corpus the first input of each outcome that nothing kept has yet. */
  readonly keep: boolean
  readonly shared: SharedArrayBuffer
}

/** `fault`: what is wrong, without the input; the input lies in the shared memory. */
export type Said = { readonly done: Progress } | { readonly fault: string, readonly progress: Progress }
export interface Progress { readonly runs: number, readonly outcomes: Readonly<Record<string, number>> }

/** In the shared memory: how many inputs were begun, the length of the current one, then its bytes. */
export const headerBytes = 8
export const mostInputBytes = 2 ** 20

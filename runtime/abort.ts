// Waiting that an AbortSignal ends.

/** `work`, or a rejection as soon as `signal` aborts: who must stop does not wait for an answer that may take a while. */
export async function orAborted<T> (work: Promise<T>, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted()
  let stop: () => void = () => {}
  const aborted = new Promise<never>((_resolve, reject) => {
    stop = () => { reject(new Error('stopped')) }
    signal.addEventListener('abort', stop, { once: true })
  })
  try {
    return await Promise.race([work, aborted])
  } finally {
    signal.removeEventListener('abort', stop)
  }
}

/** Calls `act` when `signal` aborts, at once when it has; the returned function takes that back. */
export function onAbort (signal: AbortSignal | undefined, act: () => void): () => void {
  if (signal?.aborted === true) act()
  else signal?.addEventListener('abort', act, { once: true })
  return () => { signal?.removeEventListener('abort', act) }
}

// How a long command ends: everything it opened is released, and what went wrong first is what is told.
import { type Lifecycle } from '../runtime/lifecycle.ts'

/** Runs `work`, then closes `lifecycle`. An error of `work` comes before one of the closing, which the lifecycle has logged. */
export async function thenClose<T> (lifecycle: Lifecycle, work: () => Promise<T>): Promise<T> {
  let result: T
  try {
    result = await work()
  } catch (error) {
    await lifecycle.close().catch(() => {})
    throw error
  }
  await lifecycle.close()
  return result
}

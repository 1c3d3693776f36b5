// How a measured process talks with the bench: one JSON object a line on stdout, and SIGTERM as the sign to stop.
import { once } from 'node:events'

const reportEveryMs = 20

export function say (line: Readonly<Record<string, unknown>>): void {
  process.stdout.write(`${JSON.stringify(line)}\n`)
}

/** From now on says how many messages have been stored, when that has changed. */
export function sayStored (stored: () => number): void {
  let said = 0
  setInterval(() => {
    const messages = stored()
    if (messages !== said) say({ event: 'stored', messages: said = messages })
  }, reportEveryMs)
}

export async function untilStopped (): Promise<void> {
  await once(process, 'SIGTERM')
}

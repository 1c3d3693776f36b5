// How a measured process talks with the bench: one JSON object a line on stdout, and SIGTERM as the sign to stop.
import { once } from 'node:events'

export function say (line: Readonly<Record<string, unknown>>): void {
  process.stdout.write(`${JSON.stringify(line)}\n`)
}

export async function untilStopped (): Promise<void> {
  await once(process, 'SIGTERM')
}

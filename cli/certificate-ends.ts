// When what a listener works with ends: takes its certificates and lists as loaded and the time, says which are due and what to do. Pure.
import { type CredentialEnd } from '../broker/broker.ts'

/** Who is let in by what ends. */
export interface Audience {
  readonly who: 'device' | 'operator'
  /** Past an end the process is not ready: what it is there for is over. */
  readonly vital: boolean
  /** What a remedy needs to reach the authority: ` --dir <directory>`, or nothing. */
  readonly option: string
}

export const devices: Audience = { who: 'device', vital: true, option: '' }

export type EndState = 'good' | 'ending' | 'ended' | 'not-begun'

const dayMs = 86_400_000

/**
 * Ending: what is left is shorter than a quarter of the life (of a list: a third), and than 90 days. Upkeep renews well before that, so it
 * means that the upkeep does not work; where people renew it is time enough to fetch a key from a safe.
 */
export function stateOfEnd ({ what, fromMs, untilMs }: CredentialEnd, nowMs: number): EndState {
  if (nowMs >= untilMs) return 'ended'
  if (nowMs < fromMs) return 'not-begun'
  const part = (untilMs - fromMs) / (what === 'revocation-list' ? 3 : 4)
  return untilMs - nowMs < Math.min(part, 90 * dayMs) ? 'ending' : 'good'
}

const names = { 'server-certificate': 'the server certificate', 'ca-certificate': 'the CA certificate', 'revocation-list': 'the revocation list of' } as const
const remedies = { 'server-certificate': 'pulsegate certs server <names>', 'ca-certificate': 'pulsegate certs ca status', 'revocation-list': 'pulsegate certs crl' } as const

/** What is wrong, with path and remedy; null when it is good. */
export function faultOfEnd (end: CredentialEnd, nowMs: number, { who, option }: Audience = devices): string | null {
  const state = stateOfEnd(end, nowMs)
  if (state === 'good') return null
  const { what, name, file, fromMs, untilMs } = end
  const subject = `${file}: ${names[what]} "${name}"`
  if (state === 'not-begun') return `${subject} begins ${new Date(fromMs).toISOString()}; is this machine's clock right?`
  const until = new Date(untilMs).toISOString()
  return `${subject} ${state === 'ended' ? `ended ${until}, and no ${who} can connect` : `ends ${until}`}; do: ${remedies[what]}${what === 'server-certificate' ? '' : option}`
}

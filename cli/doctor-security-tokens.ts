// Enrolment tokens that are open for too long: each is the right to a certificate for whoever holds it.
import { Tokens, tokenLifeMs } from '../certs/tokens.ts'
import { type SecurityCheck } from './doctor-security.ts'
import { findingOf } from './doctor-security-finding.ts'

export const checkTokens: SecurityCheck = async ({ certificates, nowMs }) => {
  const open = (await new Tokens(certificates).list(nowMs)).filter(({ state }) => state === 'open')
  const ends = ({ expiresAtMs }: { expiresAtMs: number }) => expiresAtMs - nowMs <= tokenLifeMs.maximum
  return [
    findingOf('tokens without end', open.filter((token) => !ends(token)).map(({ name }) => `${name} can be used for more than 30 days`),
      { fine: 'none', todo: '`pulsegate certs token` makes none such: revoke it, and find out who wrote it' }),
    findingOf('tokens for any device', open.filter((token) => token.device === null && ends(token) && token.expiresAtMs - nowMs > tokenLifeMs.default).map(({ name }) => `${name} enrols any new device for more than a day`),
      { fine: 'none that lives longer than a day', todo: 'make tokens for devices by their ids, or short ones', status: 'warn' })
  ]
}

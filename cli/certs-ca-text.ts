// How a change of the issuing CA looks on a terminal: takes its status and reports, gives plain text. Pure.
import { type StepReport } from '../certs/rotation.ts'
import { type RotationStatus } from '../certs/rotation-status.ts'
import { table } from './text.ts'

export function caStatusText ({ phase, cas, next, canRollBack }: RotationStatus): string {
  const rows = cas.map(({ number, state, serial, devices, others, share, lastEnd, notAfter }) =>
    [String(number), state, serial, String(devices), `${(share * 100).toFixed(1)} %`, String(others), minutes(lastEnd), minutes(notAfter)])
  const old = cas.find(({ state }) => state === 'trusted')
  const advice = {
    steady: '',
    prepared: 'Brokers with a copy of this folder need ca.pem and crl/ before the next step.\n',
    activated: old?.devices === 0 ? 'No living device certificate is of the old CA: it can be retired.\n' : 'Devices move to the new CA as they renew; retire the old one when its share is 0.\n'
  }[phase]
  return `Phase: ${phase}\n` +
    table(['ca', 'state', 'serial', 'devices', 'share', 'others', 'last ends', 'CA until'], rows) + advice +
    `Next: pulsegate certs ca ${next}${canRollBack ? ', or rollback' : ''}\n`
}

export function stepText ({ step, finishedEarlier, server }: StepReport): string {
  const said = finishedEarlier
    ? 'An earlier step had been cut off. It is finished now; this one was not begun.\n'
    : { prepare: 'The next CA is made and trusted.\n', activate: 'The new CA issues from now on.\n', retire: 'The old CA is not trusted any more. Its key is kept until the next prepare, for rollback.\n', rollback: 'The last step is taken back.\n' }[step]
  return server ? `${said}The broker's certificate was issued anew.\n` : said
}

function minutes (iso: string | null): string {
  return iso === null ? '' : `${iso.slice(0, 16).replace('T', ' ')} UTC`
}

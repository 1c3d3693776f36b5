// How a check of many things becomes one finding: fine when none is at fault, else the first few, how many more, and all of them
// for programs and --all.
import { type Finding } from './doctor-finding.ts'

const shownAtMost = 3

/** `faults`: one text for each thing at fault. They may name ids, paths, roles; never a secret. */
export function findingOf (name: string, faults: readonly string[], otherwise: { fine: string, todo: string, status?: 'warn' | 'fail' }): Finding {
  if (faults.length === 0) return { name, status: 'ok', detail: otherwise.fine }
  const rest = faults.length - shownAtMost
  const shown = faults.slice(0, shownAtMost).join('; ')
  return { name, status: otherwise.status ?? 'fail', detail: `${shown}${rest > 0 ? `; and ${rest} more (--all)` : ''}`, todo: otherwise.todo, faults }
}

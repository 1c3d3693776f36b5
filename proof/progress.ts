// How a long run shows itself: on a terminal a line that is written anew, elsewhere plain lines, one a scenario. The table's rows
// stay in both.
import { type ScenarioReport } from './result.ts'
import { tableHead, tableRow } from './report.ts'

export interface Progress {
  begin (): void
  /** `place`: `3/35`. */
  phase (name: string, place: string, text: string): void
  done (report: ScenarioReport): void
}

export interface Terminal { readonly isTTY?: boolean, write (text: string): unknown }

const clearLine = '\r\u001B[2K'

export function createProgress (out: Terminal): Progress {
  const live = out.isTTY === true
  const say = (lines: readonly string[]): void => { out.write(`${live ? clearLine : ''}${lines.map((line) => `${line}\n`).join('')}`) }
  return {
    begin () { say([tableHead()]) },
    phase (name, place, text) {
      if (live) out.write(`${clearLine}${place} ${name}: ${text} …`)
    },
    done (report) { say(tableRow(report)) }
  }
}

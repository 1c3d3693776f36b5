// Which commit was checked out at a time, from git; results carry a date, and readers want to know what they were results of.
import { spawnSync } from 'node:child_process'

export interface Commits {
  /** The abbreviated hash of the newest commit of this branch at that time; null without git or before the first. */
  at (timeMs: number): string | null
  readonly head: string | null
  /** Files that differ from `head`, the generated page left out. */
  readonly changed: number
}

export function readCommits (root: string, page: string): Commits {
  const git = (...words: string[]) => {
    const { status, stdout } = spawnSync('git', words, { cwd: root, encoding: 'utf8', timeout: 10_000 })
    return status === 0 ? stdout.split('\n').filter((text) => text !== '') : []
  }
  const history = git('log', '--first-parent', '--format=%h %ct').map((text) => {
    const [hash = '', seconds] = text.split(' ')
    return { hash, atMs: Number(seconds) * 1_000 }
  })
  return {
    head: history[0]?.hash ?? null,
    changed: git('status', '--porcelain').filter((text) => !text.endsWith(page)).length,
    at: (timeMs) => history.find(({ atMs }) => atMs <= timeMs)?.hash ?? null
  }
}

// Reads docs/security/threat-model.md: the elements, their rows, and the tests each row names.
export const letters = ['S', 'T', 'R', 'I', 'D', 'E'] as const
export const treatments = ['mitigated', 'accepted', 'not applicable'] as const

export interface Row {
  readonly element: string
  readonly letter: string
  readonly treatment: string
  readonly how: string
  /** `test/x.test.ts` and the title, as written. */
  readonly tests: ReadonlyArray<{ readonly file: string, readonly title: string }>
  /** Controls that stand for their tests. */
  readonly controls: readonly string[]
  /** What in the last cell is neither. */
  readonly unread: readonly string[]
}

export function readThreatModel (page: string): Row[] {
  const rows: Row[] = []
  let element: string | null = null
  for (const line of page.slice(page.indexOf('\n## Elements')).split('\n')) {
    const head = /^### (.*)$/.exec(line)
    if (head !== null) element = head[1] ?? ''
    const cells = line.split('|').slice(1, -1).map((cell) => cell.trim())
    const [letter = '', , treatment = '', how = '', verified = ''] = cells
    if (element === null || cells.length !== 5 || letter === '' || letter.startsWith('-')) continue
    const parts = verified.split(/; (?=`|\[)/).filter((part) => part !== '')
    rows.push({
      element,
      letter,
      treatment,
      how,
      tests: parts.flatMap((part) => { const [, file, title] = /^`([^`]+)` › (.+)$/.exec(part) ?? []; return file === undefined || title === undefined ? [] : [{ file, title }] }),
      controls: parts.flatMap((part) => /^\[(C\d+)\]$/.exec(part)?.[1] ?? []),
      unread: parts.filter((part) => !/^`[^`]+` › .+$|^\[C\d+\]$/.test(part))
    })
  }
  return rows
}

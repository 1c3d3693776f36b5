// What a person reads who gave a word that cannot be: which argument, what was given, and what is allowed.
import { test } from 'tap'
import { buildProgram, runProgram } from '../../cli/program.ts'

async function usage (...words: string[]): Promise<{ code: number, err: string }> {
  let err = ''
  const program = buildProgram()
  const listen = (command: typeof program): void => {
    command.configureOutput({ writeErr: (text) => { err += text } })
    for (const child of command.commands) listen(child)
  }
  listen(program)
  return { code: await runProgram(program, ['node', 'pulsegate', ...words]), err }
}

test('an argument that cannot be is named as the help names it', async (t) => {
  t.match(await usage('devices', 'show', '0'), { code: 2, err: /^error: argument <id> '0' is invalid\. A device id is a lower-case UUID\.\n/ })
  t.match(await usage('devices', 'assign', "Jane O'Neill", 'x'), { code: 2, err: /^error: argument <subject> 'Jane O'Neill' is invalid\. A subject is a pseudonym/ })
  t.match(await usage('quarantine', 'show', 'x'), { code: 2, err: /^error: argument <id> 'x' is invalid\. A whole number/ }, 'of every command')
  t.match(await usage('devices', 'list', '--limit', '0'), { code: 2, err: /^error: option '--limit <count>' argument '0' is invalid\./ })
})

// What `pulsegate proof` refuses, before anything is started, and what it lists.
import { test } from 'tap'
import { run } from '../../cli/program.ts'
import { proofCommand } from '../../cli/proof-command.ts'
import { scenarios } from '../../proof/scenarios/index.ts'

async function runQuietly (...args: string[]): Promise<{ code: number, said: string }> {
  const { write } = process.stderr
  let said = ''
  process.stderr.write = (chunk: string) => { said += chunk; return true }
  try {
    return { code: await run(['node', 'pulsegate', 'proof', ...args]), said }
  } finally {
    process.stderr.write = write
  }
}

for (const [args, why] of [
  [['--scenario', 'kill-everything'], /no such scenario: kill-everything; `pulsegate proof --list` shows all/],
  [['--selection', 'some'], /Allowed choices are ci, full/],
  [['--seed', '-1'], /A whole number from 0 to/],
  [['--duration', '20'], /such as 20s/],
  [['--rate', '0'], /A number above 0 is needed/],
  [['--workers', '1'], /A whole number from 2 to 8/],
  [['--nonsense'], /unknown option/]
] as const) {
  test(`refused: ${args.join(' ')}`, async (t) => {
    const { code, said } = await runQuietly(...args)
    t.equal(code, 2)
    t.match(said, why)
  })
}

test('a redis-server that is none is a fault of the configuration, said at once', async (t) => {
  const { code, said } = await runQuietly('--redis-server', '/nowhere/redis-server')
  t.not(code, 0)
  t.match(said, /REDIS_SERVER_MISSING: \/nowhere\/redis-server/)
})

test('--list names every scenario and what it proves', async (t) => {
  let text = ''
  await proofCommand({ write: (more: string) => { text += more } }).parseAsync(['--list'], { from: 'user' })
  for (const { name, proves } of scenarios) t.ok(text.includes(name) && text.includes(proves), name)
})

import { fork } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { once } from 'node:events'
import { join } from 'node:path'
import { test } from 'tap'
import { failPoints } from '../../runtime/fail-points.ts'

test('unarmed places do nothing', (t) => {
  failPoints.hit('before-xadd')
  failPoints.read(Buffer.from('anything'))
  t.notOk(failPoints.on)
  t.end()
})

test('what is not a fail point is refused with the names there are', (t) => {
  for (const text of ['before-lunch', 'before-xadd@0', 'before-xadd@x', 'before-xadd:explode', 'poison=', 'poison=abc']) {
    t.throws(() => { failPoints.arm(text) }, { code: 'CONFIG_INVALID', message: /is not a fail point.*after-commit-before-xack/ }, text)
  }
  failPoints.disarm()
  t.end()
})

test('the hit that was asked for kills the process, not one before', async (t) => {
  const directory = t.testdir()
  const source = new URL('../../runtime/fail-points.ts', import.meta.url).href
  const main = join(directory, 'main.mjs')
  await writeFile(main, `
    const { failPoints } = await import(${JSON.stringify(source)})
    failPoints.arm(process.argv[2])
    for (let hit = 1; hit <= 3; hit++) { process.send(hit); await new Promise((resolve) => setTimeout(resolve, 20)); failPoints.hit('before-xadd'); failPoints.read(Buffer.from('abc')) }
  `)
  for (const [text, hits, signal] of [['before-xadd@2', 2, 'SIGKILL'], ['before-xadd@9', 3, null], ['poison=6263', 1, 'SIGKILL'], ['poison=6264', 3, null]] as const) {
    const child = fork(main, [text], { execArgv: process.execArgv })
    let last = 0
    child.on('message', (hit) => { last = hit as number })
    const [, ended] = await once(child, 'exit') as [number | null, string | null]
    t.strictSame([last, ended], [hits, signal], text)
  }
})

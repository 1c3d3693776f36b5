import { test } from 'tap'
import { type Service } from '../../cli/serve.ts'
import { type Snapshot } from '../../cli/view/snapshot.ts'
import { watch } from '../../cli/watch.ts'
import { startPulsegate } from '../fixtures/pulsegate.ts'

test('a database that hangs does not stop the view, nor collect questions', { timeout: 60_000 }, async (t) => {
  const { service } = await startPulsegate(t)
  let asked = 0
  // what a frozen server looks like from here: the question leaves, no answer comes
  const hanging: Service = { ...service, database: { ...service.database, query: async () => { asked++; return await new Promise<never>(() => {}) } } }
  const stop = new AbortController()
  const shown: Snapshot[] = []
  await watch({
    service: hanging,
    simulator: null,
    plotted: null,
    everyMs: 10,
    signal: stop.signal,
    show (now) {
      shown.push(now)
      if (shown.length === 3) stop.abort()
    }
  })
  t.equal(shown.length, 3)
  t.equal(asked, 1, 'the first question is still open')
})

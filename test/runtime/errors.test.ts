import { test } from 'tap'
import { PulsegateError, errorRegistry } from '../../runtime/errors.ts'

test('an error carries its registry entry', async (t) => {
  const error = new PulsegateError('QUEUE_FULL', 'full')
  t.equal(error.entry, errorRegistry.QUEUE_FULL)
  t.equal(error.name, 'PulsegateError')
})

// The only way to leave out the tests that need real services, and it is loud: each is reported as skipped.
// Usage: `test('stores it', needsServices, async (t) => …)`.

const reason = 'PULSEGATE_TEST_SKIP_SERVICES=1: needs a real TimescaleDB, Mosquitto or Redis'

const skipped = process.env['PULSEGATE_TEST_SKIP_SERVICES'] === '1'

/** Options for a tap test that needs a service. */
export const needsServices: { skip: string | false } = { skip: skipped ? reason : false }

/** Throws when a test asks for a service though services are to be left out: it lacks `needsServices`. */
export function refuseWhenSkipped (): void {
  if (skipped) throw new Error(`this test needs a service and is not marked with needsServices (${reason})`)
}

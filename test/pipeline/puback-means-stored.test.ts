// Promise 1: at the moment a PUBACK arrives, the row is visible on another connection to the database.
import { test } from 'tap'
import { heartRate, telemetry } from '../fixtures/mqtt-device.ts'
import { startPulsegate } from '../fixtures/pulsegate.ts'

const devices = 20
const messagesEach = 15

test('when the PUBACK arrives the reading can be read, from another connection', async (t) => {
  const { connect, reader } = await startPulsegate(t)
  const ready = await Promise.all(Array.from({ length: devices }, () => connect()))
  let checked = 0
  await Promise.all(ready.map(async (device, index) => {
    for (let seq = 0; seq < messagesEach; seq++) {
      const value = 40 + index * 5 + seq / 10
      await device.publish(telemetry(seq, { samples: [heartRate(value)] }))
      const { rows } = await reader.query('SELECT value FROM reading WHERE device = $1 AND metric = \'heart-rate\' AND value = $2', [device.id, value])
      if (rows.length !== 1) t.fail(`acknowledged, but a reader sees ${rows.length} rows`, { device: index, seq })
      checked++
    }
  }))
  t.equal(checked, devices * messagesEach, 'every acknowledged message was looked up')
})

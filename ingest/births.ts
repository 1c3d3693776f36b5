// What births say of devices, written in the batch's transaction. Only births that are new count: a resent one must not
// bring an older firmware back. The kind is free text: a kind the metric registry does not know is stored like any other,
// because its messages are decided by their metrics, not by what the device calls itself.
import { type ClientBase } from 'pg'
import { type BirthRow } from './batch.ts'
import { type Mask } from './encode-rows.ts'

const updateDevices = `UPDATE device SET kind = b.kind, model = b.model, firmware = b.firmware, serial = coalesce(b.serial, device.serial)
  FROM unnest($1::int4[], $2::text[], $3::text[], $4::text[], $5::text[]) AS b (key, kind, model, firmware, serial)
  WHERE device.key = b.key`

/** Writes the births whose message is in `mask`, the last one of each device. */
export async function writeBirths (client: ClientBase, births: readonly BirthRow[], mask: Mask): Promise<void> {
  const byDevice = new Map<number, BirthRow>()
  for (const birth of births) if (mask[birth.message] === 1) byDevice.set(birth.device, birth)
  if (byDevice.size === 0) return
  // rows are locked in the order of keys, so that two workers cannot wait for each other
  const rows = [...byDevice.values()].sort((a, b) => a.device - b.device)
  await client.query(updateDevices, [
    rows.map(({ device }) => device),
    rows.map(({ kind }) => kind),
    rows.map(({ model }) => model),
    rows.map(({ firmware }) => firmware),
    rows.map(({ serial }) => serial)
  ])
}

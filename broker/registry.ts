// What the broker asks of the registry of devices: may this device come in? Implemented by ingest (the database knows),
// put together in cli, played by a few lines in tests. The broker asks once per CONNECT and holds a deadline over it.
import { type Admission } from '../schemas/device.ts'

export type { Admission } from '../schemas/device.ts'

export interface Registry {
  /**
   * The state of the device `id` (lower-case UUID text, taken from a certificate that has been verified). An unknown
   * device is registered first. Rejects when the database cannot answer or `signal` is aborted; the broker then falls
   * back on what it knows, or answers CONNACK 3 (server unavailable).
   */
  admit (id: string, signal: AbortSignal): Promise<Admission>
}

// Words about devices that several parts share.

export const deviceStates = ['pending', 'active', 'suspended', 'retired'] as const
/** Only active devices may publish. */
export type DeviceState = typeof deviceStates[number]

/** What the registry answers when a device with a good certificate connects. */
export interface Admission {
  readonly id: string
  readonly state: DeviceState
  /** True when this connection registered the device. */
  readonly firstSeen: boolean
}

const uuidText = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/

/** Is `text` a device id: lower-case UUID text of RFC 9562, hyphenated? */
export function isDeviceId (text: string): boolean {
  return uuidText.test(text)
}

// The settings that become limits of the broker, the same for `up` and `broker`.
import { type Limits } from '../broker/limits.ts'
import { type Config, type SettingName } from '../runtime/settings.ts'

export const limitSettings = ['queueMessages', 'queueBytes', 'maxConnections', 'maxConnectionsPerAddress', 'maxHandshakes', 'handshakesPerAddress',
  'deviceMessagesPerSecond', 'deviceBytesPerSecond', 'totalMessagesPerSecond', 'totalBytesPerSecond',
  'flappingSessions', 'authenticationFailures', 'clonePolicy'] as const satisfies SettingName[]

/** What startBroker takes of the configuration. */
export function limitsOf (config: Config<typeof limitSettings[number]>): Partial<Limits> {
  const {
    queueMessages, queueBytes, maxConnections, maxConnectionsPerAddress, maxHandshakes, handshakesPerAddress, deviceMessagesPerSecond, deviceBytesPerSecond,
    totalMessagesPerSecond, totalBytesPerSecond, flappingSessions, authenticationFailures, clonePolicy
  } = config
  return {
    maxTotalMessages: queueMessages,
    maxTotalBytes: queueBytes,
    maxConnections,
    maxConnectionsPerAddress,
    maxHandshakes,
    handshakesPerAddress,
    deviceMessagesPerSecond,
    deviceBytesPerSecond,
    totalMessagesPerSecond,
    totalBytesPerSecond,
    flappingSessions,
    authenticationFailures,
    clonePolicy
  }
}

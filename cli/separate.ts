// `pulsegate broker` and `pulsegate ingest`: the two halves as processes of their own. They meet in Redis Streams, and
// the Redis queue is not part of this version; they say so instead of starting half.
import { Command } from 'commander'
import { PulsegateError } from '../runtime/errors.ts'

function needsRedis (name: string, what: string): Command {
  return new Command(name)
    .description(`${what} (needs Redis between the processes; not in this version, use \`pulsegate up\`)`)
    .action(() => {
      throw new PulsegateError('REDIS_REQUIRED',
        `\`pulsegate ${name}\` alone has nobody to hand its messages to: the queue over Redis Streams is not part of this version`)
    })
}

export function brokerCommand (): Command { return needsRedis('broker', 'The MQTT broker as a process of its own') }

export function ingestCommand (): Command { return needsRedis('ingest', 'The ingest worker as a process of its own') }

// The proof's negative control: a broker that acknowledges a message when it has received it, before XADD, as ordinary brokers do. No
// command leads here; `pulsegate proof` starts this file to see that its checks find what such a broker loses.
import { Command } from 'commander'
import { type Envelope, type QueueWriter } from '../queue/queue.ts'
import { brokerCommand } from './broker.ts'
import { runProgram } from './program.ts'

/** Acknowledges at once and hands on a copy whose outcome nobody hears. */
export function acknowledgeEarly (queue: QueueWriter): QueueWriter {
  return {
    get depth () { return queue.depth },
    accept (envelope: Envelope) {
      const { publisher, kind, payload, receivedAtMs } = envelope
      envelope.settle(null)
      queue.accept({ publisher, kind, payload, receivedAtMs, settle: () => {} })
    }
  }
}

process.exitCode = await runProgram(new Command('control').addCommand(brokerCommand(acknowledgeEarly)), process.argv)

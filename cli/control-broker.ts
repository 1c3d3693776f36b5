// The proof's negative control: a `pulsegate broker` that acknowledges a message before XADD. No command leads here; `pulsegate proof` starts
// this file to see that its checks find what such a broker loses.
import { Command } from 'commander'
import { acknowledgeEarly } from './acknowledge-early.ts'
import { brokerCommand } from './broker.ts'
import { runProgram } from './program.ts'

process.exitCode = await runProgram(new Command('control').addCommand(brokerCommand(acknowledgeEarly)), process.argv)

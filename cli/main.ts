#!/usr/bin/env node
// `pulsegate <command>`: one thin file each, and the only folder where the parts are composed. Exit codes: 0 done,
// 1 failed, 2 usage, 78 configuration (sysexits.h EX_CONFIG).
import { takeSecrets } from './environment.ts'
import { run } from './program.ts'

takeSecrets()
process.exitCode = await run(process.argv)
// everything was released or given up; what still holds the process (a query without an answer) must not hold it for long
setTimeout(() => process.exit(), 2_000).unref()

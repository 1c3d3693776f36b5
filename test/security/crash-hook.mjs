// Loaded into the program by the canary test: SIGUSR2 makes an error that nobody catches, after a diagnostic report as an operator
// would have it written. With CANARY_TO_LEAK it prints that: the test's negative control.
process.on('SIGUSR2', () => {
  setImmediate(() => {
    process.report.writeReport('report.json')
    if (process.env.CANARY_TO_LEAK) process.stderr.write(`leaking ${process.env.CANARY_TO_LEAK}\n`)
    throw new Error('a planted crash')
  })
})

// A target with known faults, one for each thing the fuzzer must notice; the first byte of an input says which. Negative control of fuzz/.
import { type Target } from '../../fuzz/target.ts'

const held: Buffer[] = []

const target: Target = {
  seeds: async () => [Buffer.from('fine')],
  make: () => Buffer.from('fine'),
  open: async () => ({
    outcomes: new Set(['fine']),
    run: (input) => {
      switch (String.fromCharCode(input[0] ?? 0)) {
        case 'c': throw new TypeError('planted crash')
        case 'h': for (;;); // hangs, and never lets the thread say so
        case 'm': held.push(Buffer.alloc(200 * 2 ** 20, 1)); return 'fine'
        case 'o': return 'odd'
        case 'e': process.exit(3)
      }
      return 'fine'
    },
    close: async () => {}
  }),
  hangAfterMs: 1_500,
  growthBytes: 100 * 2 ** 20
}
export default target

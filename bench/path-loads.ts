// The loads under which the whole path from PUBLISH to row is measured: both shapes, with small and with larger messages. Pure.
import { shapeName, shapes, type Shape } from './generator.ts'

export interface PathLoad {
  readonly shape: Shape
  /** in each message */
  readonly samples: number
  readonly name: string
}

const sampleCounts = [1, 10] as const

export const pathLoads: readonly PathLoad[] = shapes.flatMap((shape) => sampleCounts.map((samples) => (
  { shape, samples, name: `${shapeName(shape)}, ${samples === 1 ? '1 sample' : `${samples} samples`}` })))

/** How many devices the largest of them needs. */
export const pathDevices = Math.max(...pathLoads.map(({ shape }) => shape.connections))

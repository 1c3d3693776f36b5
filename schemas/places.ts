// Where in a message an item stands, for the guard: which numbers, arrays and tags may be there. The validator checks the
// shape in full; this much is checked before cbor-x, because 64 KiB of arrays where none belong cost cbor-x 25 ms and the
// guard under one. Plain numbers, ordered so that one comparison says "here an array is due".

/** Below an unknown key: anything well-formed. */
export const free = 0
/** A single value; integers in the safe range, no floats. */
export const plain = 1
/** An integer up to 2^64-1. */
export const boot = 2
/** A single value, floats too. */
export const value = 3
/** Tag 77, or an array. */
export const data = 4
/** An array of single values; from here on an array is due. */
export const list = 5
export const samples = 6
export const sample = 7
export const waves = 8
export const wave = 9
export type Place = 0 | 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9

/** The shortest array that is a sample or a wave; shorter ones are what a flood of arrays is made of. */
const leastItems = 3
const valueIndex = 2
const dataIndex = 5

/** The place of the value of a known key. */
export function placeOf (key: number): Place {
  switch (key) {
    case 2: return boot
    case 6: case 17: return list
    case 7: return samples
    case 8: return waves
    default: return plain
  }
}

/** The place of item `index` of an array that stands at `place`. */
export function placeInside (place: Place, index: number): Place {
  switch (place) {
    case free: return free
    case samples: return sample
    case sample: return index === valueIndex ? value : plain
    case waves: return wave
    case wave: return index === dataIndex ? data : plain
    default: return plain
  }
}

/** What is wrong with an array of `items` at `place`, as far as the guard cares. */
export function arrayFault (place: Place, items: number): 'wrong-type' | 'out-of-range' | null {
  if (place === plain || place === boot || place === value) return 'wrong-type'
  return (place === sample || place === wave) && items < leastItems ? 'out-of-range' : null
}

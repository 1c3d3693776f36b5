// Which faults come when: a pure function of a seed. Takes a menu (each entry draws one kind of fault), a duration, and whether
// faults come singly or in pairs; gives the list, by time. The same seed, menu and duration give the same list.
import { type FailPoint } from '../runtime/fail-points.ts'
import { type Random } from '../simulator/random.ts'
import { type Fault, type LinkFault, type PlannedFault } from './fault.ts'

/** Draws one fault. */
export type Draw = (random: Random) => Fault

export interface ScheduleOptions {
  readonly random: Random
  readonly durationMs: number
  readonly menu: readonly Draw[]
  /** Two at a time that overlap, of two different entries of the menu where it has two. */
  readonly pairs?: boolean
  /** So many faults (or pairs) at the least, however long they take; default 1. */
  readonly least?: number
}

// Load between two faults: long enough that messages flow again, short enough that a minute holds many faults.
const calmMs = { low: 700, high: 2_500 }

/** Every entry of the menu is taken once before any is taken again. */
export function planSchedule ({ random, durationMs, menu, pairs = false, least = 1 }: ScheduleOptions): PlannedFault[] {
  if (menu.length === 0) throw new RangeError('a schedule needs faults to choose from')
  const deck = new Deck(menu, random)
  const planned: PlannedFault[] = []
  let atMs = whole(random.between(calmMs.low, calmMs.high))
  for (let rounds = 0; ; rounds++) {
    const round = pairs ? drawPair(deck, random, atMs) : [{ atMs, fault: deck.draw()(random) }]
    const endMs = Math.max(...round.map(({ atMs, fault }) => atMs + fault.forMs))
    if (rounds >= least && endMs > durationMs) break
    planned.push(...round)
    atMs = endMs + whole(random.between(calmMs.low, calmMs.high))
  }
  return planned
}

/** The second begins while the first lasts, and is not the very same part in the very same way. */
function drawPair (deck: Deck, random: Random, atMs: number): PlannedFault[] {
  const first = deck.draw()(random)
  let second = deck.draw()(random)
  // a menu of one entry and one target has no second that differs
  for (let attempt = 0; attempt < 10 && second.target === first.target; attempt++) second = deck.draw()(random)
  const planned = [{ atMs, fault: first }]
  if (second.target !== first.target) planned.push({ atMs: atMs + whole(random.between(0, Math.min(first.forMs, 2_000))), fault: second })
  return planned
}

/** A shuffled deck, shuffled again when it is used up: nothing on the menu is left out by chance. */
class Deck {
  readonly #menu: readonly Draw[]
  readonly #random: Random
  #left: Draw[] = []

  constructor (menu: readonly Draw[], random: Random) {
    this.#menu = menu
    this.#random = random
  }

  draw (): Draw {
    if (this.#left.length === 0) this.#left = [...this.#menu]
    const [drawn] = this.#left.splice(Math.floor(this.#random.between(0, this.#left.length)), 1)
    if (drawn === undefined) throw new RangeError('a deck is never empty')
    return drawn
  }
}

export interface Span { readonly low: number, readonly high: number }

/** kill −9 of one of `targets`; down for a moment of `span` (ms). */
export function kill (targets: readonly string[], span: Span = { low: 300, high: 2_000 }): Draw {
  return (random) => ({ kind: 'kill', target: oneOf(random, targets), forMs: draw(random, span) })
}

/** SIGSTOP of one of `targets` for a time of `span` (ms). */
export function freeze (targets: readonly string[], span: Span): Draw {
  return (random) => ({ kind: 'freeze', target: oneOf(random, targets), forMs: draw(random, span) })
}

/** `how` on one of `links`. */
export function link (links: readonly string[], how: LinkFault, span: Span = { low: 1_500, high: 4_000 }): Draw {
  return (random) => ({ kind: 'link', target: oneOf(random, links), how, forMs: how === 'cut' ? 0 : draw(random, span) })
}

/** One of `targets` dies or freezes at `point`, at a passing of `hits`. */
export function failPoint (targets: readonly string[], point: FailPoint, action: 'kill' | 'stop', hits: Span, span: Span): Draw {
  return (random) => ({ kind: 'fail-point', target: oneOf(random, targets), point, action, hit: draw(random, hits), forMs: draw(random, span) })
}

function oneOf (random: Random, all: readonly string[]): string {
  const chosen = all[Math.floor(random.between(0, all.length))]
  if (chosen === undefined) throw new RangeError('a fault needs a target')
  return chosen
}

function draw (random: Random, { low, high }: Span): number { return whole(random.between(low, high + 1)) }

function whole (value: number): number { return Math.floor(value) }

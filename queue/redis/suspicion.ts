// What to do with a message that was handed out before: pure. Workers that die take with them how far they came, so a message is judged by how
// often it was in the hands of one that died, and then by how often it was so alone.

/** `plain`: as any other. `alone`: with nothing else in the worker's hands. `poison`: to quarantine, undecoded. */
export type Treatment = 'plain' | 'alone' | 'poison'

// Two deaths may be anybody's fault; the third time a message goes alone.
const aloneFromDelivery = 3
// Died twice with nothing else in hand: it is the message.
const poisonAfterAlone = 2

/** `deliveries`: this one included. */
export function mustGoAlone (deliveries: number): boolean {
  return deliveries >= aloneFromDelivery
}

/** Of a message that goes alone; `tries`: how often it did, this time included. */
export function treatmentOf (tries: number): Exclude<Treatment, 'plain'> {
  return tries > poisonAfterAlone ? 'poison' : 'alone'
}

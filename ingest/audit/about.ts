// What in the audit trail concerns one id (a device, a subject, a person, …), wherever an event names it: as what it was done to, as who
// did it, or among its particulars. Gives a condition for listTrail; each part of it has an index of its own (0010, 0018).

/** Particulars that hold an id. The same list in the same order is in 0018_audit_about.sql: else its index is not used. */
const naming = ['device', 'gateway', 'instead', 'name', 'claims', 'publisher', 'source'] as const

/** `parameter` stands for the id, such as `$1`. */
export function aboutCondition (parameter: string): string {
  const branches = [
    `entity = ${parameter}`,
    `agent = ${parameter}`,
    `detail ?| '{${naming.join(',')}}' AND ARRAY[${naming.map((key) => `detail ->> '${key}'`).join(', ')}] @> ARRAY[${parameter}]`
  ]
  // not OR: the planner would rather walk the whole trail backwards than look into three indexes
  return `number IN (${branches.map((condition) => `SELECT number FROM audit_trail WHERE ${condition}`).join(' UNION ')})`
}

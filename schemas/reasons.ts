// Why a message is in quarantine: every reason there is, in one registry. The decoder gives the first group, the worker
// the second. Reasons are stored, counted and documented (docs/wire.md lists exactly these, a test keeps it so); they are
// stable and never reused. A meaning is one line for a person who reads `pulsegate quarantine list`.

/** What the decoder finds in the bytes alone. */
export const decodeReasons = {
  'too-large': 'The payload is over 64 KiB.',
  'not-cbor': 'The bytes are not one well-formed CBOR item: cut short, or a length or type byte that CBOR does not have.',
  'trailing-bytes': 'Bytes follow the end of the CBOR item.',
  'not-a-map': 'The CBOR item is not a map.',
  'indefinite-length': 'A string, array or map has indefinite length.',
  'duplicate-key': 'A map has one key twice.',
  'bad-key': 'A map has a key that is not an integer.',
  'too-many-keys': 'A map has more than 32 keys.',
  'forbidden-tag': 'A tag other than 77 is used, or tag 77 on something other than a byte string.',
  'forbidden-simple': 'A simple value other than false, true and null is used.',
  'too-deep': 'Arrays and maps are nested more than 8 deep.',
  'bad-text': 'A text string is not UTF-8.',
  'not-finite': 'A number is NaN or infinite.',
  'unsupported-schema': 'Key 0 names a schema version that this program does not know.',
  'negative-key': 'A negative key means "reject unless you know me", and it is not known.',
  'integer-range': 'An integer other than the boot id is beyond -(2^53-1) .. 2^53-1.',
  'missing-key': 'A key that the contract demands is absent.',
  'wrong-type': 'A value has another type than the contract demands.',
  'out-of-range': 'A value, a length or a count lies outside what the contract allows.',
  'unknown-wave-encoding': 'A wave names an encoding id that is not defined.',
  'bad-wave': 'The data of a wave cannot be decoded: cut short, odd length, or a value beyond 16 bits.'
} as const

/** What the worker finds when it places a well-formed message, or tries to store it. */
export const placingReasons = {
  'clock-ahead': 'The device clock is more than 5 minutes ahead of the time of receipt.',
  'too-old': 'The readings are older than the time for which data is kept.',
  'not-paired': 'The source is not paired with the publishing gateway at that time.',
  'publisher-not-active': 'The gateway that relays the message is not registered as active.',
  'unknown-source': 'The source is not in the registry.',
  'source-not-active': 'The source is registered but not active.',
  'unknown-metric': 'A metric id is not in the metric registry.',
  'unsupported-kind': 'The topic is legal, but messages of its kind have no contract yet.',
  erased: 'It belongs to a time that has been erased: its bytes are not kept.',
  'data-error': 'The database refused the message as data (SQLSTATE class 21, 22 or 23).',
  'decoder-fault': 'Our decoder failed on the bytes, which is a bug of ours: replay the message once it is mended.',
  poison: 'Workers died again and again with this message in their hands, also when it was alone: it was not looked at any more.'
} as const

export const quarantineReasons = { ...decodeReasons, ...placingReasons } as const

/** A reason that `decodeMessage` may give. */
export type RejectReason = keyof typeof decodeReasons
/** Every reason a message may be in quarantine for. */
export type QuarantineReason = keyof typeof quarantineReasons

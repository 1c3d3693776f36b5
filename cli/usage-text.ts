// Usage errors in our words where commander's are its own: it calls a word on the command line a "command-argument value".

/** `text` as commander has it, to be printed. */
export function usageText (text: string): string {
  return text.replace(/^error: command-argument value ('.*') is invalid for argument '([^']*)'\./s, 'error: argument <$2> $1 is invalid.')
}

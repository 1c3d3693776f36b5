// What is registered of an error. `exit` is the process's exit code when the error ends it: 1 failed, 2 usage, 78
// configuration. `retryable` says whether the same call may succeed later without anybody changing anything.

export interface ErrorEntry {
  readonly meaning: string
  readonly remedy: string
  readonly exit: 1 | 2 | 78
  readonly retryable: boolean
}

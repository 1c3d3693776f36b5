// Foreign programs the benchmarks measure against.
export async function mosquittoCommand (): Promise<string> {
  return 'mosquitto'
}

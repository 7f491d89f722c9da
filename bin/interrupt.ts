/**
 * Ctrl-C and SIGTERM: the first asks what is under way to end in order, a second one ends the
 * process at once (its servers and children notice and end by themselves).
 */
export interface Interrupt {
  readonly signal: AbortSignal
  /** Gives the signals back. */
  release(): void
}

export function onInterrupt(): Interrupt {
  const abort = new AbortController()
  const heard = (signal: NodeJS.Signals): void => {
    if (abort.signal.aborted) process.exit(signal === 'SIGINT' ? 130 : 143)
    abort.abort()
  }
  process.on('SIGINT', heard).on('SIGTERM', heard)
  return { signal: abort.signal, release: () => void process.off('SIGINT', heard).off('SIGTERM', heard) }
}

/** Resolves when `signal` aborts. */
export function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve()
    signal.addEventListener('abort', () => resolve(), { once: true })
  })
}

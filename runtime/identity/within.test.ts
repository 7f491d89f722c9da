/** A wait that is given up leaves what it waited for to run on, and to fail, unheard. */
import { expect, it } from 'vitest'
import { virtualClock } from '../memory/clock.ts'
import { within } from './within.ts'

it.each(['before', 'during'])('given up %s the wait, what fails later brings nobody down', async (when) => {
  const unheard: unknown[] = []
  const hear = (reason: unknown): void => void unheard.push(reason)
  process.on('unhandledRejection', hear)
  try {
    const stop = new AbortController()
    if (when === 'before') stop.abort(new Error('the node stops'))
    let fail = (_error: Error): void => {}
    const waited = within(new Promise((_resolve, reject) => { fail = reject }), virtualClock(), 1_000, stop.signal)
    stop.abort(new Error('the node stops'))
    await expect(waited).rejects.toThrow('the node stops')
    fail(new Error('the connection is closed'))
    await new Promise((resolve) => setImmediate(resolve))
    expect(unheard).toEqual([])
  } finally {
    process.off('unhandledRejection', hear)
  }
})

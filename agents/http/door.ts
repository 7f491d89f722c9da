/**
 * Opens an HTTP door: serves a Hono application on a port, with time-outs, and closes it in order.
 * Used by every role that answers over HTTP.
 */
import { serve } from '@hono/node-server'
import type { Hono } from 'hono'
import { AigenError } from '../../schemas/error.ts'

const HEADERS_MS = 10_000
const REQUEST_MS = 60_000
const CLOSE_MS = 2_000

export interface OpenDoor {
  /** Base address, without a slash at its end. */
  readonly url: string
  /** Takes no more; answers under way get two seconds. */
  close(): Promise<void>
}

/** Serves `app` on a loopback port, or on the address given; port 0 takes a free one. Error `node.locked` when it is taken. */
export async function openDoor(app: Pick<Hono, 'fetch'>, { port = 0, hostname = '127.0.0.1' }: { readonly port?: number; readonly hostname?: string } = {}): Promise<OpenDoor> {
  const server = serve({ fetch: app.fetch, port, hostname, serverOptions: { headersTimeout: HEADERS_MS, requestTimeout: REQUEST_MS } })
  await new Promise<void>((resolve, reject) => {
    server.once('listening', resolve)
    server.once('error', (cause: NodeJS.ErrnoException) => reject(new AigenError(cause.code === 'EADDRINUSE' ? 'node.locked' : 'usage.invalid', `port ${port}: ${cause.code}`, { cause })))
  })
  const address = server.address()
  const taken = typeof address === 'object' && address ? address.port : port
  return {
    url: `http://${hostname.includes(':') ? `[${hostname}]` : hostname}:${taken}`,
    close: () => new Promise((resolve) => {
      server.close(() => resolve())
      // What still streams is given a moment, then the connections are cut.
      setTimeout(() => 'closeAllConnections' in server && server.closeAllConnections(), CLOSE_MS).unref()
    }),
  }
}

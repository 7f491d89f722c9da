/** The floor's other process: answers each request with its own bytes. Started by `floor`. */
import { connectNats } from '../runtime/nats/connection.ts'
import type { Credentials } from '../runtime/nats/credentials.ts'
import { runChild } from './child.ts'

runChild(async ({ credentials, subject }: { credentials: Credentials; subject: string }) => {
  const connection = await connectNats(credentials, 'bench responder')
  connection.nc.subscribe(subject, { callback: (_error, message) => void message.respond(message.data) })
  await connection.nc.flush()
  return { close: () => connection.close() }
})

/**
 * A NATS server that runs already (AIGEN_NATS_URL). Its accounts are its operator's business: each
 * participant gets the configured user, and where a second URL for journals (AIGEN_JOURNAL_URL) is
 * absent, journals share the account and only their names keep them apart, which is said aloud.
 */
import { AigenError } from '../../schemas/error.ts'
import { inboxPrefix, validParticipant } from '../ports/network-permissions.ts'
import { connectNats } from './connection.ts'
import { openNetwork, openShelf } from './network-streams.ts'
import { weaknesses } from './server-config.ts'
import type { Credentials } from './credentials.ts'
import type { NatsServer } from './nats-server.ts'

/** The server at `url`, its streams made. Error `network.unreachable`. */
export async function configuredServer(url: string, dataDir: string, journalUrl = process.env['AIGEN_JOURNAL_URL']): Promise<NatsServer> {
  const network = fromUrl(url)
  const journal = journalUrl ? fromUrl(journalUrl) : network
  const operator = await connectNats({ ...network, inboxPrefix: '_INBOX.operator' }, 'operator')
  await openNetwork(operator)
  const version = operator.version
  const warnings = [...weaknesses(version)]
  if (!journalUrl) warnings.push('Journals and network share one account of the configured server; set AIGEN_JOURNAL_URL to separate them.')
  return {
    url: network.url, version, source: 'configured', warnings, pid: 0, dataDir,
    operator: { ...network, inboxPrefix: '_INBOX.operator' },
    async admit(participant) {
      if (!validParticipant(participant)) throw new AigenError('input.invalid', `participant ${JSON.stringify(participant)}`)
      await openShelf(operator, participant)
      return {
        network: { ...network, inboxPrefix: inboxPrefix(participant) },
        journal: { ...journal, namespace: participant },
      }
    },
    stop: () => operator.close(),
  }
}

function fromUrl(text: string): Credentials {
  let url: URL
  try {
    url = new URL(text.includes('://') ? text : `nats://${text}`)
  } catch (thrown) {
    throw new AigenError('usage.invalid', 'AIGEN_NATS_URL is not a URL', { cause: thrown })
  }
  return {
    url: `${url.protocol}//${url.host}`,
    user: decodeURIComponent(url.username),
    pass: decodeURIComponent(url.password),
  }
}

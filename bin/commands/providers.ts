/** `aigen providers ls|show`: the cards of the network, and who answers NATS discovery right now. */
import Table from 'cli-table3'
import { createAuthorisations } from '../../runtime/identity/authorisation.ts'
import { createVerifier } from '../../runtime/identity/signed.ts'
import { askedInWords } from '../../runtime/market/asked.ts'
import { openDirectory } from '../../runtime/market/directory.ts'
import { decodeJson } from '../../schemas/decode.ts'
import type { Card } from '../../schemas/documents.gen.ts'
import { AigenError } from '../../schemas/error.ts'
import { BARE, lasting, seconds } from '../bare-table.ts'
import { join } from '../join.ts'
import type { Output } from '../output.ts'
import { dataFolder } from '../places.ts'
import type { ReadOptions } from './bill.ts'

/** How long answers to a ping are waited for; all that are alive here answer within a few. */
const PING_MS = 400

interface Known {
  readonly card: Card
  readonly alive: boolean
}

/** Cards by capability and name; alive is who answered a ping just now. */
async function known(options: ReadOptions, output: Output): Promise<Known[]> {
  const { ports } = await join(dataFolder(options.data), options.as)
  try {
    const refused = (participant: string, error: AigenError): void => output.say(`card of ${participant} refused: ${error.message}`)
    const verifier = createVerifier(createAuthorisations())
    const directory = await openDirectory({ bus: ports.bus, clock: ports.clock, verifier, onRefused: refused })
    // Who sells nothing, like a guardian, is no provider.
    const entries = directory.entries().filter(({ card: { body } }) => body.offers.length > 0)
    const alive = new Set<string>()
    for await (const { data } of ports.bus.gather('$SRV.PING', new Uint8Array(), { max: entries.length, timeoutMs: PING_MS })) {
      const { metadata } = decodeJson(data) as { metadata?: { participant?: string } }
      if (metadata?.participant !== undefined) alive.add(metadata.participant)
    }
    await directory.close()
    return entries
      .map(({ card }) => ({ card, alive: alive.has(card.body.participant) }))
      .sort((one, other) => capabilityOf(one).localeCompare(capabilityOf(other)) || one.card.body.name.localeCompare(other.card.body.name))
  } finally {
    await ports.close()
  }
}

const capabilityOf = ({ card }: Known): string => card.body.offers[0]?.capability.id ?? ''

export async function list(options: ReadOptions, output: Output): Promise<boolean> {
  const all = await known(options, output)
  const { ink } = output
  const table = new Table({ head: ['provider', 'capability', 'list', 'promised', 'at once', '', 'participant'].map((text) => ink.dim(text)), chars: BARE, style: { head: [], border: [], 'padding-left': 0, 'padding-right': 0 } })
  for (const { card: { body }, alive } of all) {
    const offers = body.offers.map(({ capability, list: price, latencyMs, concurrency, cacheMs }) => ({ capability: capability.id, list: price, unit: capability.unit, latencyMs, concurrency, ...(cacheMs === undefined ? {} : { cacheMs }) }))
    output.emit({ type: 'provider', name: body.name, participant: body.participant, alive, offers })
    for (const offer of offers) {
      table.push([body.name, offer.capability, `${offer.list} a ${offer.unit}`, seconds(offer.latencyMs), String(offer.concurrency), alive ? ink.green('alive') : ink.dim('silent'), ink.dim(body.participant)])
    }
  }
  output.print(all.length === 0 ? 'Nobody has a card here.' : table.toString())
  return true
}

export async function show(given: string, options: ReadOptions, output: Output): Promise<boolean> {
  const wanted = given.toLowerCase()
  const found = (await known(options, output)).filter(({ card }) => card.body.name === given || card.body.participant === wanted)
  if (found.length === 0) throw new AigenError('usage.invalid', `No card bears the name or address ${given}; see aigen providers ls.`)
  for (const { card, alive } of found) {
    output.emit({ type: 'provider', alive, card })
    const { body } = card
    output.print(`${output.ink.bold(body.name)} ${body.participant} ${alive ? output.ink.green('alive') : 'silent'}, card until ${new Date(body.expiresAt).toISOString()}`)
    for (const offer of body.offers) {
      const { capability, latencyMs, concurrency, cacheMs } = offer
      output.print(`\n${output.ink.bold(capability.id)} ${capability.title}: ${askedInWords(offer)}; within ${seconds(latencyMs)}, ${concurrency} at once${cacheMs === undefined ? '' : `, the same input may be used again for ${lasting(cacheMs)}`}`)
      output.print(capability.description)
      output.print(`input ${JSON.stringify(capability.input, null, 2)}\noutput ${JSON.stringify(capability.output, null, 2)}`)
    }
  }
  return true
}

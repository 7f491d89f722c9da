/**
 * What a user tells guardians (D9): after each run the receipts of what it paid for, and a complaint
 * for each agreed call that was not delivered as agreed, or that a quorum disagreed with, on `aigen.v1.evidence.<participant>`. Off
 * the hot path: said once the run is closed or the attempt has failed, at most once, and lost with
 * the process; nothing waits for it. Opened by `openUser({ shareEvidence: true })`.
 */
import { canonicalBytes } from '../../schemas/canonical.ts'
import type { Agreement, ComplaintBody, Evidence, NodeAuthorisation, WrongContent } from '../../schemas/documents.gen.ts'
import { paidCalls } from '../../pipelines/bill.ts'
import type { RunContext } from '../../pipelines/run.machine.ts'
import { quorumOf, type FanContext } from '../../pipelines/fan.ts'
import { stepId, type StepContext } from '../../pipelines/step.ts'
import type { UnlockContext } from '../../pipelines/unlock.machine.ts'
import { keptKey } from '../../runtime/market/keyring.machine.ts'
import type { Node } from '../../runtime/node/node.ts'
import { proveWrongContent } from '../../runtime/payments/seal.ts'

/** As guardians take them. */
const BYTES_MAX = 64 * 1024
/** Runs and agreements that wait to be told, and that are remembered as told. */
const WAITING_MAX = 256
const TOLD_MAX = 4_096

/** Starts to share; returns how to stop. */
export function shareEvidence({ host, bus, wire, clock, participant }: Node): () => void {
  const waiting: (() => Evidence[] | Promise<Evidence[]>)[] = []
  const told = new Set<string>()
  let pumping = false
  const pump = async (): Promise<void> => {
    if (pumping) return
    pumping = true
    for (let next = waiting.shift(); next; next = waiting.shift()) {
      // One a turn: calls under way come first.
      await new Promise<void>((resolve) => setImmediate(resolve))
      try {
        for (const evidence of await next()) {
          const bytes = canonicalBytes(evidence)
          if (bytes.length <= BYTES_MAX) bus.publish(`aigen.v1.evidence.${participant}`, bytes)
        }
      } catch {
        // Evidence that cannot be told is missed; the run is done and paid all the same.
      }
    }
    pumping = false
  }
  const queue = (key: string, make: () => Evidence[] | Promise<Evidence[]>): void => {
    if (told.has(key) || waiting.length >= WAITING_MAX) return
    if (told.size >= TOLD_MAX) told.delete(told.values().next().value!)
    told.add(key)
    waiting.push(make)
    void pump()
  }
  const complain = (agreement: Agreement, fault: string, proof?: WrongContent): Evidence[] => {
    const { verifier, auth, authorisation, sign } = wire.credentials
    const find = (hash: string): NodeAuthorisation | undefined => (hash === auth ? authorisation : verifier.authorisations.get(hash) ?? keptKey(host, hash))
    const authorisations = [...new Set([agreement.payer.auth, agreement.provider.auth, auth, ...(proof ? [proof.delivery.signature.auth] : [])])].flatMap((hash) => find(hash) ?? [])
    const body: ComplaintBody = { agreement, fault, at: clock.now(), ...(proof ? { proof } : {}) }
    return [{ complaint: { body, signature: sign('complaint', body), authorisations } }]
  }
  return host.watch((actor) => {
    const { value, status } = actor.snapshot
    if (actor.kind.name === 'run' && status === 'done') {
      const run = actor.snapshot.context as RunContext
      // Of a sub-pipeline, the run above tells.
      if (run.parent !== undefined) return
      queue(actor.id, async () => (await paidCalls(host, run, wire.credentials.verifier)).map(({ receipt }) => ({ receipt })))
    } else if (actor.kind.name === 'step' && (value === 'pausing' || value === 'preparing' || status === 'done')) {
      const { agreement, agreementId, error, attempts } = actor.snapshot.context as StepContext
      const last = attempts.at(-1)
      // Only what was agreed to and then not done as agreed: a provider that refused owes nothing.
      if (!agreement || !error || !last || last.provider !== agreement.terms.provider || !['failed', 'expect', 'timeout'].includes(last.state)) return
      queue(agreementId!, () => complain(agreement, error.code))
    } else if (actor.kind.name === 'unlock' && status === 'done') {
      // Only what proves itself: what fails schema or `expect` alone is the step's complaint.
      const { agreement, delivery, sealed, key, verdict } = actor.snapshot.context as UnlockContext
      if (verdict?.ok === false && key !== undefined) queue(actor.id, () => {
        proveWrongContent(delivery, sealed, key)
        return complain(agreement, 'step.output', { delivery, sealed, key })
      })
    } else if (actor.kind.name === 'fan' && status === 'done') {
      // Paid as agreed, and not what most others found.
      const { run, plan, index, answers, pairs, winner } = actor.snapshot.context as FanContext
      // Where no quorum was reached nobody knows who is right.
      const group = winner === null ? undefined : quorumOf(answers, pairs, 0).group
      for (const { member } of plan.many?.agree === undefined || !group ? [] : answers.filter((one) => !group!.includes(one.member))) {
        const id = stepId(run, plan.name, index, member)
        queue(id, async () => {
          const { agreement } = (await host.look<StepContext>(id))!
          return agreement ? complain(agreement, 'step.quorum') : []
        })
      }
    }
  })
}

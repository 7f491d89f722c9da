/**
 * Ports of participants that cheat: what an owner of a node can change without touching the runtime,
 * since it is his process and his connections. A callee that hears and does not answer, a caller that
 * keeps a message back, a chain that is not told, an arbiter that signs what it likes. Used by the
 * programs of each mode.
 */
import type { Evaluate, NodePorts } from 'aigen'

/** Other ports in place of honest ones. */
export type Cheat = (ports: NodePorts) => NodePorts

const verbOf = (subject: string): string => (subject.startsWith('aigen.v1.call.') ? subject.slice(subject.lastIndexOf('.') + 1) : '')

/** The same object with other methods. */
function changed<T extends object>(target: T, methods: Partial<T>): T {
  return new Proxy(target, {
    get(from, name) {
      if (name in methods) return methods[name as keyof T]
      const value = Reflect.get(from, name, from) as unknown
      return typeof value === 'function' ? (value.bind(from) as unknown) : value
    },
  })
}

/** Hears calls of `verb`, does what they ask, and says nothing; or does nothing either. */
export const silentOn = (verb: string, { acts = true } = {}): Cheat => (ports) => ({
  ...ports,
  bus: changed(ports.bus, {
    subscribe: (subject, handler, options) => ports.bus.subscribe(subject, async (message) => {
      if (verbOf(message.subject) !== verb) return handler(message)
      if (acts) await handler(message)
    }, options),
  }),
})

/** Sends the first `first` calls of `verb`, and keeps back all that follow. */
export const keepsBack = (verb: string, first = 0): Cheat => (ports) => {
  let sent = 0
  return {
    ...ports,
    bus: changed(ports.bus, {
      request: (subject, data, options) => (verbOf(subject) === verb && ++sent > first ? Promise.reject(new Error('kept back')) : ports.bus.request(subject, data, options)),
    }),
  }
}

/** Never brings writes of `kind` to the chain. */
export const neverWrites = (kind: Parameters<NodePorts['rail']['prepare']>[0]['kind']): Cheat => (ports) => ({
  ...ports,
  rail: changed(ports.rail, {
    prepare: (write, ...rest) => (write.kind === kind ? Promise.reject(new Error('not written')) : ports.rail.prepare(write, ...rest)),
  }),
})

/** Rules that the payee gets `payeeAmount`, whatever was shown. */
export const rulesAlways = (payeeAmount: bigint): Cheat => (ports) => ({
  ...ports,
  rail: changed(ports.rail, {
    signRuling: (ruling, signer) => ports.rail.signRuling({ ...ruling, payeeAmount }, signer),
    prepare: (write, ...rest) => ports.rail.prepare(write.kind === 'rule' ? { ...write, payeeAmount } : write, ...rest),
  }),
})

/** Judges every output as `value` says: a seller that signs for rubbish, a payer that finds fault with all. */
export const judgesAll = (value: boolean, honest: Evaluate): Evaluate => async (template, context) => ('output' in context ? { ok: true, value } : honest(template, context))

/** All of them at once. */
export const both = (...cheats: readonly Cheat[]): Cheat => (ports) => cheats.reduce((one, cheat) => cheat(one), ports)

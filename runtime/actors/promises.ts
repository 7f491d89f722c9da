/**
 * What a machine promises about money and waiting, declared beside it (issue 4; I4, I5). `explore`
 * walks every path of the machine and holds it to that; a shipped machine without a declaration is
 * refused. Data only: nothing here changes how an actor runs.
 *
 * A signal is something that happens in a transition: `on agreed` (an event is taken), `do voucher.sign`
 * (an effect is asked for), `tell purse pay` (another actor is told; the first word is its kind).
 */

export type Signal = `on ${string}` | `do ${string}` | `tell ${string} ${string}`

/** Money moves only once somebody has agreed to it. */
export interface Payment {
  /** What commits money. */
  readonly by: readonly Signal[]
  /** What must have happened before. */
  readonly after: readonly Signal[]
  /** What makes that worthless again: a new hire needs an agreement of its own. */
  readonly until?: readonly Signal[]
}

/** Something reserved, which every end gives back, hands over, or keeps for a reason. */
export interface Hold {
  readonly what: string
  readonly taken: readonly Signal[]
  readonly returned: readonly Signal[]
  /** Kept out of use on purpose when this event comes: why. */
  readonly kept?: { readonly because: string; readonly when: (event: any) => boolean }
}

/** An event that somebody is bound to send. */
export interface Wait {
  readonly event: string
  /** Kind of actor that sends it: one that is seen to. */
  readonly from?: string
  /** Somebody who is no actor here, in words. */
  readonly who?: string
}

export interface Promises {
  /** Empty where the machine moves no money. */
  readonly pays: readonly Payment[]
  /** Empty where it reserves nothing. */
  readonly holds: readonly Hold[]
  /** States that neither a timer nor an effect of their own ends, by path: who does. */
  readonly waits?: Readonly<Record<string, readonly Wait[]>>
  /** States in which nobody waits for it, by path: what it is asked for, and by whom. */
  readonly rests?: Readonly<Record<string, string>>
  /** Kinds of its effects that answer nothing, or whose failure changes nothing. */
  readonly quiet?: readonly string[]
  /** Events that others tell it and that change nothing: why. */
  readonly ignores?: Readonly<Record<string, string>>
}

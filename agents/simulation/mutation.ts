/** What a defect put into the simulated network on purpose may replace. Used by `network.scenario`, which puts it in. */
import type { Evaluate } from '../../pipelines/prepare.ts'
import type { Node, Room } from '../../runtime/node/node.ts'
import type { LifePorts } from '../../runtime/simulation/process.ts'
import type { Liars } from './lies.ts'

/** A defect: the simulator must find it. */
export interface Mutation {
  readonly name: string
  /** Whether it takes participants of two nodes to be found. */
  readonly fleet?: boolean
  /** Whether it takes a chain that forgets. */
  readonly chain?: boolean
  /** Other ports for a process. */
  readonly ports?: (ports: LifePorts, process: string) => LifePorts
  /** What replaces actors and effects of a node. */
  readonly room?: (process: string) => Room | undefined
  /** Another node for what is served on it. */
  readonly node?: (node: Node, process: string) => Node
  /** Another judgement of outputs, of a user. */
  readonly judge?: (honest: Evaluate) => Evaluate
  /** Those that cheat, where it takes one to find it. */
  readonly liars?: Liars
  /** Changes a module for the time of the run; gives how to undo it. */
  readonly patch?: () => () => void
}

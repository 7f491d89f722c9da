/** Names of processes of the simulated network: a participant with two nodes has `p1` and `p1 b`. */

/** The second node of a participant. */
export const twin = (name: string): string => `${name} b`

/** Name of the first process of its participant. */
export const homeOf = (process: string): string => process.split(' ')[0]!

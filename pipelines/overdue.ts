/**
 * What ends a step before its time: its owner, or its own `timeout`. The same for whatever does it;
 * used by the step, fan, gate and nest machines.
 */
import type { ErrorBody } from '../schemas/error.ts'

export const LATE: ErrorBody = { code: 'step.timeout', message: 'The step took longer than its timeout.' }

/** The same transition for both. @example on: { ...stops({ target: 'ended' }) } */
export const stops = (transition: object): any => ({ cancel: transition, over: transition })

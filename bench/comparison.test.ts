import { expect, it } from 'vitest'
import { linesOf, type Sample } from './comparison.ts'

const sample = (system: string, run: number, stepsPerSecond: number): Sample => ({
  system, run, concurrency: 32, workflows: 10, stepsPerRun: 50, wallMs: 500_000 / stepsPerSecond, latencies: [run, run + 10], cpuMs: 250, serverCpuMs: 100,
})

it('compares the systems of one run with each other, not the medians of runs under different load', () => {
  // the machine was half as fast in the second run and a quarter as fast in the third
  const samples = [1, 2, 4].flatMap((slower, run) => [sample('floor', run, 8_000 / slower), sample('aigen', run, 6_000 / slower), sample('restate', run, 2_000 / slower)])
  samples[6] = sample('floor', 2, 100_000) // one run disturbed for the floor alone
  const [floor, aigen, restate] = linesOf(samples)
  expect(floor).toMatchObject({ system: 'floor', ratioToFloor: 1, stepsPerSecond: 8_000, steps: 1_500, runs: 3, spread: [4_000, 100_000] })
  expect(aigen).toMatchObject({ ratioToFloor: 0.75, stepsPerSecond: 3_000, cpuMsPerStep: 0.5, serverCpuMsPerStep: 0.2, p50Ms: 10, p99Ms: 12 })
  expect(aigen).not.toHaveProperty('aigenRatio')
  expect(restate).toMatchObject({ ratioToFloor: 0.25, aigenRatio: 3 })
})

it('leaves out what was not measured', () => {
  const [only] = linesOf([{ ...sample('dbos', 0, 100), cpuMs: undefined, serverCpuMs: undefined }])
  expect(only).not.toHaveProperty('cpuMsPerStep')
  expect(only).not.toHaveProperty('aigenRatio')
})

/** The public door: what it lists is meant, what a program needs is there, and a bare import starts nothing. */
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import * as aigen from './index.ts'

/** Names after `export`, types marked as such, as index.ts writes them. */
function listed(): string[] {
  const text = readFileSync(new URL('./index.ts', import.meta.url), 'utf8')
  return [...text.matchAll(/^export (type )?\{([^}]*)\}/gm)].flatMap(([, all, names]) =>
    names!.split(',').map((name) => name.trim()).filter(Boolean).map((name) => all === undefined || name.startsWith('type ') ? name : `type ${name}`)).toSorted()
}

it('exports what it is meant to', () => {
  expect(Object.keys(aigen).toSorted()).toEqual(listed().filter((name) => !name.startsWith('type ')))
  expect(listed()).toMatchInlineSnapshot(`
    [
      "AigenError",
      "ERRORS",
      "agentReport",
      "agentRooms",
      "approveAgent",
      "attenuate",
      "billNow",
      "callWithKey",
      "cancelAgent",
      "check",
      "connectPorts",
      "defineProvider",
      "evaluateWith",
      "finishAgent",
      "finishRun",
      "formatMoney",
      "hire",
      "issuesOf",
      "listAgents",
      "listRuns",
      "listWatchers",
      "makeBoundedEvaluator",
      "openAccessKey",
      "openAllowance",
      "openKeys",
      "openPayments",
      "openUser",
      "parseMoney",
      "provide",
      "provideBundle",
      "provideWithDoor",
      "readNetworkFile",
      "rejectAgent",
      "requestAdmission",
      "startAgent",
      "startRun",
      "startWatcher",
      "stopWatcher",
      "systemClock",
      "systemRandom",
      "type AccessCaveat",
      "type Address",
      "type AgentOptions",
      "type AgentPolicy",
      "type AgentReport",
      "type AgentRoomOptions",
      "type Agreement",
      "type Allowance",
      "type AllowanceOptions",
      "type AllowanceState",
      "type Bill",
      "type BlobRef",
      "type BoundedEvaluator",
      "type BoundedOptions",
      "type Bundle",
      "type BundleProvider",
      "type Capability",
      "type Card",
      "type CheckOptions",
      "type CheckReport",
      "type ConnectedPorts",
      "type Connections",
      "type Delivery",
      "type DoorSettings",
      "type ErrorBody",
      "type ErrorCode",
      "type ErrorRule",
      "type Evaluate",
      "type Finished",
      "type HandlerContext",
      "type HandlerResult",
      "type Hash",
      "type HireOptions",
      "type Hired",
      "type Issue",
      "type KeyAnswer",
      "type KeyCall",
      "type KeyOptions",
      "type Keys",
      "type NetworkFile",
      "type Node",
      "type NodeAuthorisation",
      "type NodeOptions",
      "type NodePorts",
      "type Offer",
      "type OpenAccessKey",
      "type ParticipantId",
      "type Payments",
      "type PaymentsOptions",
      "type Pipeline",
      "type Provider",
      "type ProviderDefinition",
      "type ProviderPrice",
      "type ProviderWithDoor",
      "type Quote",
      "type Receipt",
      "type RunLine",
      "type SealedAccessKey",
      "type Signature",
      "type StartOptions",
      "type Terms",
      "type Units",
      "type User",
      "type UserOptions",
      "type Voucher",
      "type Watcher",
      "type WatcherReport",
      "type WatcherRoomOptions",
      "untilWatcher",
      "validate",
      "verifyReceipt",
      "watcherReport",
      "watcherRooms",
    ]
  `)
})

it('is importable from the built package, and keeps no process running', () => {
  // The package by its own name: dist/, which npm test has built.
  const said = execFileSync(process.execPath, ['-e', "import('aigen').then((aigen) => console.log(typeof aigen.defineProvider))"], {
    cwd: fileURLToPath(new URL('./', import.meta.url)), encoding: 'utf8', timeout: 30_000,
  })
  expect(said.trim()).toBe('function')
}, 40_000)

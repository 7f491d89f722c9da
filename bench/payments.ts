/**
 * What payments cost by themselves: vouchers signed and verified a second, beside stock viem doing the
 * same in the same process, turn about; and the gas of claims on a chain of its own, from receipts, alone
 * and in batches, of every kind of voucher. The payee holds tokens and plain lanes were claimed once before,
 * as of a lane that is in use; locked and escrow vouchers are the first claim of theirs.
 */
import { createHash } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Table from 'cli-table3'
import { recoverTypedDataAddress, type PublicClient } from 'viem'
import { privateKeyToAccount } from 'viem/accounts'
import { startAnvil } from '../runtime/evm/anvil.ts'
import { chainClient, type ClientOptions } from '../runtime/evm/client.ts'
import { deployDevnet, fundGas } from '../runtime/evm/deploy.ts'
import { toHex } from '../runtime/evm/hex.ts'
import { generateWalletKey, nativeSigner } from '../runtime/evm/native-signer.ts'
import { evmRail } from '../runtime/evm/rail.ts'
import { VAULT_DOMAIN } from '../runtime/evm/typed-data.ts'
import { watch } from '../runtime/nats/orphan.ts'
import { systemRandom } from '../runtime/node/system-random.ts'
import type { Claim, PlainVoucher, Rail, RailWrite, Voucher } from '../runtime/ports/rail.ts'
import type { Hex, WalletSigner } from '../runtime/ports/signer.ts'
import { measureExact } from './exact.ts'
import { median, rounded } from './samples.ts'

export interface Chain {
  readonly rail: Rail
  readonly payer: WalletSigner
  readonly voucherKey: Uint8Array
  readonly client: PublicClient
  readonly options: ClientOptions
  gasOf(hash: Hex): Promise<number>
  end(): Promise<void>
}

export interface PaymentsOptions {
  /** How long each kind of signature is measured. */
  readonly seconds: number
  say(line: object): void
  tell(text: string): void
}

const CHAIN_ID = 31_337
const DELAY = 3_600
const DEPOSIT = 1_000_000n
const KINDS = ['plain', 'locked', 'escrow'] as const
const SIZES = [1, 10, 100, 200] as const
/** Turns of each side; the middle one counts. */
const TURNS = 5
const PREIMAGE = hash('preimage')
const LATE = 2 ** 40

function hash(text: string): Hex {
  return `0x${createHash('sha256').update(text).digest('hex')}`
}

/** Starts a chain with the contracts and a payer's vault on it. Errors: `anvil.*`, `chain.*`. */
export async function openChain(): Promise<Chain> {
  const folder = await mkdtemp(join(tmpdir(), 'aigen-bench-'))
  const anvil = await startAnvil({ data: folder, history: false })
  const watcher = watch(anvil.pid()!, join(folder, 'anvil-state.json'))
  const end = async (): Promise<void> => {
    await anvil.stop()
    watcher.kill('SIGKILL')
    await rm(folder, { recursive: true, force: true })
  }
  try {
    const options = { url: anvil.url, chainId: CHAIN_ID }
    const rail = await evmRail({ ...options, ...(await deployDevnet(options)) })
    const payer = nativeSigner(generateWalletKey(systemRandom))
    await fundGas(options, [payer.address])
    const client = chainClient(options)
    const gasOf = async (id: Hex): Promise<number> => Number((await client.getTransactionReceipt({ hash: id })).gasUsed)
    return { rail, payer, voucherKey: generateWalletKey(systemRandom), client, options, gasOf, end }
  } catch (error) {
    await end()
    throw error
  }
}

export async function measurePayments(chain: Chain, { seconds, say, tell }: PaymentsOptions): Promise<void> {
  const signatures = await measureSignatures(chain, seconds)
  const gas = await measureGas(chain)
  const exact = await measureExact(chain.client, chain.options, chain.rail.terms, (to, amount) => sendOn(chain, { kind: 'mint', to, amount }), seconds)
  const alone = gas.find(({ kind, rows }) => kind === 'plain' && rows === 1)!.gas
  const own: OwnLine = { measure: 'exact', system: 'aigen', concurrency: 1, stepsPerSecond: signatures.find(({ measure }) => measure === 'both')!.perSecond, gasPerClaim: alone, gasPerPaymentOf100: rounded(alone / 100, 0) }
  for (const line of [...signatures, ...gas, own, ...exact]) say({ bench: 'payments', ...line })
  tell(`${table(['a second', 'ours', 'viem', 'times'], signatures.map(({ measure, perSecond, viemPerSecond, ratio }) => [measure, perSecond, viemPerSecond, ratio]))}
${table(['gas of a claim', ...SIZES.map((rows) => `of ${rows}`), 'one more in 100'], KINDS.map((kind) => {
    const of = gas.filter((line) => line.kind === kind)
    return [kind, ...of.map(({ gasPerClaim }) => gasPerClaim), of.find(({ rows }) => rows === 100)?.marginalGas ?? '']
  }))}
${table(['paid steps', 'at once', 'a second', 'gas a payment'], [
    ['voucher, claimed after 100', own.concurrency, own.stepsPerSecond, own.gasPerPaymentOf100], ...exact.map(({ concurrency, stepsPerSecond, gasPerPayment }) => ['x402 exact', concurrency, stepsPerSecond, gasPerPayment]),
  ])}`)
}

/** A voucher signed and verified for each step, and the claim of a lane in use divided among the steps it pays. */
interface OwnLine {
  readonly measure: 'exact'
  readonly system: 'aigen'
  readonly concurrency: 1
  readonly stepsPerSecond: number
  readonly gasPerClaim: number
  readonly gasPerPaymentOf100: number
}

function table(head: string[], rows: (string | number)[][]): string {
  const drawn = new Table({ head, colAligns: head.map((_, at) => (at === 0 ? 'left' : 'right')), style: { head: [], border: [] } })
  drawn.push(...rows)
  return drawn.toString()
}

// ------------------------------------------------------------------ signatures

interface SignatureLine {
  readonly measure: 'sign' | 'verify' | 'both'
  readonly perSecond: number
  readonly viemPerSecond: number
  readonly ratio: number
}

const VOUCHER = [{ name: 'laneId', type: 'bytes32' }, { name: 'cumulative', type: 'uint128' }, { name: 'ref', type: 'bytes32' }] as const

async function measureSignatures({ rail, voucherKey }: Chain, seconds: number): Promise<SignatureLine[]> {
  const signer = nativeSigner(voucherKey)
  const account = privateKeyToAccount(toHex(voucherKey))
  const domain = { ...VAULT_DOMAIN, chainId: CHAIN_ID, verifyingContract: rail.terms.contract }
  // Made before: it is signing that is measured.
  const [lane, refs] = [hash('lane'), Array.from({ length: 64 }, (_, turn) => hash(`ref ${turn}`))]
  const voucherOf = (turn: number): PlainVoucher => ({ kind: 'plain', lane, cumulative: BigInt(turn), ref: refs[turn % 64]! })
  const messageOf = (turn: number) => {
    const { cumulative, ref } = voucherOf(turn)
    return { domain, types: { Voucher: VOUCHER }, primaryType: 'Voucher', message: { laneId: lane, cumulative, ref } } as const
  }
  const signature = rail.signVoucher(voucherOf(1), signer)
  if (signature !== await account.signTypedData(messageOf(1))) throw new Error('ours and viem sign differently')
  const expected = signer.address.toLowerCase()
  const check = (address: string): void => {
    if (address.toLowerCase() !== expected) throw new Error('a signature does not verify')
  }
  const sides = [
    ['sign', (turn: number) => void rail.signVoucher(voucherOf(turn), signer), async (turn: number) => void await account.signTypedData(messageOf(turn))],
    ['verify', () => check(rail.recover(voucherOf(1), signature)), async () => check(await recoverTypedDataAddress({ ...messageOf(1), signature }))],
  ] as const
  const lines: SignatureLine[] = []
  /** Vouchers a second that are signed and then verified. */
  const both = (signed: number, verified: number): number => 1 / (1 / signed + 1 / verified)
  for (const [measure, ours, viem] of sides) {
    const each = (seconds * 1_000) / (2 * TURNS)
    // A short turn of each first, so that both are compiled.
    await perSecond(ours, each / 2)
    await perSecond(viem, each / 2)
    const samples: { readonly own: number; readonly stock: number }[] = []
    for (let turn = 0; turn < TURNS; turn += 1) samples.push({ own: await perSecond(ours, each), stock: await perSecond(viem, each) })
    lines.push({
      measure, perSecond: rounded(median(samples.map(({ own }) => own)), 0), viemPerSecond: rounded(median(samples.map(({ stock }) => stock)), 0),
      ratio: rounded(median(samples.map(({ own, stock }) => own / stock)), 1),
    })
  }
  const [sign, verify] = lines as [SignatureLine, SignatureLine]
  const [own, stock] = [both(sign.perSecond, verify.perSecond), both(sign.viemPerSecond, verify.viemPerSecond)]
  return [...lines, { measure: 'both', perSecond: rounded(own, 0), viemPerSecond: rounded(stock, 0), ratio: rounded(own / stock, 1) }]
}

/** How often a second `work` is done, for `ms`. */
async function perSecond(work: (turn: number) => void | Promise<void>, ms: number): Promise<number> {
  const start = performance.now()
  let turns = 0
  while (performance.now() - start < ms) {
    turns += 1
    const done = work(turns)
    if (done) await done
  }
  return (turns * 1_000) / (performance.now() - start)
}

// ------------------------------------------------------------------ gas

interface GasLine {
  readonly measure: 'gas'
  readonly kind: Voucher['kind']
  readonly rows: number
  readonly gas: number
  readonly gasPerClaim: number
  /** Of one claim more, beside the claim of one alone. */
  readonly marginalGas?: number
}

/** Sends a write of the payer's; what it cost, once it is mined. */
async function sendOn({ rail, payer, gasOf }: Pick<Chain, 'rail' | 'payer' | 'gasOf'>, write: RailWrite): Promise<number> {
  const { bytes, hash: id } = await rail.prepare(write, payer, await rail.nonce(payer.address))
  await rail.broadcast(bytes)
  for (;;) {
    const outcome = await rail.outcome(id)
    if (outcome.state === 'unknown') throw new Error(`${write.kind} was lost`)
    if (outcome.state === 'pending') continue
    if (!outcome.ok || outcome.refused.length > 0) throw new Error(`${write.kind}: ${outcome.reason ?? outcome.refused[0]?.reason}`)
    return gasOf(id)
  }
}

async function measureGas({ rail, payer, voucherKey, gasOf }: Chain): Promise<GasLine[]> {
  const key = nativeSigner(voucherKey)
  const payee = nativeSigner(generateWalletKey(systemRandom)).address
  const terms = { owner: payer.address, voucherKey: key.address, delay: DELAY, number: 0 }
  const vault = rail.vaultId(terms)
  const { time } = await rail.head()
  const send = (write: RailWrite): Promise<number> => sendOn({ rail, payer, gasOf }, write)
  const claimOf = (kind: Voucher['kind'], lane: Hex, cumulative: bigint): Claim => {
    const common = { lane, cumulative, ref: hash(`${lane} ${cumulative}`) }
    const voucher: Voucher = kind === 'plain' ? { kind, ...common }
      : kind === 'locked' ? { kind, ...common, lockAmount: cumulative, lockHash: toHex(createHash('sha256').update(Buffer.from(PREIMAGE.slice(2), 'hex')).digest()), lockExpiry: LATE }
        : { kind, ...common, amount: cumulative, arbiter: payer.address, challengeEnd: time, expiry: LATE }
    return { voucher, signature: rail.signVoucher(voucher, key), ...(kind === 'locked' ? { preimage: PREIMAGE } : {}) }
  }
  await send({ kind: 'mint', to: payer.address, amount: DEPOSIT })
  await send({ kind: 'mint', to: payee, amount: 1n })
  await send({ kind: 'approve', amount: DEPOSIT })
  await send({ kind: 'open', vault: terms, amount: DEPOSIT })
  const lines: GasLine[] = []
  let number = 0
  for (const kind of KINDS) {
    let alone = 0
    for (const rows of SIZES) {
      const numbers = Array.from({ length: rows }, () => number++)
      await send({ kind: 'reserve', vault, reserves: numbers.map((each) => ({ payee, number: each, total: 300n })) })
      const lanes = numbers.map((each) => rail.laneId(vault, payee, each))
      if (kind === 'plain') await send({ kind: 'claim', claims: lanes.map((lane) => claimOf(kind, lane, 100n)) })
      const gas = await send({ kind: 'claim', claims: lanes.map((lane) => claimOf(kind, lane, 200n)) })
      if (rows === 1) alone = gas
      lines.push({
        measure: 'gas', kind, rows, gas, gasPerClaim: rounded(gas / rows, 0),
        ...(rows === 1 ? {} : { marginalGas: rounded((gas - alone) / (rows - 1), 0) }),
      })
    }
  }
  return lines
}

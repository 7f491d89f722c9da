/**
 * A wallet whose key is in another process's hands: a hardware wallet, a key service, Clef behind a pipe
 * (port `signer.ts`, `OwnerSigner`). The command is started when something is to be signed and asked by
 * JSON-RPC 2.0, one object a line on its stdin and stdout, with the methods of Clef's external API:
 *
 * - `account_list` `[]` → addresses
 * - `account_signTypedData` `[address, {types, primaryType, domain, message}]` → 65 bytes
 * - `account_signTransaction` `[{from, to, gas, maxFeePerGas, maxPriorityFeePerGas, nonce, value, data, chainId}]` → `{raw}`
 *
 * It speaks to its person on the terminal or the device; its stderr is ours. One question at a time, since a
 * device has one screen; bounded in number, time and size. Nothing that it says is believed: a changed transaction
 * or another key's signature is `signer.wrong`, and nothing has left. Used by `bin/unlock.ts`.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { createInterface } from 'node:readline'
import { AigenError } from '../../schemas/error.ts'
import { checksumAddress } from '../evm/native-signer.ts'
import { signatureIn } from '../evm/transaction.ts'
import type { OutsideWallet } from '../identity/keys.ts'
import type { Clock } from '../ports/clock.ts'
import type { Hex, OwnerSigner, SigningRequest } from '../ports/signer.ts'

export interface CommandSignerOptions extends OutsideWallet {
  readonly clock: Clock
  /** For one answer, a person's included, in ms; default 120,000. */
  readonly waitMs?: number
}

const WAIT_MS = 120_000
/** Questions that wait for the one on the screen. */
const QUEUE_MAX = 16
/** Longest answer: a signed transaction of 200 rows is a tenth of it. */
const ANSWER_MAX = 1024 * 1024
/** Code of EIP-1193 for a person who says no. Clef says it in words. */
const REJECTED = 4001

interface Answer {
  readonly id?: unknown
  readonly result?: unknown
  readonly error?: { readonly code?: unknown; readonly message?: unknown }
}

/** The wallet of `address`; the command is not started yet. Errors of `sign`: `signer.*`. */
export function commandSigner({ address, command, clock, waitMs = WAIT_MS }: CommandSignerOptions): OwnerSigner {
  const line = openLine(command, clock, waitMs)
  return {
    address: checksumAddress(address),
    sign: async (_digest, request, signal) => {
      const result = await line.ask(...questionOf(address, request), signal)
      if (request.kind === 'typed-data') return canonical(result)
      const { raw } = (result ?? {}) as { raw?: unknown }
      if (typeof raw !== 'string') throw new AigenError('signer.wrong', 'It gave no signed transaction.')
      return signatureIn(raw as Hex)
    },
  }
}

/** The accounts that the command signs for, checksummed. Errors `signer.*`. */
export async function commandAccounts({ command, clock, waitMs = WAIT_MS }: Omit<CommandSignerOptions, 'address'>): Promise<readonly Hex[]> {
  const result = await openLine(command, clock, waitMs).ask('account_list', [])
  if (!Array.isArray(result) || !result.every((one) => typeof one === 'string' && /^0x[0-9a-fA-F]{40}$/.test(one))) throw new AigenError('signer.wrong', 'It lists no accounts.')
  return result.map((one) => checksumAddress(one as string))
}

function questionOf(address: Hex, request: SigningRequest): [method: string, params: readonly unknown[]] {
  if (request.kind === 'typed-data') {
    const { kind: _kind, ...typed } = request
    return ['account_signTypedData', [address, typed]]
  }
  const hex = (value: bigint | number): Hex => `0x${value.toString(16)}`
  const { to, data, gas, maxFeePerGas, maxPriorityFeePerGas, nonce, chainId } = request
  return ['account_signTransaction', [{
    from: address, ...(to === undefined ? {} : { to: checksumAddress(to) }), gas: hex(gas), maxFeePerGas: hex(maxFeePerGas), maxPriorityFeePerGas: hex(maxPriorityFeePerGas),
    nonce: hex(nonce), value: '0x0', data, chainId: hex(chainId),
  }]]
}

/** 65 bytes with v 27 or 28: some devices say 0 or 1. */
function canonical(result: unknown): Hex {
  if (typeof result !== 'string' || !/^0x[0-9a-fA-F]{130}$/.test(result)) throw new AigenError('signer.wrong', 'It gave no signature.')
  const v = Number.parseInt(result.slice(130), 16)
  return `${result.slice(0, 130).toLowerCase()}${(v < 27 ? v + 27 : v).toString(16)}` as Hex
}

interface Line {
  ask(method: string, params: readonly unknown[], signal?: AbortSignal): Promise<unknown>
}

/** One process, one question at a time; a process that failed is not asked again, the next question starts another. */
function openLine(command: string, clock: Clock, waitMs: number): Line {
  let asked = 0
  let waiting = 0
  let last: Promise<unknown> = Promise.resolve()

  const put = async (method: string, params: readonly unknown[], signal: AbortSignal | undefined): Promise<unknown> => {
    signal?.throwIfAborted()
    const id = ++asked
    const child = start(command)
    const over = new AbortController()
    const late = clock.sleep(waitMs, over.signal).then(() => {
      // Final, unlike a device that is not there: nobody wants to be asked the whole night.
      throw new AigenError('signer.refused', `Nobody confirmed within ${Math.round(waitMs / 1_000)} s.`)
    })
    const stopped = new Promise<never>((_resolve, reject) => signal?.addEventListener('abort', () => reject(signal.reason), { signal: over.signal }))
    const answered = answerOf(child, id)
    child.stdin!.on('error', () => undefined).write(`${JSON.stringify({ jsonrpc: '2.0', id, method, params })}\n`)
    try {
      return await Promise.race([answered, late, stopped])
    } finally {
      over.abort()
      late.catch(() => undefined)
      answered.catch(() => undefined)
      end(child)
    }
  }

  return {
    ask: async (method, params, signal) => {
      if (waiting >= QUEUE_MAX) throw new AigenError('signer.absent', `${waiting} questions wait already.`)
      waiting += 1
      const mine = last.then(() => put(method, params, signal)).finally(() => {
        waiting -= 1
      })
      last = mine.catch(() => undefined)
      return mine
    },
  }
}

/** A group of its own, so that what the shell has started ends with it. */
function start(command: string): ChildProcess {
  return spawn(command, { shell: true, stdio: ['pipe', 'pipe', 'inherit'], detached: process.platform !== 'win32', windowsHide: true })
}

function end(child: ChildProcess): void {
  child.stdin!.destroy()
  child.stdout!.destroy()
  if (child.pid === undefined) return
  try {
    if (process.platform === 'win32') child.kill()
    else process.kill(-child.pid, 'SIGTERM')
  } catch {
    // It has ended by itself.
  }
}

/** The result of question `id`; what else the command says is passed over. */
function answerOf(child: ChildProcess, id: number): Promise<unknown> {
  return new Promise((resolve, reject) => {
    let size = 0
    child.stdout!.on('data', (chunk: Buffer) => {
      size += chunk.length
      if (size > ANSWER_MAX) reject(new AigenError('signer.wrong', `It said more than ${ANSWER_MAX} bytes.`))
    })
    const lines = createInterface({ input: child.stdout!, crlfDelay: Number.POSITIVE_INFINITY })
    lines.on('line', (text) => {
      let answer: Answer | null
      try {
        answer = JSON.parse(text) as Answer | null
      } catch {
        return
      }
      if (typeof answer !== 'object' || answer === null || answer.id !== id) return
      if (answer.error === undefined) resolve(answer.result)
      else reject(refusalOf(answer.error))
    })
    child.once('error', (cause) => reject(new AigenError('signer.absent', cause.message, { cause })))
    // After its exit, and after what it said last.
    child.once('close', (code, killedBy) => reject(new AigenError('signer.absent', `It ended (${killedBy ?? code}) without an answer.`)))
  })
}

function refusalOf({ code, message }: NonNullable<Answer['error']>): AigenError {
  const said = typeof message === 'string' ? message.slice(0, 200) : 'no reason given'
  return new AigenError(code === REJECTED || /den(y|ied)|reject|refus|cancel/i.test(said) ? 'signer.refused' : 'signer.absent', said)
}

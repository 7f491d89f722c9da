/**
 * A signer behind a pipe, for tests: `node outside-signer.fixture.js HOW`. Signs with a fixed test key by viem,
 * which shares no code with ours, or behaves as badly as HOW says.
 */
import { createInterface } from 'node:readline'

const [how = 'well'] = process.argv.slice(2)
/** Loaded when something is signed, since it is slow. */
const accountOf = async (byte) => (await import('viem/accounts')).privateKeyToAccount(`0x${byte.repeat(32)}`)

const number = (hex) => (hex === '0x0' ? 0 : Number(hex))

async function answer({ method, params }) {
  const account = await accountOf(how === 'other' ? '12' : '11')
  if (method === 'account_list') return how === 'many' ? [account.address, (await accountOf('12')).address] : [account.address]
  if (method === 'account_signTypedData') {
    const { EIP712Domain: _domain, ...types } = params[1].types
    const signature = await account.signTypedData({ ...params[1], types })
    // As a Ledger does: 0 or 1.
    return how === 'low-v' ? `${signature.slice(0, 130)}${signature.endsWith('1b') ? '00' : '01'}` : signature
  }
  const { from: _from, gas, maxFeePerGas, maxPriorityFeePerGas, nonce, value, chainId, to, data } = params[0]
  const raw = await account.signTransaction({
    type: 'eip1559', to, data, gas: BigInt(gas) + (how === 'edits' ? 1n : 0n), maxFeePerGas: BigInt(maxFeePerGas),
    maxPriorityFeePerGas: BigInt(maxPriorityFeePerGas), nonce: number(nonce), value: BigInt(value), chainId: number(chainId),
  })
  return { raw, tx: {} }
}

process.stdout.on('error', () => process.exit(1))
const say = (body) => process.stdout.write(`${JSON.stringify({ jsonrpc: '2.0', ...body })}\n`)

if (how === 'dies-at-once') process.exit(3)
createInterface({ input: process.stdin }).on('line', async (line) => {
  const question = JSON.parse(line)
  const { id } = question
  if (how === 'dies') process.exit(7)
  if (how === 'silent') return
  if (how === 'denies') return say({ id, error: { code: -32000, message: 'Request denied' } })
  if (how === 'rejects') return say({ id, error: { code: 4001, message: 'nein' } })
  if (how === 'locked') return say({ id, error: { code: -32000, message: 'device is locked' } })
  if (how === 'floods') return process.stdout.write('x'.repeat(3 * 1024 * 1024))
  if (how === 'chatters') process.stdout.write('Insert your device\n{"jsonrpc":"2.0","id":99,"result":"0x00"}\nnull\n')
  if (how === 'garbles') return say({ id, result: { raw: '0x1234' } })
  say({ id, result: await answer(question) })
})

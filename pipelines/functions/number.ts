/** Functions of numbers: those of CEL's math extension, and short names for some. See `declared.ts`. */
import { extreme } from './list.ts'
import { whole, type Declared } from './declared.ts'

type CelNumber = number | bigint

const several = (name: string): string[] => [
  `math.${name}(list<number>): number`, ...[1, 2, 3, 4].map((count) => `math.${name}(${Array.from({ length: count }, () => 'number').join(', ')}): number`),
]
const flatly = (args: unknown[]): unknown => (Array.isArray(args[0]) ? args[0] : args)

/** Away from zero at a half, as CEL's math.round. */
const rounded = (value: number): number => Math.sign(value) * Math.round(Math.abs(value))
const absolute = (value: CelNumber): CelNumber => (typeof value === 'bigint' ? (value < 0n ? -value : value) : Math.abs(value))
const same = (by: (value: number) => number) => (value: CelNumber): CelNumber => (typeof value === 'bigint' ? value : by(value))

function bits(by: (one: bigint, other: bigint) => bigint) {
  return (one: CelNumber, other: CelNumber): bigint => BigInt.asIntN(64, by(BigInt(whole(one)), BigInt(whole(other))))
}

function shift(count: bigint): bigint {
  if (count < 0n) throw new Error('a shift is by 0 or more')
  return count > 63n ? 64n : count
}

export const number: readonly Declared[] = [
  { name: 'round', signatures: ['round(number): number', 'round(double, int): double'], cost: 'constant', says: 'to the nearest, or to so many digits behind the point', run: (value: CelNumber, digits?: CelNumber) => (digits === undefined ? same(Math.round)(value) : roundedTo(Number(value), whole(digits))) },
  { name: 'floor', signatures: ['floor(number): number'], cost: 'constant', says: 'the whole number below', run: same(Math.floor) },
  { name: 'ceil', signatures: ['ceil(number): number'], cost: 'constant', says: 'the whole number above', run: same(Math.ceil) },
  { name: 'abs', signatures: ['abs(number): number'], cost: 'constant', says: 'without its sign', run: absolute },
  { name: 'math.greatest', signatures: several('greatest'), cost: 'linear', says: 'the greatest of up to four numbers, or of a list', run: (...args) => extreme(flatly(args), 'math.greatest', (a, b) => a > b) },
  { name: 'math.least', signatures: several('least'), cost: 'linear', says: 'the least of up to four numbers, or of a list', run: (...args) => extreme(flatly(args), 'math.least', (a, b) => a < b) },
  { name: 'math.abs', signatures: ['math.abs(number): number'], cost: 'constant', says: 'without its sign', run: absolute },
  { name: 'math.sign', signatures: ['math.sign(number): number'], cost: 'constant', says: '-1, 0 or 1', run: (value: CelNumber) => (typeof value === 'bigint' ? (value > 0n ? 1n : value < 0n ? -1n : 0n) : Math.sign(value)) },
  { name: 'math.round', signatures: ['math.round(double): double'], cost: 'constant', says: 'to the nearest, a half away from zero', run: (value: CelNumber) => rounded(Number(value)) },
  { name: 'math.floor', signatures: ['math.floor(double): double'], cost: 'constant', says: 'the whole number below', run: (value: CelNumber) => Math.floor(Number(value)) },
  { name: 'math.ceil', signatures: ['math.ceil(double): double'], cost: 'constant', says: 'the whole number above', run: (value: CelNumber) => Math.ceil(Number(value)) },
  { name: 'math.trunc', signatures: ['math.trunc(double): double'], cost: 'constant', says: 'without what is behind the point', run: (value: CelNumber) => Math.trunc(Number(value)) },
  { name: 'math.sqrt', signatures: ['math.sqrt(number): double'], cost: 'constant', says: 'the square root', run: (value: CelNumber) => Math.sqrt(Number(value)) },
  { name: 'math.isNaN', signatures: ['math.isNaN(double): bool'], cost: 'constant', says: 'whether it is no number', run: (value: CelNumber) => Number.isNaN(Number(value)) },
  { name: 'math.isInf', signatures: ['math.isInf(double): bool'], cost: 'constant', says: 'whether it is infinite', run: (value: CelNumber) => Math.abs(Number(value)) === Infinity },
  { name: 'math.isFinite', signatures: ['math.isFinite(double): bool'], cost: 'constant', says: 'whether it is neither', run: (value: CelNumber) => Number.isFinite(Number(value)) },
  { name: 'math.bitAnd', signatures: ['math.bitAnd(int, int): int'], cost: 'constant', says: 'bits that both have', run: bits((one, other) => one & other) },
  { name: 'math.bitOr', signatures: ['math.bitOr(int, int): int'], cost: 'constant', says: 'bits that one has', run: bits((one, other) => one | other) },
  { name: 'math.bitXor', signatures: ['math.bitXor(int, int): int'], cost: 'constant', says: 'bits that only one has', run: bits((one, other) => one ^ other) },
  { name: 'math.bitShiftLeft', signatures: ['math.bitShiftLeft(int, int): int'], cost: 'constant', says: 'bits moved up', run: bits((one, other) => one << shift(other)) },
  { name: 'math.bitShiftRight', signatures: ['math.bitShiftRight(int, int): int'], cost: 'constant', says: 'bits moved down', run: bits((one, other) => BigInt.asUintN(64, one) >> shift(other)) },
]

function roundedTo(value: number, digits: number): number {
  const scale = 10 ** Math.min(12, Math.max(0, digits))
  return Math.round(value * scale) / scale
}

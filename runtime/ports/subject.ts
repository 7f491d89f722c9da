/**
 * Subjects of the bus: tokens divided by dots, `*` for one token, a last `>` for one or more. Used
 * by both buses and by the permissions; pure.
 */

const TOKEN = /^[^\s.*>]+$/
const LENGTH_MAX = 512

/** Whether `subject` can be published to (`wildcards` false) or subscribed to (`wildcards` true). */
export function validSubject(subject: string, wildcards = false): boolean {
  if (subject.length === 0 || subject.length > LENGTH_MAX) return false
  const tokens = subject.split('.')
  return tokens.every((token, at) =>
    TOKEN.test(token) || (wildcards && (token === '*' || (token === '>' && at === tokens.length - 1))))
}

/**
 * Whether everything that `subject` can stand for is covered by `pattern`. `subject` may hold
 * wildcards itself: `a.*` is covered by `a.>`, not the other way round.
 *
 * @example matchesSubject('aigen.v1.card.*', 'aigen.v1.card.0xab') // true
 */
export function matchesSubject(pattern: string, subject: string): boolean {
  const want = pattern.split('.')
  const have = subject.split('.')
  for (let i = 0; i < want.length; i++) {
    const token = want[i]
    const other = have[i]
    if (other === undefined) return false
    if (token === '>') return true
    if (other === '>') return false
    if (token === '*') continue
    if (token !== other) return false
  }
  return want.length === have.length
}

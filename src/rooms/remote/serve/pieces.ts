import { setImmediate as nextTurn } from 'node:timers/promises';

/**
 * Writes `[…]` from pages of JSON texts, in pieces. Between two pages everything else gets its turn: whoever takes a long
 * answer fast must not keep the process to itself.
 */
export async function* jsonArray(pages: Iterable<readonly string[]>): AsyncGenerator<string> {
  let separator = '[';
  for (const page of pages) {
    if (page.length > 0) {
      yield separator + page.join(',');
      separator = ',';
    }
    await nextTurn();
  }
  yield separator === ',' ? ']' : '[]';
}

/** Writes an object whose members are each given in pieces of JSON text. */
export async function* jsonObject(
  members: readonly (readonly [key: string, value: AsyncIterable<string> | string])[],
): AsyncGenerator<string> {
  let separator = '{';
  for (const [key, value] of members) {
    yield `${separator}${JSON.stringify(key)}:`;
    if (typeof value === 'string') yield value;
    else yield* value;
    separator = ',';
  }
  yield separator === ',' ? '}' : '{}';
}

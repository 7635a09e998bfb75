/** How many letters must be added, left out or changed to make `a` into `b`. */
export function editDistance(a: string, b: string): number {
  let above = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let row = 1; row <= a.length; row++) {
    const current = [row];
    for (let column = 1; column <= b.length; column++) {
      const change = (above[column - 1] ?? 0) + (a[row - 1] === b[column - 1] ? 0 : 1);
      current.push(Math.min(change, (above[column] ?? 0) + 1, (current[column - 1] ?? 0) + 1));
    }
    above = current;
  }
  return above[b.length] ?? 0;
}

const lastPart = (key: string) => key.slice(key.lastIndexOf('.') + 1);

/** The candidate that `key` most likely stands for: a slip of the pen first, then the right key in the wrong table. */
export function nearestKey(key: string, candidates: readonly string[]): string | undefined {
  let best: string | undefined;
  let bestScore = Number.POSITIVE_INFINITY;
  for (const candidate of candidates) {
    // In another table a key must fit twice as well as one that differs as a whole.
    const elsewhere = editDistance(lastPart(key), lastPart(candidate)) * 2 + 1.5;
    const score = Math.min(editDistance(key, candidate), elsewhere);
    if (score < bestScore) [best, bestScore] = [candidate, score];
  }
  return best;
}

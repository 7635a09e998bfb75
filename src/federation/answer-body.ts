/** A body that cannot be had. */
export interface BodyFailure {
  readonly isTooLarge: boolean;
  readonly detail: string;
}

/** The whole of a body of at most so many bytes. Never rejects. */
export async function gather(body: AsyncIterable<Buffer>, maxBytes: number): Promise<Buffer | BodyFailure> {
  const pieces: Buffer[] = [];
  let size = 0;
  try {
    for await (const piece of body) {
      size += piece.length;
      if (size > maxBytes) return { isTooLarge: true, detail: `the answer has more than ${maxBytes} bytes` };
      pieces.push(piece);
    }
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    return { isTooLarge: false, detail: `the answer broke off: ${why}` };
  }
  return pieces.length === 1 && pieces[0] !== undefined ? pieces[0] : Buffer.concat(pieces, size);
}

/** The same body; reading it beyond so many bytes throws. */
export async function* upTo(body: AsyncIterable<Buffer>, maxBytes: number): AsyncGenerator<Buffer> {
  let size = 0;
  for await (const piece of body) {
    size += piece.length;
    if (size > maxBytes) throw new Error(`the answer has more than ${maxBytes} bytes`);
    yield piece;
  }
}

/** The same body, to be read once; `ended` is called once it has been read, broken off or left, begun or not. */
export function limited(body: AsyncIterable<Buffer>, ended: () => void): AsyncIterable<Buffer> {
  const pieces = body[Symbol.asyncIterator]();
  const iterator: AsyncIterator<Buffer> = {
    async next() {
      try {
        const next = await pieces.next();
        if (next.done === true) ended();
        return next;
      } catch (error) {
        ended();
        throw error;
      }
    },
    async return() {
      ended();
      await pieces.return?.();
      return { done: true, value: undefined };
    },
  };
  return { [Symbol.asyncIterator]: () => iterator };
}

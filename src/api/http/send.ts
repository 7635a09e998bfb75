import type { Outlet } from './exchange.ts';
import type { Piece, Reply, ReplyBody } from './types.ts';

/** Pieces are gathered up to this many bytes or characters before they are written: a chunk costs a system call. */
const gatherSize = 16 * 1024;

/**
 * Writes an answer. A body that fits into one write goes out whole, with its length; a longer one goes out in pieces
 * and is asked for the next only when the client has taken the last. Resolves when everything is handed to the socket
 * or the client has gone. Throws what the body throws; if nothing is written yet, another answer can still be sent.
 */
export async function send(outlet: Outlet, answer: Reply, withBody: boolean): Promise<void> {
  const { status, body } = answer;
  if (typeof body === 'string' || Buffer.isBuffer(body)) {
    sendWhole(outlet, answer, body, withBody);
  } else if (!withBody) {
    await discard(body);
    outlet.head(status, answer.headers);
    outlet.end();
  } else if (Symbol.iterator in body) {
    await sendPieces(outlet, answer, (body as Iterable<Piece>)[Symbol.iterator]());
  } else {
    await sendPieces(outlet, answer, body[Symbol.asyncIterator]());
  }
}

function sendWhole(outlet: Outlet, answer: Reply, body: Piece, withBody: boolean): void {
  const headers: Record<string, string | number> = { ...answer.headers };
  // 204 and 304 have neither a body nor a length.
  if (answer.status !== 204 && answer.status !== 304) {
    headers['Content-Length'] ??= typeof body === 'string' ? Buffer.byteLength(body) : body.length;
  }
  outlet.head(answer.status, headers);
  if (withBody && body.length > 0) outlet.end(body);
  else outlet.end();
}

type PieceIterator = Iterator<Piece> | AsyncIterator<Piece>;

async function sendPieces(outlet: Outlet, answer: Reply, pieces: PieceIterator): Promise<void> {
  let waiting: Piece[] = [];
  let size = 0;
  let done = false;
  try {
    while (!outlet.isGone) {
      const step = pieces.next();
      const next = step instanceof Promise ? await step : step;
      done = next.done === true;
      if (done) break;
      const piece = next.value as Piece;
      waiting.push(piece);
      size += piece.length;
      if (size < gatherSize) continue;
      if (outlet.isGone) break;
      if (!outlet.headSent) outlet.head(answer.status, answer.headers);
      const taken = outlet.write(join(waiting));
      waiting = [];
      size = 0;
      if (!taken) await drained(outlet);
    }
    if (outlet.isGone) return;
    const rest = join(waiting);
    if (!outlet.headSent) sendWhole(outlet, answer, rest, true);
    else if (rest.length > 0) outlet.end(rest);
    else outlet.end();
  } finally {
    if (!done) await pieces.return?.();
  }
}

function join(pieces: readonly Piece[]): Piece {
  if (pieces.length === 1) return pieces[0] as Piece;
  if (pieces.every((piece) => typeof piece === 'string')) return pieces.join('');
  return Buffer.concat(pieces.map((piece) => (typeof piece === 'string' ? Buffer.from(piece) : piece)));
}

function drained(outlet: Outlet): Promise<void> {
  return new Promise((resolve) => {
    if (outlet.isGone) resolve();
    else outlet.drained(resolve);
  });
}

async function discard(body: Exclude<ReplyBody, Piece>): Promise<void> {
  if (Symbol.asyncIterator in body) await (body as AsyncIterable<Piece>)[Symbol.asyncIterator]().return?.();
  else (body as Iterable<Piece>)[Symbol.iterator]().return?.();
}

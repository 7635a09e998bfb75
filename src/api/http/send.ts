import { Turns } from '../../util/turns.ts';
import type { Outlet } from './exchange.ts';
import { Gathered } from './gathered.ts';
import type { Piece, Reply, ReplyBody } from './types.ts';

/**
 * Writes an answer. A body that fits into one write goes out whole, with its length; a longer one goes out in pieces
 * and is asked for the next only when the last is on its way: nothing is made ahead of a client, as what waits for it
 * grows old, and garbage that has grown old is what a heap grows by. Resolves when everything is handed to the socket
 * or the client has gone. Throws what the body throws; if nothing is written yet, another answer can still be sent. Long
 * answers that share `turns` are made by one piece after the other, however many of them there are.
 */
export async function send(outlet: Outlet, answer: Reply, withBody: boolean, turns = new Turns()): Promise<void> {
  const { status, body } = answer;
  if (typeof body === 'string' || Buffer.isBuffer(body)) {
    sendWhole(outlet, answer, body, withBody);
  } else if (!withBody) {
    await discard(body);
    outlet.head(status, answer.headers);
    outlet.end();
  } else if (Symbol.iterator in body) {
    await sendPieces(outlet, answer, (body as Iterable<Piece>)[Symbol.iterator](), turns);
  } else {
    await sendPieces(outlet, answer, body[Symbol.asyncIterator](), turns);
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

async function sendPieces(outlet: Outlet, answer: Reply, pieces: PieceIterator, turns: Turns): Promise<void> {
  const gathered = new Gathered();
  const flush = async () => {
    if (outlet.isGone) return;
    if (!outlet.headSent) outlet.head(answer.status, answer.headers);
    await written(outlet, gathered.take());
    // Whoever takes a long answer fast must not keep the process to itself.
    await turns.next();
  };
  let done = false;
  try {
    while (!outlet.isGone) {
      const step = pieces.next();
      const next = step instanceof Promise ? await step : step;
      done = next.done === true;
      if (done) break;
      const piece = next.value as Piece;
      if (!gathered.add(piece)) {
        await flush();
        gathered.add(piece);
      }
      if (gathered.isFull) await flush();
    }
    if (outlet.isGone) return;
    const rest = gathered.takeLast();
    if (!outlet.headSent) sendWhole(outlet, answer, rest, true);
    else if (rest.length > 0) outlet.end(rest);
    else outlet.end();
  } finally {
    // Who has gone may have left a write behind that is not over.
    if (!outlet.isGone) gathered.release();
    if (!done) await pieces.return?.();
  }
}

function written(outlet: Outlet, piece: Piece): Promise<void> {
  return new Promise((resolve) => outlet.write(piece, resolve));
}

async function discard(body: Exclude<ReplyBody, Piece>): Promise<void> {
  if (Symbol.asyncIterator in body) await (body as AsyncIterable<Piece>)[Symbol.asyncIterator]().return?.();
  else (body as Iterable<Piece>)[Symbol.iterator]().return?.();
}

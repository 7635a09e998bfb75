import type { ServerResponse } from 'node:http';
import type { Piece, Reply, ReplyBody } from './types.ts';

/** Pieces are gathered up to this many bytes or characters before they are written: a chunk costs a system call. */
const gatherSize = 16 * 1024;

/** A client that takes nothing for this long has gone. */
const stallTimeout = 60_000;

/**
 * Writes an answer. A body that fits into one write goes out whole, with its length; a longer one goes out in pieces
 * and is asked for the next only when the client has taken the last. Resolves when everything is handed to the socket
 * or the client has gone. Throws what the body throws; if nothing is written yet, another answer can still be sent.
 */
export async function send(response: ServerResponse, answer: Reply, withBody: boolean): Promise<void> {
  const { status, body } = answer;
  if (typeof body === 'string' || Buffer.isBuffer(body)) {
    sendWhole(response, answer, body, withBody);
  } else if (!withBody) {
    await discard(body);
    response.writeHead(status, answer.headers);
    response.end();
  } else if (Symbol.iterator in body) {
    await sendPieces(response, answer, (body as Iterable<Piece>)[Symbol.iterator]());
  } else {
    await sendPieces(response, answer, body[Symbol.asyncIterator]());
  }
}

function sendWhole(response: ServerResponse, answer: Reply, body: Piece, withBody: boolean): void {
  const headers: Record<string, string | number> = { ...answer.headers };
  // 204 and 304 have neither a body nor a length.
  if (answer.status !== 204 && answer.status !== 304) {
    headers['Content-Length'] ??= typeof body === 'string' ? Buffer.byteLength(body) : body.length;
  }
  response.writeHead(answer.status, headers);
  if (withBody && body.length > 0) response.end(body);
  else response.end();
}

type PieceIterator = Iterator<Piece> | AsyncIterator<Piece>;

async function sendPieces(response: ServerResponse, answer: Reply, pieces: PieceIterator): Promise<void> {
  let waiting: Piece[] = [];
  let size = 0;
  let done = false;
  try {
    while (!response.destroyed) {
      const step = pieces.next();
      const next = step instanceof Promise ? await step : step;
      done = next.done === true;
      if (done) break;
      const piece = next.value as Piece;
      waiting.push(piece);
      size += piece.length;
      if (size < gatherSize) continue;
      if (!response.headersSent) response.writeHead(answer.status, answer.headers);
      const taken = response.write(join(waiting));
      waiting = [];
      size = 0;
      if (!taken) await drained(response);
    }
    if (response.destroyed) return;
    const rest = join(waiting);
    if (!response.headersSent) sendWhole(response, answer, rest, true);
    else if (rest.length > 0) response.end(rest);
    else response.end();
  } finally {
    if (!done) await pieces.return?.();
  }
}

function join(pieces: readonly Piece[]): Piece {
  if (pieces.length === 1) return pieces[0] as Piece;
  if (pieces.every((piece) => typeof piece === 'string')) return pieces.join('');
  return Buffer.concat(pieces.map((piece) => (typeof piece === 'string' ? Buffer.from(piece) : piece)));
}

/** Resolves when the client has taken what was written, or has gone. */
function drained(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const stalled = () => response.destroy();
    const over = () => {
      response.off('drain', over).off('close', over);
      response.socket?.setTimeout(0).off('timeout', stalled);
      resolve();
    };
    response.on('drain', over).on('close', over);
    response.socket?.setTimeout(stallTimeout).on('timeout', stalled);
  });
}

async function discard(body: Exclude<ReplyBody, Piece>): Promise<void> {
  if (Symbol.asyncIterator in body) await (body as AsyncIterable<Piece>)[Symbol.asyncIterator]().return?.();
  else (body as Iterable<Piece>)[Symbol.iterator]().return?.();
}

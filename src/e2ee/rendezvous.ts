import { limitExceeded, MatrixError, notFound } from '../protocol/errors.ts';
import type { Clock } from '../util/clock.ts';
import { type Random, randomToken } from '../util/random.ts';

/** What two devices say to each other, encrypted, at one place. */
export interface RendezvousPage {
  readonly data: string;
  readonly etag: string;
  /** Milliseconds since the epoch. */
  readonly modified: number;
  readonly expires: number;
}

interface Session {
  page: RendezvousPage;
  /** By the clock that does not jump. */
  end: number;
  readonly lastEnd: number;
}

/** Places at a time: with the largest texts some 400 kB. */
const maxSessions = 100;
/** So long after the last word a place is gone; and so long after the first in any case. */
const lifetime = 2 * 60_000;
const longestLifetime = 10 * 60_000;

/** The largest text, in bytes. */
export const maxRendezvousData = 4096;

/**
 * Places where a new device and one that is signed in find each other by a QR code. They are in memory only: a restart
 * ends what is under way, and clients begin anew.
 * @see https://github.com/matrix-org/matrix-spec-proposals/pull/4108
 */
export class Rendezvous {
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #sessions = new Map<string, Session>();

  constructor(uses: { readonly clock: Clock; readonly random: Random }) {
    this.#clock = uses.clock;
    this.#random = uses.random;
  }

  /** 429 M_LIMIT_EXCEEDED while all places are taken. */
  create(data: string): { id: string; page: RendezvousPage } {
    const now = this.#clock.monotonic();
    for (const [id, { end }] of this.#sessions) if (end <= now) this.#sessions.delete(id);
    if (this.#sessions.size >= maxSessions) throw limitExceeded(lifetime);
    const id = randomToken(this.#random, 16);
    const page = this.#page(data, now + lifetime);
    this.#sessions.set(id, { page, end: now + lifetime, lastEnd: now + longestLifetime });
    return { id, page };
  }

  /** 404 M_NOT_FOUND. */
  get(id: string): RendezvousPage {
    return this.#require(id).page;
  }

  /** 404 M_NOT_FOUND · 412 M_UNKNOWN if it is not `etag` any more: the other side has written meanwhile. */
  put(id: string, etag: string, data: string): RendezvousPage {
    const session = this.#require(id);
    if (session.page.etag !== etag) {
      throw new MatrixError(412, 'M_UNKNOWN', 'The other side has written meanwhile', {
        fields: { 'org.matrix.msc4108.errcode': 'M_CONCURRENT_WRITE' },
        headers: { ETag: session.page.etag },
      });
    }
    session.end = Math.min(session.lastEnd, this.#clock.monotonic() + lifetime);
    session.page = this.#page(data, session.end);
    return session.page;
  }

  /** 404 M_NOT_FOUND. */
  remove(id: string): void {
    this.#require(id);
    this.#sessions.delete(id);
  }

  #page(data: string, end: number): RendezvousPage {
    const now = this.#clock.now();
    const expires = now + Math.max(0, end - this.#clock.monotonic());
    return { data, etag: `"${randomToken(this.#random, 12)}"`, modified: now, expires };
  }

  #require(id: string): Session {
    const session = this.#sessions.get(id);
    if (session !== undefined && session.end > this.#clock.monotonic()) return session;
    throw notFound('There is nothing here, or not any more');
  }
}

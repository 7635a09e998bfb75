import { limitExceeded } from '../../protocol/errors.ts';
import { millis } from '../../util/brand.ts';
import type { Clock } from '../../util/clock.ts';
import { addressKey } from './rate-limits.ts';

/** What one request holds of the budget. */
export interface BodyShare {
  /** Counts bytes that have come. 429 M_LIMIT_EXCEEDED if they are too many together. */
  grow(bytes: number): void;
  /** Gives everything back; more than once does no harm. */
  release(): void;
}

/** For all bodies together: read into objects they take several times as much. */
const most = 32 * 1024 * 1024;
/** For those from one address: whoever sends large bodies and is nobody leaves room for others. */
const mostOfOne = 16 * 1024 * 1024;
/** Small bodies always have room: they are bounded by the number of connections. */
const free = 64 * 1024;

/** How long a body may take to come: ten megabytes over a slow line. */
export const bodyPatience = millis(2 * 60_000);

const tryAgainAfter = 5000;

/**
 * Bounds the memory of bodies that have to be held before it is known who has sent them: those of other servers, whose
 * signatures cover them. They count from their first byte until their request is answered.
 */
export class BodyBudget {
  readonly #clock: Clock;
  #held = 0;
  /** Grows with connections, which are limited. */
  readonly #heldBy = new Map<string, number>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** `tooSlow` is called if the body has not come in time; not after `release`. */
  share(ip: string, tooSlow: () => void): BodyShare & { readonly arrived: () => void } {
    const key = addressKey(ip);
    const cancel = this.#clock.after(bodyPatience, tooSlow);
    let own = 0;
    return {
      grow: (bytes) => {
        const held = this.#heldBy.get(key) ?? 0;
        const isLarge = own + bytes > free;
        if (isLarge && (this.#held + bytes > most || held + bytes > mostOfOne)) throw limitExceeded(tryAgainAfter);
        own += bytes;
        this.#held += bytes;
        this.#heldBy.set(key, held + bytes);
      },
      arrived: cancel,
      release: () => {
        cancel();
        const left = (this.#heldBy.get(key) ?? 0) - own;
        if (left > 0) this.#heldBy.set(key, left);
        else this.#heldBy.delete(key);
        this.#held -= own;
        own = 0;
      },
    };
  }

  /** For tests: bytes held. */
  get held(): number {
    return this.#held;
  }
}

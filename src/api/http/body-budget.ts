import { limitExceeded } from '../../protocol/errors.ts';
import { type Millis, millis } from '../../util/brand.ts';
import type { Clock } from '../../util/clock.ts';
import { addressKey } from './rate-limits.ts';

/** What one request holds of the budget. */
export interface BodyShare {
  /** Counts bytes that have come. 429 M_LIMIT_EXCEEDED if they are too many together. */
  grow(bytes: number): void;
  /** The whole body has come. */
  arrived(): void;
  /** Gives everything back; more than once does no harm. */
  release(): void;
}

/** Bytes that bodies may hold, and for how long. */
export interface BodyBounds {
  /** For all bodies together: read into objects they take several times as much. */
  readonly most: number;
  /** For those from one address: whoever sends large bodies and is nobody leaves room for others. */
  readonly mostOfOne: number;
  /** Small bodies always have room: they are bounded by the number of connections. */
  readonly free: number;
  /** How long a body may take to come. */
  readonly patience: Millis;
}

/** Ten megabytes over a slow line. */
export const bodyPatience = millis(2 * 60_000);

const mib = 1024 * 1024;

/** Of other servers. */
export const serversBodies: BodyBounds = {
  most: 32 * mib,
  mostOfOne: 16 * mib,
  free: 64 * 1024,
  patience: bodyPatience,
};
/** Of users: room keys by the megabyte, and what several of a household bring at once. */
export const usersBodies: BodyBounds = {
  most: 32 * mib,
  mostOfOne: 16 * mib,
  free: 16 * 1024,
  patience: bodyPatience,
};
/** Of whoever has not said who they are, which nobody does in many words. */
export const strangersBodies: BodyBounds = {
  most: 8 * mib,
  mostOfOne: 2 * mib,
  free: 16 * 1024,
  patience: millis(30_000),
};

const tryAgainAfter = 5000;

/** Bounds the memory of bodies that are held. They count from their first byte until their request is answered. */
export class BodyBudget {
  readonly #clock: Clock;
  readonly #bounds: BodyBounds;
  #held = 0;
  /** Grows with connections, which are limited. */
  readonly #heldBy = new Map<string, number>();

  constructor(clock: Clock, bounds: BodyBounds) {
    this.#clock = clock;
    this.#bounds = bounds;
  }

  /** `tooSlow` is called if the body has not come in time; not after `arrived` or `release`. */
  share(ip: string, tooSlow: () => void): BodyShare {
    const key = addressKey(ip);
    const cancel = this.#clock.after(this.#bounds.patience, tooSlow);
    let own = 0;
    return {
      grow: (bytes) => {
        const held = this.#heldBy.get(key) ?? 0;
        const { most, mostOfOne, free } = this.#bounds;
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

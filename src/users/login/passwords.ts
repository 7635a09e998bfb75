import { invalidParam, limitExceeded, MatrixError } from '../../protocol/errors.ts';
import type { Random } from '../../util/random.ts';
import { hashPassword, needsRehash, type PasswordCost, verifyPassword } from './password-hash.ts';

const minLength = 8;
const maxLength = 512;

/** Waiting beyond this many would take longer than clients wait; each has the right to try again later. */
const maxWaiting = 50;
const retryAfter = 5000;

/** Hashes and checks passwords: one at a time, since each takes megabytes and one of few threads. */
export class Passwords {
  readonly #random: Random;
  readonly #cost: PasswordCost;
  #turn: Promise<unknown> = Promise.resolve();
  #waiting = 0;
  #decoy: Promise<string> | undefined;

  constructor(random: Random, cost: PasswordCost) {
    this.#random = random;
    this.#cost = cost;
  }

  /** 400 M_WEAK_PASSWORD under 8 characters. */
  checkStrength(password: string): void {
    if (Array.from(password).length < minLength) {
      throw new MatrixError(400, 'M_WEAK_PASSWORD', `The password must have at least ${minLength} characters`);
    }
    this.#checkLength(password);
  }

  /** The text to store. 429 M_LIMIT_EXCEEDED if too many are waiting. */
  hash(password: string): Promise<string> {
    this.#checkLength(password);
    return this.#inTurn(() => hashPassword(password, this.#random.bytes(16), this.#cost));
  }

  /** Whether the password fits. Without a stored one it takes as long and says no. 429 M_LIMIT_EXCEEDED as above. */
  async verify(password: string, stored: string | undefined): Promise<boolean> {
    if (password.length > maxLength) return false;
    if (stored !== undefined) return this.#inTurn(() => verifyPassword(password, stored));
    await this.#inTurn(async () => verifyPassword(password, await this.#decoyHash()));
    return false;
  }

  /** Whether a stored text should be made anew when its password is next seen. */
  isOutdated(stored: string): boolean {
    return needsRehash(stored, this.#cost);
  }

  #decoyHash(): Promise<string> {
    this.#decoy ??= hashPassword('', this.#random.bytes(16), this.#cost);
    return this.#decoy;
  }

  #checkLength(password: string): void {
    if (password.length > maxLength) throw invalidParam(`The password may have at most ${maxLength} characters`);
  }

  async #inTurn<T>(work: () => Promise<T>): Promise<T> {
    if (this.#waiting >= maxWaiting) throw limitExceeded(retryAfter, 'Too many logins at once');
    this.#waiting++;
    const mine = this.#turn.then(work);
    // The next in turn does not care how this one ended.
    this.#turn = Promise.allSettled([mine]);
    try {
      return await mine;
    } finally {
      this.#waiting--;
    }
  }
}

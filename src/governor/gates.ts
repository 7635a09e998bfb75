import { limitExceeded, MatrixError } from '../protocol/errors.ts';
import type { Governor } from './governor.ts';

/** For whoever is sent away: by then a level may have changed. */
const comeBack = 15_000;

/** What is refused while memory or disk is short. */
export class Gates {
  readonly #governor: Pick<Governor, 'memory' | 'disk' | 'roomier' | 'look'> & Partial<Pick<Governor, 'condition'>>;
  readonly #adminContact: string;

  constructor(
    governor: Pick<Governor, 'memory' | 'disk' | 'roomier' | 'look'> & Partial<Pick<Governor, 'condition'>>,
    adminContact: string,
  ) {
    this.#governor = governor;
    this.#adminContact = adminContact;
  }

  /** Rooms entered at a time. */
  get joinsAtOnce(): number {
    return this.#governor.memory === 'easy' ? 2 : 1;
  }

  /** Rooms of which history is fetched at a time. */
  get backfillsAtOnce(): number {
    return this.#governor.memory === 'easy' ? 8 : 1;
  }

  /** Whether history of other servers may be fetched. */
  get mayBackfill(): boolean {
    return this.#governor.memory !== 'critical' && this.#governor.disk === 'easy';
  }

  /** Before a room is taken in. 429 M_LIMIT_EXCEEDED, 507 M_RESOURCE_LIMIT_EXCEEDED */
  requireJoin(): void {
    this.requireWrite();
    if (this.#governor.memory === 'critical') {
      throw limitExceeded(comeBack, 'This server has next to no memory left for another room: try again in a moment');
    }
  }

  /**
   * Before a room is taken in that will take so many megabytes: on its way they are on the disk up to three times, as what
   * other servers said, in the write-ahead log, and in the database. 507 M_RESOURCE_LIMIT_EXCEEDED
   */
  requireDiskFor(megabytes: number): void {
    const free = this.#governor.condition?.diskFree;
    const needed = megabytes * 3;
    if (free === undefined || needed * 1e6 <= free) return;
    const [most, left] = [needed, free / 1e6].map((value) => Math.round(value).toLocaleString('en-US'));
    const sentence = `There is not enough room on the disk of this server to join this room: it takes up to ${most} MB on the way, and ${left} MB are free`;
    throw new MatrixError(507, 'M_RESOURCE_LIMIT_EXCEEDED', sentence, {
      fields: { admin_contact: this.#adminContact, resource: 'disk' },
    });
  }

  /** Before something large is answered. 429 M_LIMIT_EXCEEDED */
  requireMemory(): void {
    if (this.#governor.memory !== 'critical') return;
    throw limitExceeded(
      comeBack,
      'This server has next to no memory left for so large an answer: try again in a moment',
    );
  }

  /** Whether work that nobody waits for may go on. */
  get mayWork(): boolean {
    return this.#governor.memory !== 'critical';
  }

  /** Between the steps of a long job: resolves at once, or when there is more than next to no memory again, or at the signal. */
  roomier(signal: AbortSignal): Promise<void> {
    return this.mayWork || signal.aborted ? Promise.resolve() : this.#governor.roomier(signal);
  }

  /** Before what another server sends is taken in: it keeps it, and comes back. 429 M_LIMIT_EXCEEDED */
  requireInbound(): void {
    const { memory, disk } = this.#governor;
    if (memory !== 'critical' && disk !== 'critical') return;
    throw limitExceeded(comeBack, 'This server is short of memory or disk: try again later');
  }

  /** Before a file of another server is fetched. 507 M_RESOURCE_LIMIT_EXCEEDED */
  requireRemoteMedia(): void {
    if (this.#governor.disk !== 'easy') throw this.#diskFull('fetches no files of other servers');
  }

  /** Before anything is written for somebody. 507 M_RESOURCE_LIMIT_EXCEEDED */
  requireWrite(): void {
    if (this.#governor.disk === 'critical') throw this.#diskFull('takes nothing new');
  }

  /** Something could not be written because the disk was full before anybody looked: who asked for it is told, and the next are sent away. */
  diskIsFull(): MatrixError {
    this.#governor.look();
    return this.#diskFull('takes nothing new');
  }

  #diskFull(what: string): MatrixError {
    const sentence = `The disk of this server is nearly full: it ${what} until its admin makes room`;
    return new MatrixError(507, 'M_RESOURCE_LIMIT_EXCEEDED', sentence, {
      fields: { admin_contact: this.#adminContact, resource: 'disk' },
    });
  }
}

import type { Database } from '../store/db.ts';
import type { RoomNid, StreamPos, UserNid } from '../store/nids.ts';
import type { PositionStore } from '../store/positions.ts';
import type { Log } from '../util/log.ts';
import type { Notifier } from './notifier.ts';

export interface StreamsOptions {
  db: Database;
  positions: PositionStore;
  notifier: Notifier;
  log: Log;
}

/** Positions reserved at a time: one small write in so many changes, and as many numbers lost at a restart. */
const BLOCK = 10_000;

/**
 * The server's one clock. Every change of every kind takes the next position; positions only grow and none is ever
 * used twice, not even after a power cut: a position is given out only when the database durably says that all up to
 * it may be in use.
 */
export class Streams {
  readonly epoch: number;
  readonly #db: Database;
  readonly #positions: PositionStore;
  readonly #notifier: Notifier;
  readonly #log: Log;
  #last: number;
  /** Durably reserved; a start begins after it. */
  #reserved: number;
  #renewing = false;
  /** The transaction that drew positions last, and the last position before its first. */
  #drawing = 0;
  #beforeDrawing = 0;
  #announced: number;
  #rooms = new Set<RoomNid>();
  #users = new Set<UserNid>();

  constructor({ db, positions, notifier, log }: StreamsOptions) {
    this.#db = db;
    this.#positions = positions;
    this.#notifier = notifier;
    this.#log = log.child('streams');
    this.epoch = positions.epoch();
    this.#last = positions.reserved();
    this.#reserved = this.#last;
    this.#announced = this.#last;
    this.#reserveNow();
    notifier.begin(this.now());
    db.onCommit(() => this.#announce());
  }

  /**
   * The next position. Inside a write it belongs to that transaction: no reader is told of it before the COMMIT.
   * Outside (kinds that live in memory) the change must be in place before anything else runs: no await in between.
   */
  next(): StreamPos {
    if (this.#db.inTransaction && this.#drawing !== this.#db.transactionCount) {
      this.#drawing = this.#db.transactionCount;
      this.#beforeDrawing = this.#last;
    }
    if (this.#last >= this.#reserved) this.#reserveNow();
    this.#last++;
    if (this.#reserved - this.#last < BLOCK / 2) this.#renew();
    return this.#last as StreamPos;
  }

  /**
   * "Now" for readers: every change up to this position is there to be read, and nothing can still appear at or below
   * it. A rollback leaves positions behind that mean nothing; those that it has left beyond the reservation, which it
   * took back, nobody is told of, as they would be given out again after a restart.
   */
  now(): StreamPos {
    const drawing = this.#db.inTransaction && this.#drawing === this.#db.transactionCount;
    return (drawing ? this.#beforeDrawing : Math.min(this.#last, this.#reserved)) as StreamPos;
  }

  /** Something changed for all who are in the room. Inside a write: told after the COMMIT, forgotten on a rollback. */
  touchRoom(room: RoomNid): void {
    if (this.#db.inTransaction) this.#db.afterCommit(() => this.#rooms.add(room));
    else {
      this.#rooms.add(room);
      this.#announce();
    }
  }

  /** Something changed for the user. Inside a write: told after the COMMIT, forgotten on a rollback. */
  touchUser(user: UserNid): void {
    if (this.#db.inTransaction) this.#db.afterCommit(() => this.#users.add(user));
    else {
      this.#users.add(user);
      this.#announce();
    }
  }

  #announce(): void {
    if (this.#last === this.#announced && this.#rooms.size === 0 && this.#users.size === 0) return;
    this.#announced = this.#last;
    const rooms = this.#rooms;
    const users = this.#users;
    this.#rooms = new Set();
    this.#users = new Set();
    this.#notifier.announce(this.now(), rooms, users);
  }

  #renew(): void {
    if (this.#renewing) return;
    this.#renewing = true;
    const target = this.#reserved + BLOCK;
    this.#db
      .durable<void>(() => this.#positions.reserve(Math.max(target, this.#reserved)))
      .then(
        () => {
          this.#reserved = Math.max(this.#reserved, target);
        },
        // Nothing is lost yet; when the block is used up, `#reserveNow` meets the reason and throws.
        (error: unknown) => this.#log.warn('streams.reservation_failed', { error }),
      )
      .finally(() => {
        this.#renewing = false;
      });
  }

  /** A block at once, blocking: at the start, and when a burst has used one up before the next was safe. */
  #reserveNow(): void {
    const before = this.#reserved;
    // A rollback takes its reservation back, but not the positions that were drawn from it.
    const target = Math.max(before, this.#last) + BLOCK;
    if (this.#db.inTransaction) {
      // The reservation is part of the transaction, which is made durable before anybody sees a position of it.
      this.#positions.reserve(target);
      this.#db.syncAtCommit();
      this.#db.afterRollback(() => {
        this.#reserved = before;
      });
    } else {
      this.#db.write<void>(() => this.#positions.reserve(target));
      this.#db.syncNow();
    }
    this.#reserved = target;
  }
}

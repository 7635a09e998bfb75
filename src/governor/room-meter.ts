import type { Database } from '../store/db.ts';
import type { Activity, RoomCostStore } from '../store/limits/room-costs.ts';
import type { RoomNid } from '../store/nids.ts';
import { type Millis, millis } from '../util/brand.ts';
import type { Clock } from '../util/clock.ts';

export interface RoomMeterUses {
  readonly db: Database;
  readonly roomCosts: RoomCostStore;
  readonly clock: Clock;
}

/** Rooms counted in memory, some 100 bytes each; when there are more, all are written down. */
const mostRooms = 500;

/** Counts what goes on in rooms: in memory first, in the database every few minutes. */
export class RoomMeter {
  readonly #uses: RoomMeterUses;
  readonly #counts = new Map<RoomNid, { -readonly [K in keyof Activity]: Activity[K] }>();
  #since: Millis;

  constructor(uses: RoomMeterUses) {
    this.#uses = uses;
    this.#since = uses.clock.now();
  }

  /** Something has happened in a room; cheap. */
  count(room: RoomNid, more: Partial<Activity>): void {
    let counts = this.#counts.get(room);
    if (counts === undefined) {
      counts = { events: 0, micros: 0, deliveries: 0, resolutions: 0 };
      this.#counts.set(room, counts);
    }
    counts.events += more.events ?? 0;
    counts.micros += more.micros ?? 0;
    counts.deliveries += more.deliveries ?? 0;
    counts.resolutions += more.resolutions ?? 0;
  }

  /** For whoever measures how long something takes. */
  monotonic(): number {
    return this.#uses.clock.monotonic();
  }

  /** Whether more is in memory than should stay there. */
  get isFull(): boolean {
    return this.#counts.size >= mostRooms;
  }

  /** Writes down what was counted. */
  flush(): void {
    const { db, roomCosts, clock } = this.#uses;
    const now = clock.now();
    const since = millis(Math.min(this.#since, now));
    if (this.#counts.size > 0) {
      db.write<void>(() => {
        for (const [room, counts] of this.#counts) {
          roomCosts.addActivity(room, { ...counts, micros: Math.round(counts.micros) }, since, now);
        }
      });
    }
    this.#counts.clear();
    this.#since = now;
  }
}

import type { Millis } from '../../util/brand.ts';
import type { Database } from '../db.ts';
import type { RoomNid } from '../nids.ts';
import type { RoomSize } from './room-sizes.ts';

/** What has gone on in a room. */
export interface Activity {
  readonly events: number;
  /** Microseconds of the main thread. */
  readonly micros: number;
  readonly deliveries: number;
  readonly resolutions: number;
}

export interface ActivityRow extends Activity {
  readonly since: Millis;
}

export interface RoomScale {
  readonly room: RoomNid;
  readonly joined: number;
  readonly servers: number;
  readonly states: number;
}

/** Figures are halved once they are of so long a time: what was long ago counts less and less. */
const span = 14 * 24 * 60 * 60_000;

/** What rooms cost, as measured and counted. Writing methods belong inside a write. */
export class RoomCostStore {
  readonly #dropCosts;
  readonly #addCost;
  readonly #cost;
  readonly #activity;
  readonly #setActivity;
  readonly #isKnown;
  readonly #scales;
  readonly #outgrown;
  readonly #markOutgrown;
  readonly #unmarkOutgrown;
  readonly #thinned;
  readonly #markThinned;

  constructor(db: Database) {
    this.#dropCosts = db.prepare<[], never>('DELETE FROM room_cost WHERE room > 0');
    this.#addCost = db.prepare<[number, number, string, number], never>(
      'INSERT INTO room_cost (room, bytes, groups, measured) VALUES (?, ?, ?, ?)',
    );
    this.#cost = db.prepare<[number], { bytes: number; groups: string; measured: Millis }>(
      'SELECT bytes, groups, measured FROM room_cost WHERE room = ?',
    );
    this.#activity = db.prepare<[number], ActivityRow>(
      'SELECT since, events, micros, deliveries, resolutions FROM room_activity WHERE room = ?',
    );
    this.#setActivity = db.prepare<[number, number, number, number, number, number], never>(
      'INSERT INTO room_activity (room, since, events, micros, deliveries, resolutions) VALUES (?, ?, ?, ?, ?, ?)' +
        ' ON CONFLICT DO UPDATE SET since = excluded.since, events = excluded.events, micros = excluded.micros,' +
        ' deliveries = excluded.deliveries, resolutions = excluded.resolutions',
    );
    this.#isKnown = db.prepare<[number], 1>('SELECT 1 FROM room_info WHERE room = ?').pluck();
    this.#scales = db.prepare<[number, number], RoomScale>(
      'SELECT room, joined, servers, states FROM room_info WHERE room > ? ORDER BY room LIMIT ?',
    );
    this.#outgrown = db.prepare<[number], { limits: string }>('SELECT limits FROM outgrown_room WHERE room = ?');
    this.#markOutgrown = db.prepare<[number, number, string], never>(
      'INSERT INTO outgrown_room (room, since, limits) VALUES (?, ?, ?)' +
        ' ON CONFLICT DO UPDATE SET limits = excluded.limits',
    );
    this.#thinned = db.prepare<[number], Millis | null>('SELECT thinned FROM outgrown_room WHERE room = ?').pluck();
    this.#markThinned = db.prepare<[number, number], never>('UPDATE outgrown_room SET thinned = ? WHERE room = ?');
    this.#unmarkOutgrown = db.prepare<[number], never>('DELETE FROM outgrown_room WHERE room = ?');
  }

  /** Takes the place of what was measured before. */
  replace(sizes: readonly RoomSize[], now: Millis): void {
    this.#dropCosts.run();
    for (const { room, bytes, groups } of sizes) this.#addCost.run(room, bytes, JSON.stringify(groups), now);
  }

  /** What was measured last; `undefined` for a room that is not among the largest. */
  cost(room: RoomNid): { bytes: number; groups: Readonly<Record<string, number>>; measured: Millis } | undefined {
    const row = this.#cost.get(room);
    return row && { ...row, groups: JSON.parse(row.groups) as Record<string, number> };
  }

  /** `undefined` for a room that is not among the largest. */
  bytesOf(room: RoomNid): number | undefined {
    return this.#cost.get(room)?.bytes;
  }

  activity(room: RoomNid): ActivityRow | undefined {
    return this.#activity.get(room);
  }

  /** Adds to what went on in a room since `since`. */
  addActivity(room: RoomNid, more: Activity, since: Millis, now: Millis): void {
    // It may have been deleted since.
    if (this.#isKnown.get(room) === undefined) return;
    const known = this.activity(room);
    const old = known !== undefined && now - known.since > span;
    const from = known === undefined ? since : old ? now - span / 2 : known.since;
    const add = (key: keyof Activity) => Math.round((known?.[key] ?? 0) * (old ? 0.5 : 1)) + more[key];
    this.#setActivity.run(room, from, add('events'), add('micros'), add('deliveries'), add('resolutions'));
  }

  /** How large rooms are, in the order of their numbers. */
  scales(after: RoomNid | 0, limit: number): RoomScale[] {
    return this.#scales.all(after, limit);
  }

  /** What the room was above when the admin was told; JSON. */
  outgrown(room: RoomNid): string | undefined {
    return this.#outgrown.get(room)?.limits;
  }

  markOutgrown(room: RoomNid, limits: string, now: Millis): void {
    this.#markOutgrown.run(room, now, limits);
  }

  /** When its history was last deleted because of that. */
  thinned(room: RoomNid): Millis | undefined {
    return this.#thinned.get(room) ?? undefined;
  }

  /** Of a room that has outgrown a limit. */
  markThinned(room: RoomNid, now: Millis): void {
    this.#markThinned.run(now, room);
  }

  unmarkOutgrown(room: RoomNid): void {
    this.#unmarkOutgrown.run(room);
  }
}

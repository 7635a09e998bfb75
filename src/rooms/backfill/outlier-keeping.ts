import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Database } from '../../store/db.ts';
import type { Log } from '../../util/log.ts';
import type { VersionedRoom } from '../receive/auth-judge.ts';
import type { Outliers } from '../receive/outliers.ts';
import { byAuth } from '../receive/topology.ts';
import type { VerifiedEvent } from '../receive/verify.ts';

/** Events stored in one write: some milliseconds. */
const sliceSize = 20;

/** Stores events that came from elsewhere without their places, a few at a time. */
export class OutlierKeeping {
  readonly #db: Database;
  readonly #outliers: Outliers;
  readonly #log: Log;

  constructor(uses: { readonly db: Database; readonly outliers: Outliers; readonly log: Log }) {
    this.#db = uses.db;
    this.#outliers = uses.outliers;
    this.#log = uses.log;
  }

  /** What cites auth events that nobody gave is left out. */
  async keep(room: VersionedRoom, events: readonly VerifiedEvent[]): Promise<void> {
    const ordered = byAuth(events);
    for (let at = 0; at < ordered.length; at += sliceSize) {
      const slice = ordered.slice(at, at + sliceSize);
      const { waiting, foreign } = this.#db.write(() => this.#outliers.add(room, slice));
      if (waiting.length > 0 || foreign.length > 0) {
        this.#log.info('backfill.unusable', { room: room.roomId, waiting, foreign });
      }
      await nextTurn();
    }
  }
}

import { roomVersionRules } from '../protocol/room-versions.ts';
import { isSignedBy as verify } from '../protocol/signing/signed-by.ts';
import { readAuthEvent } from '../store/auth/auth-event.ts';
import { AuthGraph } from '../store/auth/auth-graph.ts';
import { ReadingDatabase } from '../store/database/reader.ts';
import { EventStore } from '../store/events/event-store.ts';
import { Interning } from '../store/interning/interning.ts';
import type { EventNid, StateKeyNid, StatePoint } from '../store/nids.ts';
import { ConflictTooLarge, largestConflict } from '../store/state/conflict-bounds.ts';
import { PointResolver, type ResolutionCost } from '../store/state/point-resolver.ts';
import { StateLog } from '../store/state/state-log.ts';

/** States of one room to be resolved, as points that are committed. */
export interface ResolutionRequest {
  /** `hearth.db` */
  readonly file: string;
  readonly version: string;
  readonly points: readonly StatePoint[];
  /** Wanted as well: what has to change here to make it the resolved state. */
  readonly from?: StatePoint;
}

type Entries = readonly (readonly [key: StateKeyNid, event: EventNid | 0])[];

export type ResolutionAnswer =
  | { readonly isTooLarge: true }
  | {
      readonly isTooLarge: false;
      readonly base: StatePoint;
      readonly overrides: Entries;
      readonly changes: Entries;
      /** `undefined`: there was no conflict. */
      readonly cost: ResolutionCost | undefined;
    };

/** What is read is mostly scattered over the file: more would help little. */
const cacheKib = 4096;

/** Resolves a conflict beside the main thread, with a connection that only reads. */
export function resolveBeside({ file, version, points, from }: ResolutionRequest): ResolutionAnswer {
  const rules = roomVersionRules(version);
  if (rules === undefined) throw new Error(`there is no room version ${version}`);
  const db = new ReadingDatabase(file, cacheKib);
  try {
    const interning = new Interning(db);
    const events = new EventStore(db, interning);
    const stores = { interning, events, stateLog: new StateLog(db), authGraph: new AuthGraph(db) };
    const signatures = { isSignedBy: () => true, verify };
    const resolver = new PointResolver(stores, { fetch: (nid) => readAuthEvent(stores, nid), signatures });
    let cost: ResolutionCost | undefined;
    const distinct = resolver.distinct(points, largestConflict);
    const resolved = resolver.resolve(rules, distinct, largestConflict, (told) => void (cost = told));
    const changes = from === undefined ? [] : resolver.changes(resolved, from, largestConflict);
    const { base, overrides } = resolved;
    const changed = changes.map(({ key, event }) => [key, event] as const);
    return { isTooLarge: false, base, overrides: [...overrides], changes: changed, cost };
  } catch (error) {
    if (error instanceof ConflictTooLarge) return { isTooLarge: true };
    throw error;
  } finally {
    db.close();
  }
}

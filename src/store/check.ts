import type { ServerName } from '../protocol/ids/types.ts';
import { AuthGraphCheck } from './check/auth-graph.ts';
import { BodyCheck } from './check/bodies.ts';
import { e2eeRules } from './check/e2ee-rules.ts';
import { authRules, eventRules } from './check/event-rules.ts';
import { MemberCheck } from './check/members.ts';
import { pushRules } from './check/push-rules.ts';
import { broken } from './check/queries.ts';
import { relationRules } from './check/relation-rules.ts';
import { stateRules } from './check/state-rules.ts';
import { thinningRules } from './check/thinning-rules.ts';
import { traceRules } from './check/trace-rules.ts';
import type { Database } from './db.ts';

/**
 * Works out everything again that is derived from something else and says in sentences where the database disagrees;
 * no sentence: it is consistent. While a room is being deleted only the file itself is checked. `serverName` is our own. Reads the whole database (some seconds for 10,000 events):
 * for tests and `hearth doctor`, not for a server that has anything to do.
 */
export function checkConsistency(db: Database, serverName: ServerName): string[] {
  if (isDeleting(db)) return [...damage(db)];
  return [
    ...broken(db, [
      ...eventRules,
      ...stateRules,
      ...authRules,
      ...relationRules,
      ...thinningRules,
      ...pushRules,
      ...traceRules,
      ...e2eeRules,
    ]),
    ...asFarAsPossible('members', () => new MemberCheck(db, serverName).run()),
    ...asFarAsPossible('event bodies', () => new BodyCheck(db).run()),
    ...asFarAsPossible('auth graph', () => new AuthGraphCheck(db).run()),
    ...damage(db),
  ];
}

/** Half a room agrees with nothing. */
function isDeleting(db: Database): boolean {
  return db.prepare<[], 1>('SELECT 1 FROM room_purge LIMIT 1').get() !== undefined;
}

/** Where rows are missing that others point to, reading on may fail: that is a finding too, and not the end. */
function* asFarAsPossible(part: string, run: () => Iterable<string>): Generator<string> {
  try {
    yield* run();
  } catch (error) {
    yield `The check of the ${part} could not be finished: ${error instanceof Error ? error.message : String(error)}`;
  }
}

/** What SQLite itself finds wrong with its file. */
function* damage(db: Database): Generator<string> {
  const check = db.prepare<[], { integrity_check: string }>('PRAGMA integrity_check');
  for (const { integrity_check: finding } of check.all()) {
    if (finding !== 'ok') yield `The database file is damaged: ${finding}`;
  }
}

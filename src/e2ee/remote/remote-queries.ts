import type { ServerName, UserId } from '../../protocol/ids/types.ts';
import type { Database } from '../../store/db.ts';
import type { RemoteListRow } from '../../store/e2ee/remote-lists.ts';
import type { Interning } from '../../store/interning/interning.ts';
import type { Millis } from '../../util/brand.ts';
import type { JsonObject } from '../../util/json.ts';
import { chunks, type Wanted } from '../reachable.ts';
import { type RemoteKeys, readQueried } from './answers.ts';
import type { Failures, Question, RemoteAsking } from './remote-asking.ts';
import type { RemoteLists } from './remote-lists.ts';

export interface RemoteQueriesUses {
  readonly db: Database;
  readonly interning: Interning;
  readonly tracked: RemoteLists;
  readonly asking: RemoteAsking;
}

/** Users asked about in one question, and how much an answer may have: forty devices each are many. */
const usersAtOnce = 20;
const maxAnswer = (users: number) => 256 * 1024 + users * 64 * 1024;
/** Users who share no room with ours: what is told of them is in memory until the client has it. */
const maxStrangers = 100;

export interface Fetched {
  /** Of users who share no room with ours, by user ID; what is told of the others is in the database. */
  readonly strangers: ReadonlyMap<string, RemoteKeys>;
  readonly failures: Failures;
}

/** Asks other servers for keys of their users, as far as those are not known already. */
export class RemoteQueries {
  readonly #uses: RemoteQueriesUses;

  constructor(uses: RemoteQueriesUses) {
    this.#uses = uses;
  }

  async fetch(wanted: ReadonlyMap<ServerName, Wanted<readonly string[]>[]>, timeout: Millis): Promise<Fetched> {
    const strangers = new Map<string, RemoteKeys>();
    const refused = new Map<string, JsonObject>();
    let room = maxStrangers;
    const questions: Question[] = [];
    for (const [server, users] of wanted) {
      const { followed, others } = this.#sorted(users);
      if (others.length > room) refused.set(server, tooMany);
      const asked = others.slice(0, room);
      room -= asked.length;
      for (const part of chunks(followed, usersAtOnce)) questions.push(this.#aboutFollowed(server, part));
      for (const part of chunks(asked, usersAtOnce)) questions.push(aboutStrangers(server, part, strangers));
    }
    const failures = await this.#uses.asking.ask(questions, timeout);
    return { strangers, failures: { ...Object.fromEntries(refused), ...failures } };
  }

  /** Those whose lists are to be kept, and the rest; those whose lists are up to date need no question. */
  #sorted(users: readonly Wanted<readonly string[]>[]) {
    const { db, interning, tracked } = this.#uses;
    const followed: (readonly [UserId, RemoteListRow])[] = [];
    const others: Wanted<readonly string[]>[] = [];
    const unknown = users.filter(([userId]) => {
      const user = interning.findUser(userId);
      return user === undefined || tracked.current(user) === undefined;
    });
    if (unknown.length === 0) return { followed, others };
    db.write<void>(() => {
      for (const entry of unknown) {
        const user = interning.findUser(entry[0]);
        const row = user === undefined ? undefined : tracked.begin(user);
        if (row === undefined) others.push(entry);
        else followed.push([entry[0], row]);
      }
    });
    return { followed, others };
  }

  #aboutFollowed(server: ServerName, users: readonly (readonly [UserId, RemoteListRow])[]): Question {
    const { db, tracked } = this.#uses;
    return question(
      server,
      // All devices, whichever the client asks for: the answer is kept.
      users.map(([userId]) => [userId, []]),
      (answer) =>
        db.write<void>(() => {
          for (const [userId, row] of users) {
            const keys = readQueried(userId, answer);
            if (keys !== undefined) tracked.settle(row, keys, null);
          }
        }),
    );
  }
}

function aboutStrangers(
  server: ServerName,
  users: readonly Wanted<readonly string[]>[],
  found: Map<string, RemoteKeys>,
): Question {
  return question(server, users, (answer) => {
    for (const [userId] of users) {
      const keys = readQueried(userId, answer);
      if (keys !== undefined) found.set(userId, keys);
    }
  });
}

function question(
  server: ServerName,
  users: readonly Wanted<readonly string[]>[],
  take: (answer: JsonObject) => void,
): Question {
  const deviceKeys = Object.fromEntries(users.map(([userId, ids]) => [userId, [...ids]]));
  const path = '/_matrix/federation/v1/user/keys/query';
  return { server, path, content: { device_keys: deviceKeys }, maxBytes: maxAnswer(users.length), take };
}

const tooMany = { status: 429, errcode: 'M_LIMIT_EXCEEDED', message: 'Too many users who share no room at once' };

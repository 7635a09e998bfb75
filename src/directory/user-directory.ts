import type { ServerName, UserId } from '../protocol/ids/types.ts';
import { localpartOf, parseUserId, serverOf } from '../protocol/ids/user-id.ts';
import type { UserDirectoryStore } from '../store/directory/users.ts';
import type { Interning } from '../store/interning/interning.ts';
import type { UserNid } from '../store/nids.ts';
import type { AccountStore } from '../store/users/accounts.ts';
import type { ProfileStore } from '../store/users/profiles.ts';
import type { Requester } from '../users/login/requester.ts';
import type { PeopleObserver } from '../users/profiles/people-observer.ts';
import type { JsonObject } from '../util/json.ts';
import { fold, wordsOf } from '../util/words.ts';

export interface UserDirectoryUses {
  readonly interning: Interning;
  readonly accounts: AccountStore;
  readonly profiles: ProfileStore;
  readonly userDirectory: UserDirectoryStore;
  readonly serverName: ServerName;
}

export interface UserSearch {
  readonly searchTerm: string;
  readonly limit: number;
}

/** Words of names that one search reads: some milliseconds' work. Beyond that the term says too little. */
const maxLooks = 1000;
/** Letters kept of a name in a script without spaces, from each of its letters on. */
const maxSuffix = 8;

/**
 * Finds local users by name. Each word of a localpart or display name is kept with its user, so that a change costs
 * what the one name has of words; whom the searcher may see is asked for those who are found.
 */
export class UserDirectory implements PeopleObserver {
  readonly #uses: UserDirectoryUses;

  constructor(uses: UserDirectoryUses) {
    this.#uses = uses;
  }

  onPerson(user: UserNid): void {
    const { accounts, interning, profiles, userDirectory } = this.#uses;
    const account = accounts.find(user);
    const isListed = account !== undefined && !account.deactivated && account.kind !== 'guest';
    const name = profiles.field(user, 'displayname');
    const names = [localpartOf(interning.userId(user)), typeof name === 'string' ? name : ''];
    userDirectory.setWords(user, isListed ? nameWords(names.join(' ')) : new Set());
  }

  /**
   * Users whose ID or name has all the words, or begins of words, that were asked for; only those who share a room with
   * the searcher or are in a room that anybody may join or read. The nearest matches come first.
   * @see https://spec.matrix.org/v1.19/client-server-api/#post_matrixclientv3user_directorysearch
   */
  search(requester: Requester, { searchTerm, limit }: UserSearch): JsonObject {
    const { userDirectory } = this.#uses;
    const term = this.#withoutServer(searchTerm);
    const wanted = [...wordsOf(term ?? '')].map(({ folded, spaced }) =>
      spaced ? folded : Array.from(folded).slice(0, maxSuffix).join(''),
    );
    const longest = wanted.toSorted((a, b) => b.length - a.length)[0];
    if (longest === undefined) return { results: [], limited: false };
    const candidates = userDirectory.find(longest, maxLooks);
    const found: Match[] = [];
    for (const user of candidates) {
      const match = this.#match(requester.user, user, wanted, fold(term ?? '').trim());
      if (match !== undefined) found.push(match);
    }
    found.sort(byRank);
    return {
      results: found.slice(0, limit).map(({ userId, name, avatar }) => ({
        user_id: userId,
        ...(name === undefined ? {} : { display_name: name }),
        ...(avatar === undefined ? {} : { avatar_url: avatar }),
      })),
      limited: found.length > limit || candidates.length >= maxLooks,
    };
  }

  /** `@name:server` and `name:server` mean the name; `undefined` if the server is another one. */
  #withoutServer(term: string): string | undefined {
    const userId = parseUserId(term.trim());
    if (userId === undefined) return term;
    return serverOf(userId) === this.#uses.serverName ? localpartOf(userId) : undefined;
  }

  #match(searcher: UserNid, user: UserNid, wanted: readonly string[], whole: string): Match | undefined {
    const { userDirectory, interning, profiles } = this.#uses;
    if (user === searcher) return undefined;
    const words = userDirectory.words(user);
    if (!wanted.every((beginning) => words.some((word) => word.startsWith(beginning)))) return undefined;
    const shares = userDirectory.share(searcher, user);
    if (!shares && !userDirectory.isInOpenRoom(user)) return undefined;
    const userId = interning.userId(user);
    const name = textOf(profiles.field(user, 'displayname'));
    const avatar = textOf(profiles.field(user, 'avatar_url'));
    const names = [localpartOf(userId), name ?? ''].map((text) => fold(text).trim());
    const rank =
      (names.includes(whole) ? 8 : 0) +
      (wanted.every((word) => words.includes(word)) ? 4 : 0) +
      (names.some((text) => text.startsWith(whole)) ? 2 : 0) +
      (shares ? 1 : 0);
    return { userId, name, avatar, rank, told: Number(name !== undefined) + Number(avatar !== undefined) };
  }
}

interface Match {
  readonly userId: UserId;
  readonly name: string | undefined;
  readonly avatar: string | undefined;
  readonly rank: number;
  /** How much of a profile there is to show. */
  readonly told: number;
}

function byRank(a: Match, b: Match): number {
  return b.rank - a.rank || b.told - a.told || (a.userId < b.userId ? -1 : 1);
}

function nameWords(text: string): Set<string> {
  const words = new Set<string>();
  for (const { folded, spaced } of wordsOf(text)) {
    if (spaced) words.add(folded);
    else {
      const letters = Array.from(folded);
      for (let at = 0; at < letters.length; at++) words.add(letters.slice(at, at + maxSuffix).join(''));
    }
  }
  return words;
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}

import assert from 'node:assert/strict';
import type { Person } from '../support/clients/person.ts';
import type { Pair } from './pair.ts';

export interface RoomEvent {
  readonly event_id: string;
  readonly type: string;
  readonly sender: string;
  readonly state_key?: string;
  readonly content: Record<string, unknown>;
  readonly unsigned?: Record<string, unknown>;
}

const enc = encodeURIComponent;

/** A room with people on both servers, and what each of them sees of it. */
export class SharedRoom {
  readonly id: string;
  readonly #pair: Pair;
  #txn = 0;

  constructor(pair: Pair, id: string) {
    this.#pair = pair;
    this.id = id;
  }

  /** A public room that `host` makes and `guests` join over federation; all see each other when it resolves. */
  static async open(
    pair: Pair,
    host: Person,
    guests: readonly Person[],
    options: Record<string, unknown> = {},
  ): Promise<SharedRoom> {
    const room = new SharedRoom(pair, await host.createRoom({ preset: 'public_chat', ...options }));
    for (const guest of guests) {
      await room.joined(guest, host);
      for (const person of [host, ...guests.slice(0, guests.indexOf(guest))]) await room.sees(person, guest, 'join');
    }
    return room;
  }

  path(rest: string): string {
    return `/_matrix/client/v3/rooms/${enc(this.id)}/${rest}`;
  }

  /** `invite`, `kick`, `leave` and the like. */
  act(person: Person, action: string, body: Record<string, unknown> = {}): Promise<unknown> {
    return person.call('POST', this.path(action), body);
  }

  /** Joins by way of the server of `via`; the first tries may come before the servers know each other's keys. */
  async joined(person: Person, via: Person): Promise<void> {
    await this.#pair.eventually(`the join of ${person.name}`, () => this.join(person, via));
  }

  join(person: Person, via: Person): Promise<unknown> {
    return person.call('POST', `/_matrix/client/v3/join/${enc(this.id)}?${this.through(via)}`, {});
  }

  /** The servers to go by, in the name of today and in that of yesterday. */
  through(via: Person): string {
    const server = enc(serverOf(via.userId));
    return `via=${server}&server_name=${server}`;
  }

  async send(person: Person, type: string, content: Record<string, unknown>): Promise<string> {
    const path = this.path(`send/${enc(type)}/interop${this.#txn++}`);
    return (await person.call('PUT', path, content))['event_id'] as string;
  }

  async put(person: Person, type: string, content: Record<string, unknown>, key = ''): Promise<string> {
    return (await person.call('PUT', this.path(`state/${enc(type)}/${enc(key)}`), content))['event_id'] as string;
  }

  async redact(person: Person, eventId: string, reason: string): Promise<string> {
    const path = this.path(`redact/${enc(eventId)}/interop${this.#txn++}`);
    return (await person.call('PUT', path, { reason }))['event_id'] as string;
  }

  state(person: Person, type: string, key = ''): Promise<Record<string, unknown>> {
    return person.call('GET', this.path(`state/${enc(type)}/${enc(key)}`));
  }

  /** The current state by type and state key: which event it is. */
  async wholeState(person: Person): Promise<Record<string, string>> {
    const events = (await person.call('GET', this.path('state'))) as unknown as RoomEvent[];
    const entries = events.map(({ type, state_key, event_id }) => [`${type} ${state_key}`, event_id] as const);
    return Object.fromEntries(entries.toSorted(([a], [b]) => (a < b ? -1 : 1)));
  }

  async event(person: Person, eventId: string): Promise<RoomEvent> {
    return (await person.call('GET', this.path(`event/${enc(eventId)}`))) as unknown as RoomEvent;
  }

  /** Resolves when the event has come to the person's server. */
  has(person: Person, eventId: string): Promise<RoomEvent> {
    return this.#pair.eventually(`${person.name} sees ${eventId}`, () => this.event(person, eventId));
  }

  /** Resolves when the state is on the person's server as `look` wants it. */
  shows(person: Person, type: string, key: string, look: (content: Record<string, unknown>) => boolean): Promise<true> {
    return this.#pair.eventually(`${person.name} sees the new ${type}`, async () =>
      look(await this.state(person, type, key)) ? true : undefined,
    );
  }

  async sees(watcher: Person, member: Person, membership: string): Promise<void> {
    await this.#pair.eventually(`${watcher.name} sees ${membership} of ${member.name}`, async () =>
      (await this.state(watcher, 'm.room.member', member.userId))['membership'] === membership ? true : undefined,
    );
  }

  /** What was said, oldest first, as far back as the person may read; walks over all pages. */
  async texts(person: Person): Promise<string[]> {
    const bodies: unknown[] = [];
    let from: string | undefined;
    for (let page = 0; page < 60; page++) {
      const query = `dir=b&limit=50${from === undefined ? '' : `&from=${enc(from)}`}`;
      const { chunk, end } = (await person.call('GET', this.path(`messages?${query}`))) as {
        chunk: RoomEvent[];
        end?: string;
      };
      bodies.push(...chunk.filter(({ type }) => type === 'm.room.message').map(({ content }) => content['body']));
      from = end;
      if (end === undefined) break;
    }
    return bodies.toReversed().map(String);
  }

  /** Resolves when the person can read all this and nothing else, in this order. */
  async reads(person: Person, texts: readonly string[], wait?: number): Promise<void> {
    let last: readonly string[] = [];
    const ask = async (): Promise<true | undefined> => {
      last = await this.texts(person);
      return last.join('\n') === texts.join('\n') ? true : undefined;
    };
    await this.#pair.eventually(`${person.name} reads all`, ask, wait).catch((error: unknown) => {
      assert.deepEqual(last, texts);
      throw error;
    });
  }

  /** Resolves when the same state stands on the servers of all. */
  async agreed(people: readonly Person[]): Promise<Record<string, string>> {
    let states: Record<string, string>[] = [];
    const ask = async (): Promise<true | undefined> => {
      states = await Promise.all(people.map((person) => this.wholeState(person)));
      return new Set(states.map((state) => JSON.stringify(state))).size === 1 ? true : undefined;
    };
    await this.#pair.eventually('the same state on both servers', ask).catch((error: unknown) => {
      assert.deepEqual(states[0], states[1]);
      throw error;
    });
    return states[0] ?? {};
  }
}

export function serverOf(userId: string): string {
  return userId.slice(userId.indexOf(':') + 1);
}

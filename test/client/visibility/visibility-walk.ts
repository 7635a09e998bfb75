import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { Injected } from '../../support/clients/inject.ts';
import { World } from '../../support/servers/world.ts';
import { type ClientEvent, NaiveVisibility } from './naive-visibility.ts';

export const v1 = '/_matrix/client/v1';
export const v3 = '/_matrix/client/v3';

/** Who comes and goes; alice makes the room and stays, eve joins at once and is ignored by some, dave never comes. */
export const walkers = ['bob', 'carol'] as const;
export const readers = ['alice', 'bob', 'carol', 'dave'] as const;
export type Reader = (typeof readers)[number];

export const userId = (name: string): string => `@${name}:localhost`;

export interface Walk {
  readonly joinRule: 'public' | 'knock' | 'invite';
  readonly initial: string | undefined;
  readonly steps: readonly Step[];
  /** Who ignores eve. */
  readonly ignoring: readonly Reader[];
}

type Step =
  | { readonly kind: 'say' | 'topic'; readonly who: 'alice' | 'eve' }
  | { readonly kind: 'relate'; readonly who: 'alice' | 'eve'; readonly how: Relation; readonly to: number }
  | { readonly kind: 'visibility'; readonly value: string }
  | { readonly kind: 'move'; readonly who: (typeof walkers)[number]; readonly how: Move };

const relations = ['m.thread', 'm.reference', 'm.replace', 'm.annotation'] as const;
type Relation = (typeof relations)[number];
const moves = ['invite', 'join', 'join', 'leave', 'kick', 'ban', 'unban', 'knock'] as const;
type Move = (typeof moves)[number];
const forms = ['world_readable', 'shared', 'invited', 'joined'] as const;

const speaker = fc.constantFrom('alice', 'alice', 'eve');
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('say' as const), who: speaker }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('topic' as const), who: fc.constant('alice' as const) }) },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('relate' as const),
      who: speaker,
      how: fc.constantFrom(...relations),
      to: fc.nat(50),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('visibility' as const), value: fc.constantFrom(...forms) }) },
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('move' as const),
      who: fc.constantFrom(...walkers),
      how: fc.constantFrom(...moves),
    }),
  },
);

export const walks: fc.Arbitrary<Walk> = fc.record({
  joinRule: fc.constantFrom('public', 'knock', 'invite'),
  initial: fc.option(fc.constantFrom(...forms), { nil: undefined }),
  steps: fc.array(step, { minLength: 15, maxLength: 35 }),
  ignoring: fc.subarray([...readers]),
});

/** What a reader has been told by /sync, taken after every few steps in answers too small for all that happened. */
interface Told {
  readonly events: ClientEvent[];
  /** A token, and how many events the room had then. */
  readonly tokens: { readonly token: string; readonly length: number }[];
}

/** A room after a walk, with everybody's access token. */
export class WalkedRoom implements AsyncDisposable {
  readonly world: World;
  readonly #tokens = new Map<string, string>();
  readonly told = new Map<Reader, Told>();
  roomId = '';
  /** Knows everything that happened. */
  model = new NaiveVisibility([]);
  #count = 0;

  private constructor(world: World) {
    this.world = world;
  }

  static async walk({ joinRule, initial, steps, ignoring }: Walk): Promise<WalkedRoom> {
    const room = new WalkedRoom(await World.open());
    for (const name of [...readers, 'eve']) room.#tokens.set(name, await room.world.register(name));
    const state = (type: string, content: object) => ({ type, state_key: '', content });
    const { room_id } = await room.ok('alice', 'POST', '/createRoom', {
      preset: 'public_chat',
      initial_state: initial === undefined ? [] : [state('m.room.history_visibility', { history_visibility: initial })],
    });
    room.roomId = room_id as string;
    await room.ok('eve', 'POST', room.path('/join'), {});
    if (joinRule !== 'public') {
      await room.ok('alice', 'PUT', room.path('/state/m.room.join_rules/'), { join_rule: joinRule });
    }
    for (const reader of readers) room.told.set(reader, { events: [], tokens: [] });
    const said: string[] = [];
    for (const [index, next] of steps.entries()) {
      await room.#step(next, said);
      room.world.clock.advance(1000);
      if (index % 3 === 2) for (const walker of walkers) await room.#sync(walker);
    }
    room.model = new NaiveVisibility(await room.#everything());
    for (const reader of ignoring) {
      const path = `/user/${userId(reader)}/account_data/m.ignored_user_list`;
      await room.ok(reader, 'PUT', path, { ignored_users: { [userId('eve')]: {} } });
    }
    return room;
  }

  path(rest: string): string {
    return `/rooms/${encodeURIComponent(this.roomId)}${rest}`;
  }

  call(who: string, method: string, path: string, body?: unknown): Promise<Injected> {
    const token = this.#tokens.get(who);
    return this.world.call(method, path.startsWith('/_matrix') ? path : v3 + path, { token, body });
  }

  async ok(who: string, method: string, path: string, body?: unknown): Promise<Injected['json']> {
    const answer = await this.call(who, method, path, body);
    assert.equal(answer.status, 200, `${who}: ${method} ${path} answered ${answer.status}: ${answer.text}`);
    return answer.json;
  }

  /** As who saw all of it tells. */
  async #everything(): Promise<ClientEvent[]> {
    return (await this.ok('alice', 'GET', this.path('/messages?dir=f&limit=1000'))).chunk;
  }

  async #step(step: Step, said: string[]): Promise<void> {
    switch (step.kind) {
      case 'say':
        said.push(await this.#send(step.who, { msgtype: 'm.text', body: `word ${this.#count}` }));
        return;
      case 'topic':
        await this.ok(step.who, 'PUT', this.path('/state/m.room.topic/'), { topic: `topic ${this.#count++}` });
        return;
      case 'relate': {
        const to = said[step.to % Math.max(1, said.length)];
        if (to !== undefined) await this.#relate(step.who, step.how, to);
        return;
      }
      case 'visibility':
        await this.ok('alice', 'PUT', this.path('/state/m.room.history_visibility/'), {
          history_visibility: step.value,
        });
        return;
      case 'move':
        await this.#move(step.who, step.how);
    }
  }

  async #relate(who: string, how: Relation, to: string): Promise<void> {
    const relation = { rel_type: how, event_id: to };
    if (how === 'm.annotation') {
      const content = { 'm.relates_to': { ...relation, key: `${this.#count}` } };
      await this.#send(who, content, 'm.reaction');
      return;
    }
    const body = `word ${this.#count}`;
    const edit = how === 'm.replace' ? { 'm.new_content': { msgtype: 'm.text', body } } : {};
    await this.#send(who, { msgtype: 'm.text', body, 'm.relates_to': relation, ...edit });
  }

  /** Many a move is not possible at its time: then nothing happens. */
  async #move(who: string, how: Move): Promise<void> {
    const own = how === 'join' || how === 'leave' || how === 'knock';
    const path = how === 'knock' ? `/knock/${encodeURIComponent(this.roomId)}` : this.path(`/${how}`);
    const answer = await this.call(own ? who : 'alice', 'POST', path, own ? {} : { user_id: userId(who) });
    assert.ok([200, 403, 404, 400].includes(answer.status), `${how}: ${answer.text}`);
  }

  async #send(who: string, content: object, type = 'm.room.message'): Promise<string> {
    const { event_id } = await this.ok(who, 'PUT', this.path(`/send/${type}/t${this.#count++}`), content);
    return event_id as string;
  }

  async #sync(walker: Reader): Promise<void> {
    const told = this.told.get(walker) as Told;
    const filter = encodeURIComponent(JSON.stringify({ room: { timeline: { limit: 2 }, include_leave: true } }));
    const since = told.tokens.at(-1)?.token;
    const query = since === undefined ? '' : `&since=${since}`;
    const { next_batch, rooms } = await this.ok(walker, 'GET', `/sync?filter=${filter}${query}`);
    told.tokens.push({ token: next_batch, length: (await this.#everything()).length });
    for (const section of [rooms?.join, rooms?.leave]) {
      told.events.push(...(section?.[this.roomId]?.timeline?.events ?? []));
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.world[Symbol.asyncDispose]();
  }
}

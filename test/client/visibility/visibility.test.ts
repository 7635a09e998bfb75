import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import fc from 'fast-check';
import type { ClientEvent, NaiveVisibility } from './naive-visibility.ts';
import { type Reader, readers, userId, v1, type Walk, WalkedRoom, walks } from './visibility-walk.ts';

const enc = encodeURIComponent;

/** One reader in front of a room whose every event is known to the model. */
class Sight {
  readonly room: WalkedRoom;
  readonly model: NaiveVisibility;
  readonly reader: Reader;
  readonly events: readonly ClientEvent[];
  readonly #ignoresEve: boolean;

  constructor(room: WalkedRoom, model: NaiveVisibility, reader: Reader, ignoresEve: boolean) {
    this.room = room;
    this.model = model;
    this.reader = reader;
    this.events = model.events;
    this.#ignoresEve = ignoresEve;
  }

  get #user(): string {
    return userId(this.reader);
  }

  get isIn(): boolean {
    return this.model.membership(this.#user) === 'join';
  }

  /** Whether the room can be opened at all; an event by itself may be seen without. */
  get mayOpen(): boolean {
    return this.isIn || this.model.isWorldReadable || this.model.leftAt(this.#user) !== undefined;
  }

  /** The newest event of the state that the reader may see. */
  get until(): number {
    if (this.isIn || this.model.isWorldReadable) return this.events.length;
    return (this.model.leftAt(this.#user) ?? -1) + 1;
  }

  may(index: number): boolean {
    return this.model.maySee(this.#user, index);
  }

  isIgnored(event: ClientEvent): boolean {
    return this.#ignoresEve && event.sender === userId('eve') && event.state_key === undefined;
  }

  /** IDs of the events that may be seen, but for those of whom the reader ignores. */
  visible(isWanted: (event: ClientEvent) => boolean = () => true): string[] {
    return this.events
      .filter((event, index) => this.may(index) && !this.isIgnored(event) && isWanted(event))
      .map(({ event_id }) => event_id);
  }

  /** What may be told of as it happens: own member events too, which may be why the room is told of at all. */
  get seen(): ClientEvent[] {
    const isOwn = ({ type, state_key }: ClientEvent) => type === 'm.room.member' && state_key === this.#user;
    return this.events.filter((event, index) => this.may(index) || isOwn(event));
  }

  get(path: string) {
    return this.room.call(this.reader, 'GET', path);
  }

  /** The answer, or `undefined` where the room is rightly closed to the reader. */
  async open(path: string, status = 403) {
    const answer = await this.get(path);
    if (answer.status === status) {
      assert.ok(!this.mayOpen, `${this.reader}: ${path} is refused: ${answer.text}`);
      return undefined;
    }
    assert.equal(answer.status, 200, `${this.reader}: ${path}: ${answer.text}`);
    assert.ok(this.mayOpen, `${this.reader}: ${path} is open`);
    return answer.json;
  }
}

const idsOf = (events: readonly ClientEvent[]): string[] => events.map(({ event_id }) => event_id);

function assertAmong(some: readonly string[], all: readonly string[], what: string): void {
  assert.deepEqual(
    some.filter((id) => !all.includes(id)),
    [],
    what,
  );
}

const relatesTo = (event: ClientEvent) => event.content['m.relates_to'] ?? {};

type Check = (sight: Sight) => Promise<void>;

/** What each way to read a room has to hold to. */
const paths: Readonly<Record<string, Check>> = {
  async '/event'(s) {
    for (const [index, { event_id }] of s.events.entries()) {
      const { status } = await s.get(s.room.path(`/event/${enc(event_id)}`));
      assert.equal(status, s.may(index) ? 200 : 404, `${s.reader} at ${index}`);
    }
  },

  async '/events/{eventId}'(s) {
    for (const [index, { event_id }] of s.events.entries()) {
      const { status } = await s.get(`/events/${enc(event_id)}`);
      assert.equal(status, s.may(index) ? 200 : 404, `${s.reader} at ${index}`);
    }
  },

  async '/events'(s) {
    const seen = idsOf(s.seen);
    const from = s.room.told.get(s.reader)?.tokens[0]?.token;
    if (from === undefined) return;
    const inRoom = await s.get(`/events?timeout=0&from=${from}&room_id=${enc(s.room.roomId)}`);
    assert.equal(inRoom.status, s.mayOpen ? 200 : 403, `${s.reader}: ${inRoom.text}`);
    const everywhere = await s.get(`/events?timeout=0&from=${from}`);
    for (const { status, json } of [inRoom, everywhere]) {
      if (status !== 200) continue;
      const told = json.chunk.filter((event: ClientEvent) => event.event_id !== undefined);
      assertAmong(idsOf(told), seen, s.reader);
      for (const event of told) assert.ok(!s.isIgnored(event), `${s.reader}: of an ignored user`);
    }
  },

  async '/initialSync of the room'(s) {
    const snapshot = await s.open(s.room.path('/initialSync?limit=100'));
    if (snapshot === undefined) return;
    assertAmong(idsOf(snapshot.messages.chunk), s.visible(), `${s.reader}: messages`);
    assertAmong(idsOf(snapshot.state), idsOf(s.events.slice(0, s.until)), `${s.reader}: state of later`);
  },

  async '/messages'(s) {
    const before = s.events.slice(0, s.until);
    const must = s.visible((event) => before.includes(event));
    for (const dir of ['f', 'b']) {
      const all = await s.open(s.room.path(`/messages?dir=${dir}&limit=1000`));
      if (all === undefined) return;
      const seen = dir === 'f' ? idsOf(all.chunk) : idsOf(all.chunk).toReversed();
      assertAmong(seen, s.visible(), `${s.reader} ${dir}`);
      assertAmong(must, seen, `${s.reader} ${dir} misses`);
      const paged: string[] = [];
      for (let from = ''; ; ) {
        const page = await s.open(s.room.path(`/messages?dir=${dir}&limit=3${from}`));
        paged.push(...idsOf(page.chunk));
        if (page.end === undefined) break;
        from = `&from=${page.end}`;
      }
      assert.deepEqual(paged, idsOf(all.chunk), `${s.reader} ${dir} by threes`);
    }
  },

  async '/context'(s) {
    for (const [index, { event_id }] of s.events.entries()) {
      if (index % 4 !== 0) continue;
      const answer = await s.get(s.room.path(`/context/${enc(event_id)}?limit=6`));
      assert.equal(answer.status, s.may(index) ? 200 : 404, `${s.reader} at ${index}: ${answer.text}`);
      if (answer.status !== 200) continue;
      const { events_before, events_after, state } = answer.json;
      assertAmong(idsOf([...events_before, ...events_after]), s.visible(), `${s.reader} around ${index}`);
      const newest = Math.max(index, ...idsOf(events_after).map((id) => idsOf(s.events).indexOf(id)));
      for (const { event_id: id } of state) assert.ok(idsOf(s.events).indexOf(id) <= newest, 'no state of later');
    }
  },

  async '/state and /members'(s) {
    const state = await s.open(s.room.path('/state'));
    if (state === undefined) return;
    assertAmong(idsOf(state), idsOf(s.events.slice(0, s.until)), `${s.reader}: state of later`);
    for (const type of ['m.room.topic', 'm.room.history_visibility', 'm.room.join_rules']) {
      const expected = s.model.stateBefore(s.until, type);
      const answer = await s.get(s.room.path(`/state/${type}/`));
      assert.deepEqual(answer.status === 200 ? answer.json : undefined, expected?.content, `${s.reader}: ${type}`);
      assert.equal(state.find((event: ClientEvent) => event.type === type)?.event_id, expected?.event_id);
    }
    const { chunk } = await s.open(s.room.path('/members'));
    for (const name of ['alice', 'bob', 'carol', 'eve', 'dave']) {
      const expected = s.model.stateBefore(s.until, 'm.room.member', userId(name))?.event_id;
      const told = chunk.find((event: ClientEvent) => event.state_key === userId(name))?.event_id;
      assert.equal(told, expected, `${s.reader}: membership of ${name}`);
    }
    assert.equal((await s.get(s.room.path('/joined_members'))).status, s.isIn ? 200 : 403);
  },

  async '/members?at'(s) {
    for (const { token, length } of s.room.told.get(s.reader)?.tokens ?? []) {
      const answer = await s.get(s.room.path(`/members?at=${token}`));
      if (answer.status === 403) {
        assert.ok(!s.mayOpen || !s.may(length - 1), `${s.reader} at ${length}: ${answer.text}`);
        continue;
      }
      assert.equal(answer.status, 200, answer.text);
      const at = Math.min(length, s.until);
      for (const name of ['bob', 'carol']) {
        const expected = s.model.stateBefore(at, 'm.room.member', userId(name))?.event_id;
        const told = answer.json.chunk.find((event: ClientEvent) => event.state_key === userId(name))?.event_id;
        assert.equal(told, expected, `${s.reader}: membership of ${name} at ${length}`);
      }
    }
  },

  async '/search'(s) {
    const body = { search_categories: { room_events: { search_term: 'word', filter: { limit: 100 } } } };
    const answer = await s.room.ok(s.reader, 'POST', '/search', body);
    const found = answer.search_categories.room_events.results.map((one: ClientEvent) => one.result.event_id);
    const isWord = (event: ClientEvent) => event.type === 'm.room.message';
    assertAmong(found, s.visible(isWord), `${s.reader} finds`);
    if (!s.isIn) return;
    const isEdit = (event: ClientEvent) => relatesTo(event).rel_type === 'm.replace';
    assertAmong(
      s.visible((event) => isWord(event) && !isEdit(event)),
      found,
      `${s.reader} does not find`,
    );
  },

  async '/relations and what is bundled'(s) {
    for (const [index, root] of s.events.entries()) {
      const isChild = (event: ClientEvent) => relatesTo(event).event_id === root.event_id;
      if (!s.events.some(isChild)) continue;
      const answer = await s.get(`${v1}${s.room.path(`/relations/${enc(root.event_id)}?limit=100&dir=f`)}`);
      assert.equal(answer.status, s.may(index) ? 200 : 404, `${s.reader}: ${answer.text}`);
      if (answer.status !== 200) continue;
      assert.deepEqual(idsOf(answer.json.chunk), s.visible(isChild), `${s.reader}: related to ${index}`);
      const { unsigned } = (await s.get(s.room.path(`/event/${enc(root.event_id)}`))).json;
      const bundled = unsigned['m.relations'] ?? {};
      const by = (rel: string) => s.visible((event) => isChild(event) && relatesTo(event).rel_type === rel);
      assert.deepEqual(idsOf(bundled['m.reference']?.chunk ?? []), by('m.reference'), `${s.reader}: references`);
      assert.equal(bundled['m.thread']?.latest_event.event_id, by('m.thread').at(-1), `${s.reader}: thread`);
      assert.equal(bundled['m.thread']?.count ?? 0, by('m.thread').length, `${s.reader}: how much is in the thread`);
      const edits = s.visible(
        (event) => isChild(event) && relatesTo(event).rel_type === 'm.replace' && event.sender === root.sender,
      );
      if (!s.isIgnored(root)) assert.equal(bundled['m.replace']?.event_id, edits.at(-1), `${s.reader}: edit`);
    }
  },

  async '/threads'(s) {
    const list = await s.open(`${v1}${s.room.path('/threads?limit=100')}`);
    if (list === undefined) return;
    const hasReply = (root: ClientEvent) =>
      s.visible((event) => relatesTo(event).rel_type === 'm.thread' && relatesTo(event).event_id === root.event_id)
        .length > 0;
    const roots = idsOf(s.events.filter((root, index) => s.may(index) && hasReply(root)));
    for (const root of list.chunk) {
      // As clients show it that gather the thread by themselves.
      if (s.isIgnored(root)) assert.deepEqual(root.content, {}, `${s.reader}: of an ignored user`);
    }
    assert.deepEqual(idsOf(list.chunk).toSorted(), roots.toSorted(), `${s.reader}`);
  },

  async '/timestamp_to_event'(s) {
    const times = [...new Set(s.events.map(({ origin_server_ts }) => origin_server_ts as number))];
    for (const ts of times.filter((_, index) => index % 3 === 0)) {
      for (const dir of ['f', 'b'] as const) {
        const answer = await s.get(`${v1}${s.room.path(`/timestamp_to_event?ts=${ts}&dir=${dir}`)}`);
        if (answer.status === 403) return assert.ok(!s.mayOpen);
        const candidates = s.events
          .filter(({ origin_server_ts: at }, index) => s.may(index) && (dir === 'f' ? at >= ts : at <= ts))
          .map(({ origin_server_ts: at }) => at as number);
        const closest = dir === 'f' ? Math.min(...candidates) : Math.max(...candidates);
        assert.equal(answer.status, candidates.length > 0 ? 200 : 404, `${s.reader} ${dir} ${ts}`);
        if (answer.status !== 200) continue;
        assert.equal(answer.json.origin_server_ts, closest);
        assertAmong([answer.json.event_id], idsOf(s.events.filter((_, index) => s.may(index))), s.reader);
      }
    }
  },

  async '/sync'(s) {
    assertAmong(idsOf(s.room.told.get(s.reader)?.events ?? []), idsOf(s.seen), `${s.reader}: bit by bit`);
    const filter = enc(JSON.stringify({ room: { timeline: { limit: 100 }, include_leave: true } }));
    const { rooms } = await s.room.ok(s.reader, 'GET', `/sync?filter=${filter}`);
    const section = rooms?.join?.[s.room.roomId] ?? rooms?.leave?.[s.room.roomId];
    assert.equal(rooms?.join?.[s.room.roomId] !== undefined, s.isIn);
    if (section === undefined) return;
    const { events } = section.timeline;
    assertAmong(idsOf(events), idsOf(s.seen), `${s.reader}: all at once`);
    for (const event of events) assert.ok(!s.isIgnored(event), `${s.reader}: of an ignored user`);
    const until = s.isIn ? s.events.length : (s.model.leftAt(userId(s.reader)) ?? -1) + 1;
    assertAmong(idsOf(section.state?.events ?? []), idsOf(s.events.slice(0, until)), `${s.reader}: state of later`);
  },

  async '/room_summary and /hierarchy'(s) {
    const { join_rule: rule } = s.model.stateBefore(s.events.length, 'm.room.join_rules')?.content ?? {};
    const membership = s.model.membership(userId(s.reader)) ?? '';
    const isInvited = ['join', 'invite'].includes(membership);
    const isOpen = membership !== 'ban' && (['public', 'knock'].includes(rule) || s.model.isWorldReadable || isInvited);
    const summary = await s.get(`${v1}/room_summary/${enc(s.room.roomId)}`);
    assert.equal(summary.status, isOpen ? 200 : 404, `${s.reader}, ${membership}: ${summary.text}`);
    const hierarchy = await s.get(`${v1}${s.room.path('/hierarchy')}`);
    assert.equal(hierarchy.status, isOpen ? 200 : 403, `${s.reader}, ${membership}: ${hierarchy.text}`);
  },

  async '/notifications'(s) {
    const { notifications } = await s.room.ok(s.reader, 'GET', '/notifications?limit=100');
    const told = notifications.filter(({ room_id }: ClientEvent) => room_id === s.room.roomId);
    const seen = s.events.filter((_, index) => s.may(index));
    assertAmong(idsOf(told.map(({ event }: ClientEvent) => event)), idsOf(seen), s.reader);
  },
};

/** Rooms after as many walks; more of them, from another seed, by hand. */
const seed = Number(process.env['VISIBILITY_SEED'] ?? 4);
const numRuns = Number(process.env['VISIBILITY_WALKS'] ?? 6);

describe('who may see what of a room, by every way to read it', () => {
  const chosen: Walk[] = fc.sample(walks, { seed, numRuns });
  const rooms: WalkedRoom[] = [];
  before(async () => {
    for (const walk of chosen) rooms.push(await WalkedRoom.walk(walk));
  });
  after(async () => {
    for (const room of rooms) await room[Symbol.asyncDispose]();
  });

  for (const [path, check] of Object.entries(paths)) {
    it(path, async () => {
      for (const [index, room] of rooms.entries()) {
        for (const reader of readers) {
          const isIgnoring = chosen[index]?.ignoring.includes(reader) === true;
          await check(new Sight(room, room.model, reader, isIgnoring));
        }
      }
    });
  }
});

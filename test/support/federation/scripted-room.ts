import { notFound } from '../../../src/protocol/errors.ts';
import { authTypesFor } from '../../../src/protocol/event-auth/selection.ts';
import type { BuiltEvent } from '../../../src/protocol/events/build.ts';
import { eventIdOf, referenceHash } from '../../../src/protocol/events/hashes.ts';
import { type EventRef, type Pdu, refIds } from '../../../src/protocol/events/pdu.ts';
import { asEventId } from '../../../src/protocol/ids/event-id.ts';
import { asRoomId } from '../../../src/protocol/ids/room-id.ts';
import type { EventId, RoomId, UserId } from '../../../src/protocol/ids/types.ts';
import { serverOf } from '../../../src/protocol/ids/user-id.ts';
import type { RoomVersionRules } from '../../../src/protocol/room-versions.ts';
import type { JsonObject } from '../../../src/util/json.ts';
import { rulesOf, type ScriptedServer } from './scripted-server.ts';

interface Entry {
  readonly eventId: EventId;
  readonly pdu: Pdu;
  /** `type|state_key` to event ID, after the event. Forks are laid on each other: no resolution. */
  readonly after: ReadonlyMap<string, EventId>;
  readonly before: ReadonlyMap<string, EventId>;
}

/** What a test says about an event; the rest follows from the room. */
export interface ScriptedDraft {
  readonly type: string;
  /** The room's creator unless given. */
  readonly sender?: UserId;
  readonly stateKey?: string;
  readonly content?: JsonObject;
  /** The newest events unless given. */
  readonly prevEvents?: readonly EventId[];
  /** What the state before it prescribes unless given. */
  readonly authEvents?: readonly EventId[];
  readonly depth?: number;
  readonly redacts?: EventId;
  readonly ts?: number;
  /** Who signs it; the room's server unless given. */
  readonly by?: ScriptedServer;
}

/**
 * A room as a scripted server has it: it takes what it is given, and answers what other servers ask about the room.
 * Good enough for rooms whose forks do not conflict.
 */
export class ScriptedRoom {
  readonly server: ScriptedServer;
  readonly version: string;
  readonly rules: RoomVersionRules;
  readonly creator: UserId;
  roomId!: RoomId;
  readonly entries = new Map<EventId, Entry>();
  readonly #ends = new Set<EventId>();
  /** Whether it leaves the members out of the answer to a join that allows it. */
  omitsMembers = false;
  #count = 0;
  #ts = Date.UTC(2026, 10, 20);

  private constructor(server: ScriptedServer, version: string, creator: UserId) {
    this.server = server;
    this.version = version;
    this.rules = rulesOf(version);
    this.creator = creator;
  }

  /** A public room with one member, the creator. */
  static create(server: ScriptedServer, version: string, options: { readonly joinRule?: string } = {}): ScriptedRoom {
    const room = new ScriptedRoom(server, version, server.user('creator'));
    const { creator, rules } = room;
    if (!rules.roomIdIsCreateHash) room.roomId = asRoomId(`!scripted${version}:${server.name}`);
    const created = room.add({
      type: 'm.room.create',
      stateKey: '',
      content: { room_version: version, ...(rules.creatorFromSender ? {} : { creator }) },
    });
    if (rules.roomIdIsCreateHash) room.roomId = asRoomId(`!${created.eventId.slice(1)}`);
    room.add({ type: 'm.room.member', stateKey: creator, content: { membership: 'join' } });
    const users = rules.privilegedCreators ? {} : { [creator]: 100 };
    room.add({ type: 'm.room.power_levels', stateKey: '', content: { users, invite: 0 } });
    room.add({ type: 'm.room.join_rules', stateKey: '', content: { join_rule: options.joinRule ?? 'public' } });
    room.add({ type: 'm.room.history_visibility', stateKey: '', content: { history_visibility: 'shared' } });
    return room;
  }

  /** Builds an event of this server's users at the end of the room, or where it says, and keeps it. */
  add(draft: ScriptedDraft): BuiltEvent {
    const event = this.build(draft);
    this.take(event.pdu);
    return event;
  }

  /** The same without keeping it. */
  build(draft: ScriptedDraft): BuiltEvent {
    const prev = draft.prevEvents ?? [...this.#ends];
    const before = this.#stateAfter(prev);
    const sender = draft.sender ?? this.creator;
    const about = { type: draft.type, sender, content: draft.content ?? {} };
    const selectable = { ...about, ...(draft.stateKey === undefined ? {} : { stateKey: draft.stateKey }) };
    const auth =
      draft.authEvents ??
      authTypesFor(selectable, this.rules)
        .map(([type, key]) => before.get(`${type}|${key}`))
        .filter((id) => id !== undefined);
    const isRoot = draft.type === 'm.room.create' && this.rules.roomIdIsCreateHash;
    return (draft.by ?? this.server).event(
      {
        ...selectable,
        ...(isRoot ? {} : { roomId: this.roomId }),
        ...(draft.redacts === undefined ? {} : { redacts: draft.redacts }),
        ...(this.rules.eventIdFormat === 'v1'
          ? { eventId: asEventId(`$${++this.#count}:${(draft.by ?? this.server).name}`) }
          : {}),
        prevEvents: this.#refs(prev),
        authEvents: this.#refs(auth),
        depth: draft.depth ?? 1 + Math.max(0, ...prev.map((id) => this.entries.get(id)?.pdu.depth ?? 0)),
        originServerTs: draft.ts ?? this.#ts++,
      },
      this.version,
    );
  }

  /** Keeps an event, whoever made it, and puts it at the end of what it cites. */
  take(pdu: Pdu): EventId {
    const eventId = eventIdOf(pdu, this.rules);
    const prev = refIds(pdu.prev_events);
    const before = this.#stateAfter(prev);
    const after = new Map(before);
    if (pdu.state_key !== undefined) after.set(`${pdu.type}|${pdu.state_key}`, eventId);
    this.entries.set(eventId, { eventId, pdu, before, after });
    for (const id of prev) this.#ends.delete(id);
    this.#ends.add(eventId);
    return eventId;
  }

  /** The newest events. */
  get ends(): EventId[] {
    return [...this.#ends];
  }

  /** The current state's event under a key. */
  current(type: string, stateKey = ''): EventId | undefined {
    return this.#stateAfter(this.ends).get(`${type}|${stateKey}`);
  }

  pdu(id: EventId): Pdu {
    return this.#entry(id).pdu;
  }

  /** Answers other servers' questions about the room, and lets everybody join, knock and leave. */
  serve(server: ScriptedServer = this.server): this {
    const v1 = '/_matrix/federation/v1';
    server.on('GET', `${v1}/make_join/${this.roomId}/{}`, ({ params }) => this.#template(params[0], 'join'));
    server.on('GET', `${v1}/make_leave/${this.roomId}/{}`, ({ params }) => this.#template(params[0], 'leave'));
    server.on('GET', `${v1}/make_knock/${this.roomId}/{}`, ({ params }) => this.#template(params[0], 'knock'));
    server.on('PUT', `/_matrix/federation/v2/send_join/${this.roomId}/{}`, ({ body, query }) =>
      this.#join(body, this.omitsMembers && query.get('omit_members') === 'true'),
    );
    server.on('PUT', `/_matrix/federation/v2/send_leave/${this.roomId}/{}`, ({ body }) => (this.take(body), {}));
    server.on('PUT', `${v1}/send_knock/${this.roomId}/{}`, ({ body }) => (this.take(body), { knock_room_state: [] }));
    server.on('GET', `${v1}/state_ids/${this.roomId}`, ({ query }) => {
      const state = [...this.#entry(query.get('event_id')).before.values()];
      return { pdu_ids: state, auth_chain_ids: this.#authChain(state) };
    });
    server.on('GET', `${v1}/state/${this.roomId}`, ({ query }) => this.stateBefore(query.get('event_id')));
    server.on('GET', `${v1}/event_auth/${this.roomId}/{}`, ({ params }) => ({
      auth_chain: this.#pdus(this.#authChain([this.#entry(params[0]).eventId])),
    }));
    server.on('GET', `${v1}/event/{}`, ({ params }) => this.#transaction([this.#entry(params[0]).eventId]));
    server.on('GET', `${v1}/backfill/${this.roomId}`, ({ query }) => {
      const found = this.#walk(query.getAll('v'), new Set(), Number(query.get('limit')));
      return this.#transaction(found);
    });
    server.on('POST', `${v1}/get_missing_events/${this.roomId}`, ({ body }) => {
      const from = (body.latest_events as string[]).flatMap((id) => refIds(this.#entry(id).pdu.prev_events));
      const found = this.#walk(from, new Set(body.earliest_events), body.limit ?? 10);
      return { events: this.#pdus(found.reverse()) };
    });
    return this;
  }

  /** What a question for the state at an event is answered. */
  stateBefore(eventId: string | null): { pdus: JsonObject[]; auth_chain: JsonObject[] } {
    const state = [...this.#entry(eventId).before.values()];
    return { pdus: this.#pdus(state), auth_chain: this.#pdus(this.#authChain(state)) };
  }

  #template(user: string | undefined, membership: string): JsonObject {
    const sender = user as UserId;
    const draft = { type: 'm.room.member', sender, stateKey: sender, content: { membership } };
    const { hashes: _hashes, signatures: _signatures, ...event } = this.build(draft).pdu;
    return { event: event as JsonObject, room_version: this.version };
  }

  #join(pdu: Pdu, omits: boolean): JsonObject {
    const eventId = this.take(pdu);
    const all = [...this.#entry(eventId).before.values()];
    const state = omits ? all.filter((id) => this.pdu(id).type !== 'm.room.member') : all;
    return {
      origin: this.server.name,
      event: pdu as JsonObject,
      members_omitted: omits,
      ...(omits ? { servers_in_room: this.#servers(all) } : {}),
      state: this.#pdus(state),
      auth_chain: this.#pdus(this.#authChain([...state, eventId])),
    };
  }

  #servers(state: readonly EventId[]): string[] {
    const joined = state.map((id) => this.pdu(id)).filter(({ content }) => content['membership'] === 'join');
    return [...new Set(joined.map(({ sender }) => serverOf(sender)))];
  }

  #transaction(ids: readonly EventId[]): JsonObject {
    return { origin: this.server.name, origin_server_ts: this.#ts, pdus: this.#pdus(ids) };
  }

  #pdus(ids: readonly EventId[]): JsonObject[] {
    return ids.map((id) => this.#entry(id).pdu as JsonObject);
  }

  /** Newest first, breadth first. */
  #walk(from: readonly string[], without: ReadonlySet<string>, limit: number): EventId[] {
    const found: EventId[] = [];
    const queue = [...from];
    while (queue.length > 0 && found.length < limit) {
      const entry = this.entries.get(queue.shift() as EventId);
      if (entry === undefined || without.has(entry.eventId) || found.includes(entry.eventId)) continue;
      found.push(entry.eventId);
      queue.push(...refIds(entry.pdu.prev_events));
    }
    return found;
  }

  #authChain(ids: readonly EventId[]): EventId[] {
    const found = new Set<EventId>();
    const queue = ids.flatMap((id) => refIds(this.#entry(id).pdu.auth_events));
    for (const id of queue) {
      if (found.has(id)) continue;
      found.add(id);
      queue.push(...refIds(this.#entry(id).pdu.auth_events));
    }
    return [...found];
  }

  #stateAfter(ids: readonly EventId[]): Map<string, EventId> {
    return new Map(ids.flatMap((id) => [...(this.entries.get(id)?.after ?? [])]));
  }

  #refs(ids: readonly EventId[]): EventRef[] {
    if (!this.rules.refsAsPairs) return [...ids];
    return ids.map((id) => [id, { sha256: referenceHash(this.pdu(id) as unknown as JsonObject, this.rules) }]);
  }

  #entry(id: string | null | undefined): Entry {
    const entry = this.entries.get(id as EventId);
    if (entry === undefined) throw notFound(`no event ${id}`);
    return entry;
  }
}

import assert from 'node:assert/strict';
import type { SigningKeys } from '../../../src/admin/signing-keys.ts';
import { canonicalJson as canonical } from '../../../src/protocol/canonical-json.ts';
import { type BuiltEvent, buildEvent } from '../../../src/protocol/events/build.ts';
import { refIds } from '../../../src/protocol/events/pdu.ts';
import { asServerName } from '../../../src/protocol/ids/server-name.ts';
import type { EventId, UserId } from '../../../src/protocol/ids/types.ts';
import { asUserId } from '../../../src/protocol/ids/user-id.ts';
import type { SigningKey } from '../../../src/protocol/signing/keys.ts';
import type { EventNid, RoomNid } from '../../../src/store/nids.ts';
import type { ScriptedDraft, ScriptedRoom } from '../../support/federation/scripted-room.ts';
import type { ScriptedServer } from '../../support/federation/scripted-server.ts';
import { Universe } from '../../support/servers/universe.ts';
import type { World } from '../../support/servers/world.ts';

/** One of our servers, and a room of another server's that it enters without the handshake. */
export interface Entered extends AsyncDisposable {
  readonly universe: Universe;
  readonly world: World;
  readonly server: ScriptedServer;
}

export const own = 'a.test';

export async function openEntered(): Promise<Entered> {
  const universe = await Universe.open([own]);
  const server = universe.script('b.test');
  return {
    universe,
    world: universe.world(own),
    server,
    [Symbol.asyncDispose]: () => universe[Symbol.asyncDispose](),
  };
}

/** Adds messages `1` to `count` to a room; answers their IDs. */
export function talk(room: ScriptedRoom, count: number, from = 1): EventId[] {
  const ids: EventId[] = [];
  for (let n = from; n < from + count; n++) {
    ids.push(room.add({ type: 'm.room.message', content: { msgtype: 'm.text', body: `${n}` } }).eventId);
  }
  return ids;
}

/** An event of a user of ours at the end of the room, or where the draft says. */
export function eventOf(
  world: World,
  room: ScriptedRoom,
  sender: UserId,
  draft: Omit<ScriptedDraft, 'sender'>,
): BuiltEvent {
  const model = room.build({ ...draft, sender });
  const { pdu } = model;
  return buildEvent(
    {
      type: pdu.type,
      sender,
      content: pdu.content,
      ...(pdu.state_key === undefined ? {} : { stateKey: pdu.state_key }),
      roomId: room.roomId,
      prevEvents: pdu.prev_events,
      authEvents: pdu.auth_events,
      depth: pdu.depth,
      originServerTs: pdu.origin_server_ts,
      ...(room.rules.eventIdFormat === 'v1' ? { eventId: model.eventId.replace(':b.test', ':a.test') as EventId } : {}),
    },
    room.rules,
    { serverName: asServerName(own), key: ourKey(world) },
  );
}

function ourKey(world: World): SigningKey {
  return (world.hs.admin.signingKeys as SigningKeys).current;
}

/** Puts a user of ours into the room, as at the end of a handshake: state, then the join with a gap before it. */
export function enter(world: World, room: ScriptedRoom, localpart: string): EventId {
  const user = asUserId(`@${localpart}:${own}`);
  const join = eventOf(world, room, user, { type: 'm.room.member', stateKey: user, content: { membership: 'join' } });
  const { db, stores, streams, services } = world.hs;
  const { interning, roomState, extremities, events, timeline } = stores;
  const state = stateBefore(room, join);
  const nid = db.write(() => {
    const roomNid = interning.room(room.roomId);
    const known = { nid: roomNid, roomId: room.roomId, rules: room.rules };
    const chain = chainOf(room, [...state, join.eventId], join).map((id) => built(room, id));
    services.rooms.outliers.add(known, chain);
    const pos = streams.next();
    if (roomState.info(roomNid) === undefined) roomState.createRoom(roomNid, room.version, pos);
    else {
      extremities.replace(roomNid, extremities.forward(roomNid), []);
      roomState.reopenRoom(roomNid, pos);
      timeline.openSegment(roomNid, pos);
    }
    const changes = state.map((id) => {
      const event = interning.findEvent(id) as EventNid;
      return { key: events.row(event)?.stateKey as never, event };
    });
    roomState.applyCurrent(roomNid, pos, changes);
    const joinPos = streams.next();
    const missing = refIds(join.pdu.prev_events).map((id) => interning.event(id));
    const event = interning.event(join.eventId);
    services.rooms.input.commit({
      ...known,
      room: roomNid,
      event: join,
      nid: event,
      outcome: 'accepted',
      before: roomState.tip(roomNid),
      prevEvents: missing,
      authEvents: services.rooms.authJudge.cited(known, join),
      changes: [{ key: interning.stateKey('m.room.member', user), event }],
      pos: joinPos,
    });
    for (const parent of missing) {
      if (typeof events.row(parent)?.segment !== 'number') extremities.addBackward(roomNid, parent, event);
    }
    return roomNid;
  });
  assert.ok(nid);
  room.take(join.pdu);
  return join.eventId;
}

/** An event of the room arrives live; what it cites may be missing: then a gap opens. */
export function arrive(world: World, room: ScriptedRoom, eventId: EventId): void {
  const { db, stores, services } = world.hs;
  const { interning, roomState, events } = stores;
  db.write<void>(() => {
    const nid = interning.findRoom(room.roomId) as RoomNid;
    const known = { nid, roomId: room.roomId, rules: room.rules };
    const event = built(room, eventId);
    services.rooms.outliers.add(known, chainOf(room, [eventId], event).map((id) => built(room, id))); // biome-ignore format: short
    const prevEvents = refIds(event.pdu.prev_events).map((id) => interning.event(id));
    const gap = prevEvents.filter((parent) => typeof events.row(parent)?.segment !== 'number');
    const state = [...room.entries.get(eventId)!.before.values()];
    services.rooms.outliers.add(
      known,
      chainOf(room, state, event).map((id) => built(room, id)),
    );
    const changes = [...state, ...(event.pdu.state_key === undefined ? [] : [eventId])].map((id) => {
      const each = interning.event(id);
      return {
        key: (events.row(each)?.stateKey ?? interning.stateKey(event.pdu.type, event.pdu.state_key ?? '')) as never,
        event: each,
      };
    });
    const pos = world.hs.streams.next();
    roomState.applyCurrent(
      nid,
      pos,
      changes.filter(({ event: each }) => each !== interning.event(eventId)),
    );
    services.rooms.input.commit({
      ...known,
      room: nid,
      event,
      nid: interning.event(eventId),
      outcome: 'accepted',
      before: roomState.tip(nid),
      prevEvents,
      gap,
      authEvents: services.rooms.authJudge.cited(known, event),
      changes,
      pos: world.hs.streams.next(),
    });
  });
}

function built(room: ScriptedRoom, eventId: EventId): BuiltEvent & { redacted: boolean } {
  const pdu = room.pdu(eventId);
  return { pdu, eventId, canonical: canonical(pdu), redacted: false };
}

function stateBefore(room: ScriptedRoom, event: BuiltEvent): EventId[] {
  const before = new Map(refIds(event.pdu.prev_events).flatMap((id) => [...room.entries.get(id)!.after]));
  return [...before.values()];
}

/** Events and their auth chains, without the first one itself, ancestors first. */
function chainOf(room: ScriptedRoom, ids: readonly EventId[], without: BuiltEvent): EventId[] {
  const found = new Set<EventId>();
  const visit = (id: EventId) => {
    if (found.has(id)) return;
    const pdu = id === without.eventId ? without.pdu : room.pdu(id);
    for (const each of refIds(pdu.auth_events)) visit(each);
    found.add(id);
  };
  for (const id of ids) visit(id);
  found.delete(without.eventId);
  return [...found];
}

export interface Page {
  readonly chunk: readonly { event_id: EventId; type: string; content: { body?: string } }[];
  readonly start: string;
  readonly end?: string;
}

export function messages(world: World, token: string, room: ScriptedRoom, query = ''): Promise<Page> {
  return world.ok('GET', `/_matrix/client/v3/rooms/${encodeURIComponent(room.roomId)}/messages?dir=b${query}`, token);
}

/** Everything that paging leads to. */
export async function walk(
  world: World,
  token: string,
  room: ScriptedRoom,
  { limit = 40, dir = 'b', from }: { limit?: number; dir?: 'b' | 'f'; from?: string } = {},
): Promise<Page['chunk'][number][]> {
  const all: Page['chunk'][number][] = [];
  const path = `/_matrix/client/v3/rooms/${encodeURIComponent(room.roomId)}/messages`;
  let at = from;
  for (let pages = 0; pages < 200; pages++) {
    const page: Page = await world.ok(
      'GET',
      `${path}?dir=${dir}&limit=${limit}${at === undefined ? '' : `&from=${at}`}`,
      token,
    );
    all.push(...page.chunk);
    if (page.end === undefined) return all;
    at = page.end;
  }
  throw new Error('the walk does not end');
}

export const ids = (events: Page['chunk']): EventId[] => events.map(({ event_id }) => event_id);

export function bodies(events: Page['chunk']): string {
  return events
    .map(({ content }) => content.body)
    .filter((body) => body !== undefined)
    .join(' ');
}

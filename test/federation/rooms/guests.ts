import assert from 'node:assert/strict';
import { type BuiltEvent, completeEvent } from '../../../src/protocol/events/build.ts';
import { asEventId } from '../../../src/protocol/ids/event-id.ts';
import type { UserId } from '../../../src/protocol/ids/types.ts';
import type { JsonObject } from '../../../src/util/json.ts';
import { rulesOf, type ScriptedServer } from '../../support/federation/scripted-server.ts';
import type { Universe } from '../../support/servers/universe.ts';

export const own = 'a.test';
export const versions = Array.from({ length: 12 }, (_, n) => `${n + 1}`);

/** Versions as they stand in a query. */
export const allVersions = versions.map((version) => `ver=${version}`).join('&');

const enc = encodeURIComponent;

/** A room of a Hearth server, made by a user of it. */
export interface HostedRoom {
  readonly token: string;
  readonly creator: UserId;
  readonly roomId: string;
  readonly version: string;
}

/** A room on `a.test` that anybody may join if `options` do not say otherwise. */
export async function host(
  universe: Universe,
  version: string,
  options: JsonObject = {},
  name = `creator${version}`,
): Promise<HostedRoom> {
  const world = universe.world(own);
  const token = await world.register(name);
  const made = await world.ok('POST', '/_matrix/client/v3/createRoom', token, {
    preset: 'public_chat',
    room_version: version,
    ...options,
  });
  return { token, creator: `@${name}:${own}` as UserId, roomId: made.room_id as string, version };
}

export async function setState(universe: Universe, room: HostedRoom, type: string, content: JsonObject, key = '') {
  const path = `/_matrix/client/v3/rooms/${enc(room.roomId)}/state/${type}/${enc(key)}`;
  return (await universe.world(own).ok('PUT', path, room.token, content)).event_id as string;
}

let txn = 0;
export async function say(universe: Universe, room: HostedRoom, body: string): Promise<string> {
  const path = `/_matrix/client/v3/rooms/${enc(room.roomId)}/send/m.room.message/t${txn++}`;
  return (await universe.world(own).ok('PUT', path, room.token, { msgtype: 'm.text', body })).event_id as string;
}

/** Asks for a template: `make_join`, `make_leave`, `make_knock`. */
export function make(server: ScriptedServer, kind: string, room: HostedRoom, user: UserId, query = allVersions) {
  return server.request(own, 'GET', `/_matrix/federation/v1/make_${kind}/${enc(room.roomId)}/${enc(user)}?${query}`);
}

/** The template as its server completes it. */
export function complete(server: ScriptedServer, template: JsonObject, version: string): BuiltEvent {
  const rules = rulesOf(version);
  const eventId = rules.eventIdFormat === 'v1' ? { event_id: asEventId(`$made${txn++}:${server.name}`) } : {};
  return completeEvent({ ...template, ...eventId }, rules, { serverName: server.name, key: server.key });
}

/** Hands an event in: `send_join`, `send_leave`, `send_knock`. */
export function handIn(server: ScriptedServer, path: string, room: HostedRoom, event: BuiltEvent, query = '') {
  const uri = `/_matrix/federation/${path}/${enc(room.roomId)}/${enc(event.eventId)}${query}`;
  return server.request(own, 'PUT', uri, event.pdu as unknown as JsonObject);
}

/** The whole handshake, which must succeed. */
export async function join(server: ScriptedServer, room: HostedRoom, user: UserId, query = '') {
  const made = await make(server, 'join', room, user);
  assert.equal(made.status, 200, JSON.stringify(made.json));
  const event = complete(server, made.json.event as JsonObject, room.version);
  const answer = await handIn(server, 'v2/send_join', room, event, query);
  assert.equal(answer.status, 200, JSON.stringify(answer.json));
  return { event, answer: answer.json };
}

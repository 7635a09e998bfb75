import assert from 'node:assert/strict';
import { canonicalJson } from '../../../src/protocol/canonical-json.ts';
import type { BuiltEvent } from '../../../src/protocol/events/build.ts';
import { type Pdu, refIds } from '../../../src/protocol/events/pdu.ts';
import type { EventId, UserId } from '../../../src/protocol/ids/types.ts';
import { asUserId } from '../../../src/protocol/ids/user-id.ts';
import { parseExactJson } from '../../../src/protocol/parse-json.ts';
import { eventFlags } from '../../../src/store/events/flags.ts';
import type { JsonObject } from '../../../src/util/json.ts';
import { ScriptedRoom } from '../../support/federation/scripted-room.ts';
import type { ScriptedServer } from '../../support/federation/scripted-server.ts';
import type { World } from '../../support/servers/world.ts';

/** Which of its stored forms an event has. */
export type Stored = 'unknown' | 'accepted' | 'soft-failed' | 'rejected' | 'outlier' | 'rejected outlier' | 'deferred';

/**
 * A room of a scripted server in which a user of a whole server is, too. The whole server was given the room's events
 * by hand, so that nothing but receiving is under test.
 */
export class SharedRoom {
  readonly world: World;
  readonly scripted: ScriptedRoom;
  /** The user of the whole server, with an access token. */
  readonly alice: UserId;
  readonly token: string;

  private constructor(world: World, scripted: ScriptedRoom, token: string) {
    this.world = world;
    this.scripted = scripted;
    this.alice = asUserId(`@alice:${world.hs.services.server.serverName}`);
    this.token = token;
  }

  static async open(world: World, server: ScriptedServer, version: string, token?: string): Promise<SharedRoom> {
    const scripted = ScriptedRoom.create(server, version).serve();
    const room = new SharedRoom(world, scripted, token ?? (await world.register('alice')));
    room.#seed();
    room.local('m.room.member', { membership: 'join' }, room.alice);
    return room;
  }

  #seed(): void {
    const { db, stores, streams, services } = this.world.hs;
    const { interning, roomState } = stores;
    db.write<void>(() => {
      const room = interning.room(this.scripted.roomId);
      const pos = streams.next();
      roomState.createRoom(room, this.scripted.version, pos);
      let at: typeof pos | undefined = pos;
      for (const { eventId, pdu } of this.scripted.entries.values()) {
        services.rooms.input.commit({
          room,
          rules: this.scripted.rules,
          event: { eventId, pdu, canonical: canonicalOf(pdu) },
          nid: interning.event(eventId),
          outcome: 'accepted',
          before: roomState.tip(room),
          prevEvents: refIds(pdu.prev_events).map((id) => interning.event(id)),
          authEvents: services.rooms.authJudge.cited(this.known, { eventId, pdu, canonical: '' }),
          changes: [{ key: interning.stateKey(pdu.type, pdu.state_key ?? ''), event: interning.event(eventId) }],
          ...(at === undefined ? {} : { pos: at }),
        });
        at = undefined;
      }
    });
  }

  get known() {
    return this.world.hs.services.rooms.known.get(this.scripted.roomId);
  }

  /** An event of the whole server's user, which the scripted server gets, too. */
  local(type: string, content: JsonObject, stateKey?: string): EventId {
    const { db, services } = this.world.hs;
    const draft = { type, content, ...(stateKey === undefined ? {} : { stateKey }) };
    const { pdu } = db.write(() => services.rooms.localInput.append(this.known, this.alice, draft));
    return this.scripted.take(pdu);
  }

  /** Sends events as one transaction; answers what the scripted server is told of each. */
  async send(...events: readonly (BuiltEvent | Pdu)[]): Promise<Record<string, { error?: string }>> {
    const pdus = events.map((event) => ('canonical' in event ? parseExactJson(event.canonical as string) : event));
    const { status, json } = await this.scripted.server.send(this.world.hs.services.server.serverName, pdus);
    assert.equal(status, 200, JSON.stringify(json));
    return (json as { pdus: Record<string, { error?: string }> }).pdus;
  }

  /** What became of an event. */
  stored(eventId: EventId): Stored {
    const { interning, events, deferredPdus } = this.world.hs.stores;
    const nid = interning.findEvent(eventId);
    if (nid === undefined) return 'unknown';
    const flags = events.row(nid)?.flags;
    if (flags === undefined) return deferredPdus.find(nid) === undefined ? 'unknown' : 'deferred';
    if ((flags & eventFlags.OUTLIER) !== 0) return (flags & eventFlags.REJECTED) !== 0 ? 'rejected outlier' : 'outlier';
    if ((flags & eventFlags.REJECTED) !== 0) return 'rejected';
    return (flags & eventFlags.SOFT_FAILED) !== 0 ? 'soft-failed' : 'accepted';
  }

  /** The current state as the whole server has it: `type|state key` to event ID. */
  state(): Map<string, EventId> {
    const { interning, roomState } = this.world.hs.stores;
    const entries = [...roomState.currentAll(this.known.nid)].map(([key, nid]): [string, EventId] => {
      const { type, skey } = interning.stateKeyOf(key);
      return [`${type}|${skey}`, interning.eventId(nid)];
    });
    return new Map(entries.sort(([a], [b]) => (a < b ? -1 : 1)));
  }

  /** The ends of the room. */
  ends(): EventId[] {
    const { interning, extremities } = this.world.hs.stores;
    return extremities.forward(this.known.nid).map((nid) => interning.eventId(nid));
  }

  /** What alice is shown of the room since a token. */
  // oxlint-disable-next-line typescript/no-explicit-any -- answers of every form
  async sync(since?: string): Promise<any> {
    const from = since === undefined ? '' : `&since=${since}`;
    const answer = await this.world.ok('GET', `/_matrix/client/v3/sync?timeout=0${from}`, this.token);
    return { next: answer.next_batch, room: answer.rooms?.join?.[this.scripted.roomId] };
  }
}

function canonicalOf(pdu: Pdu): string {
  return canonicalJson(pdu);
}

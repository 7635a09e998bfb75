import assert from 'node:assert/strict';
import type { EventId } from '../../../src/protocol/ids/types.ts';
import type { KnownRoom } from '../../../src/rooms/known-rooms.ts';
import type { EventRow } from '../../../src/store/events/event-row.ts';
import { type ScriptedDraft, ScriptedRoom } from '../../support/federation/scripted-room.ts';
import type { ScriptedServer } from '../../support/federation/scripted-server.ts';
import { Universe } from '../../support/servers/universe.ts';
import type { World } from '../../support/servers/world.ts';
import { Guest } from '../joining/joining-world.ts';

const own = 'a.test';

export const statePath = '/_matrix/federation/v1/state/{}';

/** A room on two scripted servers that leaves its members out of the answer to a join, and who joins it. */
export class PartialStage {
  readonly universe: Universe;
  readonly x: ScriptedServer;
  readonly y: ScriptedServer;
  readonly room: ScriptedRoom;
  readonly alice: Guest;
  readonly world: World;

  private constructor(universe: Universe, parts: Pick<PartialStage, 'x' | 'y' | 'room' | 'alice'>) {
    this.universe = universe;
    this.world = universe.world('a.test');
    this.x = parts.x;
    this.y = parts.y;
    this.room = parts.room;
    this.alice = parts.alice;
  }

  /** The room has its creator, nine more of x.test and ten of y.test. */
  static async open(universe: Universe, version = '11'): Promise<PartialStage> {
    const x = universe.script('x.test');
    const y = universe.script('y.test');
    // What our server has to tell of the user who joined may come at any moment: who refuses it is left alone for a while.
    for (const server of [x, y]) server.on('PUT', '/_matrix/federation/v1/send/{}', () => ({ pdus: {} }));
    const room = ScriptedRoom.create(x, version).serve().serve(y);
    room.omitsMembers = true;
    for (let n = 1; n < 10; n++) joins(room, x, `m${n}`);
    for (let n = 0; n < 10; n++) joins(room, y, `n${n}`);
    const alice = await Guest.register(universe.world('a.test'), 'alice');
    return new PartialStage(universe, { x, y, room, alice });
  }

  /** Joins, and answers when the user is told so. */
  async join(): Promise<void> {
    const { status, json } = await this.alice.join(this.room.roomId, ['x.test', 'y.test']);
    if (status !== 200) throw new Error(JSON.stringify(json));
  }

  /** Has a server keep the state back; the answer lets it go on. */
  holdState(server: ScriptedServer = this.x): () => void {
    const { promise, resolve } = Promise.withResolvers<void>();
    server.on('GET', statePath, async ({ query }) => {
      await promise;
      return this.room.stateBefore(query.get('event_id'));
    });
    return resolve;
  }

  get known(): KnownRoom {
    return this.world.hs.services.rooms.known.get(this.room.roomId);
  }

  get isPartial(): boolean {
    return this.world.hs.stores.partialRooms.has(this.known.nid);
  }

  /** Until all members are here. */
  complete(): Promise<void> {
    return this.universe.until(() => !this.isPartial, 'that the room is complete');
  }

  /** The joined members as our server has them. */
  members(): string[] {
    const { roomState, interning } = this.world.hs.stores;
    return roomState
      .joinedMembers(this.known.nid, { limit: 5000 })
      .map(({ user }) => interning.userId(user))
      .sort();
  }

  current(type: string, stateKey = ''): string | undefined {
    const { roomState, interning } = this.world.hs.stores;
    const key = interning.findStateKey(type, stateKey);
    const event = key === undefined ? undefined : roomState.current(this.known.nid, key);
    return event === undefined ? undefined : interning.eventId(event);
  }
}

export function joins(room: ScriptedRoom, server: ScriptedServer, name: string) {
  const sender = server.user(name);
  return room.add({ type: 'm.room.member', sender, stateKey: sender, content: { membership: 'join' }, by: server });
}

/** Alice is in the room; its members are kept back until `goOn` is called. */
export class Entered implements AsyncDisposable {
  readonly stage: PartialStage;
  readonly universe: Universe;
  readonly #goOn: () => void;

  private constructor(universe: Universe, stage: PartialStage, goOn: () => void) {
    this.universe = universe;
    this.stage = stage;
    this.#goOn = goOn;
  }

  static async open(prepare: (stage: PartialStage) => void = () => {}): Promise<Entered> {
    const universe = await Universe.open([own]);
    const stage = await PartialStage.open(universe);
    prepare(stage);
    const goOn = stage.holdState();
    await stage.join();
    assert.ok(stage.isPartial);
    return new Entered(universe, stage, goOn);
  }

  /** Somebody says or does something at the end of the room, and tells us. */
  async tells(by: ScriptedServer, draft: ScriptedDraft): Promise<EventId> {
    const { eventId, pdu } = this.stage.room.add({ by, ...draft });
    assert.equal((await by.send(own, [pdu])).status, 200);
    return eventId;
  }

  says(by: ScriptedServer, name: string, body: string): Promise<EventId> {
    return this.tells(by, { type: 'm.room.message', sender: by.user(name), content: { msgtype: 'm.text', body } });
  }

  row(id: EventId): EventRow {
    const { events, interning } = this.stage.world.hs.stores;
    const row = events.row(interning.event(id));
    if (row === undefined) throw new Error('there is no such event');
    return row;
  }

  path(rest: string): string {
    return `/rooms/${encodeURIComponent(this.stage.room.roomId)}/${rest}`;
  }

  async complete(): Promise<void> {
    this.#goOn();
    await this.stage.complete();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#goOn();
    await this.universe[Symbol.asyncDispose]();
  }
}

/** Of the only room in an answer to /sync. */
// oxlint-disable-next-line typescript/no-explicit-any -- answers of every form
export const only = (answer: any) => Object.values(answer.rooms?.join ?? {})[0] as any;

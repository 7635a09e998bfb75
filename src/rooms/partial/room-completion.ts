import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Database } from '../../store/db.ts';
import type { Extremities } from '../../store/events/extremities.ts';
import type { RoomNid, ServerNid, StreamPos } from '../../store/nids.ts';
import type { PartialRooms } from '../../store/rooms/partial-rooms.ts';
import type { RoomInfo } from '../../store/state/room-info.ts';
import type { RoomStateStore } from '../../store/state/room-state-store.ts';
import type { Streams } from '../../streams/streams.ts';
import type { KeyedQueue } from '../../util/keyed-queue.ts';
import type { RoomInput } from '../input/input.ts';
import type { KnownRoom } from '../known-rooms.ts';
import type { StateEngine } from '../state/state-engine.ts';
import type { PartialState } from './partial-state.ts';

/** What takes in events of rooms. */
export interface RoomReceiver {
  readonly lanes: KeyedQueue<RoomNid>;
  /** See `Receiver.revisit`. */
  revisit(room: KnownRoom): Promise<void>;
  /** Events that waited for the room to be complete are tried again. */
  retryDeferred(room: RoomNid): void;
}

export interface RoomCompletionUses {
  readonly db: Database;
  readonly input: Pick<RoomInput, 'correct'>;
  readonly extremities: Extremities;
  readonly roomState: RoomStateStore;
  readonly partialRooms: PartialRooms;
  readonly streams: Streams;
  readonly stateEngine: StateEngine;
  readonly partialState: PartialState;
  readonly receiver: () => RoomReceiver;
}

interface Completed {
  readonly pos: StreamPos;
  readonly info: RoomInfo;
}

/** Servers looked at in one write. */
const serversTogether = 200;

/** Makes a room whose state is all here one like any other. */
export class RoomCompletion {
  readonly #uses: RoomCompletionUses;

  constructor(uses: RoomCompletionUses) {
    this.#uses = uses;
  }

  /** Answers what the room is now. Whatever interrupts it, it can be called again. Throws if too much waits for the room. */
  async complete(room: KnownRoom, signal: AbortSignal): Promise<RoomInfo> {
    const { partialState } = this.#uses;
    const receiver = this.#uses.receiver();
    const work = async (): Promise<Completed> => {
      await this.#settleServers(room.nid);
      while (true) {
        signal.throwIfAborted();
        await receiver.revisit(room);
        const done = await this.#end(room);
        if (done !== undefined) return done;
      }
    };
    const done = receiver.lanes.run(room.nid, work);
    if (done === undefined) throw new Error('too much waits for the room');
    const { pos, info } = await done;
    partialState.completed(room.nid, pos);
    receiver.retryDeferred(room.nid);
    return info;
  }

  /** Servers that have somebody in the room need nobody's word any more. */
  async #settleServers(room: RoomNid): Promise<void> {
    const { db, roomState } = this.#uses;
    let after: ServerNid | 0 = 0;
    while (true) {
      const page = roomState.servers.told(room, after, serversTogether);
      const last = page.at(-1);
      if (last === undefined) return;
      after = last.server;
      db.write<void>(() => {
        for (const told of page) if (told.joined > 0) roomState.servers.settleTold(room, told);
      });
      await nextTurn();
    }
  }

  /** One durable write, after which the room is complete. `undefined`: our own users have said something meanwhile. */
  async #end(room: KnownRoom): Promise<Completed | undefined> {
    const { db } = this.#uses;
    return db.durable<Completed | undefined>(() => {
      const { streams, stateEngine, extremities, roomState, partialRooms } = this.#uses;
      if (!partialRooms.has(room.nid)) throw new Error('the room was left');
      if (partialRooms.events(room.nid, 1).length > 0) return undefined;
      stateEngine.forgetResolved(room.nid);
      this.#uses.input.correct(room.nid, stateEngine.settle(room, extremities.forward(room.nid)));
      const pos = streams.next();
      roomState.endTold(room.nid, pos);
      partialRooms.complete(room.nid, pos);
      streams.touchRoom(room.nid);
      for (const user of roomState.localJoined(room.nid)) streams.touchUser(user);
      const info = roomState.info(room.nid);
      if (info === undefined) throw new Error('a room without a row cannot be complete');
      return { pos, info };
    });
  }
}

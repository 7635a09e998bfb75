import type { ServerRooms } from '../../store/federation/server-rooms.ts';
import type { RoomNid, ServerNid, StreamPos } from '../../store/nids.ts';
import type { Streams } from '../../streams/streams.ts';
import type { Clock } from '../../util/clock.ts';
import type { Edu, EduPage, EduSource } from './edu-source.ts';

/** After so many milliseconds nobody wants to know any more that somebody began to type. */
const stale = 30_000;
/** Entries kept, some 200 bytes each: more people than type on a small server in that time. The oldest go first. */
const maxEntries = 500;

interface Entry {
  readonly room: RoomNid;
  readonly edu: Edu;
  readonly pos: StreamPos;
  /** Monotonic. */
  readonly at: number;
}

export interface EphemeralEdusUses {
  readonly streams: Streams;
  readonly clock: Clock;
  readonly serverRooms: ServerRooms;
}

/** What is told now or never, to the servers that are in a room: the newest of each kind, room and user, in memory. */
export class EphemeralEdus implements EduSource {
  readonly #uses: EphemeralEdusUses;
  /** Ordered by position. */
  readonly #entries = new Map<string, Entry>();

  constructor(uses: EphemeralEdusUses) {
    this.#uses = uses;
  }

  /** Takes the place of what was said before of the same user (`content.user_id`) in the room. */
  add(room: RoomNid, edu: Edu): void {
    const key = JSON.stringify([room, edu.edu_type, edu.content['user_id']]);
    this.#entries.delete(key);
    for (const oldest of this.#entries.keys()) {
      if (this.#entries.size < maxEntries) break;
      this.#entries.delete(oldest);
    }
    const { streams, clock } = this.#uses;
    this.#entries.set(key, { room, edu, pos: streams.next(), at: clock.monotonic() });
  }

  servers(from: StreamPos, to: StreamPos, after: ServerNid | 0, limit: number): ServerNid[] {
    const rooms = new Set(this.#within(from, to).map(({ room }) => room));
    const servers = new Set<ServerNid>();
    for (const room of rooms) {
      for (const { server } of this.#uses.serverRooms.page(room, to, to, after, limit)) servers.add(server);
    }
    return [...servers].sort((a, b) => a - b).slice(0, limit);
  }

  read(server: ServerNid, from: StreamPos, to: StreamPos, limit: number): EduPage {
    const entries = this.#within(from, to).filter(({ room }) => this.#uses.serverRooms.isIn(room, server, to));
    const edus = entries.slice(0, limit).map(({ edu }) => edu);
    // What does not fit is soon as good as never said.
    return { edus, upTo: to };
  }

  #within(from: StreamPos, to: StreamPos): Entry[] {
    const oldest = this.#uses.clock.monotonic() - stale;
    const found: Entry[] = [];
    for (const [key, entry] of this.#entries) {
      if (entry.at < oldest) this.#entries.delete(key);
      else if (entry.pos > from && entry.pos <= to) found.push(entry);
    }
    return found;
  }
}

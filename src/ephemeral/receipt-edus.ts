import type { Edu, EduPage, EduSource } from '../federation/queue/edu-source.ts';
import { SpanMemo } from '../federation/queue/span-memo.ts';
import type { ServerName } from '../protocol/ids/types.ts';
import {
  mainThread,
  type ReceiptRow,
  type ReceiptStore,
  receiptKinds,
  unthreaded,
} from '../store/ephemeral/receipts.ts';
import type { ServerRooms } from '../store/federation/server-rooms.ts';
import type { Interning } from '../store/interning/interning.ts';
import type { RoomNid, ServerNid, StreamPos } from '../store/nids.ts';
import type { Clock } from '../util/clock.ts';
import type { JsonObject } from '../util/json.ts';

export interface ReceiptEdusUses {
  readonly receipts: ReceiptStore;
  readonly serverRooms: ServerRooms;
  readonly interning: Interning;
  readonly serverName: ServerName;
  readonly clock: Clock;
}

type Receipt = ReceiptRow & { readonly room: RoomNid };

/** Receipts of our users in a stretch, which goes up to `end`. */
interface Stretch {
  readonly ours: readonly Receipt[];
  readonly end: StreamPos;
}

/** Receipts looked at in one go, of whomever. */
const lookedAt = 1000;
/** Receipts in one EDU: some 10 kB. */
const perEdu = 100;

/**
 * Read receipts of our users, for the servers in their rooms: the latest of each user, room and thread, as the table
 * has no others. Private ones are for nobody.
 * @see https://spec.matrix.org/v1.19/server-server-api/#receipts
 */
export class ReceiptEdus implements EduSource {
  readonly #uses: ReceiptEdusUses;
  readonly #memo: SpanMemo<Stretch>;

  constructor(uses: ReceiptEdusUses) {
    this.#uses = uses;
    this.#memo = new SpanMemo(uses.clock);
  }

  servers(from: StreamPos, to: StreamPos, after: ServerNid | 0, limit: number): ServerNid[] {
    const rooms = new Set<RoomNid>();
    for (let at = from; at < to; ) {
      const page = this.#uses.receipts.page(at, to, lookedAt);
      for (const receipt of page) if (this.#isOurs(receipt)) rooms.add(receipt.room);
      at = page.length < lookedAt ? to : (page.at(-1)?.pos ?? to);
    }
    const servers = new Set<ServerNid>();
    for (const room of rooms) {
      for (const { server } of this.#uses.serverRooms.page(room, to, to, after, limit)) servers.add(server);
    }
    return [...servers].sort((a, b) => a - b).slice(0, limit);
  }

  read(server: ServerNid, from: StreamPos, to: StreamPos, limit: number): EduPage {
    const { ours, end } = this.#memo.get(from, to, () => this.#read(from, to));
    let upTo = end;
    const edus = new ReceiptWriter(this.#uses.interning);
    const rooms = new Map<RoomNid, boolean>();
    let before = from;
    for (const receipt of ours) {
      const isIn = rooms.get(receipt.room) ?? this.#uses.serverRooms.isIn(receipt.room, server, to);
      rooms.set(receipt.room, isIn);
      if (isIn && !edus.add(receipt, limit)) {
        upTo = before;
        break;
      }
      before = receipt.pos;
    }
    return { edus: edus.edus, upTo };
  }

  forget(): void {
    this.#memo.forget();
  }

  #read(from: StreamPos, to: StreamPos): Stretch {
    const page = this.#uses.receipts.page(from, to, lookedAt);
    const last = page.at(-1);
    const end = page.length < lookedAt || last === undefined ? to : last.pos;
    return { ours: page.filter((receipt) => this.#isOurs(receipt)), end };
  }

  #isOurs({ kind, user }: Receipt): boolean {
    const { interning, serverName } = this.#uses;
    return kind === receiptKinds['m.read'] && interning.serverName(interning.userServer(user)) === serverName;
  }
}

/** Puts receipts together: one EDU holds one receipt of each user in each room. */
class ReceiptWriter {
  readonly edus: Edu[] = [];
  readonly #interning: Interning;
  #rooms: Record<string, { 'm.read': JsonObject }> = {};
  #count = perEdu;

  constructor(interning: Interning) {
    this.#interning = interning;
  }

  /** False if it needs one more EDU than `limit`. */
  add(receipt: Receipt, limit: number): boolean {
    const interning = this.#interning;
    const room = interning.roomId(receipt.room);
    const user = interning.userId(receipt.user);
    if (this.#count >= perEdu || this.#rooms[room]?.['m.read'][user] !== undefined) {
      if (this.edus.length >= limit) return false;
      this.#rooms = {};
      this.#count = 0;
      this.edus.push({ edu_type: 'm.receipt', content: this.#rooms });
    }
    const { thread, ts } = receipt;
    const named = thread === mainThread ? 'main' : thread === unthreaded ? undefined : interning.eventId(thread);
    const data = { ts, ...(named === undefined ? {} : { thread_id: named }) };
    (this.#rooms[room] ??= { 'm.read': {} })['m.read'][user] = { data, event_ids: [interning.eventId(receipt.event)] };
    this.#count++;
    return true;
  }
}

import type { Typing } from '../ephemeral/typing.ts';
import type { EventId } from '../protocol/ids/types.ts';
import {
  mainThread,
  type ReceiptKind,
  type ReceiptRow,
  type ReceiptStore,
  receiptKinds,
  unthreaded,
} from '../store/ephemeral/receipts.ts';
import type { Interning } from '../store/interning/interning.ts';
import type { RoomNid } from '../store/nids.ts';
import type { Turn } from './turn.ts';

/** Receipts told when a room is new to the client: the newest. More are of people long gone from its timeline. */
const newestReceipts = 500;
/** Receipts in one answer for one room; a room with more changes tells the newest. */
const maxReceipts = 2000;

/** For clients of before a restart, which forgot who was typing: told with whatever else the room has to tell. */
const nobodyTypes = '"content":{"user_ids":[]}}';

export interface EphemeralUses {
  readonly interning: Interning;
  readonly typing: Typing;
  readonly receipts: ReceiptStore;
}

/** The `ephemeral` section of a joined room: who types, and who has read what. */
export class RoomEphemeral {
  readonly #uses: EphemeralUses;

  constructor(uses: EphemeralUses) {
    this.#uses = uses;
  }

  /**
   * The events as JSON texts with commas between; '' for none. `full`: the room is new to the client. `more`: further
   * members of each event, with a comma behind.
   */
  text(turn: Turn, room: RoomNid, full: boolean, more = ''): string {
    const filter = turn.filter.room.ephemeral;
    if (filter.nothing || !filter.rooms.allows(this.#uses.interning.roomId(room))) return '';
    const typing = filter.allowsType('m.typing') ? this.#typing(turn, room, full, `{"type":"m.typing",${more}`) : '';
    const receipts = filter.allowsType('m.receipt')
      ? this.#receipts(turn, room, full, `{"type":"m.receipt",${more}`)
      : '';
    return typing !== '' && receipts !== '' ? `${typing},${receipts}` : typing + receipts;
  }

  #typing(turn: Turn, room: RoomNid, full: boolean, head: string): string {
    const { typing, interning } = this.#uses;
    const pos = typing.changedAt(room);
    if (pos === undefined) return !full && turn.from < typing.since ? head + nobodyTypes : '';
    if (pos > turn.now) return '';
    const users = typing.users(room).filter((user) => !turn.ignored.has(user));
    if (full ? users.length === 0 : pos <= turn.from) return '';
    const ids = users.map((user) => interning.userId(user));
    return `${head}"content":{"user_ids":${JSON.stringify(ids)}}}`;
  }

  #receipts(turn: Turn, room: RoomNid, full: boolean, head: string): string {
    const { receipts } = this.#uses;
    const rows = full ? this.#all(turn, room) : receipts.changed(room, turn.from, turn.now, maxReceipts);
    return this.#receiptEvent(turn, rows, head);
  }

  /** The newest of the room, and the reader's own however old they are. */
  #all(turn: Turn, room: RoomNid): ReceiptRow[] {
    const newest = this.#uses.receipts.newest(room, turn.now, newestReceipts);
    if (newest.length < newestReceipts) return newest;
    const own = this.#uses.receipts.ofUser(room, turn.user).filter(({ pos }) => pos <= turn.now);
    return [...newest.filter(({ user }) => user !== turn.user), ...own];
  }

  /** One event for each thread: a user may have read up to the same event in two of them. */
  #receiptEvent(turn: Turn, rows: readonly ReceiptRow[], head: string): string {
    const { interning } = this.#uses;
    const contents = new Map<ReceiptRow['thread'], ReceiptContent>();
    for (const { user, kind, thread, event, ts } of rows) {
      const isPrivate = kind === receiptKinds['m.read.private'];
      if (isPrivate && user !== turn.user) continue;
      let content = contents.get(thread);
      if (content === undefined) contents.set(thread, (content = {}));
      const byKind = (content[interning.eventId(event)] ??= {});
      const byUser = (byKind[isPrivate ? 'm.read.private' : 'm.read'] ??= {});
      byUser[interning.userId(user)] = { ts, ...this.#threadId(thread) };
    }
    return [...contents.values()].map((content) => `${head}"content":${JSON.stringify(content)}}`).join(',');
  }

  #threadId(thread: ReceiptRow['thread']): { thread_id?: string } {
    if (thread === unthreaded) return {};
    return { thread_id: thread === mainThread ? 'main' : this.#uses.interning.eventId(thread) };
  }
}

type ReceiptContent = Record<EventId, Partial<Record<ReceiptKind, Record<string, unknown>>>>;

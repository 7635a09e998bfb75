import type { EventRow } from '../../store/events/event-row.ts';
import type { EventStore } from '../../store/events/event-store.ts';
import { eventFlags } from '../../store/events/flags.ts';
import type { Interning } from '../../store/interning/interning.ts';
import { wellKnown } from '../../store/interning/well-known.ts';
import type { EventNid, TypeNid, UserNid } from '../../store/nids.ts';
import type { RelationStore } from '../../store/relations/relations.ts';
import type { ThreadStore } from '../../store/relations/threads.ts';
import { isJsonObject, type JsonObject } from '../../util/json.ts';
import type { ClientEvents, EventAudience } from '../read/client-events.ts';
import type { RoomView } from '../read/visibility.ts';
import { relationIn } from './relation.ts';

export interface BundleUses {
  readonly interning: Interning;
  readonly events: EventStore;
  readonly relations: RelationStore;
  readonly threads: ThreadStore;
  readonly clientEvents: ClientEvents;
  /** Whom a user ignores. */
  readonly ignored: (user: UserNid) => ReadonlySet<UserNid>;
}

/** References told with an event: the newest. The others are found by asking for its relations. */
const maxReferences = 100;
/** Edits, or a thread's newest events, looked at to find one that counts for the reader. */
const maxLooks = 50;

/** Replies that are looked at one by one to count those that a reader may see. */
const maxCounted = 200;

const beforeAll = { segment: 0, idx: Number.MIN_SAFE_INTEGER };
const behindAll = { segment: Number.MAX_SAFE_INTEGER, idx: Number.MAX_SAFE_INTEGER };

/**
 * Bundled aggregations: what is told with an event about those that relate to it, as one reader may know it.
 * @see https://spec.matrix.org/v1.19/client-server-api/#aggregations-of-child-events
 */
export class Bundles {
  readonly #uses: BundleUses;

  constructor(uses: BundleUses) {
    this.#uses = uses;
  }

  /** The same audience with the aggregations of these events; one look-up where none of them has any. */
  with(rows: readonly EventRow[], audience: EventAudience): EventAudience {
    const related = new Set(this.#uses.relations.related(rows.map(({ nid }) => nid)));
    if (related.size === 0) return audience;
    const ignored = this.#uses.ignored(audience.view.user);
    const relations = new Map<EventNid, string>();
    for (const row of rows) {
      const text = related.has(row.nid) ? this.#text(row, audience, ignored, 'with thread') : '';
      if (text !== '') relations.set(row.nid, text);
    }
    return { ...audience, relations };
  }

  /** An event as JSON text with its aggregations. */
  text(row: EventRow, audience: EventAudience): string {
    return this.#uses.clientEvents.text(row, this.with([row], audience));
  }

  /** The content of `m.relations`; '' without any. */
  #text(
    row: EventRow,
    audience: EventAudience,
    ignored: ReadonlySet<UserNid>,
    depth: 'with thread' | 'without thread',
  ): string {
    // State events get none.
    if (row.stateKey !== null) return '';
    const members = [this.#replacement(row, audience), this.#references(row, audience, ignored)];
    if (depth === 'with thread') members.push(this.#thread(row, audience, ignored));
    const present = members.filter((member) => member !== '');
    return present.length === 0 ? '' : `{${present.join(',')}}`;
  }

  /** The newest valid edit. By who sent it: it is not told without its event, which is by the same. */
  #replacement(row: EventRow, audience: EventAudience): string {
    const { interning, events, relations, clientEvents } = this.#uses;
    const rel = interning.findType('m.replace');
    if (rel === undefined || (row.flags & eventFlags.REDACTED) !== 0 || audience.hidden?.has(row.sender)) return '';
    const edits = relations.newestOf(row.nid, { rel, sender: row.sender, type: row.type }, maxLooks);
    if (edits.length === 0 || this.#relOf(row) === 'm.replace') return '';
    const valid = events
      .rows(edits.map(({ event }) => event))
      .filter((edit) => this.#isEdit(edit) && audience.view.mayRead(edit));
    const [newest] = valid
      .filter(({ ts }) => ts === valid[0]?.ts)
      .sort((left, right) => (interning.eventId(left.nid) > interning.eventId(right.nid) ? -1 : 1));
    return newest === undefined ? '' : `"m.replace":${clientEvents.text(newest, audience)}`;
  }

  #isEdit({ nid, type, stateKey }: EventRow): boolean {
    if (stateKey !== null) return false;
    if (type === wellKnown.types.encrypted) return true;
    return isJsonObject(this.#content(nid)['m.new_content']);
  }

  #references(row: EventRow, { view }: EventAudience, ignored: ReadonlySet<UserNid>): string {
    const { interning, events, relations } = this.#uses;
    const rel = interning.findType('m.reference');
    const found = rel === undefined ? [] : relations.page(row.nid, { rel }, behindAll, 'b', maxReferences);
    if (found.length === 0) return '';
    const shown = events
      .rows(found.map(({ event }) => event))
      .filter((each) => !ignored.has(each.sender) && view.mayRead(each))
      .reverse();
    if (shown.length === 0) return '';
    const chunk = shown.map(({ nid }) => ({ event_id: interning.eventId(nid) }));
    return `"m.reference":${JSON.stringify({ chunk })}`;
  }

  #thread(row: EventRow, audience: EventAudience, ignored: ReadonlySet<UserNid>): string {
    const { interning, threads, clientEvents } = this.#uses;
    const rel = interning.findType('m.thread');
    const thread = rel === undefined ? undefined : threads.get(row.nid);
    if (rel === undefined || thread === undefined || this.#relOf(row) !== undefined) return '';
    const latest = this.#latest(row, rel, audience.view, ignored);
    if (latest === undefined) return '';
    const count = this.#countOf(row, rel, thread.count, { view: audience.view, ignored });
    const nested = this.#text(latest, audience, ignored, 'without thread');
    const shown = clientEvents.text(latest, { ...audience, relations: new Map(nested ? [[latest.nid, nested]] : []) });
    const participated = this.hasParticipated(row, audience.view.user);
    return `"m.thread":{"latest_event":${shown},"count":${count},"current_user_participated":${participated}}`;
  }

  /** How much of a thread the reader may see. Who was there all the time sees all of it; else it is looked through. */
  #countOf(
    root: EventRow,
    rel: TypeNid,
    all: number,
    { view, ignored }: { readonly view: RoomView; readonly ignored: ReadonlySet<UserNid> },
  ): number {
    const { events, relations } = this.#uses;
    const { nid } = root;
    const isLong = all > maxCounted && view.membership === 'join';
    if (isLong || view.wasThereSince(root)) {
      return all - (ignored.size === 0 ? 0 : relations.countOf(nid, rel, [...ignored]));
    }
    const oldest = relations.page(nid, { rel }, beforeAll, 'f', maxCounted).map(({ event }) => event);
    return events.rows(oldest).filter((row) => !ignored.has(row.sender) && view.mayRead(row)).length;
  }

  /** Whether the event is the root of a thread for this reader. */
  isThread(row: EventRow, { view }: EventAudience): boolean {
    const rel = this.#uses.interning.findType('m.thread');
    if (rel === undefined || row.stateKey !== null || this.#relOf(row) !== undefined) return false;
    return this.#latest(row, rel, view, this.#uses.ignored(view.user)) !== undefined;
  }

  /** Whether the user has sent the root of a thread, or anything in it. */
  hasParticipated(root: EventRow, user: UserNid): boolean {
    const { interning, relations } = this.#uses;
    const rel = interning.findType('m.thread');
    return root.sender === user || (rel !== undefined && relations.hasSender(root.nid, rel, user));
  }

  #latest({ nid }: EventRow, rel: TypeNid, view: RoomView, ignored: ReadonlySet<UserNid>): EventRow | undefined {
    const { events, relations } = this.#uses;
    // Nearly always it is the first.
    for (const limit of [1, maxLooks]) {
      const newest = relations.page(nid, { rel }, behindAll, 'b', limit).map(({ event }) => event);
      const found = events.rows(newest).find((row) => !ignored.has(row.sender) && view.mayRead(row));
      if (found !== undefined) return found;
    }
    return undefined;
  }

  #relOf({ nid }: EventRow): string | undefined {
    return relationIn(this.#content(nid))?.rel;
  }

  #content(nid: EventNid): JsonObject {
    return this.#uses.events.bare(nid)['content'] as JsonObject;
  }
}

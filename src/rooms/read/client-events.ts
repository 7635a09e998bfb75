import { clientEvent } from '../../protocol/events/client-event.ts';
import type { Pdu } from '../../protocol/events/pdu.ts';
import { redact } from '../../protocol/events/redact.ts';
import type { EventFields } from '../../protocol/filters/event-fields.ts';
import type { RoomVersionRules } from '../../protocol/room-versions.ts';
import type { EventRow } from '../../store/events/event-row.ts';
import { pointBefore } from '../../store/events/event-row.ts';
import type { EventStore } from '../../store/events/event-store.ts';
import type { PassingEvent } from '../../store/events/passing-event.ts';
import type { Interning } from '../../store/interning/interning.ts';
import type { DeviceNid, EventNid, RoomNid, UserNid } from '../../store/nids.ts';
import type { DelayedEventStore } from '../../store/rooms/delayed-events.ts';
import type { RedactionStore } from '../../store/rooms/redactions.ts';
import type { TransactionStore } from '../../store/rooms/transactions.ts';
import type { StateLog } from '../../store/state/state-log.ts';
import type { Clock } from '../../util/clock.ts';
import type { JsonObject } from '../../util/json.ts';
import { SizedLru } from '../../util/sized-lru.ts';
import { transactionIdOf } from '../send/transactions.ts';
import type { RoomView } from './visibility.ts';

/** For whom and where events are shown. */
export interface EventAudience {
  /** What the reader may see of the room that the events are of, and when the reader was in it. */
  readonly view: RoomView;
  /** The reader's device: the one that sent an event finds its transaction ID in it. */
  readonly device: DeviceNid;
  /** `false` inside /sync, where the room is said elsewhere. */
  readonly withRoomId: boolean;
  /** `federation`: as it came over federation, with its ID and `unsigned`; what a filter's `event_format` may ask for. */
  readonly format?: 'client' | 'federation';
  /** What is told of the events that relate to an event: its `m.relations` as JSON text. */
  readonly relations?: ReadonlyMap<EventNid, string>;
  /** Only these fields; all unless given. */
  readonly fields?: EventFields | undefined;
  /** Users whose events are shown redacted. */
  readonly hidden?: ReadonlySet<UserNid>;
}

/** The part of an event that is the same for every reader, as JSON text. */
interface Shared {
  /** `{…` without the closing brace and without `room_id`. */
  readonly head: string;
  /** Members of `unsigned`, each with a comma in front. */
  readonly unsigned: string;
  /** What a state event replaced: its row and its content. */
  readonly replaced: { readonly row: EventRow; readonly content: string } | undefined;
}

/**
 * Every event that arrives is written once for each user in the room, within moments: 2 MiB hold the newest thousand
 * or two. Counted in characters, of which most take one byte.
 */
const cacheCharacters = 2 * 1024 * 1024;

/**
 * Writes events as clients see them. The text that is equal for all readers is kept for a while, so that showing a
 * new event to ten users parses it once.
 * @see https://spec.matrix.org/v1.19/client-server-api/#room-event-format
 */
export class ClientEvents {
  readonly #stores: ClientEventStores;
  readonly #clock: Clock;
  readonly #cache = new SizedLru<EventNid, Shared>(cacheCharacters, sizeOf);

  constructor(stores: ClientEventStores, clock: Clock) {
    this.#stores = stores;
    this.#clock = clock;
  }

  /** The event as JSON text. Whether the reader may see it has been decided before. */
  text(row: EventRow, audience: EventAudience): string {
    return this.#text(row, audience, this.#shared(row), undefined);
  }

  /** The same of one that is gone through once: nothing of it is kept. */
  passing(event: PassingEvent, audience: EventAudience): string {
    const { row } = event;
    // Its page may have been read a while ago, for a slow reader: what was redacted meanwhile is read anew.
    if (this.#stores.redactions.of(row.nid) !== undefined) return this.text(row, audience);
    const shared = { head: plainHead(event) ?? this.#head(row, event), ...this.#replaced(row, '') };
    return this.#text(row, audience, shared, event);
  }

  #text(row: EventRow, audience: EventAudience, shared: Shared, passing: PassingEvent | undefined): string {
    const membership = audience.view.membershipAt(row);
    const isHidden = audience.hidden?.has(row.sender) === true;
    const erased = isHidden || (membership !== 'join' && this.#stores.isErased(row.sender));
    const head = this.#headFor(row, audience, { erased, shared, passing });
    let unsigned = `"age":${this.#clock.now() - row.ts},"membership":"${membership}"${shared.unsigned}`;
    if (!erased && shared.replaced !== undefined && this.#mayReadContent(shared.replaced.row, audience.view)) {
      unsigned += `,"prev_content":${shared.replaced.content}`;
    }
    if (row.sender === audience.view.user) unsigned += this.#toldSender(row, audience);
    const relations = audience.relations?.get(row.nid);
    if (relations !== undefined) unsigned += `,"m.relations":${relations}`;
    const text = `${head},"unsigned":{${unsigned}}}`;
    const { fields } = audience;
    return fields === undefined ? text : JSON.stringify(fields.pick(JSON.parse(text) as JsonObject));
  }

  /** All of the event but `unsigned`. */
  #headFor(row: EventRow, { format, withRoomId }: EventAudience, { erased, shared, passing }: Showing): string {
    if (format === 'federation') return this.#pdu(row, passing ?? this.#source(row.nid), erased);
    const head = erased ? this.#head(row, passing ?? this.#source(row.nid), 'redacted') : shared.head;
    return withRoomId ? `${head},"room_id":${JSON.stringify(this.#stores.interning.roomId(row.room))}` : head;
  }

  /** The same as an object. */
  event(row: EventRow, audience: EventAudience): JsonObject {
    return JSON.parse(this.text(row, audience)) as JsonObject;
  }

  /** Has to be told when an event's body changes. */
  forget(row: EventRow): void {
    // The content of a state event is also shown with the one that replaced it, wherever that is.
    if (row.stateKey === null) this.#cache.delete(row.nid);
    else this.#cache.clear();
  }

  /** The row's event type, sender and content as a filter asks for them; the content is read only if it does. */
  filterable(row: EventRow): { readonly type: string; readonly sender: string; readonly content: JsonObject } {
    const { events, interning } = this.#stores;
    return {
      type: interning.typeName(row.type),
      sender: interning.userId(row.sender),
      get content() {
        return events.bare(row.nid)['content'] as JsonObject;
      },
    };
  }

  #mayReadContent(row: EventRow, view: RoomView): boolean {
    return view.mayRead(row) && (view.membershipAt(row) === 'join' || !this.#stores.isErased(row.sender));
  }

  /** By what the sender knows the event: the device its transaction, all devices the delayed event that it was. */
  #toldSender(row: EventRow, { device }: EventAudience): string {
    const { transactions, delayedEvents } = this.#stores;
    const sent = transactions.ofEvent(row.nid);
    const delayed = delayedEvents.ofEvent(row.nid);
    const transaction = sent?.device === device ? `,"transaction_id":${JSON.stringify(transactionIdOf(sent.txn))}` : '';
    return delayed === undefined
      ? transaction
      : `${transaction},"org.matrix.msc4140.delay_id":${JSON.stringify(delayed)}`;
  }

  #shared(row: EventRow): Shared {
    const known = this.#cache.get(row.nid);
    if (known !== undefined) return known;
    const shared = {
      head: this.#head(row, this.#source(row.nid)),
      ...this.#replaced(row, this.#redactedBecause(row)),
    };
    this.#cache.set(row.nid, shared);
    return shared;
  }

  #source(nid: EventNid): Source {
    const { events, interning } = this.#stores;
    return {
      get id() {
        return interning.eventId(nid);
      },
      bare: () => events.bare(nid),
      pdu: () => events.pdu(nid),
    };
  }

  #head({ room }: Pick<EventRow, 'room'>, source: Source, form: 'whole' | 'redacted' = 'whole'): string {
    const rules = this.#stores.rulesOf(room);
    const whole = source.bare() as Pdu;
    const event = clientEvent(form === 'whole' ? whole : redact(whole, rules), source.id, rules);
    delete event['room_id'];
    return JSON.stringify(event).slice(0, -1);
  }

  #pdu({ room }: EventRow, source: Source, erased: boolean): string {
    const { unsigned: _, ...pdu } = source.pdu();
    const event = erased ? redact(pdu, this.#stores.rulesOf(room)) : pdu;
    return JSON.stringify({ ...event, event_id: source.id }).slice(0, -1);
  }

  #redactedBecause(row: EventRow): string {
    const { interning, redactions } = this.#stores;
    // Asked of the table and not of the row's flag: the caller may have read the row before it was redacted.
    const redaction = redactions.of(row.nid);
    if (redaction === undefined) return '';
    const head = this.#head(row, this.#source(redaction));
    return `,"redacted_because":${head},"room_id":${JSON.stringify(interning.roomId(row.room))}}`;
  }

  /** `unsigned` goes on with what the event replaced. */
  #replaced(row: EventRow, unsigned: string): Omit<Shared, 'head'> {
    const { events, interning, stateLog } = this.#stores;
    const before = row.stateKey === null ? undefined : pointBefore(row);
    if (before === undefined || row.stateKey === null) return { unsigned, replaced: undefined };
    const nid = stateLog.at(before, row.stateKey);
    const replaced = nid === undefined ? undefined : events.row(nid);
    if (nid === undefined || replaced === undefined) return { unsigned, replaced: undefined };
    const told = `${unsigned},"replaces_state":${JSON.stringify(interning.eventId(nid))}`;
    return { unsigned: told, replaced: { row: replaced, content: JSON.stringify(events.bare(nid)['content']) } };
  }
}

export interface ClientEventStores {
  readonly events: EventStore;
  readonly interning: Interning;
  readonly redactions: RedactionStore;
  readonly transactions: TransactionStore;
  readonly delayedEvents: DelayedEventStore;
  readonly stateLog: StateLog;
  readonly rulesOf: (room: RoomNid) => RoomVersionRules;
  /**
   * Whether what the user has sent is shown redacted to all who were not in the room when it was sent.
   * @see https://spec.matrix.org/v1.19/client-server-api/#post_matrixclientv3accountdeactivate
   */
  readonly isErased: (user: UserNid) => boolean;
}

/** What is known of an event that is being shown. */
interface Showing {
  readonly erased: boolean;
  readonly shared: Shared;
  readonly passing: PassingEvent | undefined;
}

/** What an event's text is made from. */
type Source = Pick<PassingEvent, 'id' | 'bare' | 'pdu'>;

/** The same text as `clientEvent` makes, for an event of whose body clients see the content only; most are such. */
function plainHead(event: PassingEvent): string | undefined {
  const { row, type, stateKey } = event;
  // What it redacts is named beside the content too.
  const content = type === 'm.room.redaction' ? undefined : event.contentText;
  if (content === undefined) return undefined;
  const head = `{"content":${content},"event_id":${JSON.stringify(event.id)},"origin_server_ts":${row.ts}`;
  const sender = `,"sender":${JSON.stringify(event.sender)},"type":${JSON.stringify(type)}`;
  return stateKey === undefined ? head + sender : `${head}${sender},"state_key":${JSON.stringify(stateKey)}`;
}

function sizeOf({ head, unsigned, replaced }: Shared): number {
  // The rest of an entry: three objects, a map entry, a row.
  return head.length + unsigned.length + (replaced?.content.length ?? 0) + 400;
}

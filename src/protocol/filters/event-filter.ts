import type { JsonObject, JsonValue } from '../../util/json.ts';
import { badJson } from '../errors.ts';
import { starPattern } from '../push-rules/glob.ts';
import { flag, strings, wholeNumber } from './fields.ts';

/** What a filter may ask of an event; `content` is read only if the filter asks for a `url` in it. */
export interface FilterableEvent {
  readonly type: string;
  readonly sender?: string | undefined;
  readonly content?: JsonValue | undefined;
}

/**
 * A filter on events, made ready. A condition that is not there lets everything pass, so that callers can skip work.
 * @see https://spec.matrix.org/v1.19/client-server-api/#post_matrixclientv3useruseridfilter_request_eventfilter
 */
export class EventFilter {
  /** As the client wants it; the caller caps it. */
  readonly limit: number | undefined;
  /** Nothing can pass: an empty list of types or senders, or a limit of 0. */
  readonly nothing: boolean;
  /** Everything passes whatever its type, sender and content. */
  readonly everything: boolean;
  readonly #types: Names | undefined;
  readonly #notTypes: Names | undefined;
  readonly #senders: ReadonlySet<string> | undefined;
  readonly #notSenders: ReadonlySet<string> | undefined;

  constructor(json: JsonObject, path: string) {
    this.limit = wholeNumber(json, 'limit', path);
    const types = strings(json, 'types', path);
    const notTypes = strings(json, 'not_types', path) ?? [];
    const senders = strings(json, 'senders', path);
    const notSenders = strings(json, 'not_senders', path) ?? [];
    this.#types = types && new Names(types, `${path}types`);
    this.#notTypes = notTypes.length === 0 ? undefined : new Names(notTypes, `${path}not_types`);
    this.#senders = senders && new Set(senders);
    this.#notSenders = notSenders.length === 0 ? undefined : new Set(notSenders);
    this.nothing = this.limit === 0 || types?.length === 0 || senders?.length === 0 || notTypes.includes('*');
    this.everything = !types && !senders && notTypes.length === 0 && notSenders.length === 0;
  }

  allowsType(type: string): boolean {
    if (this.#notTypes?.has(type)) return false;
    return this.#types === undefined || this.#types.has(type);
  }

  /** Whether every sender passes. */
  get allowsAnySender(): boolean {
    return this.#senders === undefined && this.#notSenders === undefined;
  }

  allowsSender(sender: string): boolean {
    if (this.#notSenders?.has(sender)) return false;
    return this.#senders === undefined || this.#senders.has(sender);
  }

  /** An event without a sender (account data, ephemeral) is tested by its type alone. */
  matches(event: FilterableEvent): boolean {
    if (this.everything) return true;
    return this.allowsType(event.type) && (event.sender === undefined || this.allowsSender(event.sender));
  }
}

/**
 * A filter on the events of rooms.
 * @see https://spec.matrix.org/v1.19/client-server-api/#post_matrixclientv3useruseridfilter_request_roomeventfilter
 */
export class RoomEventFilter extends EventFilter {
  readonly unreadThreadNotifications: boolean;
  readonly lazyLoadMembers: boolean;
  readonly includeRedundantMembers: boolean;
  /** Only events with (`true`) or without (`false`) a `url` in their content. */
  readonly containsUrl: boolean | undefined;
  readonly rooms: RoomChoice;

  constructor(json: JsonObject, path: string) {
    super(json, path);
    this.unreadThreadNotifications = flag(json, 'unread_thread_notifications', path) ?? false;
    this.lazyLoadMembers = flag(json, 'lazy_load_members', path) ?? false;
    this.includeRedundantMembers = flag(json, 'include_redundant_members', path) ?? false;
    this.containsUrl = flag(json, 'contains_url', path);
    this.rooms = new RoomChoice(json, path);
  }

  /** Whether the events pass without a look at any of them (the room is asked separately). */
  get passesAll(): boolean {
    return this.everything && this.containsUrl === undefined;
  }

  override matches(event: FilterableEvent): boolean {
    if (!super.matches(event)) return false;
    if (this.containsUrl === undefined) return true;
    const { content } = event;
    const has = typeof content === 'object' && content !== null && !Array.isArray(content) && 'url' in content;
    return has === this.containsUrl;
  }
}

/** `rooms` and `not_rooms`. */
export class RoomChoice {
  readonly #rooms: ReadonlySet<string> | undefined;
  readonly #notRooms: ReadonlySet<string> | undefined;

  constructor(json: JsonObject, path: string) {
    const rooms = strings(json, 'rooms', path);
    const notRooms = strings(json, 'not_rooms', path) ?? [];
    this.#rooms = rooms && new Set(rooms);
    this.#notRooms = notRooms.length === 0 ? undefined : new Set(notRooms);
  }

  /** Whether every room passes. */
  get any(): boolean {
    return this.#rooms === undefined && this.#notRooms === undefined;
  }

  allows(roomId: string): boolean {
    if (this.#notRooms?.has(roomId)) return false;
    return this.#rooms === undefined || this.#rooms.has(roomId);
  }
}

/** Each is tried on each event; a filter of clients in use has a handful. */
const maxPatterns = 100;

/** Event types, some with `*` in them. */
class Names {
  readonly #exact: ReadonlySet<string>;
  readonly #patterns: readonly ((value: string) => boolean)[];

  /** 400 M_BAD_JSON too many with `*`; `where` is their key. */
  constructor(names: readonly string[], where: string) {
    this.#exact = new Set(names.filter((name) => !name.includes('*')));
    const patterns = names.filter((name) => name.includes('*'));
    if (patterns.length > maxPatterns) throw badJson(`${where} may hold at most ${maxPatterns} names with *`);
    this.#patterns = patterns.map(starPattern);
  }

  has(name: string): boolean {
    return this.#exact.has(name) || this.#patterns.some((test) => test(name));
  }
}

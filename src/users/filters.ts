import { badJson, notFound, notJson } from '../protocol/errors.ts';
import { type Filter, parseFilter } from '../protocol/filters/filter.ts';
import { tryParseJson } from '../protocol/parse-json.ts';
import type { Database } from '../store/db.ts';
import type { UserNid } from '../store/nids.ts';
import type { FilterStore } from '../store/users/filters.ts';
import { sha256 } from '../util/hash.ts';
import { isJsonObject, type JsonObject } from '../util/json.ts';
import { Lru } from '../util/lru.ts';
import { SizedLru } from '../util/sized-lru.ts';

/** Characters of parsed filters that are kept, and what each counts besides: a session uses one with every /sync. */
const maxParsed = 512 * 1024;
const ownWeight = 500;
/** Of those that stand in the request itself: few kinds of clients do that, and all of a kind ask for the same. */
const maxInline = 32;
const maxInlineLength = 2000;

interface Parsed {
  readonly filter: Filter;
  readonly weight: number;
}

/** Filters that clients have stored on the server. They never change. */
export class Filters {
  readonly #db: Database;
  readonly #store: FilterStore;
  readonly #parsed = new SizedLru<string, Parsed>(maxParsed, ({ weight }) => weight);
  readonly #inline = new Lru<string, Filter>(maxInline);

  constructor(uses: { db: Database; store: FilterStore }) {
    this.#db = uses.db;
    this.#store = uses.store;
  }

  /** Stores a filter and answers its ID; the same filter has the same ID. Throws what `parseFilter` throws. */
  async create(user: UserNid, filter: JsonObject): Promise<string> {
    parseFilter(filter);
    const text = JSON.stringify(filter);
    const digest = sha256(text);
    const known = this.#store.findByDigest(user, digest);
    if (known !== undefined) return String(known);
    const id = await this.#db.durable<number>(
      () => this.#store.findByDigest(user, digest) ?? this.#store.insert(user, digest, text),
    );
    return String(id);
  }

  /** 404 M_NOT_FOUND. */
  json(user: UserNid, filterId: string): JsonObject {
    const text = /^\d{1,15}$/.test(filterId) ? this.#store.find(user, Number(filterId)) : undefined;
    if (text === undefined) throw notFound('There is no such filter');
    return JSON.parse(text) as JsonObject;
  }

  /** Ready for use. 404 M_NOT_FOUND. */
  get(user: UserNid, filterId: string): Filter {
    const key = `${user} ${filterId}`;
    const known = this.#parsed.get(key);
    if (known !== undefined) return known.filter;
    const json = this.json(user, filterId);
    const filter = parseFilter(json);
    this.#parsed.set(key, { filter, weight: ownWeight + JSON.stringify(json).length });
    return filter;
  }

  /** A filter as JSON text. 400 M_NOT_JSON, M_BAD_JSON, and what `parseFilter` throws. */
  inline(text: string): Filter {
    const known = this.#inline.get(text);
    if (known !== undefined) return known;
    const json = tryParseJson(text);
    if (json === undefined) throw notJson('filter is not valid JSON');
    if (!isJsonObject(json)) throw badJson('filter must be a JSON object');
    const filter = parseFilter(json);
    if (text.length <= maxInlineLength) this.#inline.set(text, filter);
    return filter;
  }

  /** Inside a write: nothing is left. */
  erase(user: UserNid): void {
    this.#store.removeAll(user);
    this.#parsed.clear();
    // What was read again before the rows were gone.
    this.#db.afterCommit(() => this.#parsed.clear());
  }
}

import type { EventId, UserId } from '../../protocol/ids/types.ts';
import type { JsonObject } from '../../util/json.ts';
import { readBody } from '../bodies/body-reader.ts';
import { contentText } from '../bodies/unpack.ts';
import type { Names } from '../interning/names.ts';
import type { EventRow } from './event-row.ts';

/** An event's row with its body as it is stored. */
export type PassingRow = EventRow & { readonly format: number; readonly body: Buffer };

/**
 * One of many events that are read together, shown and forgotten, as a whole state is. Neither it nor any string in it
 * goes through a cache.
 */
export class PassingEvent {
  readonly row: PassingRow;
  readonly #names: Names;

  constructor(row: PassingRow, names: Names) {
    this.row = row;
    this.#names = names;
  }

  get id(): EventId {
    return this.#names.eventId(this.row.nid);
  }

  get type(): string {
    return this.#names.typeName(this.row.type);
  }

  get sender(): UserId {
    return this.#names.userId(this.row.sender);
  }

  get stateKey(): string | undefined {
    return this.row.stateKey === null ? undefined : this.#names.stateKeyOf(this.row.stateKey).skey;
  }

  /**
   * The content's JSON text as it is stored, if that and the row are all that clients see of the event; else
   * `undefined`, and `bare` has to be asked.
   */
  get contentText(): string | undefined {
    return contentText(this.row);
  }

  /** The content, which nothing but this reader has: a filter asks for it. */
  get content(): JsonObject {
    const text = this.contentText;
    return (text === undefined ? this.bare()['content'] : JSON.parse(text)) as JsonObject;
  }

  /** The event without anything that only servers see. */
  bare(): JsonObject {
    return readBody(this.row, this.#names, 'shown');
  }

  /** The event as it was signed. */
  pdu(): JsonObject {
    return readBody(this.row, this.#names, 'whole');
  }
}

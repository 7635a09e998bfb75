import type { EventRow } from '../../store/events/event-row.ts';
import type { EventStore } from '../../store/events/event-store.ts';
import type { Interning } from '../../store/interning/interning.ts';
import type { EventNid } from '../../store/nids.ts';
import type { RelationRow, RelationStore } from '../../store/relations/relations.ts';
import type { ThreadStore } from '../../store/relations/threads.ts';
import type { RedactionStore } from '../../store/rooms/redactions.ts';
import { sha256 } from '../../util/hash.ts';
import type { JsonValue } from '../../util/json.ts';
import type { CommittedEvent } from '../input/observer.ts';
import { type Relation, relationIn } from './relation.ts';

export interface RelationIndexUses {
  readonly interning: Interning;
  readonly events: EventStore;
  readonly relations: RelationStore;
  readonly threads: ThreadStore;
  readonly redactions: RedactionStore;
}

/** The boundary behind everything. */
const everything = { segment: Number.MAX_SAFE_INTEGER, idx: Number.MAX_SAFE_INTEGER };

/** Keeps which event relates to which, in the transaction of each event and of each redaction. */
export class RelationIndex {
  readonly #uses: RelationIndexUses;

  constructor(uses: RelationIndexUses) {
    this.#uses = uses;
  }

  onEvent({ row, pdu }: CommittedEvent): void {
    this.#uses.relations.dropOutside(row.nid, row.room);
    this.add(row, pdu.content);
  }

  /** Inside a write: records what an event with a place in the room says in its content. */
  add(row: EventRow, content: JsonValue | undefined): void {
    const { interning, events, relations, threads, redactions } = this.#uses;
    const relation = relationIn(content);
    if (relation === undefined || row.segment === null || row.idx === null) return;
    // Its redaction came first.
    if (redactions.of(row.nid) !== undefined) return;
    const target = interning.event(relation.eventId);
    const known = events.row(target);
    if (target === row.nid || (known !== undefined && known.room !== row.room)) return;
    const { segment, idx, nid: event, type, sender, ts } = row;
    const rel = interning.type(relation.rel);
    relations.insert({ target, segment, idx, event, rel, type, sender, ts, digest: digestOf(relation) });
    if (relation.rel === 'm.thread') threads.grow({ root: target, room: row.room, segment, idx });
  }

  /** Inside a write: an event no longer says what it said. */
  remove(row: EventRow, content: JsonValue | undefined): void {
    const { interning, relations, threads } = this.#uses;
    const relation = relationIn(content);
    const target = relation && interning.findEvent(relation.eventId);
    if (relation === undefined || target === undefined || row.segment === null || row.idx === null) return;
    if (!relations.remove(target, row.segment, row.idx) || relation.rel !== 'm.thread') return;
    const thread = threads.get(target);
    if (thread !== undefined) threads.shrink(thread, this.#newest(target));
  }

  /** Whether the sender has annotated the event with the same already. */
  isAnnotated(annotation: Pick<RelationRow, 'target' | 'type' | 'sender'>, relation: Relation): boolean {
    const { interning, events, relations } = this.#uses;
    const rel = interning.findType(relation.rel);
    if (rel === undefined) return false;
    return relations
      .annotations({ ...annotation, rel, digest: digestOf(relation) })
      .some((event) => relationIn(events.bare(event)['content'])?.key === relation.key);
  }

  #newest(target: EventNid) {
    const { interning, relations } = this.#uses;
    const rel = interning.findType('m.thread');
    return relations.page(target, { rel }, everything, 'b', 1)[0];
  }
}

/** A number that equal keys share, and that different ones hardly do. */
function digestOf({ rel, key }: Relation): number {
  return rel === 'm.annotation' && key !== undefined ? sha256(key).readUInt32BE() >>> 1 : 0;
}

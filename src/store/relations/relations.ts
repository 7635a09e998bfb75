import type { Database } from '../db.ts';
import type { EventNid, RoomNid, TypeNid, UserNid } from '../nids.ts';
import type { Boundary, Direction } from '../timeline.ts';

/** An event that relates to another, in its place of the room order. */
export interface RelationRow {
  readonly target: EventNid;
  readonly segment: number;
  readonly idx: number;
  readonly event: EventNid;
  /** `rel_type`, interned like an event type. */
  readonly rel: TypeNid;
  readonly type: TypeNid;
  readonly sender: UserNid;
  readonly ts: number;
  /** Of an annotation: part of the digest of its key; 0 without. */
  readonly digest: number;
}

export type RelatedEvent = Pick<RelationRow, 'segment' | 'idx' | 'event' | 'rel' | 'type'>;

/** Which relations are looked for; what is left out may be anything. */
export interface RelationKind {
  readonly rel?: TypeNid | undefined;
  readonly type?: TypeNid | undefined;
}

const relatedColumns = 'relation.segment, relation.idx, relation.event, relation.rel, relation.type';
const kindFilter = '(@rel IS NULL OR relation.rel = @rel) AND (@type IS NULL OR relation.type = @type)';

/** Which events relate to which. Writing methods belong inside a write. */
export class RelationStore {
  readonly #insert;
  readonly #remove;
  readonly #dropOthers;
  readonly #related;
  readonly #older;
  readonly #newer;
  readonly #children;
  readonly #newestOf;
  readonly #annotations;
  readonly #bySender;
  readonly #count;

  constructor(db: Database) {
    this.#insert = db.prepare<[RelationRow], never>(
      'INSERT INTO relation (target, segment, idx, event, rel, type, sender, ts, digest)' +
        ' VALUES (@target, @segment, @idx, @event, @rel, @type, @sender, @ts, @digest)',
    );
    this.#remove = db.prepare<[target: number, segment: number, idx: number], never>(
      'DELETE FROM relation WHERE target = ? AND segment = ? AND idx = ?',
    );
    this.#dropOthers = db.prepare<[target: number, room: number], never>(
      'DELETE FROM relation WHERE target = ? AND (SELECT room FROM segment WHERE nid = relation.segment) <> ?',
    );
    this.#related = db.prepare<[string], { target: EventNid }>(
      'SELECT value AS target FROM json_each(?)' +
        ' WHERE EXISTS (SELECT 1 FROM relation WHERE relation.target = json_each.value)',
    );
    const page = (comparison: '<=' | '>', order: 'DESC' | 'ASC') =>
      db.prepare<[RelationKind & Boundary & { target: EventNid; limit: number }], RelatedEvent>(
        `SELECT ${relatedColumns} FROM relation WHERE target = @target` +
          ` AND (segment, idx) ${comparison} (@segment, @idx) AND ${kindFilter}` +
          ` ORDER BY segment ${order}, idx ${order} LIMIT @limit`,
      );
    this.#older = page('<=', 'DESC');
    this.#newer = page('>', 'ASC');
    this.#children = db.prepare<[RelationKind & { targets: string; limit: number }], RelatedEvent>(
      `SELECT ${relatedColumns} FROM json_each(@targets) AS wanted CROSS JOIN relation` +
        ` ON relation.target = wanted.value WHERE ${kindFilter} LIMIT @limit`,
    );
    this.#newestOf = db.prepare<[number, number, number, number, number], { event: EventNid; ts: number }>(
      'SELECT event, ts FROM relation INDEXED BY relation_kind' +
        ' WHERE target = ? AND rel = ? AND sender = ? AND type = ? ORDER BY ts DESC LIMIT ?',
    );
    this.#annotations = db.prepare<[number, number, number, number, number], { event: EventNid }>(
      'SELECT event FROM relation INDEXED BY relation_kind' +
        ' WHERE target = ? AND rel = ? AND sender = ? AND type = ? AND digest = ?',
    );
    this.#bySender = db.prepare<[number, number, number], { found: number }>(
      'SELECT 1 AS found FROM relation INDEXED BY relation_kind WHERE target = ? AND rel = ? AND sender = ? LIMIT 1',
    );
    this.#count = db.prepare<[string, number, number], { count: number }>(
      'SELECT count(*) AS count FROM json_each(?) AS wanted CROSS JOIN relation INDEXED BY relation_kind' +
        ' ON relation.target = ? AND relation.rel = ? AND relation.sender = wanted.value',
    );
  }

  insert(row: RelationRow): void {
    this.#insert.run(row);
  }

  /** True if there was such a relation. */
  remove(target: EventNid, segment: number, idx: number): boolean {
    return this.#remove.run(target, segment, idx).changes > 0;
  }

  /** Drops what relates to an event from other rooms than its own: it came before the event was known. */
  dropOutside(target: EventNid, room: RoomNid): void {
    this.#dropOthers.run(target, room);
  }

  /** Those of the events that any event relates to. */
  related(events: readonly EventNid[]): EventNid[] {
    return this.#related.all(JSON.stringify(events)).map(({ target }) => target);
  }

  /** Events that relate to one, from a boundary on, at most `limit`. */
  page(target: EventNid, kind: RelationKind, from: Boundary, direction: Direction, limit: number): RelatedEvent[] {
    const statement = direction === 'b' ? this.#older : this.#newer;
    const { segment, idx } = from;
    return statement.all({ target, segment, idx, limit, rel: nullable(kind.rel), type: nullable(kind.type) });
  }

  /** Events that relate to any of these, at most `limit`, in no order. */
  ofAny(targets: readonly EventNid[], kind: RelationKind, limit: number): RelatedEvent[] {
    return this.#children.all({
      targets: JSON.stringify(targets),
      limit,
      rel: nullable(kind.rel),
      type: nullable(kind.type),
    });
  }

  /** What one sender has related to the event in one way, by time, newest first. */
  newestOf(
    target: EventNid,
    { rel, sender, type }: Pick<RelationRow, 'rel' | 'sender' | 'type'>,
    limit: number,
  ): { readonly event: EventNid; readonly ts: number }[] {
    return this.#newestOf.all(target, rel, sender, type, limit);
  }

  /** The sender's annotations with a key of this digest. */
  annotations({
    target,
    rel,
    sender,
    type,
    digest,
  }: Pick<RelationRow, 'target' | 'rel' | 'sender' | 'type' | 'digest'>): EventNid[] {
    return this.#annotations.all(target, rel, sender, type, digest).map(({ event }) => event);
  }

  hasSender(target: EventNid, rel: TypeNid, sender: UserNid): boolean {
    return this.#bySender.get(target, rel, sender) !== undefined;
  }

  /** How many relations of a kind are from these senders. */
  countOf(target: EventNid, rel: TypeNid, senders: readonly UserNid[]): number {
    return this.#count.get(JSON.stringify(senders), target, rel)?.count ?? 0;
  }
}

function nullable<T>(value: T | undefined): T {
  return (value ?? null) as T;
}

import { eventIdOf } from '../../protocol/events/hashes.ts';
import { type Pdu, refIds } from '../../protocol/events/pdu.ts';
import { parseExactJson } from '../../protocol/parse-json.ts';
import { type RoomVersionRules, roomVersionRules } from '../../protocol/room-versions.ts';
import type { Database } from '../db.ts';
import { type EventRow, eventColumns } from '../events/event-row.ts';
import { EventStore } from '../events/event-store.ts';
import { membershipCode } from '../events/membership.ts';
import { Interning } from '../interning/interning.ts';
import { wellKnown } from '../interning/well-known.ts';
import type { RoomNid } from '../nids.ts';

type VersionedRow = EventRow & { readonly version: string | null };

const pageSize = 256;

/** Every body gives back the event that its ID names, and its row and edges say what the body says. */
export class BodyCheck {
  readonly #interning: Interning;
  readonly #events: EventStore;
  readonly #page;
  readonly #roomVersions = new Map<RoomNid, RoomVersionRules | undefined>();

  constructor(db: Database) {
    this.#interning = new Interning(db);
    this.#events = new EventStore(db, this.#interning);
    this.#page = db.prepare<[number, number], VersionedRow>(
      `SELECT ${eventColumns}, room_info.version FROM event LEFT JOIN room_info ON room_info.room = event.room` +
        ' WHERE event.nid > ? ORDER BY event.nid LIMIT ?',
    );
  }

  *run(): Generator<string> {
    let after = 0;
    while (true) {
      const page = this.#page.all(after, pageSize);
      for (const row of page) {
        const problem = this.#problem(row);
        if (problem !== undefined) yield `Event ${row.nid}: ${problem}`;
      }
      const last = page.at(-1);
      if (last === undefined) return;
      after = last.nid;
    }
  }

  #problem(row: VersionedRow): string | undefined {
    const rules = this.#rulesOf(row);
    const canonical = this.#events.canonical(row.nid);
    const pdu = parseExactJson(canonical) as Pdu | undefined;
    if (pdu === undefined) return 'its body is no JSON';
    if (rules !== undefined && eventIdOf(pdu, rules) !== this.#interning.eventId(row.nid)) {
      return 'its body is not that of its ID';
    }
    return this.#contradiction(row, this.#events.pdu(row.nid) as Pdu, rules);
  }

  #rulesOf({ room, version }: VersionedRow): RoomVersionRules | undefined {
    if (version === null) return undefined;
    if (!this.#roomVersions.has(room)) this.#roomVersions.set(room, roomVersionRules(version));
    return this.#roomVersions.get(room);
  }

  #contradiction(row: EventRow, pdu: Pdu, rules: RoomVersionRules | undefined): string | undefined {
    const interning = this.#interning;
    const same = (column: unknown, member: unknown) => column === member;
    if (!same(interning.typeName(row.type), pdu.type)) return 'its type is not that of its body';
    if (!same(interning.userId(row.sender), pdu.sender)) return 'its sender is not that of its body';
    const stateKey = row.stateKey === null ? undefined : interning.stateKeyOf(row.stateKey).skey;
    if (!same(stateKey, pdu.state_key)) return 'its state key is not that of its body';
    if (pdu.room_id !== undefined && !same(interning.roomId(row.room), pdu.room_id)) {
      return 'its room is not that of its body';
    }
    if (row.type === wellKnown.types.member && row.stateKey !== null) {
      const code = membershipCode(pdu.content['membership']) ?? null;
      if (code !== row.membership) return 'its membership is not that of its body';
    }
    return rules === undefined ? undefined : this.#wrongEdges(row, pdu);
  }

  #wrongEdges(row: EventRow, pdu: Pdu): string | undefined {
    const cited = new Set(refIds(pdu.prev_events).map((id) => this.#interning.findEvent(id)));
    const edges = this.#events.parents(row.nid);
    const isSame = cited.size === edges.length && edges.every((parent) => cited.has(parent));
    return isSame ? undefined : 'its edges are not the prev_events of its body';
  }
}

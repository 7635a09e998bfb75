import { MatrixError } from '../../protocol/errors.ts';
import type { EventStore } from '../../store/events/event-store.ts';
import type { Interning } from '../../store/interning/interning.ts';
import type { Requester } from '../../users/login/requester.ts';
import type { KnownRoom } from '../known-rooms.ts';
import type { EventDraft } from '../send/draft.ts';
import { type Relation, relationIn } from './relation.ts';
import type { RelationIndex } from './relation-index.ts';

export interface RelationCheckUses {
  readonly interning: Interning;
  readonly events: EventStore;
  readonly relationIndex: RelationIndex;
}

/** Keeps our own users from relating events in ways that the specification refuses. */
export class RelationChecks {
  readonly #uses: RelationCheckUses;

  constructor(uses: RelationCheckUses) {
    this.#uses = uses;
  }

  /**
   * 400 M_DUPLICATE_ANNOTATION the user has annotated the event with the same before
   * · 400 M_UNKNOWN a thread on an event that relates to another itself
   * @see https://spec.matrix.org/v1.19/client-server-api/#avoiding-duplicate-annotations
   * @see https://spec.matrix.org/v1.19/client-server-api/#validation-of-mthread-relationships
   */
  check(requester: Requester, room: KnownRoom, draft: EventDraft): void {
    const relation = relationIn(draft.content);
    if (relation === undefined) return;
    if (relation.rel === 'm.annotation') this.#checkAnnotation(requester, draft, relation);
    if (relation.rel === 'm.thread') this.#checkThread(room, relation);
  }

  #checkAnnotation({ user }: Requester, draft: EventDraft, relation: Relation): void {
    const { interning, relationIndex } = this.#uses;
    const target = interning.findEvent(relation.eventId);
    const type = interning.findType(draft.type);
    if (target === undefined || type === undefined || relation.key === undefined) return;
    if (relationIndex.isAnnotated({ target, type, sender: user }, relation)) {
      throw new MatrixError(400, 'M_DUPLICATE_ANNOTATION', 'You have annotated this event with the same already');
    }
  }

  #checkThread({ nid }: KnownRoom, { eventId }: Relation): void {
    const { interning, events } = this.#uses;
    const root = interning.findEvent(eventId);
    if (root === undefined || events.row(root)?.room !== nid) return;
    if (relationIn(events.bare(root)['content']) !== undefined) {
      throw new MatrixError(400, 'M_UNKNOWN', 'A thread cannot start from an event that relates to another');
    }
  }
}

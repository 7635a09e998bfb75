import type { EventId } from '../../protocol/ids/types.ts';
import type { JsonObject } from '../../util/json.ts';

/** What a local user wants to say in a room, before it becomes an event. `stateKey` makes it a state event. */
export interface EventDraft {
  readonly type: string;
  readonly content: JsonObject;
  readonly stateKey?: string;
  /** The target of an `m.room.redaction`; it is written where the room's version wants it. */
  readonly redacts?: EventId;
}

export interface StateDraft extends EventDraft {
  readonly stateKey: string;
}

import assert from 'node:assert/strict';
import type { Person } from './sync-world.ts';

export interface ModelRoom {
  membership: string;
  /** `type\0state_key` → event ID, as the client has put it together from what it was told. */
  readonly state: Map<string, string>;
  /** All timeline events since the last gap. */
  timeline: string[];
  limited: boolean;
  notify: number;
  highlight: number;
  readonly threads: Map<string, number>;
  prevBatch: string | undefined;
}

interface WireEvent {
  readonly event_id: string;
  readonly type: string;
  readonly state_key?: string;
}

/** A client that believes what /sync tells it, as the specification says a client should. */
export class ModelClient {
  readonly person: Person;
  readonly query: Record<string, string>;
  readonly rooms = new Map<string, ModelRoom>();
  token: string | undefined;

  constructor(person: Person, query: Record<string, string> = {}) {
    this.person = person;
    this.query = query;
  }

  // oxlint-disable-next-line typescript/no-explicit-any -- the answer as it came
  async sync(): Promise<any> {
    const answer = await this.person.sync({ ...this.query, ...(this.token && { since: this.token }) });
    this.token = answer.next_batch;
    for (const [id, entry] of Object.entries(answer.rooms?.join ?? {})) this.#joined(id, entry, 'join');
    for (const [id, entry] of Object.entries(answer.rooms?.leave ?? {})) this.#joined(id, entry, 'leave');
    for (const id of Object.keys(answer.rooms?.invite ?? {})) this.#room(id).membership = 'invite';
    return answer;
  }

  #room(id: string): ModelRoom {
    let room = this.rooms.get(id);
    if (room === undefined) {
      room = {
        membership: 'none',
        state: new Map(),
        timeline: [],
        limited: false,
        notify: 0,
        highlight: 0,
        threads: new Map(),
        prevBatch: undefined,
      };
      this.rooms.set(id, room);
    }
    return room;
  }

  // oxlint-disable-next-line typescript/no-explicit-any -- an entry as it came
  #joined(id: string, entry: any, membership: string): void {
    const room = this.#room(id);
    const events = entry.timeline.events as WireEvent[];
    const stateAfter = entry.state_after?.events as WireEvent[] | undefined;
    assert.equal(stateAfter === undefined, this.query['use_state_after'] !== 'true');
    for (const event of stateAfter ?? entry.state.events) this.#apply(room, event);
    if (stateAfter === undefined) for (const event of events) this.#apply(room, event);
    const ids = events.map((event) => event.event_id);
    const anew = entry.timeline.limited || (room.membership !== 'join' && membership === 'join');
    room.limited = entry.timeline.limited;
    room.timeline = anew ? ids : [...room.timeline, ...ids];
    room.membership = membership;
    room.prevBatch = entry.timeline.prev_batch;
    if (membership !== 'join') return;
    room.notify = entry.unread_notifications.notification_count;
    room.highlight = entry.unread_notifications.highlight_count;
    room.threads.clear();
    for (const [root, counts] of Object.entries(entry.unread_thread_notifications ?? {})) {
      room.threads.set(root, (counts as { notification_count: number }).notification_count);
    }
  }

  #apply(room: ModelRoom, event: WireEvent): void {
    if (event.state_key !== undefined) room.state.set(`${event.type}\0${event.state_key}`, event.event_id);
  }
}

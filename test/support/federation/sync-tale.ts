import assert from 'node:assert/strict';
import type { Guest } from '../../federation/joining/joining-world.ts';

interface Told {
  readonly event_id: string;
  readonly type: string;
  readonly state_key?: string;
}

const enc = encodeURIComponent;

/** What a client puts together of a room from `/sync`, and from `/messages` for what `/sync` leaves out. */
export class SyncTale {
  readonly #guest: Guest;
  readonly #room: string;
  /** In the order in which they were told, gaps filled. */
  readonly #told: string[] = [];
  readonly #gaps: { readonly from: string; readonly to: string | undefined }[] = [];
  readonly #state = new Map<string, string>();
  #since: string | undefined;
  #running: Promise<void> = Promise.resolve();

  constructor(guest: Guest, room: string) {
    this.#guest = guest;
    this.#room = room;
  }

  /** One after the other, as clients do. An answer that does not arrive is as if it had not been given. */
  sync(arrives: () => boolean = () => true): Promise<void> {
    const next = this.#running.then(() => this.#next(arrives));
    this.#running = next.catch(() => {});
    return next;
  }

  async #next(arrives: () => boolean): Promise<void> {
    const answer = await this.#guest.sync(this.#since, '&use_state_after=true');
    if (!arrives()) return;
    const room = answer.rooms?.join?.[this.#room];
    if (room !== undefined) {
      const { events, limited, prev_batch } = room.timeline;
      if (limited) this.#gaps.push({ from: prev_batch, to: this.#since });
      this.#told.push(...events.map(({ event_id }: Told) => event_id));
      // What forks come to cannot be told by a timeline.
      for (const { type, state_key, event_id } of room.state_after.events as Told[]) {
        this.#state.set(`${type}|${state_key}`, event_id);
      }
    }
    this.#since = answer.next_batch;
  }

  /** Asks for what was left out, by tokens that are old by now. */
  async fillGaps(): Promise<void> {
    for (const { from, to } of this.#gaps.splice(0)) {
      const until = to === undefined ? '' : `&to=${to}`;
      for (let at: string | undefined = from, page = 0; at !== undefined; page++) {
        assert.ok(page < 1000, 'a gap has no end');
        const path = `/rooms/${enc(this.#room)}/messages?dir=b&limit=30&from=${at}${until}`;
        const { chunk, end } = await this.#guest.ok('GET', path);
        this.#told.push(...chunk.map(({ event_id }: Told) => event_id));
        at = end;
      }
    }
  }

  /** Everything was told exactly once, and makes up the state. */
  check(shown: readonly string[], state: Readonly<Record<string, string>>): void {
    const counts = new Map<string, number>();
    for (const id of this.#told) counts.set(id, (counts.get(id) ?? 0) + 1);
    for (const id of shown) assert.equal(counts.get(id) ?? 0, 1, `${this.#guest.userId} is told of ${id} once`);
    // That a key has gone cannot be told.
    const wrong = Object.keys(state).filter((key) => this.#state.get(key) !== state[key]);
    assert.deepEqual(
      wrong.map((key) => [key, this.#state.get(key), state[key]]),
      [],
      `${this.#guest.userId} knows the state: ${wrong.join()}`,
    );
  }
}

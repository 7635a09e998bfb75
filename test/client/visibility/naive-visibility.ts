// oxlint-disable-next-line typescript/no-explicit-any -- events as clients see them
export type ClientEvent = any;

/** One event with the state before it, as far as that decides who may see it. */
interface Past {
  readonly event: ClientEvent;
  readonly visibility: string;
  readonly members: ReadonlyMap<string, string>;
}

/** Who may see what of a room without forks, obviously right: told all of its events in order, it looks at each rule. */
export class NaiveVisibility {
  readonly #past: Past[] = [];
  readonly #members = new Map<string, string>();
  #visibility = 'shared';

  constructor(events: readonly ClientEvent[]) {
    for (const event of events) {
      this.#past.push({ event, visibility: this.#visibility, members: new Map(this.#members) });
      if (event.type === 'm.room.member') this.#members.set(event.state_key, event.content.membership);
      if (event.type === 'm.room.history_visibility') this.#visibility = event.content.history_visibility;
    }
  }

  get events(): readonly ClientEvent[] {
    return this.#past.map(({ event }) => event);
  }

  get isWorldReadable(): boolean {
    return this.#visibility === 'world_readable';
  }

  membership(user: string): string | undefined {
    return this.#members.get(user);
  }

  /** Index of the event that ended the user's last join; `undefined` for who is in the room or never was. */
  leftAt(user: string): number | undefined {
    if (this.membership(user) === 'join') return undefined;
    const at = this.#past.findLastIndex(({ event, members }) => isMember(event, user) && members.get(user) === 'join');
    return at < 0 ? undefined : at;
  }

  /** The numbers are those of the specification. */
  maySee(user: string, index: number): boolean {
    const past = this.#past[index] as Past;
    const { event } = past;
    const after = this.#past[index + 1] ?? { visibility: this.#visibility, members: this.#members };
    const isOwn = isMember(event, user);
    const visibilities = event.type === 'm.room.history_visibility' ? [past, after] : [past];
    const memberships = isOwn ? [past, after] : [past];
    const joinedLater = this.#past
      .slice(index + 1)
      .some((later) => isMember(later.event, user) && later.event.content.membership === 'join');
    return visibilities.some(({ visibility }) =>
      memberships.some(({ members }) => {
        const membership = members.get(user);
        if (visibility === 'world_readable') return true; // 1
        if (membership === 'join') return true; // 2
        if (visibility === 'shared' && joinedLater) return true; // 3
        return visibility === 'invited' && membership === 'invite'; // 4
      }),
    );
  }

  /** The event that was a piece of state before the event at an index, if there was one. */
  stateBefore(index: number, type: string, key = ''): ClientEvent {
    return this.#past.slice(0, index).findLast(({ event }) => event.type === type && event.state_key === key)?.event;
  }
}

const isMember = (event: ClientEvent, user: string): boolean =>
  event.type === 'm.room.member' && event.state_key === user;

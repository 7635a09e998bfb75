/** An event as far as it notifies. */
interface Said {
  readonly room: string;
  readonly sender: string;
  readonly eventId: string;
  /** The root's event ID, or `main`. */
  readonly thread: string;
  /** Who was in the room and is notified, with what. */
  readonly notified: readonly string[];
  readonly mentioned: readonly string[];
  redacted: boolean;
}

export interface Counts {
  readonly notify: number;
  readonly highlight: number;
}

/** Unread counts, obviously right: every event is looked at each time anybody asks. */
export class NaiveCounts {
  readonly events: Said[] = [];
  /** Index of the first event that is not read, by user, room and thread (`all`: in every thread). */
  readonly #read = new Map<string, number>();
  readonly #inside = new Map<string, Set<string>>();

  members(room: string): string[] {
    return [...(this.#inside.get(room) ?? [])];
  }

  join(user: string, room: string): void {
    const inside = this.#inside.get(room) ?? new Set();
    this.#inside.set(room, inside.add(user));
    // Nobody is told what was before.
    this.#mark(user, room, 'all', this.events.length);
  }

  leave(user: string, room: string): void {
    this.#inside.get(room)?.delete(user);
    this.#mark(user, room, 'all', this.events.length);
  }

  say(event: Omit<Said, 'redacted' | 'notified'>, isLoud: boolean): void {
    const others = this.members(event.room).filter((user) => user !== event.sender);
    this.events.push({ ...event, notified: isLoud ? others : [], redacted: false });
    // Whoever speaks has read what was before, in that thread.
    this.#mark(event.sender, event.room, event.thread, this.events.length);
  }

  redact(sender: string, event: Said): void {
    event.redacted = true;
    this.#mark(sender, event.room, 'main', this.events.length);
  }

  read(user: string, event: Said, thread: string): void {
    this.#mark(user, event.room, thread, this.events.indexOf(event) + 1);
  }

  counts(user: string, room: string): Counts {
    const unread = this.unread(user).filter((event) => event.room === room);
    const highlights = unread.filter((event) => event.mentioned.includes(user) && !event.redacted);
    return { notify: unread.length, highlight: highlights.length };
  }

  /** In the order in which they came. */
  unread(user: string): Said[] {
    return this.events.filter(({ room, thread, notified }, index) => {
      return (
        notified.includes(user) && index >= Math.max(this.#upTo(user, room, 'all'), this.#upTo(user, room, thread))
      );
    });
  }

  #mark(user: string, room: string, thread: string, upTo: number): void {
    this.#read.set(`${user} ${room} ${thread}`, Math.max(upTo, this.#upTo(user, room, thread)));
  }

  #upTo(user: string, room: string, thread: string): number {
    return this.#read.get(`${user} ${room} ${thread}`) ?? 0;
  }
}

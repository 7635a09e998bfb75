import type { Presence } from '../ephemeral/presence.ts';
import type { LocalMember } from '../store/state/local-members.ts';
import type { Turn } from './turn.ts';

/** The `presence` section: of people with whom the user shares a room. */
export class PresenceSection {
  readonly #presence: Presence;

  constructor({ presence }: { readonly presence: Presence }) {
    this.#presence = presence;
  }

  /** Whether there might be something to tell beside what rooms have to tell. */
  hasNews({ from, now, filter }: Turn): boolean {
    return !filter.presence.nothing && this.#presence.hasNews(from, now);
  }

  /** The section with its comma before it, or ''. Who has just come into a room hears of all who are in it. */
  text(turn: Turn, joined: readonly LocalMember[]): string {
    const { filter, user, from, now, initial, ignored } = turn;
    if (filter.presence.nothing || !filter.presence.allowsType('m.presence')) return '';
    const all = initial || joined.some(({ pos }) => pos > from);
    const events = this.#presence
      .events(user, from, now, all)
      .filter((event) => !ignored.has(event.user) && filter.presence.allowsSender(event.sender));
    return events.length === 0 ? '' : `,"presence":{"events":[${events.map(({ text }) => text).join(',')}]}`;
  }
}

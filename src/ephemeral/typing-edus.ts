import type { Edu } from '../federation/queue/edu-source.ts';
import type { ServerName } from '../protocol/ids/types.ts';
import type { Interning } from '../store/interning/interning.ts';
import type { RoomNid, UserNid } from '../store/nids.ts';
import type { Clock } from '../util/clock.ts';
import { Lru } from '../util/lru.ts';
import type { Typing } from './typing.ts';

/** Other servers forget somebody who is not said to be typing for a minute or less; clients say it more often. */
const sayAgainAfter = 25_000;
/** People remembered as typing, by room: more than do so at once on a small server. */
const maxRemembered = 500;

export interface TypingEdusUses {
  readonly typing: Typing;
  readonly interning: Interning;
  readonly clock: Clock;
  readonly serverName: ServerName;
  readonly send: (room: RoomNid, edu: Edu) => void;
}

/**
 * Tells the other servers of a room when our users type there.
 * @see https://spec.matrix.org/v1.19/server-server-api/#typing-notifications
 */
export function sendTyping({ typing, interning, clock, serverName, send }: TypingEdusUses): void {
  /** When it was said last, by the monotonic clock. */
  const said = new Lru<string, number>(maxRemembered);
  typing.observe((room: RoomNid, user: UserNid, isTyping: boolean) => {
    if (interning.serverName(interning.userServer(user)) !== serverName) return;
    const key = `${room} ${user}`;
    const before = said.get(key);
    if (isTyping && before !== undefined && clock.monotonic() - before < sayAgainAfter) return;
    if (isTyping) said.set(key, clock.monotonic());
    else said.delete(key);
    const content = { room_id: interning.roomId(room), user_id: interning.userId(user), typing: isTyping };
    send(room, { edu_type: 'm.typing', content });
  });
}

import type { Mailer } from '../outbound/mailer.ts';
import type { ServerName } from '../protocol/ids/types.ts';
import type { EventStore } from '../store/events/event-store.ts';
import { eventFlags } from '../store/events/flags.ts';
import type { StreamPos } from '../store/nids.ts';
import type { PushCountStore } from '../store/push/push-counts.ts';
import type { Pusher } from '../store/push/pushers.ts';
import type { Clock } from '../util/clock.ts';
import type { PushOutcome } from './push-gateway.ts';
import type { PushMessages } from './push-message.ts';

export interface PushMailsUses {
  readonly pushCounts: PushCountStore;
  readonly events: EventStore;
  readonly messages: PushMessages;
  readonly mailer: Mailer;
  readonly serverName: ServerName;
  readonly clock: Clock;
}

/** What a mail will tell of. */
export interface PushMail {
  /** When it may be sent, milliseconds since the epoch. */
  readonly due: number;
  readonly cursor: StreamPos;
  /** One line for each room. */
  readonly lines: readonly string[];
  readonly messages: number;
}

/** So long a message may lie unread before it is mailed: who is there reads it sooner. */
export const patience = 10 * 60_000;
/** Messages that one mail counts; what is beyond comes with the next. */
const maxMessages = 500;
const maxRooms = 20;
const maxSenders = 3;

interface RoomNews {
  readonly name: string;
  readonly senders: Set<string>;
  messages: number;
}

/** Mails for pushers of kind `email`. They say where something was said and by whom, not what: mail is open to many. */
export class PushMails {
  readonly #uses: PushMailsUses;

  constructor(uses: PushMailsUses) {
    this.#uses = uses;
  }

  /** What is unread and not told yet; `undefined` if there is nothing. */
  next(pusher: Pusher): PushMail | undefined {
    const { pushCounts, events, messages, clock } = this.#uses;
    const rooms = new Map<number, RoomNews>();
    let { cursor } = pusher;
    let first: number | undefined;
    let count = 0;
    for (let seen = 0; seen < maxMessages; seen++) {
      const notification = pushCounts.notificationAfter(pusher.user, cursor);
      if (notification === undefined) break;
      cursor = notification.pos;
      const row = events.row(notification.event);
      if (row === undefined || (row.flags & eventFlags.REDACTED) !== 0) continue;
      first ??= row.ts;
      count++;
      const known = rooms.get(row.room);
      const { name, sender } = messages.names(row, pusher.user);
      const news = known ?? { name, senders: new Set<string>(), messages: 0 };
      news.messages++;
      if (news.senders.size <= maxSenders) news.senders.add(sender);
      if (known === undefined && rooms.size < maxRooms) rooms.set(row.room, news);
    }
    if (first === undefined) return undefined;
    const lines = Array.from(rooms.values(), line);
    // What other servers say of the time counts only as long as it can be.
    const due = first > clock.now() ? clock.now() : first + patience;
    return { due, cursor, lines, messages: count };
  }

  /** Resolves to what became of it; never rejects. */
  async send(pusher: Pusher, { lines, messages }: PushMail): Promise<PushOutcome> {
    const { mailer, serverName } = this.#uses;
    const subject = `${counted(messages)} on ${serverName}`;
    const text = `You have ${counted(messages)}:\n\n${lines.join('\n')}\n\nYou can turn these mails off in the settings of your app.\n`;
    const outcome = await mailer.send({ to: pusher.pushkey, subject, text });
    if (outcome.kind === 'sent') return { kind: 'delivered', rejected: [] };
    if (outcome.kind === 'refused') return { kind: 'refused', detail: outcome.detail };
    return { kind: 'failed', detail: outcome.detail, isSilent: false };
  }
}

function line({ name, senders, messages }: RoomNews): string {
  const names = [...senders];
  const shown = names.length > maxSenders ? `${names.slice(0, maxSenders).join(', ')} and others` : names.join(', ');
  return `- ${name}: ${messages} (${shown})`;
}

const counted = (messages: number) => (messages === 1 ? '1 unread message' : `${messages} unread messages`);

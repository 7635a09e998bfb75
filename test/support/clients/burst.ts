import type { Person } from './person.ts';
import { WireConnection } from './wire-client.ts';

/** What became of the sends of a burst that was cut short. */
export interface BurstResult {
  /** Transaction ID → event ID, of every send that was answered. */
  readonly answered: ReadonlyMap<string, string>;
  /** Transaction IDs sent whose answer never came. */
  readonly unanswered: readonly string[];
}

/** Sends from `parallel` connections until the server goes away. `label` keeps transaction IDs of bursts apart. */
export async function sendUntilGone(
  person: Person,
  port: number,
  room: string,
  label: string,
  parallel: number,
): Promise<BurstResult> {
  const answered = new Map<string, string>();
  const unanswered: string[] = [];
  const lane = async (number: number): Promise<void> => {
    const connection = new WireConnection(port);
    for (let i = 0; ; i++) {
      const txn = `${label}-${number}-${i}`;
      try {
        answered.set(txn, await sendOnce(connection, person, room, txn));
      } catch {
        unanswered.push(txn);
        connection.close();
        return;
      }
    }
  };
  await Promise.all(Array.from({ length: parallel }, (_, number) => lane(number)));
  return { answered, unanswered };
}

/** Sends the message named by its transaction ID and answers its event ID. */
export async function sendOnce(connection: WireConnection, person: Person, room: string, txn: string): Promise<string> {
  const path = `/_matrix/client/v3/rooms/${encodeURIComponent(room)}/send/m.room.message/${txn}`;
  const answer = await connection.request('PUT', path, person.token, { msgtype: 'm.text', body: txn });
  if (answer.status !== 200) throw new Error(`answered ${answer.status}: ${answer.body}`);
  return (JSON.parse(answer.body) as { event_id: string }).event_id;
}

/** Every message of the room by /messages, oldest first: its body and event ID. */
export async function readHistory(person: Person, room: string): Promise<{ body: string; eventId: string }[]> {
  const seen: { body: string; eventId: string }[] = [];
  let from: string | undefined;
  do {
    const page = await person.call(
      'GET',
      `/_matrix/client/v3/rooms/${encodeURIComponent(room)}/messages?dir=f&limit=500${from === undefined ? '' : `&from=${from}`}`,
    );
    for (const event of page['chunk'] as { type: string; event_id: string; content: { body: string } }[]) {
      if (event.type === 'm.room.message') seen.push({ body: event.content.body, eventId: event.event_id });
    }
    from = page['end'] as string | undefined;
  } while (from !== undefined);
  return seen;
}

import type { Millis } from '../../util/brand.ts';
import type { Database } from '../db.ts';
import type { ServerNid, StreamPos, UserNid } from '../nids.ts';

/** An EDU that waits for its server. */
export interface OutgoingMessage {
  readonly pos: StreamPos;
  /** Of an `m.direct_to_device` EDU, a JSON object. */
  readonly content: string;
}

/** What a row takes besides its text, about. */
const rowSize = 48;
/** IDs that are remembered of a server: some thousand times what one transaction can bring. */
const remembered = 5000;

type End = { readonly server: ServerNid; readonly pos: StreamPos; readonly total: number };

/** Messages to devices on their way from or to other servers. Writing methods belong inside a write. */
export class RemoteToDeviceStore {
  readonly #ofServer;
  readonly #ofSender;
  readonly #insert;
  readonly #remove;
  readonly #delivered;
  readonly #page;
  readonly #servers;
  readonly #seen;
  readonly #insertSeen;
  readonly #lastSeen;
  readonly #forgetSeen;
  readonly #expireSeen;

  constructor(db: Database) {
    const end = (owner: 'server' | 'sender', index: string, order: string) =>
      db.prepare<[owner: number], End>(
        `SELECT server, pos, ${owner}_total AS total FROM to_device_out${index}` +
          ` WHERE ${owner} = ? ORDER BY pos ${order} LIMIT 1`,
      );
    const bySender = ' INDEXED BY to_device_out_sender';
    this.#ofServer = { oldest: end('server', '', 'ASC'), newest: end('server', '', 'DESC') };
    this.#ofSender = { oldest: end('sender', bySender, 'ASC'), newest: end('sender', bySender, 'DESC') };
    this.#insert = db.prepare<[number, number, number, number, number, string], never>(
      'INSERT INTO to_device_out (server, pos, sender, server_total, sender_total, content) VALUES (?, ?, ?, ?, ?, ?)',
    );
    this.#remove = db.prepare<[number, number], never>('DELETE FROM to_device_out WHERE server = ? AND pos = ?');
    this.#delivered = db.prepare<[number, number], never>('DELETE FROM to_device_out WHERE server = ? AND pos <= ?');
    this.#page = db.prepare<[number, number, number, number], OutgoingMessage>(
      'SELECT pos, content FROM to_device_out WHERE server = ? AND pos > ? AND pos <= ? ORDER BY pos LIMIT ?',
    );
    this.#servers = db
      .rememberStretch<[after: number, upTo: number], ServerNid>(
        'SELECT server FROM to_device_out INDEXED BY to_device_out_pos WHERE pos > ? AND pos <= ?',
        { keys: 0 },
      )
      .pluck();
    this.#seen = db
      .prepare<[number, string], number>('SELECT 1 FROM to_device_seen WHERE server = ? AND message = ?')
      .pluck();
    this.#insertSeen = db.prepare<[number, string, number, number], never>(
      'INSERT INTO to_device_seen (server, message, n, ts) VALUES (?, ?, ?, ?)',
    );
    this.#lastSeen = db
      .prepare<[number], number | null>(
        'SELECT max(n) FROM to_device_seen INDEXED BY to_device_seen_order WHERE server = ?',
      )
      .pluck();
    this.#forgetSeen = db.prepare<[number, number], never>(
      'DELETE FROM to_device_seen INDEXED BY to_device_seen_order WHERE server = ? AND n <= ?',
    );
    this.#expireSeen = db.prepare<[number, number], never>(
      'DELETE FROM to_device_seen WHERE (server, message) IN' +
        ' (SELECT server, message FROM to_device_seen INDEXED BY to_device_seen_ts WHERE ts < ? ORDER BY ts LIMIT ?)',
    );
  }

  /**
   * Puts a message at the end of a server's queue. When that takes more than `maxQueue` bytes, or the sender has sent
   * more than `maxSent` bytes since, the oldest messages go.
   */
  append(
    server: ServerNid,
    sender: UserNid,
    { pos, content }: OutgoingMessage,
    { maxQueue, maxSent }: { maxQueue: number; maxSent: number },
  ): void {
    const size = rowSize + content.length;
    const serverTotal = (this.#ofServer.newest.get(server)?.total ?? 0) + size;
    const senderTotal = (this.#ofSender.newest.get(sender)?.total ?? 0) + size;
    this.#insert.run(server, pos, sender, serverTotal, senderTotal, content);
    this.#trim(() => this.#ofServer.oldest.get(server), serverTotal - maxQueue);
    this.#trim(() => this.#ofSender.oldest.get(sender), senderTotal - maxSent);
  }

  #trim(oldest: () => End | undefined, upTo: number): void {
    if (upTo <= 0) return;
    for (let row = oldest(); row !== undefined && row.total <= upTo; row = oldest()) {
      this.#remove.run(row.server, row.pos);
    }
  }

  /** What waits for a server in (after, upTo], oldest first. */
  page(server: ServerNid, after: StreamPos, upTo: StreamPos, limit: number): OutgoingMessage[] {
    return this.#page.all(server, after, upTo, limit);
  }

  /** For whom something waits in (after, upTo]; a server may come more than once. */
  servers(after: StreamPos, upTo: StreamPos): readonly ServerNid[] {
    return this.#servers.all(after, upTo);
  }

  /** Everything up to here has arrived. */
  delivered(server: ServerNid, upTo: StreamPos): void {
    this.#delivered.run(server, upTo);
  }

  /** Remembers a message of a server; false if it was remembered already. */
  note(server: ServerNid, message: string, now: Millis): boolean {
    if (this.#seen.get(server, message) !== undefined) return false;
    const n = (this.#lastSeen.get(server) ?? 0) + 1;
    this.#insertSeen.run(server, message, n, now);
    this.#forgetSeen.run(server, n - remembered);
    return true;
  }

  /** Forgets messages older than `before`, at most `limit`; returns how many. */
  expire(before: Millis, limit: number): number {
    return this.#expireSeen.run(before, limit).changes;
  }
}

import type { ServerName } from '../../protocol/ids/types.ts';
import type { Millis } from '../../util/brand.ts';
import type { JsonObject } from '../../util/json.ts';
import type { Transaction } from './transaction.ts';

export type SendResult =
  | { readonly ok: true; readonly value: JsonObject }
  | { readonly ok: false; readonly detail: string; readonly retryAfter?: Millis };

/** How a transaction gets to another server. Never rejects. */
export interface Sender {
  send(server: ServerName, transaction: Transaction, signal: AbortSignal): Promise<SendResult>;
}

/** What is known of whether servers can be reached. */
export interface Reach {
  /** Whether we may talk to it at all. */
  mayTalkTo(server: ServerName): boolean;
  isDown(server: ServerName): boolean;
  /** When it may be tried again; wall clock. */
  retryAt(server: ServerName): number | undefined;
  onUp(listener: (server: ServerName) => void): void;
}

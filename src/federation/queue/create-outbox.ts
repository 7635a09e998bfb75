import type { Config } from '../../config/config.ts';
import { millis } from '../../util/brand.ts';
import { type FederationClient, type RemoteFailure, remotePath } from '../client.ts';
import type { Federation } from '../create-federation.ts';
import { Outbox, type OutboxUses } from './outbox.ts';
import type { Sender } from './sender.ts';

export interface CreateOutboxUses extends Omit<OutboxUses, 'enabled' | 'sender' | 'reach' | 'retryMin' | 'retryMax'> {
  readonly federation: Federation;
  readonly config: Pick<Config, 'federation'>;
}

/** The answer comes when the other server has dealt with all events, for which it may have to ask others. */
const timeout = millis(60_000);
/** One line for each event. */
const maxAnswerBytes = 256 * 1024;

/** The queue as it stands between the stores and other servers. */
export function createOutbox(uses: CreateOutboxUses): Outbox {
  const { policy, reachability, client } = uses.federation;
  const { retryMin, retryMax } = uses.config.federation;
  return new Outbox({
    ...uses,
    enabled: uses.federation.enabled,
    sender: transactionSender(client),
    reach: {
      mayTalkTo: (server) => policy.mayTalkTo(server),
      isDown: (server) => reachability.isDown(server),
      retryAt: (server) => reachability.retryAt(server),
      onUp: (listener) => reachability.onUp(listener),
    },
    retryMin,
    retryMax,
  });
}

/**
 * `PUT /_matrix/federation/v1/send/{txnId}`
 * @see https://spec.matrix.org/v1.19/server-server-api/#put_matrixfederationv1sendtxnid
 */
function transactionSender(client: Pick<FederationClient, 'call'>): Sender {
  return {
    async send(server, { txnId, body }, signal) {
      const path = remotePath`/_matrix/federation/v1/send/${txnId}`;
      const answer = await client.call({
        server,
        method: 'PUT',
        path,
        text: body,
        timeout,
        maxBytes: maxAnswerBytes,
        signal,
      });
      if (answer.ok || wasTaken(answer)) return { ok: true, value: answer.ok ? answer.value : {} };
      const { detail, retryAfter } = answer;
      return { ok: false, detail, ...(retryAfter === undefined ? {} : { retryAfter }) };
    },
  };
}

/** What is wrong with the answer to a transaction that was taken says nothing about the transaction. */
function wasTaken({ kind, status = 0 }: RemoteFailure): boolean {
  return kind === 'invalid' && status >= 200 && status < 300;
}

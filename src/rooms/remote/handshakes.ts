import {
  type FederationClient,
  type RemoteAnswer,
  type RemoteFailure,
  remoteError,
  remotePath,
} from '../../federation/client.ts';
import { forbidden, type MatrixError, notFound } from '../../protocol/errors.ts';
import type { EventSigner } from '../../protocol/events/build.ts';
import type { ServerName } from '../../protocol/ids/types.ts';
import { supportedRoomVersions } from '../../protocol/room-versions.ts';
import { millis } from '../../util/brand.ts';
import type { Clock } from '../../util/clock.ts';
import type { JsonObject } from '../../util/json.ts';
import type { Log } from '../../util/log.ts';
import type { Random } from '../../util/random.ts';
import { type SignedWish, signTemplate, type Wish } from './template.ts';

export interface HandshakeUses {
  readonly client: FederationClient;
  readonly signer: EventSigner;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

/** A template is small and quickly made; another server is soon asked instead. */
const makeTimeout = millis(15_000);
/** A large room takes a server a while, Synapse up to minutes. */
const sendTimeout = millis(180_000);
const smallAnswer = 512 * 1024;
/** The largest rooms there are answer with some 200 MB. The disk has to hold it, not the memory. */
const largestRoom = 512 * 1024 * 1024;
/** Asking goes on while servers refuse; when so many say the same, the others will say it too. */
const sameVerdicts = 3;

export interface SendJoinOptions {
  /** The members may come later. */
  readonly omitMembers: boolean;
  readonly signal: AbortSignal;
}

/** The two halves of a handshake with one server: asking for a template, and handing in the event. */
export class Handshakes {
  readonly #uses: HandshakeUses;

  constructor(uses: HandshakeUses) {
    this.#uses = uses;
  }

  /** Asks for a template and signs what was wished for. */
  async make(server: ServerName, wish: Wish, signal: AbortSignal): Promise<SignedWish | RemoteFailure> {
    const { client, log } = this.#uses;
    const { kind, roomId, userId } = wish;
    const answer = await client.call({
      server,
      method: 'GET',
      path: remotePath`/_matrix/federation/v1/make_${kind}/${roomId}/${userId}`,
      ...(kind === 'leave' ? {} : { query: { ver: supportedRoomVersions } }),
      timeout: makeTimeout,
      maxBytes: smallAnswer,
      // A person waits, and names servers that are worth another try.
      evenIfDown: true,
      signal,
    });
    if (!answer.ok) return answer;
    const made = signTemplate(answer.value, wish, server, this.#uses);
    if (!('problem' in made)) return made;
    log.warn('rooms.bad_template', { server, roomId, kind, problem: made.problem });
    return badAnswer(server, made.problem);
  }

  /** Hands a join in; the answer is as large as the room, or without its members, if the server can leave them out. */
  sendJoin(server: ServerName, wish: Wish, { event }: SignedWish, options: SendJoinOptions) {
    const { omitMembers, signal } = options;
    return this.#uses.client.stream({
      server,
      method: 'PUT',
      path: remotePath`/_matrix/federation/v2/send_join/${wish.roomId}/${event.eventId}`,
      ...(omitMembers ? { query: { omit_members: 'true' } } : {}),
      content: event.pdu as JsonObject,
      timeout: sendTimeout,
      maxBytes: largestRoom,
      evenIfDown: true,
      signal,
    });
  }

  /** Hands a leave or a knock in. */
  send(
    server: ServerName,
    { kind, roomId }: Wish,
    { event }: SignedWish,
    signal: AbortSignal,
  ): Promise<RemoteAnswer | RemoteFailure> {
    const version = kind === 'knock' ? 'v1' : 'v2';
    return this.#uses.client.call({
      server,
      method: 'PUT',
      path: remotePath`/_matrix/federation/${version}/send_${kind}/${roomId}/${event.eventId}`,
      content: event.pdu as JsonObject,
      timeout: makeTimeout,
      evenIfDown: true,
      signal,
    });
  }
}

export function badAnswer(server: ServerName, detail: string): RemoteFailure {
  return { ok: false, server, kind: 'invalid', retryable: false, detail };
}

export function isFailure(value: object | undefined): value is RemoteFailure {
  return value !== undefined && 'ok' in value && value.ok === false;
}

/**
 * Asks one server after the other until one can help. Throws what a client is told when none could: the word that is
 * about the room or the user before one that is about a server.
 */
export async function askInTurn<T extends object>(
  servers: readonly ServerName[],
  attempt: (server: ServerName) => Promise<T | RemoteFailure>,
  signal: AbortSignal,
): Promise<T> {
  const failures: RemoteFailure[] = [];
  for (const server of servers) {
    if (signal.aborted) break;
    const result = await attempt(server);
    if (!isFailure(result)) return result;
    failures.push(result);
    if (isFinal(failures)) break;
  }
  throw verdict(failures);
}

/** Whether nobody else would say anything else. */
function isFinal(failures: readonly RemoteFailure[]): boolean {
  const last = failures.at(-1)?.errcode;
  if (last === 'M_INCOMPATIBLE_ROOM_VERSION') return true;
  return last === 'M_FORBIDDEN' && failures.filter(({ errcode }) => errcode === last).length >= sameVerdicts;
}

const weights: Readonly<Record<string, number>> = {
  M_INCOMPATIBLE_ROOM_VERSION: 6,
  M_FORBIDDEN: 5,
  M_UNABLE_TO_AUTHORISE_JOIN: 4,
  M_UNABLE_TO_GRANT_JOIN: 4,
  M_NOT_FOUND: 2,
};

function weightOf({ kind, errcode = '' }: RemoteFailure): number {
  if (kind === 'refused') return weights[errcode] ?? 3;
  return kind === 'not-allowed' ? 0 : 1;
}

function verdict(failures: readonly RemoteFailure[]): MatrixError {
  let worst: RemoteFailure | undefined;
  for (const failure of failures) {
    if (worst === undefined || weightOf(failure) > weightOf(worst)) worst = failure;
  }
  if (worst === undefined) return notFound('No server is known that is in this room');
  // Between servers these say why; to a client all of it is the same.
  if (worst.errcode === 'M_UNABLE_TO_AUTHORISE_JOIN' || worst.errcode === 'M_UNABLE_TO_GRANT_JOIN') {
    return forbidden(worst.error ?? 'No server could let you into this room', { cause: worst.detail });
  }
  return remoteError(worst);
}

import { invalidParam } from '../../../protocol/errors.ts';
import { isStrippedState, roomIdOf, strippedState } from '../../../protocol/events/client-event.ts';
import type { Pdu } from '../../../protocol/events/pdu.ts';
import type { RoomId } from '../../../protocol/ids/types.ts';
import type { RoomVersionRules } from '../../../protocol/room-versions.ts';
import { isJsonObject, type JsonObject } from '../../../util/json.ts';
import type { EventVerifier } from '../../receive/verify.ts';

/** Servers send seven or eight. */
const maxEntries = 64;
/** Kept for each invite until it is answered: room enough for long topics, not for a server's whole disk. */
const maxCharacters = 64 * 1024;

/** What an invite tells of a room, as it came. */
export interface InviteState {
  readonly roomId: RoomId;
  readonly rules: RoomVersionRules;
  readonly invite: Pdu;
  /** `invite_room_state` as `parseExactJson` read it. */
  readonly given: unknown;
  readonly signal?: AbortSignal | undefined;
}

/**
 * The stripped state that the invited user is shown, the invite itself at its end: a JSON array. From room version 12
 * on the entries must be events of the room with good signatures, the create event among them: 400 M_INVALID_PARAM.
 * Before that they are what servers have always sent, and what is no state event is left out.
 * @see https://spec.matrix.org/v1.19/server-server-api/#put_matrixfederationv2inviteroomideventid
 */
export async function strippedInviteState(state: InviteState, verifier: EventVerifier): Promise<string> {
  const given = state.given ?? [];
  if (!Array.isArray(given)) throw invalidParam('invite_room_state must be a list');
  if (given.length > maxEntries) throw invalidParam(`invite_room_state has more than ${maxEntries} entries`);
  const entries = state.rules.roomIdIsCreateHash
    ? await verified(state, given, verifier)
    : given.filter(isStrippedState).map((entry) => strippedState(entry as unknown as Pdu));
  const own = strippedState(state.invite);
  const others = entries.filter(({ type, state_key }) => type !== own['type'] || state_key !== own['state_key']);
  const text = JSON.stringify([...others, own]);
  if (text.length > maxCharacters) throw invalidParam('invite_room_state is too large');
  return text;
}

async function verified(state: InviteState, given: readonly unknown[], verifier: EventVerifier): Promise<JsonObject[]> {
  if (!given.some((entry) => isJsonObject(entry) && entry['type'] === 'm.room.create')) {
    throw invalidParam('invite_room_state lacks the m.room.create event');
  }
  const { events, problems } = await verifier.verify(given, state.rules, state.signal);
  const [problem] = problems;
  if (problem !== undefined) throw invalidParam(`invite_room_state holds no event: ${problem.reason}`);
  return events.map(({ pdu, eventId }) => {
    if (roomIdOf(pdu, eventId) !== state.roomId) throw invalidParam('invite_room_state holds an event of another room');
    if (pdu.state_key === undefined) throw invalidParam('invite_room_state holds an event that is no state');
    return strippedState(pdu);
  });
}

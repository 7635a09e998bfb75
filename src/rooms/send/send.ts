import { isDeepStrictEqual } from 'node:util';
import { forbidden, notFound, userSuspended } from '../../protocol/errors.ts';
import { PowerLevels } from '../../protocol/event-auth/power-levels.ts';
import { parseEventId } from '../../protocol/ids/event-id.ts';
import type { EventId, ServerName, UserId } from '../../protocol/ids/types.ts';
import { serverOf } from '../../protocol/ids/user-id.ts';
import type { Database } from '../../store/db.ts';
import type { EventStore } from '../../store/events/event-store.ts';
import { wellKnown } from '../../store/interning/well-known.ts';
import type { EventNid } from '../../store/nids.ts';
import type { TransactionStore } from '../../store/rooms/transactions.ts';
import type { Requester } from '../../users/login/requester.ts';
import type { Clock } from '../../util/clock.ts';
import type { JsonObject } from '../../util/json.ts';
import type { CanonicalAliasCheck, ElsewhereAliases } from '../aliases/canonical-alias.ts';
import type { KnownRoom, KnownRooms } from '../known-rooms.ts';
import type { MemberRules } from '../membership/member-rules.ts';
import type { WholeRooms } from '../partial/whole-rooms.ts';
import type { RelationChecks } from '../relations/relation-checks.ts';
import { type Inviting, isInviteElsewhere } from '../remote/inviting.ts';
import { currentState, type StateSources } from '../state/current-state.ts';
import type { EventDraft, StateDraft } from './draft.ts';
import type { LocalEvent } from './local-events.ts';
import type { LocalInput } from './local-input.ts';
import type { PolicyCheck } from './policy-check.ts';
import { transactionKey } from './transactions.ts';

export interface SendUses extends StateSources {
  readonly db: Database;
  readonly events: EventStore;
  readonly transactions: TransactionStore;
  readonly clock: Clock;
  readonly rooms: KnownRooms;
  readonly localInput: LocalInput;
  readonly memberRules: MemberRules;
  readonly canonicalAlias: CanonicalAliasCheck;
  readonly relationChecks: RelationChecks;
  readonly policy: PolicyCheck;
  readonly inviting: Inviting;
  readonly wholeRooms: WholeRooms;
  readonly serverName: ServerName;
}

/**
 * Sends events for our users. Every answer comes when the event survives a power cut; sends that wait at the same
 * moment share a commit.
 */
export class Sending {
  readonly #uses: SendUses;

  constructor(uses: SendUses) {
    this.#uses = uses;
  }

  /**
   * Sends a message event. A transaction ID that the device has used for the same path answers the first event.
   * 403 M_FORBIDDEN not in the room or too little power · 400 M_BAD_JSON, M_DUPLICATE_ANNOTATION, M_UNKNOWN a thread on
   * what relates to another event · 413 M_TOO_LARGE
   */
  async send(
    requester: Requester,
    roomId: string,
    draft: EventDraft,
    options: { readonly txnId?: string } = {},
  ): Promise<EventId> {
    const { interning } = this.#uses;
    const room = this.#uses.rooms.getForMember(roomId);
    const signed = await this.#signed(requester, room, draft);
    return this.#once(requester, options.txnId, {
      key: (txnId) => transactionKey('send', room.nid, interning.type(draft.type), txnId),
      send: () => this.append(requester, room, draft, signed),
    });
  }

  /**
   * Redacts an event. Who may not redact others' events may redact their own; a server admin those of this server.
   * 404 M_NOT_FOUND no such event in the room · 403 M_FORBIDDEN
   */
  async redact(
    requester: Requester,
    roomId: string,
    target: string,
    content: JsonObject,
    options: { readonly txnId?: string } = {},
  ): Promise<EventId> {
    const { interning } = this.#uses;
    const room = this.#uses.rooms.getForMember(roomId);
    const redacts = parseEventId(target);
    if (redacts === undefined) throw notFound('There is no such event in this room');
    const draft = { type: 'm.room.redaction', content, redacts };
    const signed = await this.#signed(requester, room, draft);
    return this.#once(requester, options.txnId, {
      key: (txnId) => transactionKey('redact', room.nid, interning.event(redacts), txnId),
      send: () => this.append(requester, room, draft, signed),
    });
  }

  /** Sends a state event. What the same user has set already is not set again: the answer is the present event. */
  async sendState(requester: Requester, roomId: string, draft: StateDraft): Promise<EventId> {
    return this.setState(requester, this.#uses.rooms.getForMember(roomId), draft);
  }

  /** The same for a room at hand. An invite of another server's user is first shown to that server. */
  async setState(requester: Requester, room: KnownRoom, draft: StateDraft): Promise<EventId> {
    const { db, canonicalAlias, inviting, serverName, policy, wholeRooms } = this.#uses;
    if (draft.type === 'm.room.member') await wholeRooms.waitForMember(room.nid, draft.stateKey);
    if (isInviteElsewhere(draft, serverName)) {
      const prepared = db.write(() => this.prepareState(requester, room, draft));
      return inviting.invite(room, requester.userId, prepared);
    }
    const elsewhere = namesAliases(draft) ? await canonicalAlias.lookUp(room, draft.content) : undefined;
    if (policy.isNeeded(room.nid, draft)) return this.#setPoliced(requester, room, draft, elsewhere);
    return db.durable<EventId>(() => this.appendState(requester, room, draft, { elsewhere }));
  }

  /** The same in a room whose policy server is asked first. */
  async #setPoliced(
    requester: Requester,
    room: KnownRoom,
    draft: StateDraft,
    elsewhere: ElsewhereAliases | undefined,
  ): Promise<EventId> {
    const { db } = this.#uses;
    const { prepared, present } = db.write(() => {
      const prepared = this.prepareState(requester, room, draft, elsewhere);
      return { prepared, present: this.#presentEvent(room, requester.userId, prepared) };
    });
    if (present !== undefined) return present;
    const signed = await this.#signed(requester, room, prepared);
    return db.durable<EventId>(() => this.append(requester, room, prepared, signed));
  }

  /**
   * The event with the signature of the room's policy server; nothing where the room has none. Throws what `append`
   * throws, and what the policy server says against it.
   */
  async #signed(requester: Requester, room: KnownRoom, draft: EventDraft): Promise<LocalEvent | undefined> {
    const { db, localInput, policy } = this.#uses;
    if (!policy.isNeeded(room.nid, draft)) return undefined;
    const event = db.write(() => {
      this.#checkOwn(requester, room, draft);
      return localInput.prepare(room, requester.userId, draft);
    });
    return policy.signed(room, event);
  }

  /**
   * What is to be sent by `append` or `appendState` as the room's policy server has signed it; nothing where the room has
   * none. Throws what they throw, and what the policy server says against it.
   */
  async recommended(requester: Requester, room: KnownRoom, draft: EventDraft): Promise<LocalEvent | undefined> {
    const { db, policy, localInput } = this.#uses;
    if (!policy.isNeeded(room.nid, draft)) return undefined;
    const event = db.write(() => {
      const { stateKey } = draft;
      const prepared = stateKey === undefined ? draft : this.prepareState(requester, room, { ...draft, stateKey });
      this.#checkOwn(requester, room, prepared);
      return localInput.prepare(room, requester.userId, prepared);
    });
    return policy.signed(room, event);
  }

  /**
   * State, inside a write. 403 M_FORBIDDEN for an invite of another server's user: there is no time to ask it. `signed`:
   * the draft as `recommended` gave it.
   */
  appendState(
    requester: Requester,
    room: KnownRoom,
    draft: StateDraft,
    {
      elsewhere,
      signed,
    }: { readonly elsewhere?: ElsewhereAliases | undefined; readonly signed?: LocalEvent | undefined } = {},
  ): EventId {
    if (isInviteElsewhere(draft, this.#uses.serverName)) {
      throw forbidden('Users of other servers cannot be invited in this way');
    }
    const prepared = this.prepareState(requester, room, draft, elsewhere);
    return this.#presentEvent(room, requester.userId, prepared) ?? this.append(requester, room, prepared, signed);
  }

  /** Inside a write: checks what only concerns our own users, and commits. `signed`: the draft as an event already. */
  append(requester: Requester, room: KnownRoom, draft: EventDraft, signed?: LocalEvent): EventId {
    const { localInput } = this.#uses;
    this.#checkOwn(requester, room, draft);
    if (signed !== undefined) return localInput.commitPrepared(room, signed).eventId;
    return localInput.append(room, requester.userId, draft).eventId;
  }

  #checkOwn(requester: Requester, room: KnownRoom, draft: EventDraft): void {
    checkNotSuspended(requester, draft);
    if (draft.type === 'm.room.redaction') this.#checkRedaction(requester, room, draft);
    if (draft.stateKey === undefined) this.#uses.relationChecks.check(requester, room, draft);
  }

  #once(
    { device }: Requester,
    txnId: string | undefined,
    what: { key: (txnId: string) => string; send: () => EventId },
  ): Promise<EventId> {
    const { db, transactions, interning, clock } = this.#uses;
    return db.durable<EventId>(() => {
      if (txnId === undefined) return what.send();
      const key = what.key(txnId);
      const sent = transactions.find(device, key);
      if (sent !== undefined) return interning.eventId(sent);
      const eventId = what.send();
      transactions.insert(device, key, interning.event(eventId), clock.now());
      return eventId;
    });
  }

  /** Inside a write: the draft as this server lets its users send it. Throws what `sendState` throws. */
  prepareState(requester: Requester, room: KnownRoom, draft: StateDraft, elsewhere?: ElsewhereAliases): StateDraft {
    checkNotSuspended(requester, draft);
    if (draft.type === 'm.room.member') {
      const content = this.#uses.memberRules.prepare(requester, room, draft.stateKey, draft.content);
      return { ...draft, content };
    }
    if (namesAliases(draft)) this.#uses.canonicalAlias.check(room, draft.content, elsewhere);
    return draft;
  }

  #presentEvent({ nid }: KnownRoom, userId: UserId, draft: StateDraft): EventId | undefined {
    const state = currentState(this.#uses, nid);
    const present = state(draft.type, draft.stateKey);
    if (present === undefined || present.sender !== userId) return undefined;
    if (state('m.room.member', userId)?.content['membership'] !== 'join') return undefined;
    return isDeepStrictEqual(present.content, draft.content) ? present.eventId : undefined;
  }

  #checkRedaction({ userId, admin, suspended }: Requester, room: KnownRoom, draft: EventDraft): void {
    const { events, interning } = this.#uses;
    const redacts = draft.redacts ?? draft.content['redacts'];
    // A redaction that names no target is an event like any other.
    if (redacts === undefined) {
      if (suspended === true) throw userSuspended();
      return;
    }
    const nid: EventNid | undefined = typeof redacts === 'string' ? interning.findEvent(redacts) : undefined;
    const target = nid === undefined ? undefined : events.row(nid);
    if (target?.room !== room.nid) throw notFound('There is no such event in this room');
    if (target.type === wellKnown.types.create) throw forbidden('A create event cannot be redacted');
    if (target.type === wellKnown.types.serverAcl) throw forbidden('A server ACL cannot be redacted: send another');
    const sender = interning.userId(target.sender);
    if (sender === userId) return;
    if (suspended === true) throw userSuspended();
    if (admin && serverOf(sender) === serverOf(userId)) return;
    const levels = PowerLevels.of(room.rules, currentState(this.#uses, room.nid));
    if (!(levels.userLevel(userId) >= levels.level('redact'))) {
      throw forbidden("You don't have the power to redact others' events");
    }
  }
}

const namesAliases = ({ type, stateKey }: StateDraft) => type === 'm.room.canonical_alias' && stateKey === '';

/**
 * 403 M_USER_SUSPENDED. A suspended user may still leave, and redact what is their own.
 * @see https://spec.matrix.org/v1.19/client-server-api/#account-suspension
 */
function checkNotSuspended({ suspended, userId }: Requester, { type, stateKey, content }: EventDraft): void {
  if (suspended !== true) return;
  const leaves = type === 'm.room.member' && stateKey === userId && content['membership'] === 'leave';
  const redacts = type === 'm.room.redaction' && stateKey === undefined;
  if (!leaves && !redacts) throw userSuspended();
}

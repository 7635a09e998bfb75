import { forbidden, MatrixError, userSuspended } from '../../protocol/errors.ts';
import { PowerLevels } from '../../protocol/event-auth/power-levels.ts';
import type { StateLookup } from '../../protocol/event-auth/types.ts';
import type { EventId, RoomAlias, RoomId } from '../../protocol/ids/types.ts';
import { type RoomVersionRules, roomVersionRules } from '../../protocol/room-versions.ts';
import type { Database } from '../../store/db.ts';
import type { EventStore } from '../../store/events/event-store.ts';
import { memberships } from '../../store/events/membership.ts';
import { wellKnown } from '../../store/interning/well-known.ts';
import type { EventNid } from '../../store/nids.ts';
import type { AliasStore } from '../../store/rooms/aliases.ts';
import type { OtherState } from '../../store/state/other-state.ts';
import type { Requester } from '../../users/login/requester.ts';
import type { JsonArray, JsonObject, JsonValue } from '../../util/json.ts';
import { checkCreators, inNewRoom } from '../create/create.ts';
import type { Opening, RoomOpening } from '../create/opening.ts';
import type { KnownRoom, KnownRooms } from '../known-rooms.ts';
import type { StateDraft } from '../send/draft.ts';
import type { LocalEvent } from '../send/local-events.ts';
import type { LocalInput } from '../send/local-input.ts';
import type { PolicyCheck } from '../send/policy-check.ts';
import type { Sending } from '../send/send.ts';
import { currentState, type StateSources } from '../state/current-state.ts';
import { closedPowerLevels, upgradedJoinRules, upgradedPowerLevels } from './upgraded-state.ts';

export interface UpgradeUses extends StateSources {
  readonly db: Database;
  readonly events: EventStore;
  readonly aliases: AliasStore;
  readonly rooms: KnownRooms;
  readonly opening: RoomOpening;
  readonly localInput: LocalInput;
  readonly sending: Sending;
  readonly policy: PolicyCheck;
  readonly otherState: OtherState;
}

export interface UpgradeOptions {
  readonly version: string;
  /** As the client gave them; of no effect in room versions without additional creators. */
  readonly additionalCreators?: JsonArray | undefined;
}

/** An upgrade while it goes on. */
interface Upgrade {
  readonly requester: Requester;
  readonly old: KnownRoom;
  /** The current state of the old room. */
  readonly state: StateLookup<EventNid>;
  readonly to: RoomVersionRules;
  readonly creators: readonly string[];
}

/** The first event of the new room and the last of the old. */
interface Plan {
  readonly requester: Requester;
  readonly old: KnownRoom;
  readonly begun: Opening;
  readonly tombstone: LocalEvent;
}

interface NewRoom {
  readonly roomId: RoomId;
  /** The aliases that lead to it from now on. */
  readonly moved: readonly RoomAlias[];
}

/** Entries of the old room's state that are read at once. */
const stateTogether = 100;

/** The tombstone, but for the room that it names. */
const entombing: StateDraft = {
  type: 'm.room.tombstone',
  stateKey: '',
  content: { body: 'This room has been replaced' },
};

/** What the specification recommends to copy, as far as it is copied word for word. */
const copiedTypes = [
  'm.room.encryption',
  'm.room.name',
  'm.room.avatar',
  'm.room.topic',
  'm.room.guest_access',
  'm.room.history_visibility',
  'm.room.server_acl',
] as const;

/**
 * Replaces rooms by new ones of another version.
 * @see https://spec.matrix.org/v1.19/client-server-api/#room-upgrades
 */
export class RoomUpgrades {
  readonly #uses: UpgradeUses;

  constructor(uses: UpgradeUses) {
    this.#uses = uses;
  }

  /**
   * Makes the new room and closes the old one in one transaction: both, or neither.
   * 403 M_FORBIDDEN not in the room, or not allowed to send a tombstone · 400 M_UNSUPPORTED_ROOM_VERSION
   * · 400 M_INVALID_PARAM additional creators · 400 M_INVALID_ROOM_STATE the new version does not take what the old had
   */
  async upgrade(requester: Requester, roomId: string, options: UpgradeOptions): Promise<RoomId> {
    if (requester.suspended === true) throw userSuspended();
    const old = this.#uses.rooms.getForMember(roomId);
    const to = roomVersionRules(options.version);
    if (to === undefined) {
      throw new MatrixError(400, 'M_UNSUPPORTED_ROOM_VERSION', 'This server does not support the room version');
    }
    checkCreators(options.additionalCreators, to);
    const additional = to.privilegedCreators ? ((options.additionalCreators ?? []) as string[]) : [];
    const creators = [...new Set([requester.userId, ...additional])];
    const begin = (): Upgrade => {
      const state = currentState(this.#uses, old.nid);
      this.#checkPermission(requester, old, state);
      return { requester, old, state, to, creators };
    };
    const { db, policy } = this.#uses;
    if (policy.isNeeded(old.nid, entombing)) return this.#upgradePoliced(begin);
    return db.durable<RoomId>(() => {
      const upgrade = begin();
      const made = this.#upgrade(upgrade, this.#plan(upgrade));
      this.#close(upgrade, made);
      return made.roomId;
    });
  }

  /** The same where the old room has a policy server: it is asked for each event of the old room before that is sent. */
  async #upgradePoliced(begin: () => Upgrade): Promise<RoomId> {
    const { db, policy, sending } = this.#uses;
    const plan = db.write(() => this.#plan(begin()));
    const { old, requester } = plan;
    const tombstone = await policy.signed(old, plan.tombstone);
    const { made, closing } = await db.durable<{ made: NewRoom; closing: StateDraft[] }>(() => {
      const upgrade = begin();
      const made = this.#upgrade(upgrade, { ...plan, tombstone });
      return { made, closing: closingState(upgrade, made.moved) };
    });
    for (const draft of closing) {
      await sending.setState(requester, old, draft).catch((error: unknown) => {
        if (!(error instanceof MatrixError)) throw error;
      });
    }
    return made.roomId;
  }

  #checkPermission({ user, userId }: Requester, old: KnownRoom, state: StateLookup<EventNid>): void {
    const { roomState } = this.#uses;
    if (roomState.member(old.nid, user)?.membership !== memberships.join) throw forbidden('You are not in this room');
    const levels = PowerLevels.of(old.rules, state);
    if (!(levels.userLevel(userId) >= levels.requiredLevel('m.room.tombstone', true))) {
      throw forbidden('You cannot upgrade this room');
    }
  }

  /**
   * Inside a write: both ends of the upgrade, each of which names the other as far as its ID can be known first. Throws
   * where the old room does not allow its tombstone.
   */
  #plan({ requester, old, state: lookup, to, creators }: Upgrade): Plan {
    const { opening, localInput } = this.#uses;
    const { userId } = requester;
    const entomb = (replacement: RoomId): LocalEvent =>
      localInput.prepare(old, userId, {
        ...entombing,
        content: { ...entombing.content, replacement_room: replacement },
      });
    const create = (tombstone?: EventId): StateDraft =>
      state('m.room.create', createContent({ requester, old, state: lookup, to, creators }, tombstone));
    if (to.roomIdIsCreateHash) {
      const begun = opening.createEvent(userId, create(), to);
      return { requester, old, begun, tombstone: entomb(begun.roomId) };
    }
    const chosen = opening.newRoomId();
    const tombstone = entomb(chosen);
    return { requester, old, begun: opening.createEvent(userId, create(tombstone.eventId), to, chosen), tombstone };
  }

  #upgrade(upgrade: Upgrade, { begun, tombstone }: Plan): NewRoom {
    const { opening, localInput } = this.#uses;
    const { to, requester, old } = upgrade;
    localInput.commitPrepared(old, tombstone);
    const room = inNewRoom(() => opening.openWith(begun, to));
    const moved = this.#takeOver(upgrade, room);
    // The levels come last: until then the creator may set everything, whatever level the upgrader had.
    const drafts = [
      state('m.room.member', { membership: 'join' }, requester.userId),
      ...copiedState(upgrade),
      ...this.#spaceChildren(upgrade),
      ...canonicalAlias(upgrade, moved),
      state('m.room.power_levels', upgradedPowerLevels(contentOf(upgrade, 'm.room.power_levels'), frameOf(upgrade))),
    ];
    for (const draft of drafts) {
      const prepared = this.#uses.sending.prepareState(requester, room, draft);
      inNewRoom(() => localInput.append(room, requester.userId, prepared));
    }
    return { roomId: room.roomId, moved };
  }

  /** Moves the aliases of this server and the place in its directory. */
  #takeOver({ old }: Upgrade, room: KnownRoom): RoomAlias[] {
    const { aliases, roomState } = this.#uses;
    const moved = aliases.ofRoom(old.nid);
    aliases.moveAll(old.nid, room.nid);
    if (roomState.info(old.nid)?.published === true) {
      roomState.publish(old.nid, false);
      roomState.publish(room.nid, true);
    }
    return moved;
  }

  /** A space keeps its rooms. */
  #spaceChildren({ old, state: lookup }: Upgrade): StateDraft[] {
    const { authEvents, events, interning, roomState, otherState } = this.#uses;
    if (lookup('m.room.create', '')?.content['type'] !== 'm.space') return [];
    const drafts: StateDraft[] = [];
    for (const page of otherState.at(old.nid, roomState.tip(old.nid), stateTogether)) {
      for (const [key, event] of page) {
        if (events.row(event)?.type !== wellKnown.types.spaceChild) continue;
        const { content } = authEvents.get(event);
        if (Object.keys(content).length === 0) continue;
        drafts.push(state('m.space.child', content, interning.stateKeyOf(key).skey));
      }
    }
    return drafts;
  }

  /** As far as the upgrader may. */
  #close(upgrade: Upgrade, { moved }: NewRoom): void {
    for (const draft of closingState(upgrade, moved)) this.#attempt(upgrade, draft);
  }

  #attempt({ requester, old }: Upgrade, draft: StateDraft): void {
    try {
      this.#uses.db.write<void>(() => void this.#uses.localInput.append(old, requester.userId, draft));
    } catch (error) {
      if (!(error instanceof MatrixError)) throw error;
    }
  }
}

/** The old room loses the names that moved, and falls silent. */
function closingState(upgrade: Upgrade, moved: readonly RoomAlias[]): StateDraft[] {
  const drafts: StateDraft[] = [];
  const named = contentOf(upgrade, 'm.room.canonical_alias');
  if (named !== undefined && moved.length > 0) {
    const content = withAliases(named, (alias) => !isAmong(moved, alias));
    drafts.push(state('m.room.canonical_alias', content));
  }
  const levels = contentOf(upgrade, 'm.room.power_levels');
  if (levels !== undefined) {
    drafts.push(state('m.room.power_levels', closedPowerLevels(levels, upgrade.old.rules)));
  }
  return drafts;
}

function createContent({ old, state: lookup, to, requester, creators }: Upgrade, tombstone?: EventId): JsonObject {
  const before = lookup('m.room.create', '')?.content ?? {};
  const predecessor: JsonObject = { room_id: old.roomId };
  if (tombstone !== undefined) predecessor['event_id'] = tombstone;
  const content: JsonObject = { room_version: to.version, predecessor };
  if (before['type'] !== undefined) content['type'] = before['type'];
  // A room that was closed to other servers stays so.
  if (before['m.federate'] === false) content['m.federate'] = false;
  if (!to.creatorFromSender) content['creator'] = requester.userId;
  const additional = creators.filter((user) => user !== requester.userId);
  if (to.privilegedCreators && additional.length > 0) content['additional_creators'] = additional;
  return content;
}

function copiedState(upgrade: Upgrade): StateDraft[] {
  const drafts: StateDraft[] = [];
  for (const type of copiedTypes) {
    const content = contentOf(upgrade, type);
    // Redacted or taken back.
    if (content !== undefined && Object.keys(content).length > 0) drafts.push(state(type, content));
  }
  const joinRules = contentOf(upgrade, 'm.room.join_rules');
  if (joinRules !== undefined) drafts.push(state('m.room.join_rules', upgradedJoinRules(joinRules, upgrade.to)));
  return drafts;
}

function canonicalAlias(upgrade: Upgrade, moved: readonly RoomAlias[]): StateDraft[] {
  const before = contentOf(upgrade, 'm.room.canonical_alias');
  if (before === undefined || moved.length === 0) return [];
  return [
    state(
      'm.room.canonical_alias',
      withAliases(before, (alias) => isAmong(moved, alias)),
    ),
  ];
}

/** The content with those of its aliases only that pass. */
function withAliases(content: JsonObject, passes: (alias: JsonValue) => boolean): JsonObject {
  const { alias, alt_aliases: others, ...rest } = content;
  const result: JsonObject = { ...rest };
  if (alias !== undefined && passes(alias)) result['alias'] = alias;
  if (Array.isArray(others)) result['alt_aliases'] = others.filter(passes);
  return result;
}

function isAmong(aliases: readonly RoomAlias[], alias: JsonValue): boolean {
  return aliases.some((each) => each === alias);
}

function contentOf({ state: lookup }: Upgrade, type: string): JsonObject | undefined {
  return lookup(type, '')?.content;
}

function frameOf({ old, to, requester, creators }: Upgrade) {
  return { from: old.rules, to, upgrader: requester.userId, creators };
}

function state(type: string, content: JsonObject, stateKey = ''): StateDraft {
  return { type, content, stateKey };
}

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
import type { Requester } from '../../users/requester.ts';
import type { JsonArray, JsonObject, JsonValue } from '../../util/json.ts';
import { checkCreators, inNewRoom } from '../create/create.ts';
import type { RoomOpening } from '../create/opening.ts';
import { currentState, type StateSources } from '../current-state.ts';
import type { StateDraft } from '../draft.ts';
import type { KnownRoom, KnownRooms } from '../known-rooms.ts';
import type { LocalInput } from '../local-input.ts';
import type { Sending } from '../send.ts';
import { closedPowerLevels, upgradedJoinRules, upgradedPowerLevels } from './upgraded-state.ts';

export interface UpgradeUses extends StateSources {
  readonly db: Database;
  readonly events: EventStore;
  readonly aliases: AliasStore;
  readonly rooms: KnownRooms;
  readonly opening: RoomOpening;
  readonly localInput: LocalInput;
  readonly sending: Sending;
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
    return this.#uses.db.durable<RoomId>(() => {
      const state = currentState(this.#uses, old.nid);
      this.#checkPermission(requester, old, state);
      return this.#upgrade({ requester, old, state, to, creators });
    });
  }

  #checkPermission({ user, userId }: Requester, old: KnownRoom, state: StateLookup<EventNid>): void {
    const { roomState } = this.#uses;
    if (roomState.member(old.nid, user)?.membership !== memberships.join) throw forbidden('You are not in this room');
    const levels = PowerLevels.of(old.rules, state);
    if (!(levels.userLevel(userId) >= levels.requiredLevel('m.room.tombstone', true))) {
      throw forbidden('You cannot upgrade this room');
    }
  }

  /** Where the ID of the new room can be chosen, the old one is closed first, so that the new one can name the tombstone. */
  #upgrade(upgrade: Upgrade): RoomId {
    const { opening } = this.#uses;
    const { to, requester } = upgrade;
    const chosen = to.roomIdIsCreateHash ? undefined : opening.newRoomId();
    const tombstone = chosen && this.#entomb(upgrade, chosen);
    const create = state('m.room.create', createContent(upgrade, tombstone));
    const room = inNewRoom(() => opening.open(requester.userId, create, to, chosen));
    if (tombstone === undefined) this.#entomb(upgrade, room.roomId);
    const aliases = this.#takeOver(upgrade, room);
    // The levels come last: until then the creator may set everything, whatever level the upgrader had.
    const drafts = [
      state('m.room.member', { membership: 'join' }, requester.userId),
      ...copiedState(upgrade),
      ...this.#spaceChildren(upgrade),
      ...canonicalAlias(upgrade, aliases),
      state('m.room.power_levels', upgradedPowerLevels(contentOf(upgrade, 'm.room.power_levels'), frameOf(upgrade))),
    ];
    for (const draft of drafts) {
      const prepared = this.#uses.sending.prepareState(requester, room, draft);
      inNewRoom(() => this.#uses.localInput.append(room, requester.userId, prepared));
    }
    this.#close(upgrade, aliases);
    return room.roomId;
  }

  #entomb({ requester, old }: Upgrade, replacement: RoomId): EventId {
    const content = { body: 'This room has been replaced', replacement_room: replacement };
    return this.#uses.localInput.append(old, requester.userId, state('m.room.tombstone', content)).eventId;
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
    const { authEvents, events, interning, roomState, stateLog } = this.#uses;
    if (lookup('m.room.create', '')?.content['type'] !== 'm.space') return [];
    const drafts: StateDraft[] = [];
    for (const [key, event] of stateLog.allAt(roomState.tip(old.nid))) {
      if (events.row(event)?.type !== wellKnown.types.spaceChild) continue;
      const { content } = authEvents.get(event);
      if (Object.keys(content).length === 0) continue;
      drafts.push(state('m.space.child', content, interning.stateKeyOf(key).skey));
    }
    return drafts;
  }

  /** As far as the upgrader may: the old room loses the names that moved, and falls silent. */
  #close(upgrade: Upgrade, moved: readonly RoomAlias[]): void {
    const named = contentOf(upgrade, 'm.room.canonical_alias');
    if (named !== undefined && moved.length > 0) {
      this.#attempt(
        upgrade,
        state(
          'm.room.canonical_alias',
          withAliases(named, (alias) => !isAmong(moved, alias)),
        ),
      );
    }
    const levels = contentOf(upgrade, 'm.room.power_levels');
    if (levels !== undefined) {
      this.#attempt(upgrade, state('m.room.power_levels', closedPowerLevels(levels, upgrade.old.rules)));
    }
  }

  #attempt({ requester, old }: Upgrade, draft: StateDraft): void {
    try {
      this.#uses.db.write<void>(() => void this.#uses.localInput.append(old, requester.userId, draft));
    } catch (error) {
      if (!(error instanceof MatrixError)) throw error;
    }
  }
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

import type { RemoteDirectory } from '../../federation/remote-directory.ts';
import { invalidParam, MatrixError } from '../../protocol/errors.ts';
import { parseRoomAlias, serverOfAlias } from '../../protocol/ids/room-id.ts';
import type { RoomAlias, RoomId, ServerName } from '../../protocol/ids/types.ts';
import type { AliasStore } from '../../store/rooms/aliases.ts';
import type { JsonObject, JsonValue } from '../../util/json.ts';
import type { KnownRoom } from '../known-rooms.ts';
import { currentState, type StateSources } from '../state/current-state.ts';

export interface CanonicalAliasUses extends StateSources {
  readonly aliases: AliasStore;
  readonly serverName: ServerName;
  readonly remoteDirectory: Pick<RemoteDirectory, 'resolveAlias'>;
}

/** Where aliases of other servers lead, as these say. */
export type ElsewhereAliases = ReadonlyMap<RoomAlias, RoomId>;

/** Aliases of other servers that one event may add. */
const maxElsewhere = 20;

/**
 * Keeps our users from naming aliases in `m.room.canonical_alias` that lead elsewhere.
 * @see https://spec.matrix.org/v1.19/client-server-api/#put_matrixclientv3roomsroomidstateeventtypestatekey
 */
export class CanonicalAliasCheck {
  readonly #uses: CanonicalAliasUses;

  constructor(uses: CanonicalAliasUses) {
    this.#uses = uses;
  }

  /** Asks other servers where their aliases lead, for `check`. */
  async lookUp(room: KnownRoom, content: JsonObject): Promise<ElsewhereAliases> {
    const { serverName, remoteDirectory } = this.#uses;
    const others = this.#added(room, content)
      .map((alias) => (typeof alias === 'string' ? parseRoomAlias(alias) : undefined))
      .filter((alias) => alias !== undefined)
      .filter((alias) => serverOfAlias(alias) !== serverName)
      .slice(0, maxElsewhere);
    const found = new Map<RoomAlias, RoomId>();
    const ask = async (alias: RoomAlias) => {
      const resolved = await remoteDirectory.resolveAlias(alias);
      if (resolved.ok) found.set(alias, resolved.roomId);
    };
    await Promise.all(others.map(ask));
    return found;
  }

  /**
   * Looks at the aliases that the present event does not list. 400 M_INVALID_PARAM for what is no alias,
   * M_BAD_ALIAS for one that does not exist or points to another room.
   */
  check(room: KnownRoom, content: JsonObject, elsewhere: ElsewhereAliases = new Map()): void {
    const { alt_aliases: others } = content;
    if (others !== undefined && others !== null && !Array.isArray(others)) {
      throw invalidParam('alt_aliases must be a list');
    }
    for (const alias of this.#added(room, content)) {
      const parsed = typeof alias === 'string' ? parseRoomAlias(alias) : undefined;
      if (parsed === undefined) throw invalidParam('The event lists something that is not a room alias');
      const leadsHere =
        serverOfAlias(parsed) === this.#uses.serverName
          ? this.#uses.aliases.find(parsed)?.room === room.nid
          : elsewhere.get(parsed) === room.roomId;
      if (!leadsHere) {
        throw new MatrixError(400, 'M_BAD_ALIAS', `The alias ${parsed} does not point to this room`);
      }
    }
  }

  /** What the present event does not list. */
  #added(room: KnownRoom, content: JsonObject): JsonValue[] {
    const present = new Set(aliasesIn(currentState(this.#uses, room.nid)('m.room.canonical_alias', '')?.content ?? {}));
    return aliasesIn(content).filter((alias) => !present.has(alias));
  }
}

/** `alias` and `alt_aliases`, whatever they hold. */
export function aliasesIn(content: JsonObject): JsonValue[] {
  const { alias, alt_aliases: others } = content;
  const list = Array.isArray(others) ? [...others] : others === undefined || others === null ? [] : [others];
  return alias === undefined || alias === null || alias === '' ? list : [alias, ...list];
}

import { invalidParam, MatrixError } from '../protocol/errors.ts';
import { parseRoomAlias } from '../protocol/ids/room-id.ts';
import type { AliasStore } from '../store/rooms/aliases.ts';
import type { JsonObject, JsonValue } from '../util/json.ts';
import { currentState, type StateSources } from './current-state.ts';
import type { KnownRoom } from './known-rooms.ts';

/**
 * Keeps our users from naming aliases in `m.room.canonical_alias` that lead elsewhere.
 * @see https://spec.matrix.org/v1.19/client-server-api/#put_matrixclientv3roomsroomidstateeventtypestatekey
 */
export class CanonicalAliasCheck {
  readonly #uses: StateSources & { readonly aliases: AliasStore };

  constructor(uses: StateSources & { readonly aliases: AliasStore }) {
    this.#uses = uses;
  }

  /**
   * Looks at the aliases that the present event does not list. 400 M_INVALID_PARAM for what is no alias,
   * M_BAD_ALIAS for one that does not exist or points to another room.
   */
  check(room: KnownRoom, content: JsonObject): void {
    const { alt_aliases: others } = content;
    if (others !== undefined && others !== null && !Array.isArray(others)) {
      throw invalidParam('alt_aliases must be a list');
    }
    const present = new Set(aliasesIn(currentState(this.#uses, room.nid)('m.room.canonical_alias', '')?.content ?? {}));
    for (const alias of aliasesIn(content)) {
      if (present.has(alias)) continue;
      const parsed = typeof alias === 'string' ? parseRoomAlias(alias) : undefined;
      if (parsed === undefined) throw invalidParam('The event lists something that is not a room alias');
      if (this.#uses.aliases.find(parsed)?.room !== room.nid) {
        throw new MatrixError(400, 'M_BAD_ALIAS', `The alias ${parsed} does not point to this room`);
      }
    }
  }
}

/** `alias` and `alt_aliases`, whatever they hold. */
export function aliasesIn(content: JsonObject): JsonValue[] {
  const { alias, alt_aliases: others } = content;
  const list = Array.isArray(others) ? [...others] : others === undefined || others === null ? [] : [others];
  return alias === undefined || alias === null || alias === '' ? list : [alias, ...list];
}

import type { UserId } from '../../protocol/ids/types.ts';
import type { JsonObject } from '../../util/json.ts';
import type { AddressWish } from '../third-party/address-invites.ts';

export type Preset = 'private_chat' | 'public_chat' | 'trusted_private_chat';

/** One entry of `initial_state`; the state key is empty unless given. */
export interface InitialState {
  readonly type: string;
  readonly stateKey: string;
  readonly content: JsonObject;
}

/**
 * What a client may ask for in a new room, checked for shape only.
 * @see https://spec.matrix.org/v1.19/client-server-api/#post_matrixclientv3createroom
 */
export interface CreateRoomOptions {
  readonly visibility: 'public' | 'private';
  /** `undefined`: follows from the visibility. */
  readonly preset?: Preset;
  /** The localpart of an alias on this server, which becomes the canonical alias. */
  readonly aliasName?: string;
  readonly name?: string;
  readonly topic?: string;
  readonly invite: readonly UserId[];
  /** People of whom only an address is known. */
  readonly inviteAddresses?: readonly Pick<AddressWish, 'access' | 'address'>[];
  readonly isDirect: boolean;
  readonly version: string;
  readonly creationContent: JsonObject;
  readonly initialState: readonly InitialState[];
  readonly powerLevelOverride: JsonObject;
}

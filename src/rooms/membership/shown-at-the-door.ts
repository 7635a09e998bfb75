import { wellKnown } from '../../store/interning/well-known.ts';

const { create, joinRules, name, avatar, topic, canonicalAlias, encryption } = wellKnown.stateKeys;

/**
 * What of a room's state somebody is shown who is invited or knocks.
 * @see https://spec.matrix.org/v1.19/client-server-api/#stripped-state
 */
export const shownAtTheDoor = [create, joinRules, name, avatar, topic, canonicalAlias, encryption];

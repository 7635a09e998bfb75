import type { RoomAlias, UserId } from '../../protocol/ids/types.ts';
import type { RoomVersionRules } from '../../protocol/room-versions.ts';
import type { JsonArray, JsonObject } from '../../util/json.ts';
import type { StateDraft } from '../send/draft.ts';
import type { CreateRoomOptions, InitialState, Preset } from './options.ts';
import { initialPowerLevels } from './power-levels.ts';

/** What the users of a new room look like in their member events. */
export type MemberProfile = Readonly<{ displayname?: string; avatar_url?: string }>;

export interface PlanContext {
  readonly rules: RoomVersionRules;
  readonly creator: UserId;
  /** The full alias that `options.aliasName` gives. */
  readonly alias?: RoomAlias;
  /** The profile of a local user; empty for all others. */
  readonly profile: (user: UserId) => MemberProfile;
}

/**
 * The events of a new room in the order in which they are sent; the first is `m.room.create`. A pure function: the
 * same options give the same events.
 *
 * A preset's event that `initial_state` sets too is left out, and so is an entry of `initial_state` that `name` or
 * `topic` replaces: nobody could ever see it as current. Power levels in `initial_state` take the place of the usual
 * ones at once, as they may give what could not be given later.
 * @see https://spec.matrix.org/v1.19/client-server-api/#post_matrixclientv3createroom
 */
export function createRoomPlan(options: CreateRoomOptions, context: PlanContext): StateDraft[] {
  const { rules, creator } = context;
  const preset = options.preset ?? (options.visibility === 'public' ? 'public_chat' : 'private_chat');
  const invited = [...new Set(options.invite)];
  const initialState = options.initialState.filter(
    ({ type, stateKey }) =>
      stateKey !== '' ||
      !(
        (type === 'm.room.name' && options.name !== undefined) ||
        (type === 'm.room.topic' && options.topic !== undefined)
      ),
  );
  const overridden = new Set(initialState.filter(({ stateKey }) => stateKey === '').map(({ type }) => type));
  const ownLevels = initialState.findLast(isPowerLevels)?.content;

  const drafts: StateDraft[] = [
    state('m.room.create', createContent(options, context, preset, invited)),
    state('m.room.member', { membership: 'join', ...context.profile(creator) }, creator),
    state(
      'm.room.power_levels',
      ownLevels ?? initialPowerLevels({ rules, preset, creator, invited, override: options.powerLevelOverride }),
    ),
  ];
  if (context.alias !== undefined && !overridden.has('m.room.canonical_alias')) {
    drafts.push(state('m.room.canonical_alias', { alias: context.alias }));
  }
  drafts.push(...presetEvents(preset).filter(({ type }) => !overridden.has(type)));
  for (const entry of initialState) {
    if (!isPowerLevels(entry)) drafts.push(state(entry.type, entry.content, entry.stateKey));
  }
  if (options.name !== undefined) drafts.push(state('m.room.name', { name: options.name }));
  if (options.topic !== undefined) drafts.push(state('m.room.topic', topicContent(options.topic)));
  for (const user of invited) {
    const content: JsonObject = { membership: 'invite', ...context.profile(user) };
    if (options.isDirect) content['is_direct'] = true;
    drafts.push(state('m.room.member', content, user));
  }
  return drafts;
}

function isPowerLevels({ type, stateKey }: InitialState): boolean {
  return type === 'm.room.power_levels' && stateKey === '';
}

/** The content of `m.room.topic`: the plain key and the block that newer clients read. */
export function topicContent(topic: string): JsonObject {
  return { topic, 'm.topic': { 'm.text': [{ body: topic, mimetype: 'text/plain' }] } };
}

function createContent(
  options: CreateRoomOptions,
  { rules, creator }: PlanContext,
  preset: Preset,
  invited: readonly UserId[],
): JsonObject {
  const content: JsonObject = { ...options.creationContent, room_version: rules.version };
  delete content['creator'];
  if (!rules.creatorFromSender) content['creator'] = creator;
  if (rules.privilegedCreators && preset === 'trusted_private_chat') {
    const asked = content['additional_creators'] ?? [];
    // A value of another type is kept for the auth rules to refuse.
    if (Array.isArray(asked)) {
      const all: JsonArray = [...new Set([...asked, ...invited])].filter((user) => user !== creator);
      if (all.length > 0) content['additional_creators'] = all;
    }
  }
  return content;
}

function presetEvents(preset: Preset): StateDraft[] {
  const isPublic = preset === 'public_chat';
  return [
    state('m.room.join_rules', { join_rule: isPublic ? 'public' : 'invite' }),
    state('m.room.history_visibility', { history_visibility: 'shared' }),
    state('m.room.guest_access', { guest_access: isPublic ? 'forbidden' : 'can_join' }),
  ];
}

function state(type: string, content: JsonObject, stateKey = ''): StateDraft {
  return { type, content, stateKey };
}

import type { RoomVersionRules } from '../room-versions.ts';

/**
 * The numbers that the rules have in the text of one room version. The rules keep their order from version to
 * version, but one that is added or dropped moves all that follow.
 */
export interface RuleNumbers {
  readonly authEvents: number;
  readonly federate: number;
  readonly aliases: number;
  readonly member: number;
  readonly senderJoined: number;
  readonly thirdPartyInvite: number;
  readonly requiredLevel: number;
  readonly userStateKey: number;
  readonly powerLevels: number;
  readonly redaction: number;
  /** Below `member`. */
  readonly join: number;
  readonly invite: number;
  readonly leave: number;
  readonly ban: number;
  readonly knock: number;
  readonly unknownMembership: number;
  /** Below `member`.`join`: the rule that is left when no join rule let the user in. */
  readonly joinOtherwise: number;
  /** Below `powerLevels`. */
  readonly users: number;
  readonly creatorsInUsers: number;
  readonly fields: number;
  readonly currentEntry: number;
  readonly newEntry: number;
  readonly currentUser: number;
  readonly newUser: number;
}

export function ruleNumbers(rules: RoomVersionRules): RuleNumbers {
  const authEvents = rules.roomIdIsCreateHash ? 3 : 2;
  const aliases = authEvents + 2;
  const member = rules.aliasesSpecialCase ? aliases + 1 : aliases;
  const join = rules.restricted ? 3 : 2;
  const users = rules.integerPowerLevels ? 3 : 1;
  const noPrevious = rules.privilegedCreators ? users + 2 : users + 1;
  return {
    authEvents,
    federate: authEvents + 1,
    aliases,
    member,
    senderJoined: member + 1,
    thirdPartyInvite: member + 2,
    requiredLevel: member + 3,
    userStateKey: member + 4,
    powerLevels: member + 5,
    redaction: member + 6,
    join,
    invite: join + 1,
    leave: join + 2,
    ban: join + 3,
    knock: join + 4,
    unknownMembership: rules.knock ? join + 5 : join + 4,
    joinOtherwise: rules.restricted ? 7 : 6,
    users,
    creatorsInUsers: users + 1,
    fields: noPrevious + 1,
    currentEntry: noPrevious + 2,
    newEntry: noPrevious + 3,
    currentUser: noPrevious + 4,
    newUser: noPrevious + 5,
  };
}

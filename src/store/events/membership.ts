/** The numbers under which memberships are stored. */
export const memberships = { join: 1, invite: 2, knock: 3, leave: 4, ban: 5 } as const;

export type MembershipName = keyof typeof memberships;
export type MembershipCode = (typeof memberships)[MembershipName];

const names: readonly (MembershipName | undefined)[] = [undefined, 'join', 'invite', 'knock', 'leave', 'ban'];

/** The code of a `membership` value, or `undefined` for a word the specification does not know. */
export function membershipCode(name: unknown): MembershipCode | undefined {
  return typeof name === 'string' && Object.hasOwn(memberships, name) ? memberships[name as MembershipName] : undefined;
}

export function membershipName(code: MembershipCode): MembershipName {
  const name = names[code];
  if (name === undefined) throw new Error(`no membership has the code ${String(code)}`);
  return name;
}

import { invalidParam } from '../../protocol/errors.ts';
import type { ServerName, UserId } from '../../protocol/ids/types.ts';
import type { Database } from '../../store/db.ts';
import type { UserNid } from '../../store/nids.ts';
import type { BoundAddress, BoundAddressStore } from '../../store/users/bound-addresses.ts';
import type { IdentityAccess, IdentityServers, ThirdPartyAddress } from './identity-servers.ts';

export interface BindingsUses {
  readonly db: Database;
  readonly store: BoundAddressStore;
  readonly identityServers: Pick<IdentityServers, 'bind' | 'unbind'>;
}

/** A user of this server. */
export interface Bound {
  readonly user: UserNid;
  readonly userId: UserId;
}

/** What came of it: `no-support` where an identity server does not take part, or none is known. */
export type UnbindResult = 'success' | 'no-support';

/** Of one user: more than anybody has addresses and identity servers. */
const maxBindings = 50;

/**
 * Has identity servers tell whose an address is, for users who want to be found by it, and has it taken back again.
 * @see https://spec.matrix.org/v1.19/client-server-api/#post_matrixclientv3account3pidbind
 */
export class Bindings {
  readonly #uses: BindingsUses;

  constructor(uses: BindingsUses) {
    this.#uses = uses;
  }

  /** 400 M_INVALID_PARAM too many, and what `IdentityServers.bind` throws. */
  async bind({ user, userId }: Bound, access: IdentityAccess, proof: { sid: string; clientSecret: string }) {
    const { db, store, identityServers } = this.#uses;
    if (store.ofUser(user).length >= maxBindings) throw invalidParam(`A user can be found by ${maxBindings} addresses`);
    const address = await identityServers.bind(access, proof, userId);
    await db.durable<void>(() => store.insert(user, { ...address, server: access.server }));
  }

  /** At one identity server, else at those that were told of the address. */
  unbind(bound: Bound, { medium, address }: ThirdPartyAddress, server?: ServerName): Promise<UnbindResult> {
    const known = this.#uses.store.ofUser(bound.user);
    const told = known.filter((each) => each.medium === medium && each.address === address);
    const meant = server === undefined ? told : [{ medium, address, server }];
    return meant.length === 0 ? Promise.resolve('no-support') : this.#unbind(bound, meant);
  }

  /** Everything that any of them, or one, was told of; nothing is remembered of it, whatever they say. */
  async unbindAll(bound: Bound, server?: ServerName): Promise<UnbindResult> {
    const { db, store } = this.#uses;
    const told = store.ofUser(bound.user);
    const meant = server === undefined ? told : told.map((each) => ({ ...each, server }));
    const result = await this.#unbind(bound, meant);
    await db.durable<void>(() => told.forEach((each) => store.remove(bound.user, each)));
    return result;
  }

  async #unbind({ user, userId }: Bound, told: readonly BoundAddress[]): Promise<UnbindResult> {
    const { db, store, identityServers } = this.#uses;
    const done = await Promise.all(told.map((each) => identityServers.unbind(each.server, each, userId)));
    await db.durable<void>(() => told.filter((_, at) => done[at]).forEach((each) => store.remove(user, each)));
    return done.every(Boolean) ? 'success' : 'no-support';
  }
}

import { crossSigningKeys, type DeviceLists } from '../devices/device-lists.ts';
import { badJson, forbidden, invalidParam, MatrixError, missingParam, tooLarge } from '../protocol/errors.ts';
import { asKeyId } from '../protocol/ids/key-id.ts';
import type { UserId } from '../protocol/ids/types.ts';
import { verifyJson } from '../protocol/signing/json.ts';
import { VerifyKey } from '../protocol/signing/keys.ts';
import type { Database } from '../store/db.ts';
import type { CrossSigningKey, CrossSigningStore, KeyUsage } from '../store/e2ee/cross-signing.ts';
import type { UserNid } from '../store/nids.ts';
import type { DeviceStore } from '../store/users/devices.ts';
import type { Requester } from '../users/login/requester.ts';
import { isJsonObject, type JsonObject } from '../util/json.ts';
import { keyText } from './signed-keys.ts';

export interface CrossSigningUses {
  readonly db: Database;
  readonly devices: DeviceStore;
  readonly crossSigning: CrossSigningStore;
  readonly lists: DeviceLists;
}

/** A user's three keys, as far as they are uploaded. */
export interface CrossSigningUpload {
  readonly master: JsonObject | undefined;
  readonly self_signing: JsonObject | undefined;
  readonly user_signing: JsonObject | undefined;
}

/** An upload that is good, and what of it is new. */
export interface CrossSigningPlan {
  readonly fresh: readonly (CrossSigningKey & { readonly usage: KeyUsage })[];
  readonly replacesMaster: boolean;
  /** Whether the user must confirm it: there are keys already, and these are others. */
  readonly needsConsent: boolean;
}

const usages: readonly KeyUsage[] = ['master', 'self_signing', 'user_signing'];
const maxKeySize = 32 * 1024;

/**
 * The cross-signing keys of local users.
 * @see https://spec.matrix.org/v1.19/client-server-api/#cross-signing
 */
export class CrossSigning {
  readonly #uses: CrossSigningUses;

  constructor(uses: CrossSigningUses) {
    this.#uses = uses;
  }

  /**
   * Checks an upload. 400 M_BAD_JSON, M_INVALID_PARAM no such keys, M_MISSING_PARAM no master key · 400 M_INVALID_SIGNATURE not signed by the master
   * key · 403 M_FORBIDDEN a key that looks like a device · 413 M_TOO_LARGE.
   */
  plan({ user, userId }: Requester, upload: CrossSigningUpload): CrossSigningPlan {
    const { crossSigning } = this.#uses;
    const known = crossSigning.find(user, 'master');
    const master = upload.master && this.#read(user, userId, 'master', upload.master);
    const signer = master?.public ?? known?.public;
    const fresh: (CrossSigningKey & { usage: KeyUsage })[] = [];
    for (const usage of usages) {
      const given = upload[usage];
      if (given === undefined) continue;
      const key = usage === 'master' && master ? master : this.#read(user, userId, usage, given);
      if (usage !== 'master') checkSigned(given, userId, signer);
      if (crossSigning.find(user, usage)?.public !== key.public) fresh.push({ ...key, usage });
    }
    const replacesMaster = known !== undefined && master !== undefined && master.public !== known.public;
    return { fresh, replacesMaster, needsConsent: known !== undefined && fresh.length > 0 };
  }

  /** Resolves when the keys are safe. `also` runs in the same transaction. */
  upload({ user }: Requester, plan: CrossSigningPlan, also: () => void = () => {}): Promise<void> {
    const { db, crossSigning, lists } = this.#uses;
    return db.durable<void>(() => {
      also();
      if (plan.fresh.length === 0) return;
      if (!plan.needsConsent && crossSigning.find(user, 'master') !== undefined) {
        throw forbidden('Cross-signing keys were uploaded meanwhile');
      }
      // Keys that the old master key has signed do not go with a new one.
      if (plan.replacesMaster) for (const usage of usages) crossSigning.remove(user, usage);
      for (const { usage, ...key } of plan.fresh) {
        crossSigning.remove(user, usage);
        crossSigning.put(user, usage, key);
      }
      lists.announce(user, [crossSigningKeys]);
    });
  }

  /** Inside a write: the account is closed. */
  forget(user: UserNid): void {
    const { crossSigning, lists } = this.#uses;
    if (crossSigning.find(user, 'master') !== undefined) lists.announce(user, [crossSigningKeys]);
    crossSigning.removeAll(user);
  }

  #read(user: UserNid, userId: UserId, usage: KeyUsage, key: JsonObject): CrossSigningKey {
    const name = `${usage}_key`;
    if (key['user_id'] !== userId) throw invalidParam(`${name} is not of this user`);
    const { usage: uses, keys } = key;
    if (!Array.isArray(uses) || !uses.includes(usage)) throw invalidParam(`${name} is for another usage`);
    const entries = isJsonObject(keys) ? Object.entries(keys) : [];
    const [entry] = entries;
    if (entry === undefined || entries.length !== 1) throw badJson(`${name} must hold exactly one key`);
    const [id, value] = entry;
    if (typeof value !== 'string' || id !== `ed25519:${value}` || VerifyKey.fromBase64(value) === undefined) {
      throw invalidParam(`${name} holds no Ed25519 key under its own name`);
    }
    if (this.#uses.devices.find(user, value) !== undefined) throw forbidden(`${name} has the name of a device`);
    const text = keyText(key);
    if (text.length > maxKeySize) throw tooLarge(`${name} may have at most ${maxKeySize} bytes`);
    return { public: value, key: text };
  }
}

function checkSigned(key: JsonObject, userId: UserId, master: string | undefined): void {
  if (master === undefined) throw missingParam('There is no master key');
  const verifier = VerifyKey.fromBase64(master);
  if (verifier === undefined || !verifyJson(key, userId, asKeyId(`ed25519:${master}`), verifier, 'lenient')) {
    throw new MatrixError(400, 'M_INVALID_SIGNATURE', 'The key is not signed by the master key');
  }
}

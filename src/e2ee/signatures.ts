import { crossSigningKeys, type DeviceLists } from '../devices/device-lists.ts';
import { invalidParam, MatrixError, notFound } from '../protocol/errors.ts';
import { keyNameOf } from '../protocol/ids/key-id.ts';
import type { KeyId } from '../protocol/ids/types.ts';
import { signableText, signaturesOf, verifyJson } from '../protocol/signing/json.ts';
import { VerifyKey } from '../protocol/signing/keys.ts';
import type { Database } from '../store/db.ts';
import type { CrossSigningKey, CrossSigningStore, KeySignature } from '../store/e2ee/cross-signing.ts';
import type { DeviceKeyStore } from '../store/e2ee/device-keys.ts';
import type { Interning } from '../store/interning/interning.ts';
import type { UserNid } from '../store/nids.ts';
import type { Streams } from '../streams/streams.ts';
import type { Requester } from '../users/login/requester.ts';
import { isJsonObject, type JsonObject } from '../util/json.ts';
import { storedKey } from './signed-keys.ts';

export interface SignaturesUses {
  readonly db: Database;
  readonly streams: Streams;
  readonly interning: Interning;
  readonly deviceKeys: DeviceKeyStore;
  readonly crossSigning: CrossSigningStore;
  readonly lists: DeviceLists;
  /** The master key of anybody, here or elsewhere. */
  readonly masterKey: (user: UserNid) => CrossSigningKey | undefined;
}

/** User ID → device ID or public key → the signed key. */
export type SignedKeys = Readonly<Record<string, Readonly<Record<string, JsonObject>>>>;

interface GoodSignature extends KeySignature {
  readonly user: UserNid;
  readonly target: string;
  /** Or a cross-signing key. */
  readonly isDevice: boolean;
}

/** Which public key may sign under which ID. */
type Signers = (id: KeyId) => string | undefined;

/** What is signed, and by whom that may be. */
interface Signed {
  readonly stored: JsonObject;
  readonly signers: Signers;
  readonly isDevice: boolean;
}

/**
 * Signatures on devices and cross-signing keys that come later than these. Each is checked.
 * @see https://spec.matrix.org/v1.19/client-server-api/#post_matrixclientv3keyssignaturesupload
 */
export class Signatures {
  readonly #uses: SignaturesUses;

  constructor(uses: SignaturesUses) {
    this.#uses = uses;
  }

  /** Keeps what is good; answers what is wrong with the rest, by user and key. */
  async upload(requester: Requester, signed: SignedKeys): Promise<JsonObject> {
    const good: GoodSignature[] = [];
    const failures: [string, JsonObject][] = [];
    for (const [userId, keys] of Object.entries(signed)) {
      const failed: [string, JsonObject][] = [];
      for (const [target, key] of Object.entries(keys)) {
        try {
          good.push(...this.#check(requester, userId, target, key));
        } catch (error) {
          if (!(error instanceof MatrixError)) throw error;
          failed.push([target, error.toJSON()]);
        }
      }
      if (failed.length > 0) failures.push([userId, Object.fromEntries(failed)]);
    }
    if (good.length > 0) await this.#keep(requester.user, good);
    return Object.fromEntries(failures);
  }

  #keep(signer: UserNid, good: readonly GoodSignature[]): Promise<void> {
    const { db, streams, crossSigning, lists } = this.#uses;
    return db.durable<void>(() => {
      const pos = streams.next();
      for (const { user, target, isDevice: _isDevice, ...signature } of good)
        crossSigning.putSignature(user, target, signature, pos);
      const own = good.filter(({ user }) => user === signer);
      // What is signed of others is the signer's own business.
      if (own.length === 0) streams.touchUser(signer);
      else
        lists.announce(
          signer,
          own.map(({ isDevice, target }) => (isDevice ? target : crossSigningKeys)),
        );
    });
  }

  #check(requester: Requester, userId: string, target: string, key: JsonObject): GoodSignature[] {
    const user = this.#uses.interning.findUser(userId);
    if (user === undefined) throw notFound('There is no such user here');
    const { stored, signers, isDevice } =
      user === requester.user ? this.#own(user, target) : this.#other(requester.user, user, target);
    if (signableText(key, 'lenient') !== signableText(stored, 'lenient')) {
      throw invalidParam('This is not the key that is known here');
    }
    const known = new Map(signaturesOf(stored, requester.userId));
    const fresh = signaturesOf(key, requester.userId).filter(([id, text]) => known.get(id) !== text);
    return fresh.map(([keyId, signature]) => {
      const signer = signers(keyId);
      const verifier = signer === undefined ? undefined : VerifyKey.fromBase64(signer);
      if (verifier === undefined || !verifyJson(key, requester.userId, keyId, verifier, 'lenient')) {
        throw new MatrixError(400, 'M_INVALID_SIGNATURE', 'A signature is wrong, or by a key that may not sign this');
      }
      return { user, target, isDevice, signer: requester.user, keyId, signature };
    });
  }

  /** A device of the user's own, signed by the self-signing key; or the master key, signed by devices. */
  #own(user: UserNid, target: string): Signed {
    const { crossSigning, deviceKeys } = this.#uses;
    const master = crossSigning.find(user, 'master');
    if (master?.public === target) {
      const signers = (id: KeyId) => deviceKey(deviceKeys.one(user, keyNameOf(id))?.keys, id);
      return { stored: storedKey(master.key), signers, isDevice: false };
    }
    const device = deviceKeys.one(user, target);
    if (device === undefined) throw notFound('There is no such key');
    const selfSigning = crossSigning.find(user, 'self_signing')?.public;
    const signers = (id: KeyId) =>
      selfSigning !== undefined && id === `ed25519:${selfSigning}` ? selfSigning : deviceKey(device.keys, id);
    return { stored: storedKey(device.keys), signers, isDevice: true };
  }

  /** The master key of somebody else, signed by the user-signing key. */
  #other(signer: UserNid, user: UserNid, target: string): Signed {
    const { crossSigning, masterKey } = this.#uses;
    const master = masterKey(user);
    if (master?.public !== target) throw notFound('There is no such key');
    const userSigning = crossSigning.find(signer, 'user_signing')?.public;
    return {
      stored: storedKey(master.key),
      signers: (id) => (id === `ed25519:${userSigning}` ? userSigning : undefined),
      isDevice: false,
    };
  }
}

/** The public half that a device has published under an ID. */
function deviceKey(text: string | undefined, id: KeyId): string | undefined {
  const keys = text === undefined ? undefined : storedKey(text)['keys'];
  const key = isJsonObject(keys) && Object.hasOwn(keys, id) ? keys[id] : undefined;
  return typeof key === 'string' ? key : undefined;
}

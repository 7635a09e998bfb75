import type { Database } from '../db.ts';
import type { StreamPos, UserNid } from '../nids.ts';

/** The numbers under which uses of cross-signing keys are stored. */
export const keyUsages = { master: 1, self_signing: 2, user_signing: 3 } as const;

export type KeyUsage = keyof typeof keyUsages;

export interface CrossSigningKey {
  /** The public half, in base64. */
  readonly public: string;
  /** A JSON object. */
  readonly key: string;
}

/** A signature of a device or a cross-signing key that was uploaded later than that. */
export interface KeySignature {
  readonly signer: UserNid;
  readonly keyId: string;
  readonly signature: string;
}

/** Cross-signing keys of local users, and signatures made by local users. Writing methods belong inside a write. */
export class CrossSigningStore {
  readonly #find;
  readonly #put;
  readonly #remove;
  readonly #removeAll;
  readonly #signatures;
  readonly #putSignature;
  readonly #removeSignatures;
  readonly #removeSignaturesOf;
  readonly #removeMadeWith;
  readonly #removeMade;
  readonly #signedBy;

  constructor(db: Database) {
    this.#find = db.prepare<[user: number, usage: number], CrossSigningKey>(
      'SELECT public, key FROM cross_signing_key WHERE user = ? AND usage = ?',
    );
    this.#put = db.prepare<[number, number, string, string], never>(
      'INSERT INTO cross_signing_key (user, usage, public, key) VALUES (?, ?, ?, ?)' +
        ' ON CONFLICT (user, usage) DO UPDATE SET public = excluded.public, key = excluded.key',
    );
    this.#remove = db.prepare<[number, number], never>('DELETE FROM cross_signing_key WHERE user = ? AND usage = ?');
    this.#removeAll = db.prepare<[number], never>('DELETE FROM cross_signing_key WHERE user = ?');
    this.#signatures = db.prepare<[user: number, target: string, owner: number, viewer: number], KeySignature>(
      'SELECT signer, key_id AS keyId, signature FROM key_signature' +
        ' WHERE user = ? AND target = ? AND signer IN (?, ?)',
    );
    this.#putSignature = db.prepare<[number, string, number, string, string, number], never>(
      'INSERT INTO key_signature (user, target, signer, key_id, signature, pos) VALUES (?, ?, ?, ?, ?, ?)' +
        ' ON CONFLICT DO UPDATE SET signature = excluded.signature, pos = excluded.pos',
    );
    this.#removeSignatures = db.prepare<[number, string], never>(
      'DELETE FROM key_signature WHERE user = ? AND target = ?',
    );
    this.#removeSignaturesOf = db.prepare<[number], never>('DELETE FROM key_signature WHERE user = ?');
    this.#removeMadeWith = db.prepare<[signer: number, keyId: string], never>(
      'DELETE FROM key_signature WHERE signer = ? AND key_id = ?',
    );
    this.#removeMade = db.prepare<[signer: number], never>('DELETE FROM key_signature WHERE signer = ?');
    this.#signedBy = db
      .rememberStretch<[signer: number, after: number, upTo: number], UserNid>(
        'SELECT user FROM key_signature WHERE signer = ? AND pos > ? AND pos <= ?',
        { keys: 1 },
      )
      .pluck();
  }

  find(user: UserNid, usage: KeyUsage): CrossSigningKey | undefined {
    return this.#find.get(user, keyUsages[usage]);
  }

  put(user: UserNid, usage: KeyUsage, key: CrossSigningKey): void {
    this.#put.run(user, keyUsages[usage], key.public, key.key);
  }

  /** The key goes, with what was signed on it and with it. */
  remove(user: UserNid, usage: KeyUsage): void {
    const key = this.find(user, usage);
    if (key === undefined) return;
    this.#removeSignatures.run(user, key.public);
    this.#removeMadeWith.run(user, `ed25519:${key.public}`);
    this.#remove.run(user, keyUsages[usage]);
  }

  /** All keys of a user, the signatures on the user's keys and devices, and those that the user has made. */
  removeAll(user: UserNid): void {
    this.#removeAll.run(user);
    this.#removeSignaturesOf.run(user);
    this.#removeMade.run(user);
  }

  /** What its owner and the one who looks have signed. */
  signatures(user: UserNid, target: string, viewer: UserNid): KeySignature[] {
    return this.#signatures.all(user, target, user, viewer);
  }

  putSignature(user: UserNid, target: string, { signer, keyId, signature }: KeySignature, pos: StreamPos): void {
    this.#putSignature.run(user, target, signer, keyId, signature, pos);
  }

  removeSignatures(user: UserNid, target: string): void {
    this.#removeSignatures.run(user, target);
  }

  /** Whose keys a user has signed in (after, upTo]; the user's own may be among them. */
  signedBy(signer: UserNid, after: StreamPos, upTo: StreamPos): readonly UserNid[] {
    return this.#signedBy.all(signer, after, upTo);
  }
}

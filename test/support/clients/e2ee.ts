import { asKeyId } from '../../../src/protocol/ids/key-id.ts';
import type { UserId } from '../../../src/protocol/ids/types.ts';
import { signJson } from '../../../src/protocol/signing/json.ts';
import { SigningKey } from '../../../src/protocol/signing/keys.ts';
import type { JsonObject } from '../../../src/util/json.ts';
import type { World } from '../servers/world.ts';
import type { Injected } from './inject.ts';

const v3 = '/_matrix/client/v3';

/** A device of a user of a `World`, which makes its own keys. */
export class TestDevice {
  readonly world: World;
  readonly token: string;
  readonly userId: UserId;
  readonly deviceId: string;
  /** The identity key. */
  readonly key: SigningKey;
  since: string | undefined;

  constructor(world: World, token: string, userId: string, deviceId: string) {
    this.world = world;
    this.token = token;
    this.userId = userId as UserId;
    this.deviceId = deviceId;
    this.key = new SigningKey(asKeyId(`ed25519:${deviceId}`), seedOf(`${userId} ${deviceId}`));
  }

  /** A new account with its first device. */
  static async register(world: World, name: string): Promise<TestDevice> {
    const token = await world.register(name);
    const me = await world.ok('GET', `${v3}/account/whoami`, token);
    return new TestDevice(world, token, me.user_id as string, me.device_id as string);
  }

  /** One more device of the same user. */
  async sibling(deviceId: string): Promise<TestDevice> {
    const name = this.userId.slice(1, this.userId.indexOf(':'));
    const body = {
      type: 'm.login.password',
      identifier: { type: 'm.id.user', user: name },
      password: `password of ${name}`,
      device_id: deviceId,
    };
    const { json } = await this.world.call('POST', `${v3}/login`, { body });
    return new TestDevice(this.world, json.access_token as string, this.userId, deviceId);
  }

  call(method: string, path: string, body?: unknown): Promise<Injected> {
    return this.world.call(method, path.startsWith('/_') ? path : v3 + path, { token: this.token, body });
  }

  ok(method: string, path: string, body?: unknown): Promise<Injected['json']> {
    return this.world.ok(method, v3 + path, this.token, body);
  }

  /** The identity keys, signed by themselves. */
  deviceKeys(): JsonObject {
    const keys = {
      user_id: this.userId,
      device_id: this.deviceId,
      algorithms: ['m.olm.v1.curve25519-aes-sha2', 'm.megolm.v1.aes-sha2'],
      keys: {
        [`curve25519:${this.deviceId}`]: `curve of ${this.deviceId}`,
        [this.key.keyId]: this.key.publicKeyBase64,
      },
    };
    return signJson(keys, this.userId, this.key);
  }

  uploadKeys(body: object = {}): Promise<Injected['json']> {
    return this.ok('POST', '/keys/upload', { device_keys: this.deviceKeys(), ...body });
  }

  /** The next /sync; the one after it goes on from there. */
  async sync(): Promise<Injected['json']> {
    const query = this.since === undefined ? '' : `?since=${this.since}`;
    const answer = await this.ok('GET', `/sync${query}`);
    this.since = answer.next_batch as string;
    return answer;
  }

  /** A public room that is encrypted. */
  async createRoom(invite: readonly string[] = []): Promise<string> {
    const encryption = { type: 'm.room.encryption', content: { algorithm: 'm.megolm.v1.aes-sha2' } };
    const body = { preset: 'public_chat', invite, initial_state: [encryption] };
    return (await this.ok('POST', '/createRoom', body)).room_id as string;
  }

  async join(room: string): Promise<void> {
    await this.ok('POST', `/join/${encodeURIComponent(room)}`, {});
  }

  async leave(room: string): Promise<void> {
    await this.ok('POST', `/rooms/${encodeURIComponent(room)}/leave`, {});
  }

  send(type: string, txnId: string, messages: object): Promise<Injected> {
    return this.call('PUT', `/sendToDevice/${type}/${txnId}`, { messages });
  }
}

/** One-time keys `first` to `last` as a body names them. */
export function oneTimeKeys(first: number, last: number): Record<string, JsonObject> {
  const keys: Record<string, JsonObject> = {};
  for (let n = first; n <= last; n++) keys[`signed_curve25519:k${n}`] = { key: `key ${n}`, signatures: {} };
  return keys;
}

/** A cross-signing key pair of a user; its ID is its public half. */
export function crossSigningKey(name: string): SigningKey {
  const seed = seedOf(name);
  const publicKey = new SigningKey(asKeyId('ed25519:x'), seed).publicKeyBase64;
  return new SigningKey(asKeyId(`ed25519:${publicKey}`), seed);
}

/** The key as it is uploaded, signed by another. */
export function crossSigningBody(userId: UserId, usage: string, key: SigningKey, by?: SigningKey): JsonObject {
  const body = { user_id: userId, usage: [usage], keys: { [key.keyId]: key.publicKeyBase64 } };
  return by === undefined ? body : signJson(body, userId, by);
}

function seedOf(name: string): Buffer {
  return Buffer.from(name.padEnd(32, '.').slice(-32));
}

import type { Brand } from '../../util/brand.ts';

/** `@localpart:server` */
export type UserId = Brand<string, 'UserId'>;
/** `!opaque:server`, or `!` + create event hash in room version 12. */
export type RoomId = Brand<string, 'RoomId'>;
/** `#localpart:server` */
export type RoomAlias = Brand<string, 'RoomAlias'>;
/** `$opaque:server` (room versions 1 and 2) or `$` + base64 of the reference hash. */
export type EventId = Brand<string, 'EventId'>;
/** A host name or IP literal with an optional port. */
export type ServerName = Brand<string, 'ServerName'>;
/** `ed25519:version` */
export type KeyId = Brand<string, 'KeyId'>;
/** A client's device, unique for its user. */
export type DeviceId = Brand<string, 'DeviceId'>;

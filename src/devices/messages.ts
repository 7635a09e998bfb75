/** What one user's devices get: device ID (or `*`) and JSON text. */
export type UserTexts = readonly [userId: string, devices: readonly (readonly [deviceId: string, content: string])[]];

/** The longest message to a device, in bytes: as long as an event may be. */
export const maxContent = 65_536;

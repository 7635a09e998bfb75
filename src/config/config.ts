import type { definition, listenerShape } from './definition/definition.ts';
import type { ValueOf } from './definition/field.ts';

/** The server's settings: plain, read-only, camelCase; durations in milliseconds, paths absolute. */
export type Config = ValueOf<typeof definition>;

/** One `[[listen]]` table. */
export type Listener = ValueOf<typeof listenerShape>;

import type { Field, Shape, Table } from './definition/field.ts';
import { nearestKey } from './nearest.ts';
import type { Problem } from './problems.ts';
import { Collector, type Entries, type Origin } from './sources.ts';

type Target =
  | { readonly path: readonly string[]; readonly member: Field<unknown>; readonly isFile: boolean }
  | { readonly path: readonly string[]; readonly member: Table<Shape>; readonly isFile: false };

/** The environment variable of a dotted key: `limits.room.max_members` → `HEARTH_LIMITS_ROOM_MAX_MEMBERS`. */
export function variableOf(path: readonly string[]): string {
  return `HEARTH_${path.join('_').toUpperCase()}`;
}

/**
 * Read by the program itself (`HEARTH_CONFIG`, the file's path), or set by container platforms for a service that is
 * called "hearth" (`HEARTH_PORT`, `HEARTH_SERVICE_HOST`, `HEARTH_PORT_8008_TCP_ADDR`): not keys, and not mistakes.
 */
const ignored = /^HEARTH_(CONFIG$|(SERVICE|PORT)(_|$))/;

/** Every environment variable that means something, with what it stands for. */
export function allVariables(shape: Shape, path: readonly string[] = []): Map<string, Target> {
  const found = new Map<string, Target>();
  for (const [key, member] of Object.entries(shape)) {
    const here = [...path, key];
    if (member.node === 'table') {
      found.set(variableOf(here), { path: here, member, isFile: false });
      for (const [name, target] of allVariables(member.shape, here)) found.set(name, target);
    } else {
      found.set(variableOf(here), { path: here, member, isFile: false });
      if (member.secret) found.set(`${variableOf(here)}_FILE`, { path: here, member, isFile: true });
    }
  }
  return found;
}

/** What the environment says, by dotted key. A variable for one key wins over one that holds its whole table. */
export function readEnvironment(
  definition: Shape,
  env: Readonly<Record<string, string | undefined>>,
  folder: string,
  problems: Problem[],
): Entries {
  const variables = allVariables(definition);
  const fields = new Collector(definition, problems, true);
  const tables = new Collector(definition, problems, true);
  for (const [name, text] of Object.entries(env)) {
    if (!name.startsWith('HEARTH_') || ignored.test(name) || text === undefined) continue;
    const target = variables.get(name);
    const origin: Origin = { source: `environment variable ${name}`, folder, lineOf: () => undefined };
    if (!target) {
      const nearest = nearestKey(name, [...variables.keys()]) ?? '';
      problems.push({ source: origin.source, line: undefined, key: '', message: 'unknown key', nearest });
    } else if (target.member.node === 'table') {
      tables.table(parseJson(text), target.member.shape, origin, target.path);
    } else {
      const isText = target.isFile || target.member.kind.inEnv === 'text';
      fields.field(target.path, isText ? text : parseJson(text), origin, target.isFile);
    }
  }
  return new Map([...tables.entries, ...fields.entries]);
}

/** The JSON value, or the text itself, which the kind then refuses in its own words. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

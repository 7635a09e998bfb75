import { isJsonObject, type JsonObject, type JsonValue } from '../../util/json.ts';

/** More are no filter any more, and cost more than they spare: then all fields are told. */
const maxPaths = 200;

/** What is wanted below a property; `all`: the whole of it. */
type Wanted = 'all' | Map<string, Wanted>;

/**
 * The fields of events that a filter asks for (`event_fields`), made ready.
 * @see https://spec.matrix.org/v1.19/client-server-api/#post_matrixclientv3useruseridfilter_request_filter
 */
export class EventFields {
  readonly #wanted: Map<string, Wanted>;

  private constructor(wanted: Map<string, Wanted>) {
    this.#wanted = wanted;
  }

  /** `undefined`: all fields are wanted. */
  static of(paths: readonly string[] | undefined): EventFields | undefined {
    if (paths === undefined || paths.length === 0 || paths.length > maxPaths) return undefined;
    const root = new Map<string, Wanted>();
    for (const path of paths) want(root, propertyPath(path));
    return new EventFields(root);
  }

  /** An event with what is wanted of it; what it does not have is left out. */
  pick(event: JsonObject): JsonObject {
    return picked(event, this.#wanted);
  }
}

/**
 * The names of properties in a path with dots between: a backslash before a dot or a backslash makes it part of a name.
 * @see https://spec.matrix.org/v1.19/appendices/#dot-separated-property-paths
 */
export function propertyPath(path: string): string[] {
  const names = [''];
  for (let at = 0; at < path.length; at++) {
    const letter = path[at] as string;
    const next = path[at + 1];
    const last = names.length - 1;
    if (letter === '\\' && (next === '.' || next === '\\')) {
      names[last] += next;
      at++;
    } else if (letter === '.') names.push('');
    else names[last] += letter;
  }
  return names;
}

function want(root: Map<string, Wanted>, names: readonly string[]): void {
  let below = root;
  for (const [depth, name] of names.entries()) {
    const known = below.get(name);
    if (known === 'all') return;
    if (depth === names.length - 1) {
      below.set(name, 'all');
      return;
    }
    const next = known ?? new Map<string, Wanted>();
    below.set(name, next);
    below = next;
  }
}

function picked(object: JsonObject, wanted: ReadonlyMap<string, Wanted>): JsonObject {
  const found: [string, JsonValue][] = [];
  for (const [name, below] of wanted) {
    const value = Object.hasOwn(object, name) ? object[name] : undefined;
    if (value === undefined) continue;
    if (below === 'all') found.push([name, value]);
    else if (isJsonObject(value)) {
      const part = picked(value, below);
      if (Object.keys(part).length > 0) found.push([name, part]);
    }
  }
  return Object.fromEntries(found);
}

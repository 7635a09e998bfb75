import { isJsonObject } from '../../util/json.ts';

/**
 * The property names of a dot-separated path: `content.m\.relates_to` is `content`, `m.relates_to`. A backslash
 * before anything but a dot or a backslash stands for itself.
 * @see https://spec.matrix.org/v1.19/appendices/#dot-separated-property-paths
 */
export function splitPath(path: string): string[] {
  const names: string[] = [];
  let name = '';
  for (let i = 0; i < path.length; i++) {
    const char = path.charAt(i);
    const next = path.charAt(i + 1);
    if (char === '\\' && (next === '.' || next === '\\')) {
      name += next;
      i++;
    } else if (char === '.') {
      names.push(name);
      name = '';
    } else {
      name += char;
    }
  }
  names.push(name);
  return names;
}

/** The value at a path of own properties, or `undefined`. */
export function valueAt(root: unknown, names: readonly string[]): unknown {
  let value: unknown = root;
  for (const name of names) {
    if (!isJsonObject(value) || !Object.hasOwn(value, name)) return undefined;
    value = value[name];
  }
  return value;
}

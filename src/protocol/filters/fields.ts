import { isJsonObject, type JsonObject } from '../../util/json.ts';
import { badJson } from '../errors.ts';

/** Readers for the fields of a filter: absent and `null` are the same, a wrong type is 400 M_BAD_JSON with the path. */

export function object(json: JsonObject, key: string, path: string): JsonObject {
  const value = json[key] ?? {};
  if (!isJsonObject(value)) throw badJson(`${path}${key} must be an object`);
  return value;
}

export function strings(json: JsonObject, key: string, path: string): string[] | undefined {
  const value = json[key] ?? undefined;
  if (value === undefined) return undefined;
  if (!Array.isArray(value) || !value.every((item) => typeof item === 'string')) {
    throw badJson(`${path}${key} must be a list of strings`);
  }
  return value;
}

export function flag(json: JsonObject, key: string, path: string): boolean | undefined {
  const value = json[key] ?? undefined;
  if (value === undefined) return undefined;
  if (typeof value !== 'boolean') throw badJson(`${path}${key} must be true or false`);
  return value;
}

/** A whole number that is not negative. The specification asks for more than 0, but clients in use send 0 for "none". */
export function wholeNumber(json: JsonObject, key: string, path: string): number | undefined {
  const value = json[key] ?? undefined;
  if (value === undefined) return undefined;
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0) {
    throw badJson(`${path}${key} must be a whole number of 0 or more`);
  }
  return value;
}

import * as v from 'valibot';
import { isJsonObject, type JsonObject } from '../../../util/json.ts';

/** Any JSON object; valibot's own would take a list for one. */
export const objectSchema = v.custom<JsonObject>(isJsonObject, 'an object');

/** A JSON object whose values are all of one kind. */
export function recordOf<Value extends v.GenericSchema>(value: Value) {
  const anyRecord = v.custom<Record<string, v.InferInput<Value>>>(isJsonObject, 'an object');
  return v.pipe(
    anyRecord,
    v.record(v.string(), value) as v.GenericSchema<
      Record<string, v.InferInput<Value>>,
      Record<string, v.InferOutput<Value>>
    >,
  );
}

/** One-time or fallback keys by their IDs. */
export const keysSchema = recordOf(v.union([v.string(), objectSchema]));

/** The identity keys of a device. */
export const deviceKeysSchema = v.looseObject({
  user_id: v.string(),
  device_id: v.string(),
  algorithms: v.array(v.string()),
  keys: recordOf(v.string()),
  signatures: recordOf(recordOf(v.string())),
});

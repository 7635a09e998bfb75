import type { JsonValue } from '../../util/json.ts';

/** Lists that nearly all rules have, by their numbers in the database. Only ever appended to. */
const usual: readonly string[] = [
  ['notify'],
  ['notify', { set_tweak: 'sound', value: 'default' }],
  ['notify', { set_tweak: 'highlight' }],
  ['notify', { set_tweak: 'sound', value: 'default' }, { set_tweak: 'highlight' }],
  ['notify', { set_tweak: 'sound', value: 'ring' }],
  ['notify', { set_tweak: 'sound', value: 'default' }, { set_tweak: 'highlight', value: false }],
].map((list) => JSON.stringify(list));

/** What is stored of a rule's actions. */
export function packActions(actions: readonly JsonValue[]): number | string {
  const text = JSON.stringify(actions);
  const number = usual.indexOf(text);
  return number < 0 ? text : number;
}

/** The actions that were stored. */
export function unpackActions(stored: number | string): JsonValue[] {
  return JSON.parse(typeof stored === 'string' ? stored : (usual[stored] ?? '["notify"]')) as JsonValue[];
}

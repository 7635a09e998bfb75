import { type Board, type Invalid, invalid, isTable, type Kind, type Scope } from './kinds.ts';

/** The TOML form of a value. */
export type Written = string | number | boolean | readonly Written[] | { readonly [key: string]: Written };

/** Without it a key belongs to what this release does; `later` keys are checked, and reported as not used yet. */
export type Since = 'later';

export interface Field<T> {
  readonly node: 'field';
  readonly kind: Kind<T>;
  /** One sentence, for `docs/config.md` and the example file. */
  readonly doc: string;
  readonly required: boolean;
  /** The default in its TOML form; undefined if there is none. */
  readonly preset: ((board: Board) => Written) | undefined;
  /** What the documentation says of the default, if it is derived. */
  readonly presetWords: string | undefined;
  readonly example: Written | undefined;
  readonly secret: boolean;
  readonly since: Since | undefined;
}

export interface Table<S extends Shape> {
  readonly node: 'table';
  readonly doc: string;
  readonly shape: S;
  readonly since: Since | undefined;
}

export interface Shape {
  readonly [key: string]: Field<unknown> | Table<Shape>;
}

type Camel<S extends string> = S extends `${infer Head}_${infer Tail}` ? `${Head}${Capitalize<Camel<Tail>>}` : S;

/** The type of what a shape reads: the same tree with camelCase keys. */
export type ValueOf<S extends Shape> = {
  readonly [K in keyof S & string as Camel<K>]: S[K] extends Field<infer T>
    ? T
    : S[K] extends Table<infer Inner>
      ? ValueOf<Inner>
      : never;
};

interface Options {
  readonly example?: Written;
  readonly secret?: boolean;
  readonly since?: Since;
}

function field<T>(kind: Kind<T>, doc: string, options: Options, rest: Partial<Field<T>>): Field<T> {
  return {
    node: 'field',
    kind,
    doc,
    required: false,
    preset: undefined,
    presetWords: undefined,
    example: options.example,
    secret: options.secret ?? false,
    since: options.since,
    ...rest,
  };
}

/** A key that must be set. */
export function required<T>(kind: Kind<T>, doc: string, options: Options = {}): Field<T> {
  return field(kind, doc, options, { required: true });
}

/** A key that may be left out and has no default. */
export function optional<T>(kind: Kind<T>, doc: string, options: Options = {}): Field<T | undefined> {
  return field<T | undefined>(kind, doc, options, {});
}

/** A key with a fixed default, given in its TOML form. */
export function preset<T>(kind: Kind<T>, value: Written, doc: string, options: Options = {}): Field<T> {
  return field(kind, doc, options, { preset: () => value });
}

/** A key whose default follows from the machine; `words` say how. */
export function derived<T>(
  kind: Kind<T>,
  words: string,
  value: (board: Board) => Written,
  doc: string,
  options: Options = {},
): Field<T> {
  return field(kind, doc, options, { preset: value, presetWords: words });
}

export function table<const S extends Shape>(doc: string, shape: S, options: { since?: Since } = {}): Table<S> {
  return { node: 'table', doc, shape, since: options.since };
}

export function camelKey(key: string): string {
  return key.replace(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
}

/** An array of tables that all have the same flat shape (`[[listen]]`). */
export function tableList<const S extends { readonly [key: string]: Field<unknown> }>(
  words: string,
  shape: S,
): TableListKind<S> {
  const readOne = (value: unknown, scope: Scope): ValueOf<S> | Invalid => {
    if (!isTable(value)) return scope.fail('must be a table');
    for (const key of Object.keys(value)) {
      if (!Object.hasOwn(shape, key)) scope.unknownKey(key, Object.keys(shape));
    }
    const result: Record<string, unknown> = {};
    let bad = false;
    for (const [key, member] of Object.entries(shape)) {
      const reading = readMember(member, value[key], scope.at(key));
      if (reading === invalid) bad = true;
      else result[camelKey(key)] = reading;
    }
    return bad ? invalid : (result as ValueOf<S>);
  };
  return {
    words,
    inEnv: 'json',
    shape,
    read(value, scope) {
      if (!Array.isArray(value)) return scope.fail(`must be ${words}`);
      const readings = value.map((item: unknown, index) => readOne(item, scope.at(index)));
      const good = readings.filter((reading): reading is ValueOf<S> => reading !== invalid);
      return good.length === readings.length ? good : invalid;
    },
    show: (value) => (Array.isArray(value) ? value.map((item: unknown) => showTable(item, shape)) : value),
  };
}

export interface TableListKind<S extends Shape> extends Kind<readonly ValueOf<S>[]> {
  readonly shape: S;
}

/** The shape of a field whose kind is an array of tables; undefined for every other field. */
export function shapeOfList(member: Field<unknown>): Shape | undefined {
  return 'shape' in member.kind ? (member.kind as TableListKind<Shape>).shape : undefined;
}

/** Reads one key of a table: its value, its default, or undefined; a required one must be there. */
export function readMember(member: Field<unknown>, value: unknown, scope: Scope): unknown {
  if (value !== undefined) return member.kind.read(value, scope);
  if (member.required) return scope.fail('is missing');
  return member.preset === undefined ? undefined : member.kind.read(member.preset(scope.board), scope);
}

function showTable(value: unknown, shape: Shape): unknown {
  if (!isTable(value)) return value;
  const shown: Record<string, unknown> = {};
  for (const [key, member] of Object.entries(shape)) {
    const item = value[camelKey(key)];
    if (item === undefined || member.node === 'table') continue;
    shown[key] = member.kind.show?.(item) ?? item;
  }
  return shown;
}

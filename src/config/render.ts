import { stringify } from 'smol-toml';
import { definition } from './definition/definition.ts';
import { camelKey, type Field, type Shape, shapeOfList, type Table, type Written } from './definition/field.ts';
import { isTable } from './definition/kinds.ts';
import { variableOf } from './environment.ts';
import { isReloadable } from './reloading.ts';

/** The board that derived defaults are shown for in generated texts. */
const exampleBoard = { memoryMb: 512, cores: 4 };

const columns = 110;

/** A value as TOML, tables inline. */
export function tomlText(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(tomlText).join(', ')}]`;
  if (isTable(value)) {
    const members = Object.entries(value).map(([key, item]) => `${tomlKey(key)} = ${tomlText(item)}`);
    return members.length === 0 ? '{}' : `{ ${members.join(', ')} }`;
  }
  return JSON.stringify(value);
}

function tomlKey(key: string): string {
  return /^[A-Za-z0-9_-]+$/.test(key) ? key : JSON.stringify(key);
}

function wrapped(text: string, prefix: string): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && prefix.length + line.length + word.length + 1 > columns) {
      lines.push(prefix + line);
      line = '';
    }
    line = line === '' ? word : `${line} ${word}`;
  }
  return [...lines, prefix + line];
}

function notYet(since: string | undefined): string {
  return since === 'later' ? ' (not used by this release)' : '';
}

/** The fields that stand under a table's own header, and the tables inside it, arrays of tables included. */
function parts(shape: Shape) {
  const fields: [string, Field<unknown>][] = [];
  const tables: [string, Table<Shape> | Field<unknown>][] = [];
  for (const [key, member] of Object.entries(shape)) {
    if (member.node === 'field' && shapeOfList(member) === undefined) fields.push([key, member]);
    else tables.push([key, member]);
  }
  return { fields, tables };
}

/** `hearth.example.toml`: every key with its sentence, commented out at its default. */
export function exampleFile(): string {
  const lines = [
    '# Configuration of Hearth. Only server_name must be set; what is commented out shows the default,',
    '# or an example where there is none. Derived defaults are those of a board with 512 MB and 4 cores.',
    '# Made from the definition in src/config/definition; do not edit.',
    '',
  ];
  exampleTable(lines, definition, '');
  return `${lines.join('\n').trimEnd()}\n`;
}

function exampleTable(lines: string[], shape: Shape, path: string): void {
  const { fields, tables } = parts(shape);
  for (const [key, field] of fields) lines.push(...exampleField(key, field), '');
  for (const [key, member] of tables) {
    const inner = path === '' ? key : `${path}.${key}`;
    const doc = wrapped(member.doc + notYet(member.since), '# ');
    const list = member.node === 'field' ? shapeOfList(member) : undefined;
    if (list) {
      exampleList(lines, list, { path: inner, doc });
    } else if (member.node === 'table') {
      const hasFields = parts(member.shape).fields.length > 0;
      if (hasFields) lines.push(...doc, `[${inner}]`, '');
      exampleTable(lines, member.shape, inner);
    }
  }
}

function exampleList(lines: string[], list: Shape, { path, doc }: { path: string; doc: readonly string[] }): void {
  const { fields, tables } = parts(list);
  lines.push(...doc, `# [[${path}]]`);
  for (const [name, field] of fields) lines.push(...exampleField(name, field, '# '));
  lines.push('');
  for (const [name, member] of tables) {
    const inner = member.node === 'field' ? shapeOfList(member) : undefined;
    if (inner) exampleList(lines, inner, { path: `${path}.${name}`, doc: wrapped(member.doc, '# ') });
  }
}

function exampleField(key: string, field: Field<unknown>, sign = field.required ? '' : '# '): string[] {
  const value: Written = field.example ?? field.preset?.(exampleBoard) ?? '…';
  return [...wrapped(field.doc + notYet(field.since), '# '), `${sign}${key} = ${tomlText(value)}`];
}

/** `docs/config.md`: the same for reading. */
export function configGuide(): string {
  const lines = [
    '# Configuration',
    '',
    '<!-- Made from the definition in src/config/definition by scripts/generate-config-docs.ts; do not edit. -->',
    '',
    'Hearth reads one TOML file (`hearth serve --config FILE`) and the environment. Only `server_name` must be set.',
    'Every key is also an environment variable, named below each key, which wins over the file; tables and arrays are',
    'JSON there. A secret may stand in a file of its own: write its path in the same key with `_file` at its end, or hand it',
    'over as a systemd credential that is called like the key (`LoadCredential=registration.shared_secret:/etc/…`).',
    'Relative paths start at the folder of the config file, or at the working folder if they come from the environment.',
    '',
    'An unknown key or a bad value stops the start, and all mistakes are reported at once. `hearth config check` reads',
    'everything without starting; `hearth config show` prints the result with secrets masked. Keys marked *later* are',
    'checked but not used by this release. A running server takes over changes of the keys marked *reloaded* when it is sent',
    'SIGHUP; all others wait for a restart.',
    '',
  ];
  guideTable(lines, definition, [], undefined);
  return `${lines.join('\n').trimEnd()}\n`;
}

function guideTable(lines: string[], shape: Shape, path: readonly string[], since: string | undefined): void {
  const { fields, tables } = parts(shape);
  for (const [key, field] of fields) lines.push(...guideField([...path, key], field, since, true), '');
  for (const [key, member] of tables) {
    const here = [...path, key];
    const memberSince = member.since ?? since;
    const list = member.node === 'field' ? shapeOfList(member) : undefined;
    if (list) {
      guideList(lines, list, { path: here, doc: `${member.doc} (\`${variableOf(here)}\`)`, since: memberSince });
    } else if (member.node === 'table') {
      const hasFields = parts(member.shape).fields.length > 0;
      if (hasFields) lines.push(`## \`[${here.join('.')}]\`${mark(memberSince)}`, '', member.doc, '');
      guideTable(lines, member.shape, here, memberSince);
    }
  }
}

interface ListHead {
  readonly path: readonly string[];
  readonly doc: string;
  readonly since: string | undefined;
}

function guideList(lines: string[], list: Shape, { path, doc, since }: ListHead): void {
  const { fields, tables } = parts(list);
  lines.push(`## \`[[${path.join('.')}]]\`${mark(since)}`, '', doc, '');
  for (const [name, field] of fields) lines.push(...guideField([name], field, since, false), '');
  for (const [name, member] of tables) {
    const inner = member.node === 'field' ? shapeOfList(member) : undefined;
    if (inner) guideList(lines, inner, { path: [...path, name], doc: member.doc, since });
  }
}

const mark = (since: string | undefined) => (since === 'later' ? ' *later*' : '');

function guideField(path: readonly string[], field: Field<unknown>, since: string | undefined, withEnv: boolean) {
  const head = `**\`${path.at(-1)}\`**${mark(field.since ?? since)} – ${field.doc}`;
  const preset = field.presetWords ?? (field.preset && `\`${tomlText(field.preset(exampleBoard))}\``);
  const facts = [`Must be ${field.kind.words}.`];
  facts.push(field.required ? 'Has to be set.' : preset === undefined ? 'No default.' : `Default: ${preset}.`);
  if (field.secret) facts.push(`Secret: also \`${path.at(-1)}_file\`.`);
  if (withEnv) facts.push(`\`${variableOf(path)}\``);
  if (withEnv && isReloadable(path.join('.'))) facts.push('*reloaded*');
  return [`${head}  `, facts.join(' ')];
}

/** A config file that says all that is in force, secrets included. */
export function configFileText(config: unknown): string {
  return `# Written by Hearth: what was in force, from file, environment and defaults.\n${stringify(shownConfig(config, 'shown'))}`;
}

/** The configuration in its written form, tables nested, unset keys left out; secrets are masked unless asked for. */
export function shownConfig(
  config: unknown,
  secrets: 'masked' | 'shown' = 'masked',
  shape: Shape = definition,
): Record<string, unknown> {
  const shown: Record<string, unknown> = {};
  if (!isTable(config)) return shown;
  for (const [key, member] of Object.entries(shape)) {
    const value = config[camelKey(key)];
    if (member.node === 'table') shown[key] = shownConfig(value, secrets, member.shape);
    else if (value !== undefined)
      shown[key] = member.secret && secrets === 'masked' ? '(secret)' : (member.kind.show?.(value) ?? value);
  }
  return shown;
}

import type { Database } from './db.ts';

/** The schema as it is in the file, in an order of its own: what `schema.sql` is a snapshot of. */
export function schemaText(db: Database): string {
  const version = db.prepare<[], number>('PRAGMA user_version').pluck().get() ?? 0;
  const objects = db
    .prepare<[], string>(
      "SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'" +
        // What a virtual table keeps its content in is made by itself.
        " AND name NOT IN (SELECT name FROM pragma_table_list WHERE type = 'shadow') ORDER BY tbl_name, type DESC, name",
    )
    .pluck()
    .all();
  return `-- The schema after all migrations; written by scripts/write-schema.ts.\nPRAGMA user_version = ${version};\n\n${objects.map((sql) => `${sql};\n`).join('\n')}`;
}

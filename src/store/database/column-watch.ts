import type { Connection } from './connection.ts';

export interface Column {
  readonly table: string;
  readonly column: string;
}

/**
 * Calls `seen` with every whole number that is written into one of the columns from now on, by temporary triggers of
 * this connection. Returns what ends it. One watch at a time.
 */
export function watchColumns(
  connection: Connection,
  columns: readonly Column[],
  seen: (value: number) => void,
): () => void {
  connection.function('column_watch', (value: unknown) => {
    if (typeof value === 'number') seen(value);
    return null;
  });
  const names: string[] = [];
  for (const { table, column } of columns) {
    for (const event of ['INSERT', `UPDATE OF ${column}`]) {
      const name = `column_watch_${table}_${column}_${event === 'INSERT' ? 'insert' : 'update'}`;
      connection.exec(
        `CREATE TEMP TRIGGER ${name} AFTER ${event} ON main.${table} BEGIN SELECT column_watch(NEW.${column}); END`,
      );
      names.push(name);
    }
  }
  return () => {
    for (const name of names) connection.exec(`DROP TRIGGER IF EXISTS temp.${name}`);
  };
}

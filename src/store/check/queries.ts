import type { Database } from '../db.ts';

/**
 * A rule as a query for its exceptions: each row it finds becomes a sentence. The columns are put into the sentence
 * where it names them: `{room}`.
 */
export interface Rule {
  readonly sentence: string;
  readonly exceptions: string;
}

/** As many exceptions of one rule as anybody wants to read. */
const most = 20;

/** The sentences of all rules that do not hold. */
export function* broken(db: Database, rules: readonly Rule[]): Generator<string> {
  for (const { sentence, exceptions } of rules) {
    const rows = db.prepare<[], Record<string, unknown>>(`SELECT * FROM (${exceptions}) LIMIT ${most}`).all();
    for (const row of rows) yield sentence.replaceAll(/\{(\w+)\}/g, (_, column: string) => String(row[column]));
  }
}

/** Rows that only one of two queries finds. Both have the same columns. */
export function differing(left: string, right: string): string {
  return (
    `SELECT *, 'is missing' AS problem FROM (${left} EXCEPT ${right})` +
    ` UNION ALL SELECT *, 'is there without a reason' FROM (${right} EXCEPT ${left})`
  );
}

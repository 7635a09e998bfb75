/** What a command says: a value for `--json`, the same in words for people. */
export interface Output {
  readonly json: boolean;
  result(value: unknown, words: string): void;
}

export function createOutput(json: boolean, write: (text: string) => void): Output {
  return {
    json,
    result: (value, words) => write(json ? `${JSON.stringify(value)}\n` : `${words}\n`),
  };
}

/** Columns as wide as their widest cell. */
export function columns(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const all = [head, ...rows];
  const widths = head.map((_, column) => Math.max(...all.map((row) => row[column]?.length ?? 0)));
  return all
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

/** `1.5 MiB`. */
export const mib = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(1)} MiB`;

/** `2026-11-21 07:45`, in UTC. */
export function dateText(millis: number): string {
  return new Date(millis).toISOString().slice(0, 16).replace('T', ' ');
}

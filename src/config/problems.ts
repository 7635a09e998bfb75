/** One thing that is wrong with the configuration, or worth knowing about it. */
export interface Problem {
  /** The file or the environment variable that says it. */
  readonly source: string;
  readonly line: number | undefined;
  /** The key with the tables it is in, `listen[0].port`; empty if the problem is the file itself. */
  readonly key: string;
  readonly message: string;
  /** The valid key nearest to an unknown one. */
  readonly nearest?: string;
}

/** `hearth.toml:12: registration.mod: unknown key (nearest valid key: registration.mode)` */
export function describeProblem(problem: Problem): string {
  const place = problem.line === undefined ? problem.source : `${problem.source}:${problem.line}`;
  const nearest = problem.nearest === undefined ? '' : ` (nearest valid key: ${problem.nearest})`;
  return `${[place, problem.key, problem.message].filter((part) => part !== '').join(': ')}${nearest}`;
}

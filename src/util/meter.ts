/** What is measured as it happens. Costs nothing where nobody listens: users hold `Meter | undefined`. */
export interface Meter {
  /** `route`: the path template, never the path. */
  request(route: string, method: string, status: number, seconds: number): void;
  /** An outermost transaction of the database. */
  transaction(kind: 'read' | 'write', seconds: number): void;
}

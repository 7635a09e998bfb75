/** Where a server is reached, and as whom. */
export interface Target {
  /** A name to look up, or an IP address without brackets. */
  readonly host: string;
  readonly port: number;
  /** The `Host` header. */
  readonly hostHeader: string;
  /** Whom its certificate has to be for: a name, or an IP address without brackets. */
  readonly tlsName: string;
  /** The admin has settled it, so its address may be a private one. */
  readonly isConfigured: boolean;
}

/** The port of the federation where nothing else is said. */
export const standardPort = 8448;

import type * as Http2 from 'node:http2';
import type * as Https from 'node:https';
import type * as Tls from 'node:tls';

/**
 * What is used of node:http. An `import` from there would read every export of the module, some of which load the
 * platform's fetch and HTTP/2 as soon as they are looked at: 7 MB that nobody needs.
 */
export const { createServer, request, Agent } = process.getBuiltinModule('node:http');

/** node:https, loaded when first asked for: it costs 4 MB, which most boards behind a proxy need late or never. */
export function nodeHttps(): typeof Https {
  return process.getBuiltinModule('node:https');
}

/** node:tls, loaded when first asked for. */
export function nodeTls(): typeof Tls {
  return process.getBuiltinModule('node:tls');
}

/** node:http2, loaded when first asked for: only listeners that speak TLS themselves need it. */
export function nodeHttp2(): typeof Http2 {
  return process.getBuiltinModule('node:http2');
}

/**
 * What may be done on a full disk: whatever makes room, and what only asks although its method says otherwise. Signing in
 * is a row, and the admin has to be able to.
 */
const light =
  /\/(?:leave|forget|logout|logout\/all|login|refresh|search|keys\/query|publicRooms|delete|delete_devices|query|query_edges|get_missing_events|rtc_token)$/;
/** It has an answer of its own for servers: they come back. */
const transaction = '/_matrix/federation/v1/send/{txnId}';

/** Whether it brings what happens on other servers. */
export function isTransaction(path: string): boolean {
  return path === transaction;
}

/** Whether an operation writes more than next to nothing. */
export function needsSpace(method: string, path: string): boolean {
  return (method === 'PUT' || method === 'POST') && !isTransaction(path) && !light.test(path);
}

/**
 * `createServer` of node:http. An `import` from there would read every export of the module, some of which load the
 * platform's fetch and HTTP/2 as soon as they are looked at: 7 MB that nobody needs.
 */
export const { createServer } = process.getBuiltinModule('node:http');

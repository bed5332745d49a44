#!/usr/bin/env node
// A small HTTP service for the examples and the Compose file: it says who answered, and may ask another service.
// It knows nothing of Chancery: it calls `--upstream` by its name, through the address given as `--outbound`.
//   node service.mjs NAME --port PORT [--version V] [--instance ID] [--upstream NAME --outbound HOST:PORT]
// Answers JSON on every path, 200 on /healthz; /critical?on=true makes /healthz answer 503 until on=false.
import { createServer, get } from 'node:http';
import { parseArgs } from 'node:util';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    port: { type: 'string', default: '8080' },
    address: { type: 'string', default: '127.0.0.1' },
    version: { type: 'string', default: 'v1' },
    instance: { type: 'string' },
    upstream: { type: 'string' },
    outbound: { type: 'string', default: '127.0.0.1:15001' },
  },
});
const name = positionals[0] ?? 'service';
const self = { service: name, version: values.version, instance: values.instance ?? `${name}-1` };
let healthy = true;

/** The upstream's answer, or what went wrong, as JSON. */
function ask(path) {
  const { hostname, port } = new URL(`http://${values.outbound}`);
  return new Promise((resolve) => {
    const request = get({ hostname, port, path, headers: { host: values.upstream }, timeout: 5000 }, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (piece) => {
        text += piece;
      });
      response.on('end', () => {
        try {
          resolve(JSON.parse(text));
        } catch {
          resolve({ status: response.statusCode, text });
        }
      });
    });
    request.on('timeout', () => request.destroy(new Error('timeout')));
    request.on('error', (error) => resolve({ error: error.message }));
  });
}

const server = createServer(async (request, response) => {
  const url = new URL(request.url ?? '/', 'http://localhost');
  if (url.pathname === '/critical') healthy = url.searchParams.get('on') !== 'true';
  const status = url.pathname === '/healthz' && !healthy ? 503 : 200;
  const upstream =
    values.upstream === undefined || ['/healthz', '/critical'].includes(url.pathname) ? undefined : await ask(request.url);
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(`${JSON.stringify({ ...self, path: url.pathname, ...(upstream === undefined ? {} : { upstream }) })}\n`);
});
server.listen(Number(values.port), values.address, () =>
  console.log(`${self.instance} (${self.version}) on ${values.address}:${values.port}`),
);
// Requests in flight are answered; idle connections are closed, so that proxies see it at once.
for (const signal of ['SIGTERM', 'SIGINT']) process.once(signal, () => server.close());

// Requests and where they must end. Read by the evaluator's test and by the one on real Envoy.
import type { Outcome, Request } from './evaluator.ts';

const web = { web: 1 };
const shop = (rule: string): string => `default/shop#${rule}`;
const get = (path: string, headers: Record<string, string> = {}, host = 'shop.example'): Request => ({
  host,
  path,
  headers,
});
const match = (path: string, header?: string): Request =>
  get(path, header === undefined ? {} : { 'x-h': header }, 'match.example');
const answered = (rule: string, status: number): Outcome => ({ rule: `default/matchers#${rule}`, status });

export const table: readonly (readonly [Request, Outcome])[] = [
  // Hosts: exact, with port, in capitals, wildcard, generated names, unknown.
  [get('/'), { rule: shop('rest'), clusters: web, path: '/' }],
  [get('/', {}, 'shop.example:8080'), { rule: shop('rest'), clusters: web, path: '/' }],
  [get('/', {}, 'SHOP.example'), { rule: shop('rest'), clusters: web, path: '/' }],
  [get('/', {}, 'a.shop.example'), { rule: shop('rest'), clusters: web, path: '/' }],
  [get('/x?y=1', {}, 'web'), { rule: 'web', clusters: web, path: '/x?y=1' }],
  [get('/', {}, 'web.service.local:80'), { rule: 'web', clusters: web, path: '/' }],
  [get('/', {}, 'web.service.consul'), { rule: 'web', clusters: web, path: '/' }],
  [get('/', {}, 'nobody.example'), { status: 404 }],
  // Precedence and segment-wise prefixes.
  [get('/cart'), { rule: shop('exact'), clusters: web, path: '/cart' }],
  [get('/cart/1'), { rule: shop('cart'), clusters: { 'cart/v1': 9, 'cart/v2': 1 }, path: '/cart/1' }],
  [get('/carts'), { rule: shop('rest'), clusters: web, path: '/carts' }],
  [get('/cart/1?v=2', { 'x-group': 'beta' }), { rule: shop('beta'), clusters: { 'cart/v2': 1 }, path: '/cart/1?v=2' }],
  [
    get('/cart/1?v=3', { 'x-group': 'beta' }),
    { rule: shop('cart'), clusters: { 'cart/v1': 9, 'cart/v2': 1 }, path: '/cart/1?v=3' },
  ],
  [get('/n/12'), { rule: shop('numbers'), clusters: { 'cart/v1': 1 }, path: '/n/12' }],
  [get('/n/12a'), { rule: shop('rest'), clusters: web, path: '/n/12a' }],
  [
    { ...get('/n/12'), method: 'POST' },
    { rule: shop('post'), status: 405 },
  ],
  [
    { ...get('/x'), method: 'POST' },
    { rule: shop('rest'), clusters: web, path: '/x' },
  ],
  // Nobody there: the rule holds its place and answers 503.
  [get('/down'), { rule: shop('down'), clusters: { empty: 1 }, path: '/down' }],
  [get('/unknown'), { rule: shop('unknown'), clusters: { nobody: 1 }, path: '/unknown' }],
  // Rewrites and redirects.
  [get('/strip/a?b=c'), { rule: shop('strip'), clusters: web, path: '/a?b=c' }],
  [get('/strip'), { rule: shop('strip'), clusters: web, path: '/' }],
  [get('/old/x'), { rule: shop('rename'), clusters: web, path: '/new/path/x' }],
  [get('/api/v3/items'), { rule: shop('version'), clusters: web, path: '/3/api/items' }],
  [get('/x', { 'x-under': '1' }), { rule: shop('under'), clusters: web, path: '/base/x' }],
  [get('/moved/a?b=c'), { rule: shop('moved'), status: 308, location: 'https://new.example/to/a?b=c' }],
  [get('/here'), { rule: shop('here'), status: 302, location: 'http://shop.example/there' }],
  // Header and query matchers.
  [match('/', 'the-end'), answered('h-suffix', 211)],
  [match('/', 'start-x'), answered('h-prefix', 212)],
  [match('/', '123'), answered('h-regex', 213)],
  [match('/', '1234'), { status: 404 }],
  [match('/not', 'b'), answered('h-not', 214)],
  [match('/not', 'a'), { status: 404 }],
  [match('/not'), answered('h-not', 214)],
  [match('/absent'), answered('h-absent', 215)],
  [match('/absent', 'x'), { status: 404 }],
  [match('/q?a=start-1'), answered('q-prefix', 221)],
  [match('/q?b=1&a=the-end'), answered('q-suffix', 222)],
  [match('/q?a=123'), answered('q-regex', 223)],
  [match('/q?a=1234'), { status: 404 }],
  [match('/there?a.b'), answered('q-present', 224)],
  [match('/there?aXb=1'), { status: 404 }],
  [match('/gone'), answered('q-absent', 225)],
  [match('/gone?x=1&aXb=2'), answered('q-absent', 225)],
  [match('/gone?x=1&a.b=2'), { status: 404 }],
  [match('/gone?a.b'), { status: 404 }],
  [match('/other?a=z'), answered('q-not', 226)],
  [match('/other'), answered('q-not', 226)],
  [match('/other?b=1&a=x.y&c=2'), { status: 404 }],
];

import { describe, expect, it } from 'vitest';
import { serviceId } from '../../../../src/model/names.ts';
import { noProvenance } from '../../../../src/resources/encode.ts';
import { proxylessAction, proxylessRetry, unsaidParts } from '../../../../src/translate/proxyless/route-action.ts';
import { testService } from '../../../support/worlds.ts';

const cart = serviceId('default', 'cart');
const retry = { attempts: 2, on: [], statusCodes: [] };

describe('an action for gRPC clients', () => {
  it('bounds a call by the timeout of the rule, else of the service, and never by none', () => {
    const shares = [{ service: cart, weight: 1 }];
    const target = testService('cart', { requestTimeoutMs: 3000 });
    expect(proxylessAction({ timeoutMs: 500 }, { shares, target, retry: undefined })).toEqual({
      cluster: 'cart',
      maxStreamDuration: { maxStreamDuration: '0.5s' },
    });
    expect(proxylessAction({}, { shares, target, retry: undefined })).toMatchObject({
      maxStreamDuration: { maxStreamDuration: '3s' },
    });
    expect(proxylessAction({ timeoutMs: 0 }, { shares, target, retry: undefined })).toEqual({ cluster: 'cart' });
  });

  it('splits by weight', () => {
    const shares = [
      { service: cart, subset: 'v1', weight: 9 },
      { service: cart, subset: 'v2', weight: 1 },
    ];
    expect(proxylessAction({}, { shares, target: undefined, retry: undefined })).toEqual({
      weightedClusters: {
        clusters: [
          { name: 'cart/v1', weight: 9 },
          { name: 'cart/v2', weight: 1 },
        ],
      },
    });
  });

  it('says retries as the statuses that clients see', () => {
    expect(proxylessRetry(undefined)).toBeUndefined();
    expect(proxylessRetry({ ...retry, attempts: 0, on: ['5xx'] })).toBeUndefined();
    expect(proxylessRetry({ ...retry, on: ['connect-failure', 'refused-stream'] })).toBeUndefined();
    expect(proxylessRetry({ ...retry, on: ['reset', '5xx', 'resource-exhausted'] })).toEqual({
      retryOn: 'unavailable,resource-exhausted',
      numRetries: 2,
    });
  });

  it('names what the rule asks for in vain', () => {
    expect(
      unsaidParts({
        name: 'r',
        index: 0,
        matches: [],
        action: { kind: 'forward', to: [] },
        rewrite: { host: 'a' },
        retry: { ...retry, on: ['retriable-4xx', 'unavailable'], statusCodes: [503], perTryTimeoutMs: 1 },
        hashOn: [{ cookie: 'c' }, { header: 'h' }],
        provenance: noProvenance,
      }),
    ).toEqual([
      'a rewrite',
      'a retry on retriable-4xx',
      'a retry on HTTP status codes',
      'a timeout per try',
      'a hash of a cookie',
    ]);
  });
});

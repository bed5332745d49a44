// Limits in front of a ViewProvider: streams of one node, how often one identity opens them, and views that are being opened at
// the same time.
// It must not know views. Invariant: every stream that was counted is counted off once, however it ends.
import type { Clock } from '../util/clock.ts';
import { createTokenBuckets } from '../util/token-buckets.ts';
import type { ClientInfo, Opened, ViewProvider } from './contract.ts';

/**
 * Refuses streams of a node beyond `max`, with RESOURCE_EXHAUSTED; 0: any number. A node is whose credential it shows, where one
 * is asked for: every node that joined has its own, and all who share one are counted together. Else it is who it claims to be.
 */
export function limitPerNode(provider: ViewProvider, max: number): ViewProvider {
  if (max === 0) return provider;
  const counts = new Map<string, number>();
  return {
    ...provider,
    open(client, onChange) {
      const key = countedAs(client);
      const count = counts.get(key) ?? 0;
      if (count >= max) {
        const message = `"${key}" has ${count} streams open, which is the limit for one node`;
        return { refused: 'resource-exhausted', message };
      }
      counts.set(key, count + 1);
      let counted = true;
      const release = (): void => {
        if (!counted) return;
        counted = false;
        const left = (counts.get(key) ?? 1) - 1;
        if (left === 0) counts.delete(key);
        else counts.set(key, left);
      };
      const settle = (opened: Opened): Opened => {
        if ('refused' in opened) {
          release();
          return opened;
        }
        return {
          ...opened,
          close() {
            release();
            opened.close();
          },
        };
      };
      try {
        const opened = provider.open(client, onChange);
        if (!(opened instanceof Promise)) return settle(opened);
        return opened.then(settle, (error: unknown) => {
          release();
          throw error;
        });
      } catch (error) {
        release();
        throw error;
      }
    },
  };
}

function countedAs({ nodeId, principal }: ClientInfo): string {
  return principal === undefined ? nodeId : `${principal.id} (${principal.credential.id})`;
}

/**
 * Refuses streams of one identity that come faster than `perSecond` after a burst, with RESOURCE_EXHAUSTED, so that one node that
 * connects in a loop leaves the rate at which all are let in to the others. Who claims to be a node is not counted: anybody
 * could claim its name.
 */
export function limitOpeningRate(clock: Clock, provider: ViewProvider, rate: OpeningRate): ViewProvider {
  const buckets = createTokenBuckets(clock, { ...rate, keys: 50_000 });
  return {
    ...provider,
    open(client, onChange) {
      if (client.principal === undefined) return provider.open(client, onChange);
      const key = countedAs(client);
      const waitMs = buckets.take(key);
      if (waitMs === undefined) return provider.open(client, onChange);
      const message = `"${key}" opens more than ${rate.perSecond} streams a second; try again in ${waitMs} ms`;
      return { refused: 'resource-exhausted', message };
    },
  };
}

export interface OpeningRate {
  /** Streams at once. */
  readonly burst: number;
  readonly perSecond: number;
}

/** Where views come later: so many are being opened at a time, further ones wait in order. */
export function limitOpening(provider: ViewProvider, max: number): ViewProvider {
  const waiting: (() => void)[] = [];
  let running = 0;
  const next = (): void => {
    running--;
    waiting.shift()?.();
  };
  return {
    ...provider,
    open(client, onChange) {
      const start = (): Opened | Promise<Opened> => {
        const opened = provider.open(client, onChange);
        if (!(opened instanceof Promise)) return opened;
        running++;
        return opened.finally(next);
      };
      if (running < max) return start();
      return new Promise<Opened>((resolve, reject) => {
        waiting.push(() => {
          try {
            const opened = start();
            resolve(opened);
            if (!(opened instanceof Promise)) waiting.shift()?.();
          } catch (error) {
            reject(error);
            waiting.shift()?.();
          }
        });
      });
    },
  };
}

// When a stream is to be opened anew because of the age of its credential: the node may have a newer one in its file meanwhile,
// which a client sends, or shows, with its next connection only. Pure.
// Invariant: whoever renewed in time has no stream of the former credential when that is told of as not renewed.
import type { Principal } from '../model/principal.ts';

const hourMs = 3_600_000;
/** Shares of its life that are left: `chancery renew` has had its time since half, and at a quarter it is told of. */
const left = { most: 0.3, least: 0.26 };

/**
 * Wall-clock milliseconds; undefined for credentials whose life is not known. Nodes that joined together do not connect
 * together. From then on hourly, so that a late renewal is noticed within the hour. `random`: 0 up to 1.
 */
export function openAnewAtMs({ issuedAtMs, notAfterMs }: Principal, nowMs: number, random: number): number | undefined {
  if (issuedAtMs === undefined) return undefined;
  const lifeMs = notAfterMs - issuedAtMs;
  const share = left.least + (left.most - left.least) * random;
  return Math.max(notAfterMs - share * lifeMs, nowMs + Math.min(hourMs, lifeMs / 20));
}

// When a certificate is renewed: somewhere between 40 and 60 % of its life, by a hash of what asked for it.
// It must not know who asks, nor the time. Invariant: equal seeds and lives give equal times, on every replica and after
// every restart, so that a fleet that started together does not renew together.
import { contentHash } from '../util/hash.ts';

const window = { from: 0.4, to: 0.6 };
const seedBytes = 6;

/** In [0, 1), evenly over seeds. */
function place(seed: string): number {
  return Buffer.from(contentHash(seed), 'base64url').readUIntBE(0, seedBytes) / 2 ** (8 * seedBytes);
}

/** Milliseconds of the wall clock, whole; `fromMs`: when it was issued, whatever its certificate says. */
export function renewAt(
  { fromMs, untilMs }: { readonly fromMs: number; readonly untilMs: number },
  seed: string,
): number {
  const life = untilMs - fromMs;
  const first = Math.ceil(window.from * life);
  const last = Math.floor(window.to * life);
  return fromMs + first + Math.floor(place(seed) * (last - first + 1));
}

/** Of what signs: half of its life. The other half is for a provider that cannot be asked. */
export function renewIssuerAt({ fromMs, untilMs }: { readonly fromMs: number; readonly untilMs: number }): number {
  return fromMs + Math.floor((untilMs - fromMs) / 2);
}

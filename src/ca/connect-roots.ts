// Consul's answer about its Connect roots as ours. Pure. It must not know how Consul is asked.
// Invariant: every root is self-signed, valid now and of Consul's trust domain, the active one first; else all is refused.
// Source: Consul API, `GET /v1/agent/connect/ca/roots`.
import { X509Certificate } from 'node:crypto';
import { AppError, errorText } from '../util/errors.ts';
import { readCertificate } from './certificate.ts';
import type { Root } from './contract.ts';
import { checkRoot } from './foreign-intermediate.ts';
import { rootOf } from './root.ts';

export interface ConnectRoots {
  /** `<uuid>.consul` */
  readonly trustDomain: string;
  /** The active one first. */
  readonly roots: readonly Root[];
}

const maxRoots = 32;

/** Throws CH1887 where they cannot be used. */
export function readConnectRoots(body: unknown, nowMs: number): ConnectRoots {
  const { ActiveRootID, TrustDomain, Roots } = (body ?? {}) as Readonly<Record<string, unknown>>;
  if (typeof TrustDomain !== 'string' || !Array.isArray(Roots) || Roots.length === 0 || Roots.length > maxRoots)
    throw refused('has no roots and no trust domain in it');
  const all = Roots.map((each) => {
    const { ID, RootCert } = (each ?? {}) as Readonly<Record<string, unknown>>;
    if (typeof ID !== 'string' || typeof RootCert !== 'string') throw refused('has a root without a certificate');
    return { active: ID === ActiveRootID, der: certificateIn(RootCert) };
  });
  if (!all.some(({ active }) => active)) throw refused('does not say which root is active');
  const usable = all.filter(({ der, active }) => {
    // What was rotated out may end before Consul leaves it out.
    if (!active && readCertificate(der).notAfterMs <= nowMs) return false;
    try {
      checkRoot(der, { nowMs, trustDomain: TrustDomain });
      return true;
    } catch (error) {
      throw refused(`has a root that cannot be used: ${errorText(error).replaceAll(/\[\w+\] /g, '')}`);
    }
  });
  const first = [...usable.filter(({ active }) => active), ...usable.filter(({ active }) => !active)];
  return {
    trustDomain: TrustDomain,
    roots: first.map(({ der }) => rootOf(der)),
  };
}

function certificateIn(pem: string): Uint8Array {
  try {
    return Uint8Array.from(new X509Certificate(pem).raw);
  } catch {
    throw refused('has something that is no certificate');
  }
}

function refused(why: string): AppError {
  return new AppError('CH1887', `Consul's answer about its Connect roots ${why}`, { retryable: true });
}

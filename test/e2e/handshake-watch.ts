// Watches a mesh of short lives: a client that keeps no connection makes one after another until something holds.
import type { ShortLivedMesh } from './short-lived-mesh.ts';

export interface WatchOptions {
  /** For one wait. */
  readonly deadlineMs: number;
  /** Between two connections; 250 ms. */
  readonly pauseMs?: number;
  /** The control plane ends meanwhile: nobody has a certificate here until its proxy is back, and no connection is made then. */
  readonly restarts?: true;
}

export interface HandshakeWatch {
  /** What went wrong, with what was waited for. */
  readonly failures: readonly string[];
  /** Serial numbers that the callee showed. */
  readonly shown: ReadonlySet<string>;
  /** Connections that were made. */
  count(): number;
  /** Rejects after the deadline, with how far the rotation is and what was warned of. `looked`: with every look. */
  until(what: string, holds: () => boolean, looked?: () => void): Promise<void>;
}

/** `keyId` of the roots that are trusted now, the one that signs first. */
export function trustedRoots(mesh: ShortLivedMesh): readonly string[] {
  return (mesh.plane().trust?.authority.roots().roots ?? []).map(({ keyId }) => keyId);
}

export function createHandshakeWatch(mesh: ShortLivedMesh, options: WatchOptions): HandshakeWatch {
  const { deadlineMs, pauseMs = 250, restarts = false } = options;
  const failures: string[] = [];
  const shown = new Set<string>();
  let made = 0;

  async function handshake(what: string): Promise<void> {
    if (restarts && mesh.secretsOf('web-1').cert === '') return;
    made++;
    const { failure, serial } = await mesh.handshake();
    if (failure !== undefined) failures.push(`${what}: ${failure}`);
    if (serial !== undefined) shown.add(serial);
  }

  return {
    failures,
    shown,
    count: () => made,
    async until(what, holds, looked = () => {}) {
      const end = performance.now() + deadlineMs;
      while (!holds()) {
        if (performance.now() > end) {
          const rotation = JSON.stringify(mesh.plane().trust?.rotation.state());
          throw new Error(`never: ${what}; the rotation: ${rotation}; warned: ${mesh.warnings().slice(-5).join('\n')}`);
        }
        looked();
        await handshake(what);
        await new Promise((resolve) => setTimeout(resolve, pauseMs));
      }
    },
  };
}

// What a command may touch of the outside: streams, environment, files, network, time. main.ts hands in the real ones,
// tests their own. Invariant: no command reaches past this.
import type { Config } from '../model/config.ts';
import type { ResolvedConfig } from '../model/config-layers.ts';
import type { Clock } from '../util/clock.ts';
import type { HostPort } from '../util/host-port.ts';
import type { PrivateFiles } from './private-files.ts';
import type { SecureFetch, SecureOpen } from './secure-request.ts';

export interface Io {
  out(text: string): void;
  err(text: string): void;
  /** Whether stdout is a terminal that takes colours (NO_COLOR honoured). */
  readonly colour: boolean;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly clock: Clock;
  readonly fetch: typeof fetch;
  /** HTTPS to a server that is told by its authority. */
  readonly secureFetch: SecureFetch;
  readonly secureOpen: SecureOpen;
  /** Where credentials lie. */
  readonly privateFiles: PrivateFiles;
  /** Aborted by SIGINT or SIGTERM. */
  readonly signal: AbortSignal;
  readStdin(): Promise<string>;
  /** Undefined when there is no such file. */
  readText(path: string): string | undefined;
  /** Whether something on this machine listens there. */
  portInUse(at: HostPort): Promise<boolean>;
  isDirectory(path: string): boolean;
  /** Files below a directory, sorted, relative to it. */
  listFiles(path: string): readonly string[];
}

export interface DemoOptions {
  readonly check: boolean;
  readonly directory?: string;
}

export interface CliDeps {
  readonly io: Io;
  readonly version: string;
  /** Runs the control plane until the signal aborts; resolves with the exit code. */
  readonly serve: (config: Config, resolved: ResolvedConfig) => Promise<number>;
  readonly demo: (options: DemoOptions) => Promise<number>;
  /** Built Envoy descriptor set. */
  readonly descriptorSet: () => Uint8Array;
}

// The table of `chancery status NODE --resources`: how far one proxy is with each resource.
// Invariant: exit code 0 only when all are synced.
import type { ResourceState } from '../../control/contract.ts';
import { AppError } from '../../util/errors.ts';
import type { ApiClient } from '../client.ts';
import type { Format } from '../command.ts';
import { exitCodes } from '../exit.ts';
import type { Io } from '../io.ts';
import { asText } from '../print.ts';
import { table } from '../table.ts';

/** Characters of a version that tell it from others. */
const shownVersion = 10;

export function neverConnected(proxy: string): AppError {
  return new AppError('CH1703', `proxy "${proxy}" has never connected`, {
    hint: 'Run `chancery status` to see which have.',
  });
}

export async function showResources(
  io: Io,
  client: ApiClient,
  { proxy, output }: { readonly proxy: string | undefined; readonly output: Format },
): Promise<number> {
  if (proxy === undefined) throw new AppError('CH1601', '--resources needs the proxy that it is about');
  const state = await client.get(`/api/v1/proxies/${encodeURIComponent(proxy)}/state`).catch((error: unknown) => {
    throw error instanceof AppError && error.code === 'CH1703' ? neverConnected(proxy) : error;
  });
  const { resources } = state as { readonly resources: readonly ResourceState[] };
  if (output !== 'table') io.out(asText(state, output));
  else
    io.out(
      table(
        ['TYPE', 'NAME', 'STATE', 'VERSION', 'HELD', 'REASON'],
        resources.map(({ type, name, status, version, held, reason = '' }) => [
          ...[type, name, status],
          ...[version, held].map((text) => text?.slice(0, shownVersion) ?? '-'),
          reason.replace(/\s+/g, ' '),
        ]),
      ),
    );
  return resources.every(({ status, version }) => status === 'synced' || version === undefined)
    ? exitCodes.fine
    : exitCodes.failed;
}

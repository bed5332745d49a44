// `chancery check`: is the mesh well, and is the next step to mutual TLS safe? It asks the server, and Prometheus if told which.
// It decides nothing itself. Invariant: exit code 0 unless something FAILs; what could not be learnt is never taken for good.
import type { Command } from 'commander';
import type { ControlStatus } from '../../control/contract.ts';
import { AppError, errorText } from '../../util/errors.ts';
import { checkLines } from '../check.ts';
import { type ApiClient, createClient } from '../client.ts';
import { type CommandContext, command, type Format, formatOption, withServer } from '../command.ts';
import { exitCodes } from '../exit.ts';
import { meshChecks, type TrustState } from '../mesh-checks.ts';
import { asText } from '../print.ts';
import { createPrometheusClient, type PrometheusClient, prometheusUrl } from '../prometheus.ts';
import { askSeen, nextStepCheck } from '../strict-check.ts';
import { durationMs } from '../table.ts';

interface Options {
  readonly output: Format;
  readonly server?: string;
  readonly tokenFile?: string;
  readonly prometheus?: string;
  readonly since: string;
}

export function checkCommand(context: CommandContext): Command {
  const { io } = context;
  return withServer(
    command(
      'check',
      'Whether the mesh is well, and whether strict mutual TLS is safe',
      'chancery check\nchancery check --prometheus http://127.0.0.1:9090\nchancery check --prometheus http://prometheus:9090 --since 7d -o json',
    ),
  )
    .option(
      '--prometheus <url>',
      'who scrapes the sidecars: says whether anybody calls in plaintext (CHANCERY_PROMETHEUS)',
    )
    .option('--since <duration>', 'for how long nobody may have', '1d')
    .addOption(formatOption(['table', 'json', 'yaml'], 'table'))
    .action(
      context.action(async (options: Options) => {
        const ms = durationMs(options.since);
        if (ms === undefined || ms < 1000)
          throw new AppError('CH1601', `"${options.since}" is no duration of a second or more, such as 1d`);
        const place = options.prometheus ?? (io.environment['CHANCERY_PROMETHEUS'] || undefined);
        const prometheus = place === undefined ? undefined : createPrometheusClient(io, prometheusUrl(place));
        const client = createClient(io, options);
        const status = (await client.get('/api/v1/status')) as ControlStatus;
        const { withoutSidecar } = status;
        const trust = await trustState(client);
        const checks = [...meshChecks(client.server, status, trust, io.clock.wall())];
        if (withoutSidecar !== undefined) {
          // In other modes nothing is counted that the answer depends on.
          const asks = withoutSidecar.mtls === 'permissive' ? prometheus : undefined;
          const asked = await answerOf(asks, options.since, Math.ceil(ms / 1000));
          checks.push(nextStepCheck(status, withoutSidecar, asked));
        }
        const failed = checks.some(({ result }) => result === 'FAIL');
        const report = {
          result: failed ? 'FAIL' : checks.some(({ result }) => result === 'warn') ? 'warn' : 'ok',
          checks,
        };
        io.out(options.output === 'table' ? checkLines(checks, io.colour) : asText(report, options.output));
        return failed ? exitCodes.failed : exitCodes.fine;
      }),
    );
}

/** A failure to ask is a reason not to know, and takes nothing from the other checks. */
async function answerOf(prometheus: PrometheusClient | undefined, since: string, seconds: number) {
  if (prometheus === undefined) return undefined;
  try {
    return await askSeen(prometheus, since, seconds);
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    return { unknown: `${errorText(error)}. ${error.hint}` };
  }
}

/** Undefined: no authority is configured. */
async function trustState(client: ApiClient): Promise<TrustState | undefined> {
  try {
    return (await client.get('/api/v1/trust/certificates')) as TrustState;
  } catch (error) {
    if (error instanceof AppError && error.code === 'CH1856') return undefined;
    throw error;
  }
}

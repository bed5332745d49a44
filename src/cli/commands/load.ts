// `chancery load`: how many requests each cluster takes and how many fail, as the proxies report it.
// It computes nothing but percentages. Invariant: what nobody reports is said to be unknown, never zero.
import type { Command } from 'commander';
import type { ClusterLoadStatus, LoadStatus } from '../../control/contract.ts';
import { AppError } from '../../util/errors.ts';
import { createClient } from '../client.ts';
import { type CommandContext, command, type Format, formatOption, withServer } from '../command.ts';
import { exitCodes } from '../exit.ts';
import { asText } from '../print.ts';
import { table } from '../table.ts';

interface Options {
  readonly output: Format;
  readonly server?: string;
  readonly tokenFile?: string;
}

const counts = ['REQ/S', 'ERR%', 'ACTIVE', 'DROP/S', 'PROXIES', 'REQUESTS', 'FAILED'];

export function loadCommand(context: CommandContext): Command {
  const { io } = context;
  return withServer(
    command(
      'load [cluster]',
      'Requests and failures by cluster, or by locality of one, as proxies report them (bootstrap --load-reports)',
      'chancery load\nchancery load cart',
    ),
  )
    .addOption(formatOption(['table', 'json', 'yaml'], 'table'))
    .action(
      context.action(async (cluster: string | undefined, options: Options) => {
        const all = (await createClient(io, options).get('/api/v1/load')) as readonly ClusterLoadStatus[];
        const shown = cluster === undefined ? all : all.filter((one) => one.cluster === cluster);
        if (cluster !== undefined && shown.length === 0)
          throw new AppError('CH1703', `no proxy reports load of cluster "${cluster}"`, {
            hint: 'Run `chancery load` to see of which clusters one does.',
          });
        if (options.output !== 'table') io.out(asText(shown, options.output));
        else if (shown.length === 0)
          io.out('no proxy reports load: start Envoy with a bootstrap made with --load-reports\n');
        else io.out(cluster === undefined ? clusterTable(shown) : localityTable(shown));
        return exitCodes.fine;
      }),
    );
}

function clusterTable(clusters: readonly ClusterLoadStatus[]): string {
  return table(
    ['CLUSTER', ...counts],
    clusters.map((one) => [one.cluster, ...cells(one)]),
  );
}

function localityTable(clusters: readonly ClusterLoadStatus[]): string {
  return table(
    ['REGION', 'ZONE', 'SUBZONE', ...counts],
    clusters.flatMap(({ localities }) =>
      localities.map((one) => [one.region || '-', one.zone || '-', one.subZone || '-', ...cells(one)]),
    ),
  );
}

function cells(load: LoadStatus): string[] {
  const { requestsPerSecond, failedPerSecond, droppedPerSecond, active, proxies, total } = load;
  const failing = requestsPerSecond === 0 ? '-' : ((100 * failedPerSecond) / requestsPerSecond).toFixed(1);
  return [
    requestsPerSecond.toFixed(1),
    failing,
    String(active),
    droppedPerSecond.toFixed(1),
    String(proxies),
    String(total.requests),
    String(total.failed),
  ];
}

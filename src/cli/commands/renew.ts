// `chancery renew FOLDER...`: the next credential of each node for the current one, once or for as long as it runs.
// Invariant: what is there stays until what replaces it is there whole; Envoy takes the new one for its next stream.
import type { Command } from 'commander';
import type { Clock } from '../../util/clock.ts';
import { errorCodes } from '../../util/error-codes.ts';
import { AppError } from '../../util/errors.ts';
import { type CommandContext, command } from '../command.ts';
import { type CredentialFolder, type CredentialRecord, credentialFolder, renewAtMs } from '../credential-folder.ts';
import { exitCodes, reportFailure } from '../exit.ts';
import type { Io } from '../io.ts';

interface Options {
  readonly watch?: boolean;
  readonly now?: boolean;
}

const retryMs = { first: 30_000, most: 3_600_000 };
/** Longer a timer of Node cannot wait, and a clock that was set is noticed by then. */
const longestSleepMs = 3_600_000;

export function renewCommand(context: CommandContext): Command {
  const { io } = context;
  return command(
    'renew <folder...>',
    'Replace the credential of a node once half of its life is over',
    'chancery renew credentials/web-1\nchancery renew credentials/* --watch',
  )
    .option('--watch', 'stay, and renew whenever it is time')
    .option('--now', 'renew even if half of its life is not over')
    .action(
      context.action(async (paths: readonly string[], options: Options) => {
        if (options.watch === true && options.now === true)
          throw new AppError('CH1601', '--watch and --now exclude each other');
        const folders = paths.map((path) => credentialFolder(io, path));
        if (options.watch === true) {
          await Promise.all(folders.map((folder) => watch(io, folder)));
          return exitCodes.fine;
        }
        let code: number = exitCodes.fine;
        // One that fails is no reason for the next to wait.
        for (const folder of folders)
          try {
            await once(io, folder, options.now === true);
          } catch (error) {
            code = reportFailure(io, error);
          }
        return code;
      }),
    );
}

async function once(io: Io, folder: CredentialFolder, now: boolean): Promise<void> {
  const record = recordOf(folder);
  if (now || renewAtMs(record) <= io.clock.wall()) {
    io.out(`renewed, until ${time((await renew(io, folder)).notAfterMs)}\n`);
    return;
  }
  // What Envoy is to read is looked at, too: nothing else would say before its next start that it is away.
  folder.secret(record);
  await learnRoots(io, folder).catch((error: unknown) => {
    // Nor would the proxy reach it. One that is away now is asked again in an hour.
    if (error instanceof AppError && error.code === 'CH1852') throw error;
    reportFailure(io, error);
  });
  io.out(`still good until ${time(record.notAfterMs)}; it is renewed from ${time(renewAtMs(record))} on\n`);
}

const time = (ms: number): string => new Date(ms).toISOString();

function recordOf(folder: CredentialFolder): CredentialRecord {
  const record = folder.record();
  if (record !== undefined) return record;
  throw new AppError('CH1854', `there is no credential in "${folder.path}"`, {
    hint: 'Get one with chancery bootstrap NODE --join TOKEN.',
  });
}

/**
 * Before another root signs, whoever asks here learns of it from the one that it knows; a credential lives for too long to wait
 * until it is renewed.
 */
async function learnRoots(io: Io, folder: CredentialFolder): Promise<void> {
  const { server, trust, controlPlane } = recordOf(folder);
  // Who brought files of an authority keeps them.
  if (trust.kind === 'files') return;
  const { askForRoots } = await import('../enrolment-client.ts');
  const known = folder.roots();
  const roots = await askForRoots(io, { server, expected: { who: 'named', ca: known, name: controlPlane } }).catch(
    (error: unknown) => {
      throw joinAgain(error, folder);
    },
  );
  if (roots !== known) await folder.writeRoots(roots);
}

/** Of a server that is not known by the roots of the folder: what to do about it, unless it is a clock. */
function joinAgain(error: unknown, { path }: CredentialFolder): unknown {
  if (!(error instanceof AppError) || error.code !== 'CH1852' || error.hint !== errorCodes.CH1852.hint) return error;
  return new AppError('CH1852', error.message.replace('[CH1852] ', ''), {
    cause: error.cause,
    hint: `It is another control plane, or its root was replaced and this node not told: then join again with chancery bootstrap NODE --join TOKEN --credentials ${path} --replace. Nothing was sent to it.`,
  });
}

async function renew(io: Io, folder: CredentialFolder): Promise<CredentialRecord> {
  const record = recordOf(folder);
  const [{ askToRenew }, { expectedOf }] = await Promise.all([import('../enrolment-client.ts'), import('../join.ts')]);
  const { server, xds, trust, node, kind } = record;
  const expected =
    trust.kind === 'files'
      ? expectedOf(io, trust)
      : ({ who: 'named', ca: folder.roots(), name: record.controlPlane } as const);
  const { enrolled, key } = await askToRenew(io, { server, expected, secret: folder.secret(record) }).catch(
    (error: unknown) => {
      throw trust.kind === 'files' ? error : joinAgain(error, folder);
    },
  );
  // Envoy was told to read a file of this kind.
  if (enrolled.credential.kind !== kind)
    throw new AppError('CH1855', `${server} gives no ${kind} any more`, { hint: 'Join again with a new token.' });
  await folder.write(enrolled, { node, server, trust, ...(xds === undefined ? {} : { xds }) }, key);
  return recordOf(folder);
}

/** Until it is told to end, or the credential holds no more. */
async function watch(io: Io, folder: CredentialFolder): Promise<void> {
  const { clock, signal } = io;
  let waitMs = retryMs.first;
  while (!signal.aborted) {
    const record = recordOf(folder);
    if (!(await reached(clock, renewAtMs(record), signal))) {
      await learnRoots(io, folder).catch((error: unknown) => signal.aborted || reportFailure(io, error));
      continue;
    }
    try {
      const { notAfterMs } = await renew(io, folder);
      io.out(`${time(clock.wall())} renewed, until ${time(notAfterMs)}\n`);
      waitMs = retryMs.first;
    } catch (error) {
      if (signal.aborted) break;
      // Whom the server does not believe any more has nothing to try again with.
      if (error instanceof AppError && error.code === 'CH1855') throw error;
      if (record.notAfterMs <= clock.wall())
        throw new AppError('CH1855', 'the credential ended before it could be renewed', { cause: error });
      reportFailure(io, error);
      await clock.sleep(waitMs, signal);
      waitMs = Math.min(waitMs * 2, retryMs.most);
    }
  }
}

/** True once it is `atMs`; false, after a while, where it is not yet: the folder may have changed meanwhile. */
async function reached(clock: Clock, atMs: number, signal: AbortSignal): Promise<boolean> {
  const left = atMs - clock.wall();
  if (left <= 0) return true;
  await clock.sleep(Math.min(left, longestSleepMs), signal);
  return !signal.aborted && atMs <= clock.wall();
}

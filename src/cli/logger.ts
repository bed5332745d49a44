// pino behind the Logger interface: JSON lines, or short coloured ones on a terminal; levels change at run time.
// Invariant: one pino logger a component, however often it is asked for.
import { type Logger as PinoLogger, pino } from 'pino';
import type { LogFields, Logger, LogLevel } from '../util/log.ts';
import { plainText } from './plain-text.ts';

export interface LoggerOptions {
  readonly level: LogLevel;
  readonly pretty: boolean;
  readonly colour: boolean;
  readonly write: (line: string) => void;
}

export interface LoggerHandle {
  readonly logger: Logger;
  levels(): Readonly<Record<string, LogLevel>>;
  setLevel(level: LogLevel, component: string | undefined): void;
}

const levelNames: Readonly<Record<number, string>> = { 10: 'TRACE', 20: 'DEBUG', 30: 'INFO', 40: 'WARN', 50: 'ERROR' };
const colours: Readonly<Record<number, string>> = { 30: '\x1b[32m', 40: '\x1b[33m', 50: '\x1b[31m' };

/** One JSON line of pino as a line for people: time, level, component, message, fields. */
export function prettyLine(json: string, colour: boolean): string {
  const { level, time, component, msg, ...fields } = JSON.parse(json) as Record<string, unknown>;
  const name = (levelNames[Number(level)] ?? String(level)).padEnd(5);
  const mark = colour ? `${colours[Number(level)] ?? ''}${name}\x1b[0m` : name;
  const shown = Object.entries(fields)
    .map(([key, value]) => `${key}=${plainText(typeof value === 'string' ? value : JSON.stringify(value))}`)
    .join(' ');
  const at = new Date(Number(time)).toISOString().slice(11, 23);
  return `${[at, mark, String(component ?? '').padEnd(8), plainText(String(msg ?? '')), shown].join(' ').trimEnd()}\n`;
}

export function createLogger(options: LoggerOptions): LoggerHandle {
  const { pretty, colour, write } = options;
  const root = pino(
    { level: options.level, base: null },
    { write: (line: string) => write(pretty ? prettyLine(line, colour) : line) },
  );
  const components = new Map<string, { readonly logger: Logger; readonly pino: PinoLogger }>();
  const own = new Set<string>();

  function child(component: string): Logger {
    let known = components.get(component);
    if (known === undefined) {
      const made = root.child({ component });
      known = { pino: made, logger: wrap(made) };
      components.set(component, known);
    }
    return known.logger;
  }

  function wrap(target: PinoLogger): Logger {
    const say =
      (level: 'debug' | 'info' | 'warn' | 'error') =>
      (message: string, fields?: LogFields): void => {
        if (fields === undefined) target[level](message);
        else target[level](fields, message);
      };
    return { debug: say('debug'), info: say('info'), warn: say('warn'), error: say('error'), child };
  }

  return {
    logger: wrap(root),
    levels: () => ({
      default: root.level as LogLevel,
      ...Object.fromEntries([...components].map(([name, { pino: target }]) => [name, target.level as LogLevel])),
    }),
    setLevel(level, component) {
      if (component === undefined) {
        root.level = level;
        for (const [name, { pino: target }] of components) if (!own.has(name)) target.level = level;
        return;
      }
      child(component);
      own.add(component);
      const target = components.get(component)?.pino;
      if (target !== undefined) target.level = level;
    },
  };
}

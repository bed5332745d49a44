// Plain tables for terminals: columns as wide as their widest cell, two spaces between. It knows nothing of what is in them.
// Invariant: a cell is text only; what a proxy calls itself can neither forge a row nor speak to the terminal.
import { plainText } from './plain-text.ts';

export function table(header: readonly string[], lines: readonly (readonly string[])[]): string {
  const rows = lines.map((cells) => cells.map(plainText));
  const width = (cell: string): number => cell.length;
  const widths = header.map((title, column) => Math.max(width(title), ...rows.map((row) => width(row[column] ?? ''))));
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, column) => cell + ' '.repeat(Math.max(0, (widths[column] ?? 0) - width(cell))))
      .join('  ')
      .trimEnd();
  return `${[header, ...rows].map(line).join('\n')}\n`;
}

/** `3s`, `4m`, `22h`, `3d`. */
export function ago(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 60) return `${seconds}s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)}m`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)}h`;
  return `${Math.floor(seconds / 86_400)}d`;
}

/** `10s`, `2m`, `90d`, `500ms`, or bare seconds, in milliseconds; undefined for anything else. */
export function durationMs(text: string): number | undefined {
  const [, amount, unit = 's'] = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)?$/.exec(text) ?? [];
  if (amount === undefined) return undefined;
  return Number(amount) * ({ ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }[unit] ?? 0);
}

/** `1 error`, `2 errors`. */
export function counted(number: number, one: string, many = `${one}s`): string {
  return `${number} ${number === 1 ? one : many}`;
}

// What an Envoy said of requests that did not go well: its access log, with all that succeeded left out.
// Invariant: bounded; a line that comes in two pieces is read whole.

export interface LoggedRequest {
  readonly path: string;
  readonly code: number;
  /** Envoy's own, such as UF, UC, NR, NC, UH, DC. */
  readonly flags: string;
  readonly details: string;
  readonly cluster: string;
  readonly host: string;
  readonly attempts: number;
}

export interface AccessLogFilter {
  take(text: string): void;
  /** What was logged of a request, by its path. */
  of(path: string): readonly LoggedRequest[];
}

const kept = 20_000;

export function createAccessLogFilter(): AccessLogFilter {
  const lines: LoggedRequest[] = [];
  let rest = '';
  function line(text: string): void {
    if (!text.startsWith('{') || (text.includes('"code":200') && text.includes('"response_flags":"-"'))) return;
    try {
      const logged = JSON.parse(text) as Record<string, unknown>;
      if (typeof logged['path'] !== 'string') return;
      lines.push({
        path: logged['path'],
        code: Number(logged['code'] ?? 0),
        flags: String(logged['response_flags'] ?? '-'),
        details: String(logged['response_code_details'] ?? ''),
        cluster: String(logged['upstream_cluster'] ?? ''),
        host: String(logged['upstream_host'] ?? ''),
        attempts: Number(logged['upstream_attempts'] ?? 0),
      });
      if (lines.length > kept) lines.splice(0, kept / 2);
    } catch {
      // Not a line of the access log.
    }
  }
  return {
    take(text) {
      const pieces = (rest + text).split('\n');
      rest = pieces.pop() ?? '';
      for (const piece of pieces) line(piece);
    },
    of: (path) => lines.filter((logged) => logged.path === path),
  };
}

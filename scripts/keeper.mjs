// A small process that outlives a crashed run just long enough to end the processes the run had started.
// It reads `+PID` and `-PID` lines; when its input closes, however that came about, it ends what is left:
// SIGKILL, or SIGTERM when started with `--gently` (for a process that has children of its own to stop).
const signal = process.argv.includes('--gently') ? 'SIGTERM' : 'SIGKILL';
const pids = new Set();
let rest = '';
process.stdin.setEncoding('utf8');
process.stdin.on('data', (text) => {
  const lines = (rest + text).split('\n');
  rest = lines.pop() ?? '';
  for (const line of lines) {
    const pid = Number(line.slice(1));
    if (line.startsWith('+')) pids.add(pid);
    else pids.delete(pid);
  }
});
process.stdin.on('end', () => {
  for (const pid of pids) {
    try {
      process.kill(pid, signal);
    } catch {
      // It had ended by itself.
    }
  }
});

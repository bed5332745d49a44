// Units and image keep the hold that SECURITY.md promises: no new rights, nothing writable but the state, no core dumps.
import { describe, expect, it } from 'vitest';
import { projectFiles, readProject } from '../support/source-tree.ts';

const held = [
  'NoNewPrivileges=yes',
  'ProtectSystem=strict',
  'ProtectHome=yes',
  'PrivateTmp=yes',
  'PrivateDevices=yes',
  'ProtectProc=invisible',
  'RestrictNamespaces=yes',
  'RestrictSUIDSGID=yes',
  'LockPersonality=yes',
  'SystemCallFilter=@system-service',
  'UMask=0077',
  'LimitCORE=0',
  'DynamicUser=yes',
  'StateDirectoryMode=0700',
];

describe('deployment', () => {
  const units = projectFiles('deploy/systemd').filter((path) => path.endsWith('.service'));
  it.each(units)('%s holds its process', (path) => {
    const lines = new Set(readProject(path).split('\n'));
    expect(held.filter((line) => !lines.has(line))).toEqual([]);
  });

  it('opens no debugger by a signal, where keys are in memory', () => {
    for (const path of ['deploy/systemd/chancery.service', 'deploy/Dockerfile'])
      expect(readProject(path)).toContain('--disable-proto=delete --disable-sigusr1');
  });

  it('runs the image as a user without a name', () => {
    expect(readProject('deploy/Dockerfile')).toMatch(/^USER \d+:\d+$/m);
  });
});

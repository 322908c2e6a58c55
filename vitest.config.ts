import { defineConfig } from 'vitest/config';

const INSTALLED = '**/node_modules/**';

/** Four kinds of tests by what they need (style: a file's suffix tells it). Each kind runs after the one before. */
export default defineConfig({
  test: {
    reporters: ['default'],
    projects: [
      {
        test: {
          name: 'unit',
          include: ['**/*.test.ts'],
          testTimeout: 30_000,
          exclude: [INSTALLED, '**/*.integration.test.ts', '**/*.acceptance.test.ts', '**/*.third-party.test.ts'],
          sequence: { groupOrder: 0 },
        },
      },
      {
        test: {
          name: 'integration',
          include: ['**/*.integration.test.ts'],
          exclude: [INSTALLED],
          globalSetup: ['test/stack-setup.ts'],
          testTimeout: 60_000,
          hookTimeout: 60_000,
          maxWorkers: 2,
          sequence: { groupOrder: 1 },
        },
      },
      {
        test: {
          name: 'acceptance',
          include: ['test/acceptance/*.acceptance.test.ts'],
          exclude: [INSTALLED],
          globalSetup: ['test/stack-setup.ts'],
          testTimeout: 240_000,
          hookTimeout: 120_000,
          fileParallelism: false,
          sequence: { groupOrder: 2 },
        },
      },
      {
        test: {
          name: 'third-party',
          include: ['test/third-party/*.third-party.test.ts'],
          exclude: [INSTALLED],
          globalSetup: ['test/stack-setup.ts', 'test/third-party/shop-setup.ts'],
          testTimeout: 180_000,
          hookTimeout: 600_000,
          fileParallelism: false,
          sequence: { groupOrder: 3 },
        },
      },
    ],
  },
});

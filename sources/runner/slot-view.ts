/** A slot as `/status` and the metrics show it. */
export interface SlotView {
  readonly name: string;
  readonly active: boolean;
  readonly lagBytes: number | null;
  /** How long ago the log ended where the slot is confirmed; at least, where it was before this process began to look. */
  readonly lagSeconds: number;
  readonly retainedBytes: number | null;
  readonly safeBytes: number | null;
  readonly budgetBytes: number | null;
  /** 0 to 1; null where there is no budget. */
  readonly budgetUsed: number | null;
  readonly restartAgeSeconds: number;
  readonly walStatus: string | null;
  readonly invalidation: string | null;
}

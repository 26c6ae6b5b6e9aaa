/** A process that holds many devices: it connects them, cuts them off, and reports their progress. */
import { serveCalls } from "../remote-process";
import { Device, type DeviceSpec } from "./device";

const MOST_ERRORS = 20;

export interface DeviceCounts {
  connected: number;
  /** Devices that are connected and have everything that they missed. */
  complete: number;
  /** Events since the devices were cut off. */
  events: number;
  retries: number;
  /** Number of log-ins that were refused with another error than BUSY, by the text of the answer. */
  refused: Record<string, number>;
  errors: string[];
}

export interface DeviceCalls {
  /** Connects devices, `atOnce` at a time; resolves when all are connected. */
  open(argument: { specs: DeviceSpec[]; atOnce: number }): Promise<void>;
  cut(argument?: undefined): Promise<void>;
  /**
   * Lets all devices come back at once, each for `missed` events. Resolves to the time that each device took until it was
   * connected and complete, ms; after `patienceMs`, to the times of those devices that are complete.
   */
  comeBack(argument: { missed: number; patienceMs: number }): Promise<number[]>;
  progress(argument?: undefined): Promise<DeviceCounts>;
}

class Devices {
  private readonly devices: Device[] = [];
  private readonly errors: string[] = [];
  private readonly refused: Record<string, number> = {};
  private onChange: (index: number) => void = () => {};
  private missed = Number.POSITIVE_INFINITY;

  async open(specs: DeviceSpec[], atOnce: number): Promise<void> {
    let next = 0;
    let connected = 0;
    await new Promise<void>((resolve) => {
      this.onChange = (index) => {
        if (!this.devices[index]!.isSynced) return;
        if (++connected === specs.length) resolve();
        else if (next < specs.length) this.add(specs[next++]!);
      };
      while (next < Math.min(atOnce, specs.length)) this.add(specs[next++]!);
    });
    this.onChange = () => {};
  }

  cut(): void {
    for (const device of this.devices) device.cut();
  }

  async comeBack(missed: number, patienceMs: number): Promise<number[]> {
    this.missed = missed;
    const startedAt = performance.now();
    const took: number[] = [];
    await new Promise<void>((resolve) => {
      const done = new Set<number>();
      this.onChange = (index) => {
        if (!this.isComplete(this.devices[index]!) || done.has(index)) return;
        done.add(index);
        took.push(performance.now() - startedAt);
        if (done.size === this.devices.length) resolve();
      };
      for (const device of this.devices) device.come();
      setTimeout(resolve, patienceMs);
    });
    this.onChange = () => {};
    return took;
  }

  progress(): DeviceCounts {
    const { devices, errors } = this;
    const sum = (of: (device: Device) => number) => devices.reduce((total, device) => total + of(device), 0);
    return {
      connected: sum(({ isConnected }) => Number(isConnected)),
      complete: sum((device) => Number(this.isComplete(device))),
      events: sum(({ caughtUp }) => caughtUp),
      retries: sum(({ retries }) => retries),
      refused: this.refused,
      errors,
    };
  }

  private isComplete({ isConnected, isSynced, caughtUp }: Device): boolean {
    return isConnected && isSynced && caughtUp >= this.missed;
  }

  private add(spec: DeviceSpec): void {
    const index = this.devices.length;
    const device = new Device(spec, {
      onConnected: () => this.onChange(index),
      onEvent: () => {
        if (device.caughtUp >= this.missed) this.onChange(index);
      },
      onRefused: (why) => {
        this.refused[why] = (this.refused[why] ?? 0) + 1;
      },
      onError: (what) => {
        if (this.errors.length < MOST_ERRORS) this.errors.push(what);
      },
    });
    this.devices.push(device);
    device.come();
  }
}

const devices = new Devices();
serveCalls<DeviceCalls>({
  open: ({ specs, atOnce }) => devices.open(specs, atOnce),
  cut: async () => devices.cut(),
  comeBack: ({ missed, patienceMs }) => devices.comeBack(missed, patienceMs),
  progress: async () => devices.progress(),
});

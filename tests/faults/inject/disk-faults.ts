/** Faults of the disk under NATS. */
import type { Fault } from "./fault";

/** The disk is full until there is room again; the supervisor then restarts NATS. */
export const fillDisk: Fault = {
  async strike({ disk }) {
    if (disk === undefined) return undefined;
    disk.fill();
    return { on: "the disk of nats", heal: async () => disk.free() };
  },
};

/** The power fails: NATS loses all bytes that it had not fsynced, then starts again. */
export const losePower: Fault = {
  async strike({ disk, cluster }) {
    const pid = cluster.servers.nats?.pid;
    if (disk === undefined || pid === undefined) return undefined;
    disk.losePower();
    process.kill(pid, "SIGKILL");
    await cluster.stopNode("nats");
    const heal = async () => {
      disk.restore();
      await cluster.startNode("nats");
    };
    return { on: "the disk of nats", heal };
  },
};

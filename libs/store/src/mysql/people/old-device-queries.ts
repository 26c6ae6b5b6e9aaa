/** Devices that nobody can use any more: they were logged out, or their refresh tokens expired, long ago. */
import type { Sql } from "../sql";

export interface OldDevice {
  userId: string;
  deviceId: string;
}

export class OldDeviceQueries {
  constructor(private readonly sql: Sql) {}

  /**
   * Returns old devices by user and device, after `after`; a page may be empty before the end.
   * @param before ms; the devices were logged out, or could not refresh, since then
   */
  async page(before: number, limit: number, after: OldDevice): Promise<{ old: OldDevice[]; next?: OldDevice }> {
    const rows = await this.sql.rows<{ user_id: string; device_id: string; is_old: number }>(
      `SELECT user_id, device_id, COALESCE(revoked_at, refresh_expires_at, last_seen_at) < ? AS is_old FROM devices
       WHERE user_id > ? OR (user_id = ? AND device_id > ?) ORDER BY user_id, device_id LIMIT ?`,
      [before, after.userId, after.userId, after.deviceId, limit],
    );
    const all = rows.map(({ user_id, device_id }) => ({ userId: user_id, deviceId: device_id }));
    const old = all.filter((_, i) => rows[i]!.is_old === 1);
    return rows.length < limit ? { old } : { old, next: all.at(-1)! };
  }

  /** Deletes a device if it is still old: it may have logged in meanwhile. @returns whether the device was old */
  async delete({ userId, deviceId }: OldDevice, before: number): Promise<boolean> {
    const met = await this.sql.run(
      `DELETE FROM devices WHERE user_id = ? AND device_id = ?
         AND COALESCE(revoked_at, refresh_expires_at, last_seen_at) < ?`,
      [userId, deviceId, before],
    );
    return met > 0;
  }

  /** Returns ids of users, after `after`. */
  async users(limit: number, after: string): Promise<string[]> {
    const sql = "SELECT id FROM users WHERE id > ? ORDER BY id LIMIT ?";
    return (await this.sql.rows<{ id: string }>(sql, [after, limit])).map(({ id }) => id);
  }
}

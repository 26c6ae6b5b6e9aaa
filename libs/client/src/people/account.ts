/** The user's own account and devices, and the search for other users. */
import type { Platform } from "@carillon/protocol";
import { step } from "../http/authorized";
import type { Api, Page, PageRange } from "../http/http-api";

/** A user as other users see them. */
export interface Profile {
  userId: string;
  displayName: string;
}

/** The user's permissions for other users. */
export interface Preferences {
  /** The users who may bring the user into groups without asking; all other users invite. */
  whoMayAdd: "everybody" | "friends" | "consent";
  /** The users whose messages the user accepts. */
  whoMayWrite: "everybody" | "friends";
}

/** The user's own profile. */
export interface OwnProfile extends Profile, Preferences {
  /** ms since 1970. */
  createdAt: number;
}

/** A device on which the user is logged in. */
export interface Device {
  deviceId: string;
  platform: Platform;
  /** ms since 1970. */
  createdAt: number;
  /** ms since 1970. */
  lastSeenAt: number;
  /** Whether it is the device that makes the request. */
  current: boolean;
}

/** `client.account`: the user's own profile, password and preferences. */
export class Account {
  constructor(private readonly api: Api) {}

  /** Returns the user's own profile. */
  profile(): Promise<OwnProfile> {
    return this.api.call("GET", "/v1/users/me");
  }

  /** Changes the user's display name. @param displayName 1-64 characters */
  rename(displayName: string): Promise<OwnProfile> {
    return this.api.call("PATCH", "/v1/users/me", { body: { displayName } });
  }

  /** Changes the user's permissions for other users; preferences that are left out stay. */
  prefer(preferences: Partial<Preferences>): Promise<OwnProfile> {
    return this.api.call("PATCH", "/v1/users/me", { body: preferences });
  }

  /**
   * Changes the password. All other devices have to log in again. @throws CarillonError FORBIDDEN if the old password is wrong
   */
  async changePassword(oldPassword: string, newPassword: string): Promise<void> {
    await this.api.call("PUT", "/v1/users/me/password", { body: { oldPassword, newPassword } });
  }

  /**
   * Deletes the account for ever: the server logs the user out on all devices, keeps the messages, and never gives the id to
   * another user.
   * @param password the user's password, unless the account has none
   * @throws CarillonError FORBIDDEN if the password is wrong
   */
  async delete(password?: string): Promise<void> {
    await this.api.call("DELETE", "/v1/users/me", password === undefined ? {} : { body: { password } });
  }
}

/** `client.devices`: the devices on which the user is logged in. */
export class Devices {
  /** @param logOutHere logs this device out */
  constructor(
    private readonly api: Api,
    private readonly logOutHere: () => Promise<void>,
  ) {}

  /** Returns the devices on which the user is logged in. */
  async list(): Promise<Device[]> {
    return (await this.api.call<Page<Device>>("GET", "/v1/sessions")).items;
  }

  /**
   * Voids the tokens of a device and closes its connections. `current` names this device, and does the same as `client.logOut`.
   * @throws CarillonError NOT_FOUND
   */
  async logOut(deviceId: string): Promise<void> {
    if (deviceId === "current") return this.logOutHere();
    await this.api.call("DELETE", `/v1/sessions/${step(deviceId)}`);
  }
}

/** `client.users`: all users of the cluster. */
export class Users {
  constructor(private readonly api: Api) {}

  /** Returns the profile of a user. @throws CarillonError NO_SUCH_USER */
  get(userId: string): Promise<Profile> {
    return this.api.call("GET", `/v1/users/${step(userId)}`);
  }

  /** Searches users. @param text the beginning of an id or of a name; case does not matter */
  search(text: string, range: PageRange = {}): Promise<Page<Profile>> {
    return this.api.call("GET", "/v1/users", { query: { search: text, ...range } });
  }
}

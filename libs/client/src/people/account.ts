/** The user's own account and devices, and the search for others. */
import type { Platform } from "@carillon/protocol";
import type { Api } from "../core";
import { step } from "../http/authorized";
import type { Page, PageRange } from "../http/http-api";

/** A user as others see them. */
export interface Profile {
  userId: string;
  displayName: string;
}

/** What a user lets others do. */
export interface Preferences {
  /** Who brings the user into groups without asking; others invite. */
  whoMayAdd: "everybody" | "friends" | "consent";
  /** Whose messages the user takes. */
  whoMayWrite: "everybody" | "friends";
}

/** The user's own profile. */
export interface OwnProfile extends Profile, Preferences {
  /** ms since 1970. */
  createdAt: number;
}

/** A device that is logged in. */
export interface Device {
  deviceId: string;
  platform: Platform;
  /** ms since 1970. */
  createdAt: number;
  /** ms since 1970. */
  lastSeenAt: number;
  /** Whether it is the one that asks. */
  current: boolean;
}

/** `client.account`: who the user is. */
export class Account {
  constructor(private readonly api: Api) {}

  /** The own profile. */
  profile(): Promise<OwnProfile> {
    return this.api.call("GET", "/v1/users/me");
  }

  /** @param displayName 1-64 characters */
  rename(displayName: string): Promise<OwnProfile> {
    return this.api.call("PATCH", "/v1/users/me", { body: { displayName } });
  }

  /** Changes what the user lets others do; what is left out stays. */
  prefer(preferences: Partial<Preferences>): Promise<OwnProfile> {
    return this.api.call("PATCH", "/v1/users/me", { body: preferences });
  }

  /** All other devices have to log in again. @throws CarillonError FORBIDDEN when the old one is wrong */
  async changePassword(oldPassword: string, newPassword: string): Promise<void> {
    await this.api.call("PUT", "/v1/users/me/password", { body: { oldPassword, newPassword } });
  }

  /**
   * For ever: the user is logged out everywhere, the messages stay, the id is not given again.
   * @param password of the user, unless there is none
   * @throws CarillonError FORBIDDEN when it is wrong
   */
  async delete(password?: string): Promise<void> {
    await this.api.call("DELETE", "/v1/users/me", password === undefined ? {} : { body: { password } });
  }
}

/** `client.devices`: where the user is logged in. */
export class Devices {
  /** @param logOutHere what is to be done for this device itself */
  constructor(
    private readonly api: Api,
    private readonly logOutHere: () => Promise<void>,
  ) {}

  /** Devices that are logged in. */
  async list(): Promise<Device[]> {
    return (await this.api.call<Page<Device>>("GET", "/v1/sessions")).items;
  }

  /**
   * Voids the tokens of a device and closes its connections. `current` is this one: as `client.logOut`.
   * @throws CarillonError NOT_FOUND
   */
  async logOut(deviceId: string): Promise<void> {
    if (deviceId === "current") return this.logOutHere();
    await this.api.call("DELETE", `/v1/sessions/${step(deviceId)}`);
  }
}

/** `client.users`: everybody. */
export class Users {
  constructor(private readonly api: Api) {}

  /** @throws CarillonError NO_SUCH_USER */
  get(userId: string): Promise<Profile> {
    return this.api.call("GET", `/v1/users/${step(userId)}`);
  }

  /** @param text beginning of an id or of a name, whatever the case */
  search(text: string, range: PageRange = {}): Promise<Page<Profile>> {
    return this.api.call("GET", "/v1/users", { query: { search: text, ...range } });
  }
}

/**
 * What is stored of those who connect. A crowd connects at the same moment: sessions that are opened one by one are
 * looked up together. Questions about many sessions are one statement anyway.
 */
import { GroupedQuestions } from "@carillon/base";
import type { CredentialQueries, Credentials } from "@carillon/store";

interface Device {
  userId: string;
  deviceId: string;
}

/** @returns as `CredentialQueries.of`; throws Unanswered as well */
export function shareCredentials(
  credentials: Pick<CredentialQueries, "of">,
  monotonic: () => number,
): CredentialQueries["of"] {
  const questions = new GroupedQuestions<Device, Credentials>({
    idOf,
    monotonic,
    ask: async (devices) => {
      const found = await credentials.of(devices);
      return new Map(devices.flatMap((device, i) => (found[i] === undefined ? [] : [[idOf(device), found[i]]])));
    },
  });
  return async (sessions, deadline) => {
    const [only, ...others] = sessions;
    if (only === undefined || others.length > 0) return credentials.of(sessions, deadline);
    return [await questions.ask(only)];
  };
}

const idOf = ({ userId, deviceId }: Device) => `${userId} ${deviceId}`;

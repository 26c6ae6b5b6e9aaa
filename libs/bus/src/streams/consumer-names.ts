import type { Bus } from "../connection";

const ANSWER_MS = 2_000;

/**
 * Returns the names of the consumers of a stream.
 *
 * It does not use the list with their states: in a cluster that list waits 4 s for a consumer without a leader, and then leaves
 * it out.
 * @throws Error when NATS does not answer
 */
export async function consumerNames(bus: Bus, stream: string): Promise<string[]> {
  const names: string[] = [];
  for (;;) {
    const question = JSON.stringify({ offset: names.length });
    const answer = await bus.connection.request(`$JS.API.CONSUMER.NAMES.${stream}`, question, { timeout: ANSWER_MS });
    const { error, consumers, total = 0 } = answer.json<NamesAnswer>();
    if (error !== undefined) throw new Error(`the consumers of ${stream} are not known: ${error.description}`);
    names.push(...(consumers ?? []));
    if (!consumers?.length || names.length >= total) return names;
  }
}

interface NamesAnswer {
  error?: { description: string };
  consumers?: string[] | null;
  total?: number;
}

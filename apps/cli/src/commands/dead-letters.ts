/**
 * `carillon dead-letters`: requests and other things that could not be processed and were put aside; `show`, `replay`, `drop`.
 */
import {
  type DeadKind,
  dropDeadLetter,
  listDeadLetters,
  readDeadLetter,
  replayDeadLetter,
  replayReceipts,
  type StoredLetter,
  userOfDelivery,
} from "@carillon/bus";
import { decodeEvent } from "@carillon/protocol";
import { Inboxes } from "@carillon/store";
import type { Command } from "commander";
import { audited } from "../cluster/audited";
import { type Cluster, withCluster } from "../cluster/open-cluster";
import { type CommonOptions, clusterCommand, parseCount } from "../command";
import { WrongUse } from "../output/failures";
import { print, tableOf } from "../output/print";

const ABOUT_REPLAY = `
Mend the cause first: a request that kills its worker again (up to three times) is put aside again. If the sender has sent a
message again meanwhile, the worker recognises it and stores it once. Replaying a delivery recreates the user's inbox, and the
user's devices fetch everything. Replaying an event restores its content in the archive, which shows it as recalled until then.`;

interface LetterRow {
  id: number;
  partition: number;
  kind: DeadKind;
  storedAt: number;
  reason: string;
  senders: string[];
  /** The user whose inbox refused it; only for a delivery. */
  userId?: string;
  /** null: the letter contains no requests, or unreadable bytes. */
  requests: number | null;
  bytes: number;
}

export function deadLettersCommand(): Command {
  const command = clusterCommand("dead-letters", "list, show, replay and delete dead letters");
  command.addCommand(listCommand());
  command.addCommand(showCommand());
  command.addCommand(replayCommand());
  command.addCommand(dropCommand());
  return command;
}

function listCommand(): Command {
  return clusterCommand("list", "list all dead letters, the oldest first").action(
    async (_: CommonOptions, command: Command) => {
      const { data, json } = command.optsWithGlobals<CommonOptions>();
      const letters = await withCluster(data, async ({ bus }) => {
        const rows: LetterRow[] = [];
        for await (const letter of listDeadLetters(bus)) rows.push(rowOf(letter));
        return rows;
      });
      print({ letters }, json, describeRows);
    },
  );
}

function showCommand(): Command {
  return letterCommand("show", "show the content of a letter, requests with their texts").action(
    async (id: number, _: CommonOptions, command: Command) => {
      const { data, json } = command.optsWithGlobals<CommonOptions>();
      const letter = await withCluster(data, (cluster) => find(cluster, id));
      print({ ...rowOf(letter), requests: letter.requests?.map(shownRequest) ?? null }, json, describeLetter);
    },
  );
}

function replayCommand(): Command {
  return letterCommand("replay", "process the content of a letter again, and delete the letter")
    .addHelpText("after", ABOUT_REPLAY)
    .action(async (id: number, _: CommonOptions, command: Command) => {
      const { data, json } = command.optsWithGlobals<CommonOptions>();
      const partition = await withCluster(data, (cluster) =>
        audited(cluster, { act: "admin.dead-letter.replay", whom: `dead-letter:${id}` }, async () => {
          const letter = await find(cluster, id);
          await replay(cluster, letter);
          return letter.partition;
        }),
      );
      print({ id, partition, replayed: true }, json, () => `letter ${id} of partition ${partition} is replayed\n`);
    });
}

function dropCommand(): Command {
  return letterCommand("drop", "delete a letter for good")
    .option("--yes", "confirm")
    .action(async (id: number, _: CommonOptions, command: Command) => {
      const { data, json, yes } = command.optsWithGlobals<CommonOptions & { yes?: boolean }>();
      if (yes !== true)
        throw new WrongUse(`dropping deletes the letter for good; to confirm: carillon dead-letters drop ${id} --yes`);
      await withCluster(data, (cluster) =>
        audited(cluster, { act: "admin.dead-letter.drop", whom: `dead-letter:${id}` }, async () => {
          if (!(await dropDeadLetter(cluster.bus, id))) throw noSuchLetter(id);
        }),
      );
      print({ id, dropped: true }, json, () => `letter ${id} is deleted\n`);
    });
}

async function replay(cluster: Cluster, letter: StoredLetter): Promise<void> {
  const { bus } = cluster;
  switch (letter.kind) {
    case "requests":
      return replayDeadLetter(bus, letter);
    case "receipts":
      return replayReceipts(bus, letter);
    case "delivery":
      await new Inboxes(await cluster.redis()).reset(userOfDelivery(letter)!);
      return void (await dropDeadLetter(bus, letter.id));
    case "event": {
      const event = decodeEvent(letter.data);
      if (!(await (await cluster.mysql()).archive.restoreContent(event))) {
        throw new WrongUse(`${event.conversationId} ${event.seq} is not in the archive yet: try again later`);
      }
      return void (await dropDeadLetter(bus, letter.id));
    }
  }
}

function letterCommand(name: string, description: string): Command {
  return clusterCommand(name, description).argument("<id>", "number of the letter", parseCount);
}

async function find({ bus }: Cluster, id: number): Promise<StoredLetter> {
  const letter = await readDeadLetter(bus, id);
  if (letter === undefined) throw noSuchLetter(id);
  return letter;
}

function noSuchLetter(id: number): WrongUse {
  return new WrongUse(`there is no dead letter ${id}; carillon dead-letters list shows them`);
}

function rowOf(letter: StoredLetter): LetterRow {
  const { id, partition, kind, storedAt, reason, data, requests } = letter;
  const senders = [...new Set(requests?.map(({ senderId }) => senderId))];
  const userId = userOfDelivery(letter);
  const count = requests?.length ?? null;
  const row = { id, partition, kind, storedAt, reason, senders, requests: count, bytes: data.length };
  return userId === undefined ? row : { ...row, userId };
}

function describeRows({ letters }: { letters: LetterRow[] }): string {
  if (letters.length === 0) return "there are no dead letters\n";
  const rows = letters.map(({ id, partition, kind, storedAt, reason, senders, userId, requests }) => {
    const what = kind === "requests" ? `${requests ?? "unreadable"} requests` : kind;
    return [id, partition, new Date(storedAt).toISOString(), what, userId ?? senders.join(" "), reason];
  });
  return tableOf(["id", "partition", "put aside", "what", "users", "reason"], rows);
}

/** Scripts know the place of the answer as `gateway`. */
function shownRequest({ replyTo, ...request }: NonNullable<StoredLetter["requests"]>[number]) {
  return { gateway: replyTo, ...request };
}

type ShownLetter = Omit<LetterRow, "requests"> & { requests: ReturnType<typeof shownRequest>[] | null };

function describeLetter(letter: ShownLetter): string {
  const { id, partition, kind, storedAt, reason, userId, bytes, requests } = letter;
  const head = `letter ${id} of partition ${partition}, ${new Date(storedAt).toISOString()}: ${reason}
`;
  if (kind !== "requests")
    return `${head}${[kind, userId].filter(Boolean).join(" of ")}, ${bytes} bytes
`;
  if (requests === null)
    return `${head}${bytes} bytes that are no batch of this format
`;
  const texts = requests.map(({ senderId, conversationId, clientMsgId, contentType, content }) => {
    return `\n${senderId} in ${conversationId}, ${clientMsgId}, ${contentType}:\n${content}\n`;
  });
  return head + texts.join("");
}

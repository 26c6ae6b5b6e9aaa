/** `carillon dead-letters`: requests that could not be processed and were put aside; `show`, `replay`, `drop`. */
import { dropDeadLetter, listDeadLetters, readDeadLetter, replayDeadLetter, type StoredLetter } from "@carillon/bus";
import type { Command } from "commander";
import { type Cluster, withCluster } from "../cluster/open-cluster";
import { type CommonOptions, clusterCommand, parseCount } from "../command";
import { WrongUse } from "../output/failures";
import { print, tableOf } from "../output/print";

const ABOUT_REPLAY = `
Mend the fault first: a request that kills its worker again, up to three times, is put aside again. A message that its
sender has sent again meanwhile is recognised, and stored once.`;

interface LetterRow {
  id: number;
  partition: number;
  storedAt: number;
  reason: string;
  senders: string[];
  /** null: the bytes cannot be read. */
  requests: number | null;
  bytes: number;
}

export function deadLettersCommand(): Command {
  const command = clusterCommand("dead-letters", "requests that were put aside, and why");
  command.addCommand(listCommand());
  command.addCommand(showCommand());
  command.addCommand(replayCommand());
  command.addCommand(dropCommand());
  return command;
}

function listCommand(): Command {
  return clusterCommand("list", "all letters, the oldest first").action(async (_: CommonOptions, command: Command) => {
    const { data, json } = command.optsWithGlobals<CommonOptions>();
    const letters = await withCluster(data, async ({ bus }) => {
      const rows: LetterRow[] = [];
      for await (const letter of listDeadLetters(bus)) rows.push(rowOf(letter));
      return rows;
    });
    print({ letters }, json, describeRows);
  });
}

function showCommand(): Command {
  return letterCommand("show", "the requests of a letter with their texts").action(
    async (id: number, _: CommonOptions, command: Command) => {
      const { data, json } = command.optsWithGlobals<CommonOptions>();
      const letter = await withCluster(data, (cluster) => find(cluster, id));
      print({ ...rowOf(letter), requests: letter.requests ?? null }, json, describeLetter);
    },
  );
}

function replayCommand(): Command {
  return letterCommand("replay", "put a letter back into the queue of its partition, and delete it")
    .addHelpText("after", ABOUT_REPLAY)
    .action(async (id: number, _: CommonOptions, command: Command) => {
      const { data, json } = command.optsWithGlobals<CommonOptions>();
      const partition = await withCluster(data, async (cluster) => {
        const letter = await find(cluster, id);
        await replayDeadLetter(cluster.bus, letter);
        return letter.partition;
      });
      print({ id, partition, replayed: true }, json, () => `letter ${id} is in the queue of partition ${partition}\n`);
    });
}

function dropCommand(): Command {
  return letterCommand("drop", "delete a letter for ever")
    .option("--yes", "really")
    .action(async (id: number, _: CommonOptions, command: Command) => {
      const { data, json, yes } = command.optsWithGlobals<CommonOptions & { yes?: boolean }>();
      if (yes !== true) throw new WrongUse(`a letter that is dropped is gone: carillon dead-letters drop ${id} --yes`);
      await withCluster(data, async (cluster) => {
        if (!(await dropDeadLetter(cluster.bus, id))) throw noSuchLetter(id);
      });
      print({ id, dropped: true }, json, () => `letter ${id} is gone\n`);
    });
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

function rowOf({ id, partition, storedAt, reason, data, requests }: StoredLetter): LetterRow {
  const senders = [...new Set(requests?.map(({ senderId }) => senderId))];
  return { id, partition, storedAt, reason, senders, requests: requests?.length ?? null, bytes: data.length };
}

function describeRows({ letters }: { letters: LetterRow[] }): string {
  if (letters.length === 0) return "there are no dead letters\n";
  const rows = letters.map(({ id, partition, storedAt, reason, senders, requests }) => {
    return [id, partition, new Date(storedAt).toISOString(), requests ?? "unreadable", senders.join(" "), reason];
  });
  return tableOf(["id", "partition", "put aside", "requests", "senders", "reason"], rows);
}

type ShownLetter = Omit<LetterRow, "requests"> & { requests: NonNullable<StoredLetter["requests"]> | null };

function describeLetter(letter: ShownLetter): string {
  const { id, partition, storedAt, reason, bytes, requests } = letter;
  const head = `letter ${id} of partition ${partition}, ${new Date(storedAt).toISOString()}: ${reason}\n`;
  if (requests === null) return `${head}${bytes} bytes that are no batch of this format\n`;
  const texts = requests.map(({ senderId, conversationId, clientMsgId, contentType, content }) => {
    return `\n${senderId} in ${conversationId}, ${clientMsgId}, ${contentType}:\n${content}\n`;
  });
  return head + texts.join("");
}

/** `carillon groups`: administers groups in the place of their owners. It speaks to the stores, as `carillon users` does. */
import {
  addMembers,
  administerGroup,
  changeMember,
  changeProfile,
  dissolve,
  findGroup,
  type GroupAdministration,
  type GroupWishes,
  MOST_MEMBERS_AT_ONCE,
  makeGroupFor,
  newGroupId,
  type ProfileChange,
  removeMembers,
  transfer,
} from "@carillon/operations";
import { CarillonError, httpStatusOf, joinPolicyValues, limits, nameFault, noticeFault } from "@carillon/protocol";
import type { Group, GroupMember } from "@carillon/store";
import { type Command, InvalidArgumentError, Option } from "commander";
import { type ActNote, audited } from "../../cluster/audited";
import { type Cluster, openGroups, withCluster } from "../../cluster/open-cluster";
import { type CommonOptions, clusterCommand, parseCount } from "../../command";
import { WrongUse } from "../../output/failures";
import { print, tableOf } from "../../output/print";

const DEFAULT_LIMIT = 100;

export function groupsCommand(): Command {
  const command = clusterCommand("groups", "list, show, create, change and dissolve groups, and change their members");
  for (const one of [listCommand(), showCommand(), createCommand(), changeCommand()]) command.addCommand(one);
  command.addCommand(membersCommand("add", "add users, by one event and without asking them", addMembers));
  command.addCommand(
    membersCommand("remove", "remove users, by one event; they cannot join again by themselves", removeMembers),
  );
  command.addCommand(roleCommand());
  command.addCommand(transferCommand());
  command.addCommand(dissolveCommand());
  return command;
}

function listCommand(): Command {
  return clusterCommand("list", "list groups by id, dissolved groups too")
    .option("--after <group>", "begin after this id")
    .option("--limit <n>", `maximum number of groups (default ${DEFAULT_LIMIT})`, parseCount)
    .action(async (_: CommonOptions, command: Command) => {
      const { after, limit } = command.optsWithGlobals<{ after?: string; limit?: number }>();
      const groups = await inGroups(command, (context) => context.groups.page(limit ?? DEFAULT_LIMIT, after));
      const { json } = command.optsWithGlobals<CommonOptions>();
      print({ groups }, json, (shown) => (groups.length === 0 ? "there are no groups\n" : describe(shown.groups)));
    });
}

function showCommand(): Command {
  return groupCommand("show", "show a group and its members")
    .option("--after <user>", "begin after the member with this id")
    .option("--limit <n>", `maximum number of members (default ${DEFAULT_LIMIT})`, parseCount)
    .action(async (groupId: string, _: CommonOptions, command: Command) => {
      const { json, after, limit } = command.optsWithGlobals<CommonOptions & { after?: string; limit?: number }>();
      const found = await inGroups(command, async (context) => ({
        group: await findGroup(context, groupId),
        members: await context.groups.members(groupId, limit ?? DEFAULT_LIMIT, after),
      }));
      print(found, json, ({ group, members }) => describe([group]) + describeMembers(members));
    });
}

function createCommand(): Command {
  return clusterCommand("create", "create a group for its owner, without asking the members")
    .argument("<owner>", "user id")
    .argument("<name>", "name of the group", textOf("name", limits.maxNameCharacters, nameFault))
    .argument("[users...]", "members besides the owner")
    .option("--id <group>", "an id of your choice: repeating the command returns the same group")
    .addOption(joinPolicy().default("invite"))
    .action(async (owner: string, name: string, members: string[], _: CommonOptions, command: Command) => {
      const { id, join } = command.optsWithGlobals<{ id?: string; join: Group["joinPolicy"] }>();
      const groupId = id ?? newGroupId();
      const wishes: GroupWishes = { groupId, name, joinPolicy: join, members };
      const details = { ownerId: owner, name, joinPolicy: join, members };
      const act = { ...actOn(groupId, "create"), details };
      await showAfter(command, act, async (context) => (await makeGroupFor(context, owner, wishes)).group);
    });
}

function changeCommand(): Command {
  return groupCommand("change", "change name, notice or join policy of a group")
    .option("--name <name>", "name of the group", textOf("name", limits.maxNameCharacters, nameFault))
    .option("--notice <text>", "notice of the group", textOf("notice", limits.maxNoticeCharacters, noticeFault))
    .addOption(joinPolicy())
    .action(async (groupId: string, _: CommonOptions, command: Command) => {
      const { name, notice, join } = command.optsWithGlobals<Omit<ProfileChange, "joinPolicy"> & { join?: never }>();
      const wanted = Object.entries({ name, notice, joinPolicy: join }).filter(([, value]) => value !== undefined);
      if (wanted.length === 0) throw new WrongUse("no change was given: use --name, --notice or --join");
      const change = Object.fromEntries(wanted) as ProfileChange;
      const act = { ...actOn(groupId, "change"), details: { ...change } };
      await showAfter(command, act, async (context) => {
        await administerGroup(context, groupId, [], (ownerId) => changeProfile(ownerId, change));
        return findGroup(context, groupId);
      });
    });
}

type ChangeMembers = (context: GroupAdministration, groupId: string, userIds: string[]) => Promise<Map<string, string>>;

function membersCommand(name: string, description: string, change: ChangeMembers): Command {
  return groupCommand(name, description)
    .argument("<users...>", `user ids, at most ${MOST_MEMBERS_AT_ONCE}`)
    .action(async (groupId: string, userIds: string[], _: CommonOptions, command: Command) => {
      if (userIds.length > MOST_MEMBERS_AT_ONCE) throw new WrongUse(`at most ${MOST_MEMBERS_AT_ONCE} users at once`);
      const act = actOn(groupId, `member.${name}`, ...userIds);
      const states = await carryOut(command, act, (context) => change(context, groupId, userIds));
      const members = [...states].map(([userId, state]) => ({ userId, state }));
      const { json } = command.optsWithGlobals<CommonOptions>();
      print({ members }, json, (shown) =>
        tableOf(
          ["user", "state"],
          shown.members.map(({ userId, state }) => [userId, state]),
        ),
      );
    });
}

function roleCommand(): Command {
  return groupCommand("role", "change the role of a member")
    .argument("<user>", "user id of a member")
    .argument("<role>", "admin or member")
    .action(async (groupId: string, userId: string, role: string, _: CommonOptions, command: Command) => {
      if (role !== "admin" && role !== "member") throw new WrongUse("the role must be admin or member");
      const act = { ...actOn(groupId, "member.change", userId), details: { role } };
      await showAfter(command, act, async (context) => {
        const rule = (ownerId: string) => changeMember(ownerId, userId, { role }, context.clock.now());
        await administerGroup(context, groupId, [userId], rule);
        return findGroup(context, groupId);
      });
    });
}

function transferCommand(): Command {
  return groupCommand("transfer", "make another member the owner, also when the present owner is disabled")
    .argument("<user>", "user id of a member")
    .action(async (groupId: string, userId: string, _: CommonOptions, command: Command) => {
      await showAfter(command, actOn(groupId, "transfer", userId), async (context) => {
        await administerGroup(context, groupId, [userId], (ownerId) => transfer(ownerId, userId));
        return findGroup(context, groupId);
      });
    });
}

function dissolveCommand(): Command {
  return groupCommand("dissolve", "dissolve a group for all members; its history stays").action(
    async (groupId: string, _: CommonOptions, command: Command) => {
      await showAfter(command, actOn(groupId, "dissolve"), async (context) => {
        await administerGroup(context, groupId, [], (ownerId) => dissolve(ownerId, context.clock.now()));
        return findGroup(context, groupId);
      });
    },
  );
}

function groupCommand(name: string, description: string): Command {
  return clusterCommand(name, description).argument("<group>", "group id");
}

/** @param userIds members whom the act concerns; none: the group as a whole */
function actOn(groupId: string, name: string, ...userIds: string[]): ActNote {
  const group = `group:${groupId}`;
  const act = `admin.group.${name}`;
  return userIds.length === 0 ? { act, whom: group } : { act, whom: userIds.map((id) => `user:${id}`), place: group };
}

const joinPolicy = () => new Option("--join <policy>", "who may join").choices([...joinPolicyValues]);

/** Carries out an act, and writes it into the audit log. */
async function carryOut<T>(
  command: Command,
  act: ActNote,
  work: (context: GroupAdministration) => Promise<T>,
): Promise<T> {
  return inCluster(command, (cluster) => audited(cluster, act, async () => work(await openGroups(cluster))));
}

async function inGroups<T>(command: Command, work: (context: GroupAdministration) => Promise<T>): Promise<T> {
  return inCluster(command, async (cluster) => work(await openGroups(cluster)));
}

/** Runs `work`; a refusal by the rules of groups counts as wrong use of the command. */
async function inCluster<T>(command: Command, work: (cluster: Cluster) => Promise<T>): Promise<T> {
  const { data } = command.optsWithGlobals<CommonOptions>();
  return withCluster(data, work).catch((error: Error) => {
    const isRefused = error instanceof CarillonError && httpStatusOf(error) < 500;
    throw isRefused ? new WrongUse(error.message) : error;
  });
}

async function showAfter(
  command: Command,
  act: ActNote,
  work: (context: GroupAdministration) => Promise<Group>,
): Promise<void> {
  const group = await carryOut(command, act, work);
  print({ group }, command.optsWithGlobals<CommonOptions>().json, (shown) => describe([shown.group]));
}

function textOf(what: string, most: number, faultOf: (text: string) => string | undefined) {
  return (text: string): string => {
    const fault = [...text].length > most ? `must have at most ${most} characters` : faultOf(text);
    if (text === "" && what === "name") throw new InvalidArgumentError("must not be empty");
    if (fault !== undefined) throw new InvalidArgumentError(fault);
    return text;
  };
}

function describe(groups: Group[]): string {
  const rows = groups.map(({ groupId, name, ownerId, joinPolicy: join, memberCount, dissolved }) => {
    return [groupId, name, ownerId, join, memberCount, dissolved ? "dissolved" : null];
  });
  return tableOf(["group", "name", "owner", "join", "members", ""], rows);
}

function describeMembers(members: GroupMember[]): string {
  const rows = members.map(({ userId, role, mutedUntil }) => {
    return [userId, role, mutedUntil > Date.now() ? new Date(mutedUntil).toISOString() : null];
  });
  return `\n${tableOf(["member", "role", "muted until"], rows)}`;
}

/** Look-ups in the command table. */
import { Command, type CommandName, type CommandNumber, commandTable, type Direction } from "./generated/commands";

const byNumber = new Map<number, (typeof commandTable)[number]>(commandTable.map((row) => [row.number, row]));

/** The name of a command, or undefined when the number is none. */
export function commandName(number: number): CommandName | undefined {
  return byNumber.get(number)?.name;
}

/** The number of a command, or undefined when the name is none. */
export function commandNumber(name: string): CommandNumber | undefined {
  return Object.hasOwn(Command, name) ? Command[name as CommandName] : undefined;
}

/** Who sends a command, or undefined when the number is none. */
export function commandDirection(number: number): Direction | undefined {
  return byNumber.get(number)?.direction;
}

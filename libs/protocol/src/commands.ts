/** Look-ups in the command table. */
import { Command, type CommandName, type CommandNumber, commandTable, type Direction } from "./generated/commands";

const names = new Map<number, string>(Object.entries(Command).map(([name, number]) => [number, name]));

/** The name of a command, or undefined when the number is none. */
export function commandName(number: number): CommandName | undefined {
  return names.get(number) as CommandName | undefined;
}

/** The number of a command, or undefined when the name is none. */
export function commandNumber(name: string): CommandNumber | undefined {
  return Object.hasOwn(Command, name) ? Command[name as CommandName] : undefined;
}

/** Who sends a command, or undefined when the number is none. */
export function commandDirection(number: number): Direction | undefined {
  return commandTable.find((row) => row.number === number)?.direction;
}

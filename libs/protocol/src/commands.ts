/** Look-ups in the command table. */
import { Command, type CommandName, type CommandNumber, commandTable, type Direction } from "./generated/commands";

const names = new Map<number, string>(Object.entries(Command).map(([name, number]) => [number, name]));

/** Returns the name of a command; undefined if there is none with this number. */
export function commandName(number: number): CommandName | undefined {
  return names.get(number) as CommandName | undefined;
}

/** Returns the number of a command; undefined if there is none with this name. */
export function commandNumber(name: string): CommandNumber | undefined {
  return Object.hasOwn(Command, name) ? Command[name as CommandName] : undefined;
}

/** Returns the side that sends a command; undefined if there is none with this number. */
export function commandDirection(number: number): Direction | undefined {
  return commandTable.find((row) => row.number === number)?.direction;
}

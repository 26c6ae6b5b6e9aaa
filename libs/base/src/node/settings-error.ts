/** The settings cannot be used; the message names key and file, for the operator. */
export class SettingsError extends Error {
  constructor(message: string) {
    super(message);
    this.name = "SettingsError";
  }
}

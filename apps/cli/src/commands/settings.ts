/** `carillon config`: shows the settings in effect, secrets masked. */
import type { Command } from "commander";
import { type CommonOptions, clusterCommand } from "../command";
import { type EffectiveSetting, effectiveSettings } from "../config";
import { print, tableOf } from "../output/print";

export function configCommand(): Command {
  return clusterCommand("config", "show the settings in effect, secrets masked").action(
    async ({ data, json }: CommonOptions) => {
      const settings = effectiveSettings(data);
      print({ settings }, json, (document) => tableOf(["setting", "value", "variable"], document.settings.map(cells)));
    },
  );
}

function cells({ path, value, variable, isDefault }: EffectiveSetting) {
  const text = value === undefined ? "-" : typeof value === "string" ? value : JSON.stringify(value);
  return [path, isDefault ? text : `${text} *`, variable];
}

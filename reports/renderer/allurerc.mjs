// How Allure draws the report of one run. The facts come from the run's verdict.json, by way of reports/facts.py.
import { readFileSync } from "node:fs";

const facts = JSON.parse(readFileSync(process.env.REPORT_FACTS, "utf8"));

// Whose problem a failure is. A failed assertion is always about the product; what Allure calls broken is a named error
// of the suite, with its class in the first line. The reason of a test that did not run quotes such a line too.
const named = (letters) => ({ statuses: ["broken"], message: new RegExp(`\\[${letters}\\]`) });
// Tests that were running or still to come when the run ended: their messages begin with it (reports/missing.py), or
// have it behind the name of the error (fixtures/interruption.py).
const says = (status, text) => ({ statuses: [status], message: new RegExp(text) });
const category = (name, ...matchers) => ({ name, matchers, groupByMessage: true });

export default {
  name: facts.name,
  output: facts.output,
  variables: facts.variables,
  // For trends over runs. One line a run; three months of nights are enough.
  ...(facts.trends ? { historyPath: facts.trends, historyLimit: 100 } : {}),
  categories: {
    rules: [
      category("interrupted: the run ended while this test ran", says("broken", "interrupted here:")),
      category("FAIL: a promise of the product is broken", { statuses: ["failed"] }, named("FAIL")),
      category("LEAK: something was left behind", named("LEAK")),
      category("CONFIG: what was asked for cannot work", named("CONFIG")),
      category("INFRA: a node, the fabric, the file system or Slurm failed", named("INFRA")),
      category("INVALID: nothing was proved", named("INVALID")),
      category("HARNESS: this suite is at fault", { statuses: ["broken", "unknown"] }),
      category("never ran: the run ended before it", says("skipped", "^never ran:")),
      category("not run", { statuses: ["skipped"] }),
    ],
  },
  plugins: {
    awesome: {
      options: {
        reportName: facts.name,
        // The only form that opens from a file: the pages of the other one wait for a server for ever.
        singleFile: true,
        reportLanguage: "en",
        // Topology, group of promises, part of it (reports/arrange.py).
        groupBy: ["parentSuite", "suite", "subSuite"],
      },
    },
  },
};

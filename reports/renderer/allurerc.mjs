// How Allure draws the report of one run. The facts come from the run's verdict.json, by way of reports/facts.py.
import { readFileSync } from "node:fs";

const facts = JSON.parse(readFileSync(process.env.REPORT_FACTS, "utf8"));

// Whose problem a failure is: the class that every named error of the suite carries in its first line.
const whose = (name, letters) => ({ name, matchers: { message: new RegExp(`\\[${letters}\\]`) }, groupByMessage: true });

export default {
  name: facts.name,
  output: facts.output,
  variables: facts.variables,
  categories: {
    rules: [
      whose("FAIL: a promise of the product is broken", "FAIL"),
      whose("LEAK: something was left behind", "LEAK"),
      whose("CONFIG: what was asked for cannot work", "CONFIG"),
      whose("INFRA: a node, the fabric, the file system or Slurm failed", "INFRA"),
      whose("INVALID: nothing was proved", "INVALID"),
      whose("HARNESS: this suite is at fault", "HARNESS"),
      // A failed assertion carries no class: it is always about the product.
      { name: "FAIL: a promise of the product is broken (assertion)", matchers: { statuses: ["failed"] }, groupByMessage: true },
      { name: "not run", matchers: { statuses: ["skipped"] }, groupByMessage: true },
      { name: "HARNESS: an error without a class", matchers: { statuses: ["broken", "unknown"] }, groupByMessage: true },
    ],
  },
  plugins: {
    awesome: {
      options: {
        reportName: facts.name,
        // The only form that opens from a file: the pages of the other one wait for a server for ever.
        singleFile: true,
        reportLanguage: "en",
      },
    },
  },
};

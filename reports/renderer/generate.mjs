// node generate.mjs MODULES RESULTS: has Allure draw the report of one run, as allurerc.mjs says, and tells it what the
// gate has decided: `allure generate` would leave its tab of quality gates empty, and `allure run` would judge anew.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const [modules, results] = process.argv.slice(2);
const { AllureReport, readConfig } = await import(pathToFileURL(join(modules, "@allurereport/core/dist/index.js")));
const { gate } = JSON.parse(readFileSync(process.env.REPORT_FACTS, "utf8"));

const config = await readConfig(process.cwd(), join(import.meta.dirname, "allurerc.mjs"));
const report = new AllureReport(config);
await report.start();
await report.readDirectory(results);
report.realtimeDispatcher.sendQualityGateResults(gate);
await report.done();

/**
 * The figures that the benchmarks report, from samples made up here.
 *
 * @module
 */
import assert from "node:assert/strict";
import { bodies, expectedAt } from "../../bench/bodies.ts";
import { drawChart } from "../../bench/chart.ts";
import { goals } from "../../bench/goals.ts";
import { Meter } from "../../bench/meter.ts";
import { frontPage } from "../../bench/page.ts";
import { reached, tablesPage, textReport } from "../../bench/report.ts";
import { compare, type Figures, type Sample, spreadOf } from "../../bench/samples.ts";
import { hasGoal, participants, works } from "../../bench/works.ts";
import { test } from "../support/harness.ts";

function sample(runtime: string, client: string, run: number, requestsPerSecond: number): Sample {
  const figures: Figures = { requestsPerSecond, cpuMicrosPerRequest: 1e6 / requestsPerSecond };
  return { work: "get-small", atOnce: 50, runtime, client, run, figures };
}

const samples = [
  sample("deno", "roundtrip", 0, 70),
  sample("deno", "raw", 0, 100),
  sample("deno", "roundtrip", 1, 40),
  sample("deno", "raw", 1, 50),
  sample("go", "go", 0, 35),
  // Nothing of ours was measured beside it.
  sample("deno", "raw", 2, 1_000),
];
const measurement = { machine: {}, versions: {}, commands: [], samples };
const ours = { work: "get-small", atOnce: 50, runtime: "deno", client: "roundtrip" };

test("spreadOf() gives the middle and the extremes, and nothing of nothing", () => {
  assert.deepEqual(spreadOf([3, 1, 10]), { median: 3, min: 1, max: 10, runs: 3 });
  assert.deepEqual(spreadOf([4, 1]), { median: 2.5, min: 1, max: 4, runs: 2 });
  assert.equal(spreadOf([]), null);
});

test("compare() divides measurements of the same run only", () => {
  const ratio = compare(samples, ours, { ...ours, client: "raw" }, "requestsPerSecond");
  assert.deepEqual(ratio, { median: 0.75, min: 0.7, max: 0.8, runs: 2 });
  assert.equal(compare(samples, ours, { ...ours, client: "fetch" }, "requestsPerSecond"), null);
});

test("every goal is about clients that take part in its work", () => {
  for (const goal of goals) {
    const work = works.find(({ name }) => name === goal.work);
    assert.ok(work && hasGoal(work) && work.atOnce.includes(goal.atOnce), goal.work);
    const peers = ["createFetch", "raw", "fetch", "undici", "http", "http2", "go", "before"];
    const clients = participants(work, [goal.runtime], peers).map(({ client }) => client);
    assert.ok(clients.includes(goal.client), `${goal.work}: ${goal.client}`);
    assert.ok(goal.against === null || clients.includes(goal.against), goal.says);
    assert.ok(goal.atLeast !== undefined || goal.atMost !== undefined, goal.says);
  }
});

test("participants() gives undici and http to Node only, and Go once", () => {
  const work = works.find(({ name }) => name === "get-small")!;
  const names = participants(work, ["deno", "node"], ["undici", "go"])
    .map(({ runtime, client }) => `${runtime} ${client}`);
  assert.deepEqual(names, ["deno roundtrip", "node roundtrip", "node undici", "go go"]);
});

test("a goal is met by the median, and compared with Go across runtimes", () => {
  const ofSmall = goals.filter(({ work, runtime }) => work === "get-small" && runtime === "deno");
  const raw = ofSmall.find(({ against }) => against === "raw")!;
  const go = ofSmall.find(({ against }) => against === "go")!;
  assert.equal(reached(samples, raw)?.median, 0.75);
  assert.equal(reached(samples, go)?.median, 2);
  const page = frontPage(measurement, "docs/chart.svg", "tables.md");
  assert.match(
    page,
    /get-small, 50 +\| deno +\| roundtrip: ≥ 70 % of raw +\| 75 % \(70 %–80 %\) +\| 75 % +\| 2 +\| yes/,
  );
  assert.match(page, /!\[[^\]]+\]\(chart\.svg\)/);
  assert.match(textReport(measurement), /deno +raw +100 .* 0\.75 \(0\.70–0\.80\)/);
});

test("the page has a row for each work that people ask for, with a ratio to each peer", () => {
  const page = frontPage(measurement, null, "tables.md");
  // Ours takes 1 / 70 and 1 / 40 of a second, raw 1 / 100 and 1 / 50.
  assert.match(page, /\| small GET +\| 55.0 +\| 19,643 +\| 0\.75 \(0\.70–0\.80\) +\| 2\.00 +\|/);
  assert.match(page, /\[tables\.md\]\(tables\.md\)/);
  assert.doesNotMatch(page, /### Bun/);
  const tables = tablesPage(measurement, "page.md");
  assert.match(tables, /## get-small: .*50 at once, 3 runs/);
  assert.match(tables, /\[page\.md\]\(page\.md\)/);
});

test("names of works are unique, and what each must answer is known", () => {
  assert.equal(new Set(works.map(({ name }) => name)).size, works.length);
  assert.equal(expectedAt("/chunked/16k"), 16 * 1024);
  assert.equal(expectedAt("/gzip/4k"), 4 * 1024);
  assert.equal(expectedAt("/tiny"), 16_000);
  assert.equal(expectedAt("/bulk"), 1024 ** 3);
  assert.equal(expectedAt("/up"), 13);
  const items = JSON.parse(new TextDecoder().decode(bodies.json));
  assert.equal(expectedAt("/json"), items.length);
});

test("a meter warms up by exchanges, and tells which loop got least", () => {
  const meter = new Meter(2, 60_000, 4);
  const [often, seldom] = [meter.lap(), meter.lap()];
  assert.ok(often.next() && often.next(), "warming up");
  assert.ok(often.next(true) && often.next(true) && often.next(true));
  assert.equal(seldom.next(false), false);
  const figures = meter.figures(0);
  assert.equal(figures.slowestLoopShare, 0.5);
  assert.equal(figures.sessionsResumedShare, 0.75);
  meter.checkConnections(6);
  assert.throws(() => meter.checkConnections(5), /5 connections for 6 requests/);
});

test("participants() adds ours of another tree where it is asked for", () => {
  const work = works.find(({ name }) => name === "up-1g")!;
  const clients = participants(work, ["bun"], ["before"]).map(({ client }) => client);
  assert.deepEqual(clients, ["roundtrip", "before", "roundtrip-stream", "before-stream"]);
});

test("drawChart() draws a bar for each client, its length by its median", () => {
  const svg = drawChart(measurement);
  const widths = [...svg.matchAll(/<rect [^>]*width="([\d.]+)"/g)].map(([, width]) => +width);
  assert.equal(widths.length, 3);
  // raw 100, ours 55, Go 35.
  assert.ok(Math.abs(widths[1] / widths[0] - 0.55) < 0.01, String(widths));
  assert.ok(Math.abs(widths[2] / widths[0] - 0.35) < 0.01, String(widths));
});

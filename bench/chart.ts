/**
 * The chart of a measurement: bars of requests per second, one panel for each runtime.
 *
 * @module
 */
import { figureOf, type Measurement, type Series, seriesOf, type Spread } from "./samples.ts";

const WIDTH = 760;
const LABEL = 150;
const ROW = 24;
const PANEL_GAP = 34;

/** Readable on light and on dark pages. */
const colours: Record<string, string> = { roundtrip: "#2f81f7", createFetch: "#54aeff" };

interface Bar {
  readonly series: Series;
  readonly rate: Spread;
}

function escape(text: string): string {
  return text.replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`);
}

function bars(measurement: Measurement, work: string): Map<string, Bar[]> {
  const panels = new Map<string, Bar[]>();
  const samples = measurement.samples.filter((one) => one.work === work && one.atOnce === 50);
  for (const series of seriesOf(samples)) {
    const rate = figureOf(samples, series, "requestsPerSecond");
    if (rate === null) continue;
    const panel = panels.get(series.runtime) ?? [];
    panels.set(series.runtime, panel);
    panel.push({ series, rate });
  }
  for (const panel of panels.values()) panel.sort((a, b) => b.rate.median - a.rate.median);
  return panels;
}

/** An SVG image: medians as bars, minimum to maximum as a line across the bar's end. */
export function drawChart(measurement: Measurement): string {
  const titles = {
    "get-small": "Small GET, 50 at once, requests per second",
    "get-small-tls": "The same over TLS",
    "chunked-16k": "GET of 16 KiB chunked, 50 at once",
  };
  const parts: string[] = [];
  let y = 10;
  for (const [work, title] of Object.entries(titles)) {
    const panels = bars(measurement, work);
    if (panels.size === 0) continue;
    const highest = Math.max(...[...panels.values()].flat().map(({ rate }) => rate.max));
    const scale = (WIDTH - LABEL - 80) / highest;
    parts.push(`<text x="10" y="${y + 16}" class="title">${escape(title)}</text>`);
    y += 30;
    for (const [runtime, panel] of panels) {
      parts.push(`<text x="10" y="${y + 14}" class="dim">${escape(runtime)}</text>`);
      for (const { series, rate } of panel) {
        const width = rate.median * scale;
        const [from, to] = [LABEL + rate.min * scale, LABEL + rate.max * scale];
        const middle = y + ROW / 2 - 2;
        parts.push(
          `<text x="${LABEL - 8}" y="${y + 14}" text-anchor="end">${escape(series.client)}</text>`,
          `<rect x="${LABEL}" y="${y}" width="${width.toFixed(1)}" height="${ROW - 5}" fill="${
            colours[series.client] ?? "#8b949e"
          }"/>`,
          `<path d="M${from.toFixed(1)} ${middle}H${to.toFixed(1)}" class="spread"/>`,
          `<text x="${(to + 6).toFixed(1)}" y="${y + 14}">${
            Math.round(rate.median).toLocaleString("en")
          }</text>`,
        );
        y += ROW;
      }
      y += PANEL_GAP - ROW;
    }
    y += PANEL_GAP - ROW;
  }
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${y}" viewBox="0 0 ${WIDTH} ${y}" role="img" aria-label="Requests per second of each client on each runtime">
<style>text{font:13px system-ui,sans-serif;fill:#24292f}.title{font-weight:600}.dim{fill:#57606a}.spread{stroke:#24292f;stroke-width:1.5}@media(prefers-color-scheme:dark){text{fill:#e6edf3}.dim{fill:#9198a1}.spread{stroke:#e6edf3}}</style>
${parts.join("\n")}
</svg>
`;
}

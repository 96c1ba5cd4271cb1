// The graphs: drawn on canvases for the eye, and beside each the same as a small table for everybody.
import { get } from "/static/api.js";
import { element, problem } from "/static/dom.js";

const HEIGHT = 150; // CSS pixels
const COLOURS = 8;
const drawn = new Map();

const colour = (name) => {
  const probe = element("i");
  probe.style.color = `var(--${name})`;
  document.body.append(probe);
  const found = getComputedStyle(probe).color;
  probe.remove();
  return found;
};

const faint = (rgb) => rgb.replace(/^rgb\((.*)\)$/, "rgba($1, 0.13)");

const number = (value) => {
  if (value === null || value === undefined) return "–";
  return value.toLocaleString([], { maximumFractionDigits: Math.abs(value) < 10 ? 2 : Math.abs(value) < 100 ? 1 : 0 });
};

export async function show(hours) {
  const place = document.getElementById("graphs");
  const said = await get(`/api/graphs?hours=${hours}`);
  if (said.problem) {
    clear(place);
    place.replaceChildren(problem(said.problem));
    return;
  }
  if ([...drawn.keys()].join() !== said.graphs.map((graph) => graph.title).join()) {
    clear(place);
    place.replaceChildren(...said.graphs.map((graph) => figure(graph.title)));
  }
  for (const graph of said.graphs) draw(graph, hours);
}

// The colours are another theme's: everything is drawn anew.
export function redraw() {
  for (const one of drawn.values()) {
    one.plot?.destroy();
    one.plot = null;
    if (one.graph) draw(one.graph, one.hours);
  }
}

function clear(place) {
  for (const one of drawn.values()) {
    one.plot?.destroy();
    one.watching.disconnect();
  }
  drawn.clear();
  place.replaceChildren();
}

function figure(title) {
  const plotted = element("div", { className: "plot", "aria-hidden": "true" });
  const note = element("span", { className: "quiet" });
  const table = element("table");
  const one = { plotted, table, note, plot: null, shape: "" };
  one.watching = new ResizeObserver(() => {
    const width = Math.floor(plotted.clientWidth);
    if (one.plot !== null && width > 0 && width !== one.plot.width) one.plot.setSize({ width, height: HEIGHT });
  });
  one.watching.observe(plotted);
  drawn.set(title, one);
  const caption = element("figcaption", {}, element("h2", { textContent: title }), note);
  return element("figure", { className: "card graph" }, caption, plotted, table);
}

function draw(graph, hours) {
  const one = drawn.get(graph.title);
  Object.assign(one, { graph, hours });
  one.note.textContent = graph.unit;
  one.table.replaceChildren(...values(graph));
  if (graph.lines.length === 0) {
    one.plot?.destroy();
    one.plot = null;
    const span = hours === 1 ? "hour" : hours === 24 ? "day" : hours === 168 ? "week" : `${hours} hours`;
    one.plotted.replaceChildren(element("p", { className: "none", textContent: `Nothing in the last ${span}` }));
    return;
  }
  const marks = graph.marks.filter(([, value]) => value <= 2 * highest(graph));
  const data = [graph.times, ...graph.lines.map((line) => line.values), ...marks.map(([, value]) => graph.times.map(() => value))];
  const shape = JSON.stringify([graph.lines.map((line) => line.label), marks, hours]);
  if (one.plot !== null && one.shape === shape) {
    one.plot.setData(data);
    return;
  }
  one.plot?.destroy();
  one.plotted.replaceChildren();
  one.shape = shape;
  one.plot = new uPlot(options(graph, marks, one.plotted.clientWidth || 300), data, one.plotted);
}

const highest = (graph) => Math.max(0, ...graph.lines.flatMap((line) => line.values.filter((value) => value !== null)));

function options(graph, marks, width) {
  const [ink, grid] = [colour("quiet"), colour("line")];
  const axis = { stroke: ink, grid: { stroke: grid, width: 1 }, ticks: { show: false }, font: "12px system-ui, sans-serif" };
  const lines = graph.lines.map((line, index) => {
    const stroke = colour(`c${(index % COLOURS) + 1}`);
    return { label: line.label, stroke, fill: graph.lines.length === 1 ? faint(stroke) : undefined, width: 1.5, spanGaps: true, points: { show: sparse(line), size: 4 } };
  });
  const marked = marks.map(([label]) => ({ label, stroke: colour("bad"), dash: [4, 4], width: 1, points: { show: false } }));
  return {
    width,
    height: HEIGHT,
    legend: { show: false },
    cursor: { y: false, points: { size: 6 }, drag: { x: false, y: false } },
    padding: [8, 8, 0, 0],
    scales: { y: { range: (_plot, _least, most) => [0, most > 0 ? most * 1.1 : 1] } },
    axes: [
      { ...axis, grid: { show: false }, space: 70, size: 26, values: hoursOfDay },
      { ...axis, size: 46, space: 36, values: (_plot, ticks) => ticks.map(number) },
    ],
    series: [{}, ...lines, ...marked],
  };
}

const sparse = (line) => line.values.filter((value) => value !== null).length < 3;

// 24 hours, whatever the locale: a time at night is read at once. Where the day changes, the date.
const hoursOfDay = (_plot, ticks) => ticks.map((tick) => {
  const at = new Date(tick * 1000);
  if (at.getHours() + at.getMinutes() === 0) return at.toLocaleDateString([], { day: "numeric", month: "short" });
  return `${String(at.getHours()).padStart(2, "0")}:${String(at.getMinutes()).padStart(2, "0")}`;
});

function values(graph) {
  const body = graph.lines.map((line, index) => {
    const known = line.values.filter((value) => value !== null);
    const swatch = element("span", { className: "swatch" });
    swatch.style.background = `var(--c${(index % COLOURS) + 1})`;
    const cells = [known.at(-1), Math.max(...known), ...(graph.counts ? [known.reduce((sum, value) => sum + value, 0)] : [])];
    return element("tr", {}, element("th", { scope: "row" }, swatch, line.label),
      ...cells.map((value) => element("td", { textContent: number(value) })));
  });
  if (body.length === 0) return [];
  const names = ["", "Last", "Highest", ...(graph.counts ? ["Total"] : [])];
  const head = element("tr", {}, ...names.map((name) => element(name ? "th" : "td", { textContent: name })));
  const caption = element("caption", { className: "visually-hidden", textContent: graph.title });
  return [caption, element("thead", {}, head), element("tbody", {}, ...body)];
}

// What expires when: a chart of the coming weeks, and a calendar.
import {get} from "../api.js";
import {drawing, element, part} from "../dom.js";
import {number} from "../format.js";

const DAYS = 91;
const SOON = 7;
const LATER = 30;
const DAY_MS = 86400000;
const WIDTH = 910;
const HEIGHT = 160;
const WEEK = 7;

const urgency = (index) => (index < SOON ? "soon" : index < LATER ? "later" : "");

function chart(counts) {
  const most = Math.max(1, ...counts.map(({count}) => count));
  const step = WIDTH / counts.length;
  const bars = counts.filter(({count}) => count).map(({date, count, index}) => {
    const tall = Math.max(2, (count / most) * (HEIGHT - 4));
    const bar = drawing("rect", {x: index * step + 1, y: HEIGHT - tall, width: step - 2, height: tall, class: urgency(index)});
    bar.append(Object.assign(drawing("title"), {textContent: `${date}: ${count}`}));
    return bar;
  });
  return element("figure", {},
    element("figcaption", {class: "sub"}, `Watched certificates a day, ${number(most)} at most`),
    drawing("svg", {class: "chart", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img",
      "aria-label": `Certificates that expire in the next ${DAYS} days; at most ${most} in one day`}, ...bars),
    element("div", {class: "axis"}, counts.filter(({index}) => index % WEEK === 0)
      .map(({date, index}) => element("span", {}, index % (2 * WEEK) ? "" : date.slice(5)))));
}

function calendar(counts) {
  const first = (new Date(`${counts[0].date}T00:00:00Z`).getUTCDay() + 6) % 7;
  const month = new Intl.DateTimeFormat("en", {month: "short", timeZone: "UTC"});
  return element("div", {class: "calendar"},
    ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"].map((name) => element("span", {class: "head"}, name)),
    Array.from({length: first}, () => element("span", {class: "day blank"})),
    counts.map(({date, count, index}) => {
      const begins = index === 0 || date.endsWith("-01");
      const name = `${begins ? `${month.format(new Date(date))} ` : ""}${Number(date.slice(8))}`;
      return element(count ? "a" : "span", {
        class: `day ${count ? urgency(index) || "some" : ""}`,
        href: count ? `#/certificates?expiring_within=${index + 1}` : null,
        "aria-label": count ? `${date}: ${count}` : null,
      }, name, count > 0 && element("b", {}, number(count)));
    }));
}

/* Days without any are not in the answer. */
function complete(found) {
  const known = new Map(found.map(({date, count}) => [date, count]));
  return Array.from({length: DAYS}, (_, index) => {
    const date = new Date(Date.now() + index * DAY_MS).toISOString().slice(0, 10);
    return {date, index, count: known.get(date) || 0};
  });
}

export function expiry() {
  const tiles = part("div", {class: "tiles"}, (counts) => [[SOON, "critical"], [LATER, "warning"], [DAYS, "ok"]].map(([limit, kind]) =>
    element("a", {class: `tile ${kind}`, href: `#/certificates?expiring_within=${limit}`},
      element("b", {}, number(counts.slice(0, limit).reduce((sum, {count}) => sum + count, 0))),
      element("span", {}, `within ${limit} days`))));
  const bars = part("section", {class: "card"}, chart);
  const dates = part("div", {}, calendar);
  return {
    nodes: [element("h1", {}, "What expires when"), tiles.node, bars.node, dates.node],
    async load() {
      const counts = complete(await get(`/api/expiry?days=${DAYS}`));
      for (const shown of [tiles, bars, dates]) shown.show(counts);
    },
    hears: (event) => event.kind === "target",
  };
}

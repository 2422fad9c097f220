// How trawl itself is doing, what waits for its channels, and what was changed.
import {get, may, post, request, session} from "../api.js";
import {attempt, button, element, list, part, table} from "../dom.js";
import {moment, number, status, words} from "../format.js";

const DOWN = 503; // has the body of 200

function text(name, value) {
  if (name.endsWith("_at") && typeof value === "string") return moment(value);
  if (typeof value === "number") return number(value);
  if (typeof value === "boolean") return value ? "yes" : "no";
  return value !== null && typeof value === "object" ? JSON.stringify(value) : String(value ?? "–");
}

export function health() {
  const head = part("h1", {}, ([ok]) => ["Health ", status(ok ? "ok" : "critical")]);
  const card = part("section", {class: "card"}, ({ok, ...rest}) =>
    list(Object.entries(rest).map(([name, value]) => [words(name), text(name, value)])));
  const act = (words_, call, attributes) => button(words_, (event) => attempt(async () => {
    await call();
    await load();
  }, event.target), {class: "small quiet", disabled: !may("operate"), ...attributes});
  const outbox = table([
    {head: "Channel", cell: (row) => [row.channel, row.state === "dead" && element("span", {class: "sub problem"}, "given up")]},
    {head: "Message", class: "main", cell: (row) => [row.title || row.event_id,
      row.last_error && element("span", {class: "sub"}, row.last_error)]},
    {head: "Attempts", class: "number", cell: (row) => String(row.attempts)},
    {head: "Next", cell: (row) => moment(row.next_at)},
    {head: "", cell: (row) => [act("Send now", () => post(`/api/outbox/${row.id}/replay`)), " ",
      act("Drop", () => request("DELETE", `/api/outbox/${row.id}`), {class: "small danger"})]},
  ], "All messages are delivered.");
  const audit = table([
    {head: "When", cell: (row) => moment(row.at)},
    {head: "Who", cell: (row) => [row.who, element("span", {class: "sub"}, row.role)]},
    {head: "What", class: "main", cell: (row) => words(row.action)}, {head: "Which", cell: (row) => row.detail},
  ], "Nothing was changed.", {key: (row) => [row.at, row.who, row.action, row.detail].join(" ")});
  const isAdmin = may("admin");

  async function load() {
    const [found, waiting, dead, log] = await Promise.all([
      request("GET", "/api/health", undefined, DOWN), get("/api/outbox?state=waiting"), get("/api/outbox?state=dead"),
      isAdmin ? get("/api/audit?limit=50") : null]);
    head.show([found.ok]);
    card.show(found);
    outbox.show([...dead.outbox, ...waiting.outbox]);
    if (log) audit.show(log.audit);
  }

  return {
    nodes: [head.node, card.node, element("h2", {}, "Messages on their way"), outbox.node,
      ...(isAdmin ? [element("h2", {}, "What was changed"), audit.node] : []),
      element("p", {class: "sub"}, `You are ${session.name} with the role ${session.role}. `,
        element("a", {href: "/api/openapi.json"}, "The API's document"))],
    load,
  };
}

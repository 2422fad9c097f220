// The watch list.
import {may, post} from "../api.js";
import {ask, attempt, button, element, field, table, toast} from "../dom.js";
import {common, date, days, endpoint, moment, number, status, words} from "../format.js";
import {askedOf, listing} from "../listing.js";

export {target} from "./target.js";

const PROTOCOLS = ["auto", "tls", "smtp", "lmtp", "imap", "pop3", "ftp", "ldap", "xmpp", "xmpp-server", "nntp", "sieve",
  "irc", "postgres", "mysql", "mssql", "rdp", "telnet", "vnc"].map((name) => [name, name]);
const STATUSES = ["error", "critical", "warning", "ok", "unknown"];
const TAG_PAGE = (tag) => `#/targets?tag=${encodeURIComponent(tag)}`;

export function tags(names) {
  return (names || []).map((name) => element("a", {class: "tag", href: TAG_PAGE(name)}, name));
}

const columns = [
  {head: "Status", cell: (row) => [status(row.status),
    row.open_alerts > 0 && element("a", {class: "sub problem", href: `#/target/${encodeURIComponent(row.id)}`},
      row.open_alerts === 1 ? "1 alert" : `${row.open_alerts} alerts`),
    !row.enabled && element("span", {class: "sub"}, "paused")]},
  {head: "Target", class: "main", cell: (row) => [
    element("a", {href: `#/target/${encodeURIComponent(row.id)}`}, endpoint(row)),
    row.label && element("span", {class: "sub"}, row.label),
    row.protocol !== "auto" && row.protocol !== "tls" && element("span", {class: "tag"}, row.protocol), ...tags(row.tags)]},
  {head: "Days left", class: "number", cell: (row) => [days(row.days_left),
    row.not_after && element("span", {class: "sub"}, date(row.not_after))]},
  {head: "Certificate", cell: (row) => {
    const failed = row.outcome && row.outcome !== "ok" && (row.error || words(row.outcome));
    return [row.subject ? common(row.subject) : !failed && element("span", {class: "sub"}, "not scanned yet"),
      row.subject && element("span", {class: "sub"}, `by ${common(row.issuer)}`),
      failed && element("span", {class: "sub problem"}, failed),
      row.endpoints > 1 && element("span", {class: "sub"}, `the worst of ${row.endpoints} endpoints`)];
  }},
  {head: "Checked", cell: (row) => [moment(row.last_check), row.agent && element("span", {class: "sub"}, `by ${row.agent}`)]},
];

/** The dialog's fields; what is seldom needed is folded. */
export function targetFields(row = {}) {
  const days = {type: "number", min: 0, max: 3650};
  return [
    field("Host, address or block", {name: "host", required: true, value: row.host, autofocus: true, wide: true,
      autocomplete: "off", spellcheck: "false", placeholder: "www.example.org, 192.0.2.7 or 192.0.2.0/24"}),
    field("Port", {name: "port", type: "number", min: 1, max: 65535, value: row.port, placeholder: "443"}),
    field("Protocol", {name: "protocol", value: row.protocol || "auto"}, PROTOCOLS),
    field("Label", {name: "label", maxlength: 128, value: row.label}),
    field("Tags", {name: "tags", value: (row.tags || []).join(", "), placeholder: "mail, berlin"}),
    element("details", {class: "wide", open: Boolean(row.connect_address || row.interval_s || row.via)},
      element("summary", {}, "Thresholds, address, workers, interval"),
      element("div", {class: "fields"},
        field("Warn at days left", {name: "warn_days", ...days, value: row.warn_days, placeholder: "14"}),
        field("Critical at days left", {name: "crit_days", ...days, value: row.crit_days, placeholder: "3"}),
        field("Connect to address", {name: "connect_address", value: row.connect_address, placeholder: "as DNS says"}),
        field("Probed by workers", {name: "via", value: row.via, maxlength: 63, placeholder: "none: by the monitor; * or a label"}),
        field("Seconds between", {name: "interval_s", type: "number", min: 0, value: row.interval_s || "", placeholder: "as all"}))),
  ];
}

/** What the API takes; numbers that were left empty stay as they are. */
export function targetOf(form) {
  const {tags: text, ...rest} = form;
  for (const name of ["port", "warn_days", "crit_days", "interval_s"])
    if (rest[name] === "") delete rest[name];
    else rest[name] = Number(rest[name]);
  return {...rest, tags: text.split(",").map((tag) => tag.trim()).filter(Boolean)};
}

export function targets({search, memory}) {
  const asked = askedOf(search, ["status", "q", "tag"]);
  const rows = table(columns, element("span", {},
    asked.status || asked.q || asked.tag ? "No target is like that." : "Nothing is like that. Add a target to watch it."),
  {state: (row) => `${row.status} ${row.open_alerts}`});
  const tiles = STATUSES.map((name) => {
    const count = element("b", {}, "–");
    const node = element("button", {type: "button", class: `tile ${name}`, "aria-pressed": "false", onclick: async () => {
      await list.change({status: asked.status === name ? "" : name});
    }}, count, status(name));
    return {name, node, count};
  });
  const untag = asked.tag && element("a", {class: "tag", href: "#/targets", "aria-label": `All tags, not only ${asked.tag}`}, `${asked.tag} ✕`);

  function tell({counts}) {
    for (const {name, node, count} of tiles) {
      count.textContent = number(counts[name] ?? 0);
      node.setAttribute("aria-pressed", String(asked.status === name));
    }
    if (asked.q || asked.tag) return null;
    return asked.status ? counts[asked.status] : Object.values(counts).reduce((sum, count) => sum + count, 0);
  }

  const list = listing({name: "targets", path: "/api/targets", member: "targets", table: rows, asked, memory, on: tell});
  const scan = button("Scan now", () => attempt(async () => {
    const started = await post("/api/tls/scan?wait=0");
    toast(`Scanning ${number(started.total)} targets.`);
  }, scan), {disabled: !may("operate")});
  const add = button("Add target", () => ask("Add a target", targetFields(), "Add", async (form) => {
    const added = await post("/api/tls/targets", targetOf(form));
    await list.load();
    toast(`${form.host} is watched.`, "", `#/target/${encodeURIComponent(added.id)}`);
  }), {class: "", disabled: !may("operate")});

  return {
    nodes: [
      element("h1", {}, "Targets"),
      element("div", {class: "tiles"}, tiles.map(({node}) => node)),
      list.form([
        field("Search", {name: "q", type: "search", value: asked.q, placeholder: "host, label, subject or issuer", "aria-keyshortcuts": "/"}),
        untag, element("span", {class: "space"}), scan, add]),
      ...list.nodes,
    ],
    load: list.load,
    hears: (event) => ["result", "target", "agent", "alert"].includes(event.kind) || (event.kind === "scan" && event.done >= event.total),
  };
}

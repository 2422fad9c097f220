// One target in full: how it is, its chain, its alerts, and what has changed.
import {get, may, post, request} from "../api.js";
import {ask, attempt, button, element, list, part, table, toast} from "../dom.js";
import {common, date, days, endpoint, key, moment, mono, status, words} from "../format.js";
import {alertColumns, mute} from "./alerts.js";
import {tags, targetFields, targetOf} from "./targets.js";

const fingerprintLink = (hex, text) => element("a", {class: "mono", href: `#/certificate/${encodeURIComponent(hex)}`}, text || hex);

/** How much of its time has passed, and how much is left. */
function lifetime(certificate, left, state) {
  const begin = Date.parse(certificate.not_before);
  const end = Date.parse(certificate.not_after);
  if (!(end > begin)) return null;
  const passed = Math.min(1, Math.max(0, (Date.now() - begin) / (end - begin)));
  return element("div", {class: `lifetime ${state}`},
    element("progress", {max: 1, value: passed, "aria-label": `${Math.round(passed * 100)} % of its time has passed`}),
    element("span", {class: "sub"}, date(certificate.not_before)),
    element("b", {}, days(left)),
    element("span", {class: "sub"}, date(certificate.not_after)));
}

function trusted(trust) {
  if (!trust || trust.trusted === undefined) return null;
  return trust.trusted ? "yes" : element("span", {class: "problem"}, `no: ${trust.error ? words(trust.error) : "not by our roots"}`);
}

function named(trust) {
  if (!trust || trust.name_matches === undefined || trust.name_matches === null) return null;
  if (trust.name_matches) return trust.matched_name ? `yes, as ${trust.matched_name}` : "yes";
  return element("span", {class: "problem"}, "no, it is for other names");
}

function chain(record) {
  const links = [record.certificate, ...(record.chain || [])].filter((link) => link && link.subject !== undefined);
  if (links.length < 2) return [];
  return [element("h3", {}, "Chain, as it was sent"), element("ol", {class: "chain"}, links.map((link) => element("li", {},
    link.fingerprint_sha256 ? element("a", {href: `#/certificate/${encodeURIComponent(link.fingerprint_sha256)}`}, common(link.subject))
      : common(link.subject),
    element("span", {class: "sub"}, `by ${common(link.issuer)}, until ${date(link.not_after)}`))))];
}

function result(row) {
  const record = row.record || {};
  const certificate = record.certificate || {};
  const tls = record.tls || {};
  const failed = row.outcome !== "ok";
  return element("section", {class: "card"},
    element("h2", {}, status(row.status), ` ${row.endpoint || record.ip || "this endpoint"}${row.agent ? `, seen by ${row.agent}` : ""}`),
    certificate.not_after && lifetime(certificate, row.days_left, row.status),
    list([
      ["Last probe", failed && element("span", {class: "problem"}, `${words(row.outcome)}${row.error ? `: ${row.error}` : ""}`)],
      ["Subject", row.subject], ["Issuer", row.issuer],
      ["Names", (certificate.dns_names || []).concat(certificate.ip_addresses || []).join(", ")],
      ["Trusted", trusted(record.trust)], ["For this name", named(record.trust)],
      ["Key", key(certificate.key_type, certificate.key_bits)], ["Signature", certificate.signature_algorithm],
      ["Connection", [tls.version, tls.cipher, tls.group].filter(Boolean).join(", ")],
      ["Findings", record.findings && record.findings.length > 0 && record.findings.map((finding) =>
        element("span", {class: "tag"}, words(finding)))],
      ["SHA-256", row.fingerprint && fingerprintLink(row.fingerprint)],
      ["Checked", moment(row.last_check)], ["Last reached", row.last_ok && failed && moment(row.last_ok)],
    ]),
    chain(record));
}

const historyColumns = [
  {head: "When", cell: (change) => moment(change.at)},
  {head: "Status", cell: (change) => status(change.status)},
  {head: "What is new", class: "main", cell: (change) => [words(change.change).replaceAll(",", ", "),
    change.outcome !== "ok" && element("span", {class: "sub"}, words(change.outcome))]},
  {head: "Days left", class: "number", cell: (change) => days(change.days_left)},
  {head: "Certificate", cell: (change) => change.fingerprint
    ? fingerprintLink(change.fingerprint, `${change.fingerprint.slice(0, 16)}…`) : "–"},
  {head: "Endpoint", cell: (change) => [change.endpoint || "–", change.agent && element("span", {class: "sub"}, `by ${change.agent}`)]},
];

export function target({id}) {
  const path = `/api/targets/${encodeURIComponent(id)}`;
  const own = `/api/tls/targets/${encodeURIComponent(id)}`;
  let row = null;

  const head = part("h1", {}, ([found]) => [endpoint(found), " ", status(found.status)]);
  const about = part("div", {class: "about"}, ([found]) => [
    found.label && element("span", {}, found.label), tags(found.tags),
    found.source !== "api" && element("span", {class: "sub"}, found.source === "config" ? "from the config file" : `from an ${found.source}`),
    found.next_check && element("span", {class: "sub"}, "next check ", moment(found.next_check))]);
  const results = part("div", {}, (found) => found.length ? found.map(result)
    : element("p", {class: "empty"}, "Not scanned yet."));
  const alerts = table(alertColumns({withTarget: false}), "There were none.");
  const history = table(historyColumns, "Nothing has changed yet.",
    {key: (change) => [change.at, change.endpoint, change.agent, change.change].join(" ")});
  const operates = may("operate");
  const scan = button("Scan now", () => attempt(() => post(`${path}/scan`).then(() => toast("Scanning.")), scan), {disabled: !operates});
  const change = button("Change", () => ask("Change the target", targetFields(row), "Save", async (form) => {
    await request("PUT", own, targetOf(form));
    await load();
  }));
  const pause = button("Pause", () => attempt(async () => {
    await request("PATCH", own, {enabled: !row.enabled});
    await load();
  }, pause));
  const remove = button("Remove", () => ask(`Remove ${endpoint(row)}?`,
    [element("p", {class: "wide"}, "Its results and alerts go with it.")], "Remove", async () => {
      await request("DELETE", own);
      location.hash = "#/targets";
    }), {class: "danger"});

  async function load() {
    const found = await get(path);
    const {results: seen, history: past, alerts: told, ...rest} = found;
    row = rest;
    head.show([row]);
    about.show([row]);
    results.show(seen);
    alerts.show(told);
    history.show(past);
    pause.textContent = row.enabled ? "Pause" : "Go on";
    for (const control of [change, pause, remove]) {
      control.disabled = !operates || row.source === "config";
      control.title = row.source === "config" ? "This target stands in the config file." : "";
    }
  }

  return {
    nodes: [
      head.node,
      element("div", {class: "bar"}, about.node, element("span", {class: "space"}), scan,
        button("Mute…", () => mute({target: id}), {disabled: !operates}), change, pause, remove),
      results.node,
      element("h2", {}, "Alerts"), alerts.node,
      element("h2", {}, "History"), history.node,
    ],
    title: () => endpoint(row),
    load,
    hears: (event) => event.target === id || event.id === id || (event.kind === "alert" && event.change),
  };
}

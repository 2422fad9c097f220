// What Certificate Transparency told of watched names.
import {ask, button, element, field, list, table} from "../dom.js";
import {common, date, key, moment, mono, status, words} from "../format.js";
import {askedOf, listing} from "../listing.js";

const VERDICTS = ["", "suspicious", "lookalike", "malformed", "info"].map((name) => [name, name || "all"]);
const KIND = {suspicious: "critical", lookalike: "warning", malformed: "warning", info: "ok"};

function tell(hit) {
  const record = hit.record || {};
  const certificate = record.certificate || {};
  ask(hit.names[0] || "A certificate", [list([
    ["Verdict", hit.verdict], ["Why", (record.reasons || []).map(words).join(", ")],
    ["Names", hit.names.join(", ")], ["Watched", hit.matched.join(", ")],
    ["Subject", certificate.subject], ["Issuer", hit.issuer], ["Serial", mono(certificate.serial)],
    ["Valid", certificate.not_after && `${date(certificate.not_before)} to ${date(certificate.not_after)}`],
    ["Key", key(certificate.key_type, certificate.key_bits)],
    ["SHA-256", certificate.fingerprint_sha256 && element("a", {class: "mono",
      href: `#/certificate/${encodeURIComponent(certificate.fingerprint_sha256)}`}, certificate.fingerprint_sha256)],
    ["Log", hit.source_log], ["Known by", hit.known_by], ["Seen", moment(hit.seen_at)],
  ])]);
}

const columns = [
  {head: "Verdict", cell: (hit) => element("span", {class: `status ${KIND[hit.verdict] || "unknown"}`}, hit.verdict)},
  {head: "Names", class: "main", cell: (hit) => [
    button(hit.names.slice(0, 6).join(", ") || "no name", () => tell(hit), {class: "link"}),
    hit.names.length > 6 && element("span", {class: "sub"}, `and ${hit.names.length - 6} more`)]},
  {head: "Watched", cell: (hit) => hit.matched.join(", ")},
  {head: "Issuer", cell: (hit) => common(hit.issuer)},
  {head: "Log", cell: (hit) => hit.source_log || "–"},
  {head: "Seen", cell: (hit) => moment(hit.seen_at || hit.at)},
];

export function ct({search, memory}) {
  const asked = askedOf(search, ["verdict"]);
  const rows = table(columns, "No hit. Give the monitor --watch to follow the logs.");
  const hits = listing({name: "ct", path: "/api/ct", member: "hits", table: rows, asked, memory});
  return {
    nodes: [element("h1", {}, "Certificate Transparency"),
      hits.form([field("Verdict", {name: "verdict", value: asked.verdict}, VERDICTS)]), ...hits.nodes],
    load: hits.load,
    hears: (event) => event.kind === "ct" || event.kind === "alert",
  };
}

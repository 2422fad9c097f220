// How values are shown, in one place.
import {element} from "./dom.js";

/** The dot, its shape and its word. */
export function status(name) {
  return element("span", {class: `status ${name}`}, name);
}

export function days(value) {
  if (value === null || value === undefined) return "–";
  if (value < 0) return `expired ${span(-value)} ago`;
  return span(value);
}

function span(value) {
  return value < 2 ? `${(value * 24).toFixed(value * 24 < 10 ? 1 : 0)} h` : `${number(Math.floor(value))} d`;
}

export function number(value) {
  return value.toLocaleString("en");
}

export function date(value) {
  return value ? new Date(value).toISOString().slice(0, 10) : "–";
}

export function moment(value) {
  if (!value) return "–";
  const when = new Date(value);
  const text = when.toISOString();
  return element("time", {datetime: text, title: text}, ago(when));
}

/** What was a minute ago is not for long. */
export function keepTime() {
  setInterval(() => {
    for (const time of document.querySelectorAll("time[datetime]")) time.textContent = ago(new Date(time.dateTime));
  }, 15000);
}

function ago(when) {
  const seconds = Math.round((Date.now() - when.getTime()) / 1000);
  const words = new Intl.RelativeTimeFormat("en", {numeric: "auto"});
  for (const [unit, size] of [["day", 86400], ["hour", 3600], ["minute", 60]])
    if (Math.abs(seconds) >= size) return words.format(-Math.trunc(seconds / size), unit);
  return words.format(-seconds, "second");
}

/** The common name of "CN=a,O=b", or all of it. */
export function common(name) {
  const found = /(?:^|,)\s*CN=((?:\\.|[^,\\])*)/.exec(name || "");
  return found ? found[1].replace(/\\(.)/g, "$1") : name || "–";
}

/** "ec 256"; what the name says already is not said again. */
export function key(type, bits) {
  return [type, bits && !(type || "").includes(bits) && bits].filter(Boolean).join(" ");
}

export function endpoint(row) {
  const host = row.host.includes(":") && !row.is_cidr ? `[${row.host}]` : row.host;
  return row.port ? `${host}:${row.port}` : host;
}

export function mono(text) {
  return text && element("span", {class: "mono"}, text);
}

/** Words of the program: "connection_refused" */
export function words(text) {
  return (text || "").replaceAll("_", " ");
}

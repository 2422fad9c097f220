// The frame: pages by the hash of the address, who is logged in, and what happens meanwhile.
//
// A page is made once, and reads what it shows as often as events say that something has changed:
// so nothing is lost that somebody types, selects or has scrolled to.
import {follow, get, loadSession, login, request, session} from "./api.js";
import {element, field, toast} from "./dom.js";
import {keepTime, number} from "./format.js";
import {agents} from "./views/agents.js";
import {alerts} from "./views/alerts.js";
import {certificate, certificates} from "./views/certificates.js";
import {ct} from "./views/ct.js";
import {expiry} from "./views/expiry.js";
import {health} from "./views/health.js";
import {target, targets} from "./views/targets.js";

const pages = [
  ["targets", "Targets", targets], ["alerts", "Alerts", alerts], ["certificates", "Certificates", certificates],
  ["expiry", "Expiry", expiry], ["ct", "Transparency", ct], ["agents", "Agents", agents], ["health", "Health", health],
];
const details = {target, certificate};
const main = document.getElementById("main");
const QUIET_MS = 1000; // between two readings of a page
const SHARE = 10; // of the time that reading takes, at least
const COUNTED = 100; // alerts, at most

/* --- Pages --- */

let shown = null; // {load(), hears(event), memory}
let visit = 0;
const visits = new Map(); // of the history, by its state's `visit`: {scroll, count}

/** What a page wants to find again when somebody comes back to it; pages write into it. */
function memory() {
  if (!history.state) history.replaceState({visit: `${Date.now()}.${visits.size}`}, "");
  const name = history.state.visit;
  if (!visits.has(name)) visits.set(name, {scroll: 0});
  return visits.get(name);
}

async function show() {
  const [path, search] = (location.hash.slice(2) || "targets").split("?");
  const [name, id] = path.split("/");
  const page = pages.find(([known]) => known === name);
  const view = id ? details[name] : page && page[2];
  const mine = ++visit;
  const kept = memory();

  for (const link of document.querySelectorAll("nav a")) {
    if (link.hash === `#/${id ? `${name}s` : name}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  document.title = `${page ? page[1] : "trawl"} · trawl`;
  shown = null;
  if (!view) return main.replaceChildren(element("p", {class: "empty"}, "There is no such page."));
  main.setAttribute("aria-busy", "true");
  try {
    const made = view({search: new URLSearchParams(search), id: id && decodeURIComponent(id), memory: kept});
    await made.load();
    if (mine !== visit) return;
    main.replaceChildren(...made.nodes);
    if (made.title) document.title = `${made.title()} · trawl`;
    window.scrollTo(0, kept.scroll);
    shown = {...made, memory: kept};
  } catch (error) {
    if (mine !== visit) return;
    if (error.status === 401) return enter();
    main.replaceChildren(element("p", {class: "empty problem"}, error.message));
  } finally {
    if (mine === visit) main.removeAttribute("aria-busy");
  }
}

/* --- Reading a page again --- */

let timer = 0;
let pause = 0;

const isRead = () => {
  const selection = getSelection();
  return !selection.isCollapsed && main.contains(selection.anchorNode);
};

/** Soon, but never so often that the server has no time for anything else. */
function reload() {
  if (timer || !shown) return;
  timer = setTimeout(async () => {
    timer = 0;
    pause = QUIET_MS;
    if (document.hidden) return; // see visibilitychange
    if (isRead()) return reload();
    const page = shown;
    const began = performance.now();
    try {
      if (page) await page.load();
    } catch (error) {
      if (error.status === 401) enter();
      else if (error.status === 404 && page === shown) main.replaceChildren(element("p", {class: "empty problem"}, error.message));
    }
    pause = Math.max(QUIET_MS, SHARE * (performance.now() - began));
    setTimeout(() => { if (!timer) pause = 0; }, pause);
  }, Math.max(pause, 100));
}

/* --- Events --- */

async function countAlerts() {
  const page = await get(`/api/alerts?state=open&acknowledged=false&limit=${COUNTED}`).catch(() => null);
  const link = document.querySelector('nav a[href="#/alerts"]');
  if (!page || !link) return;
  const count = page.alerts.length;
  link.replaceChildren("Alerts", ...(count ? [" ", element("span", {class: "count", "aria-label": `${count} open`},
    page.next === null ? String(count) : `${COUNTED}+`)] : []));
}

let counting = 0;
function countSoon() {
  clearTimeout(counting);
  counting = setTimeout(countAlerts, 300);
}

function tellProgress({total, done}) {
  const line = document.getElementById("progress");
  line.hidden = done >= total;
  line.max = total;
  line.value = done;
  line.setAttribute("aria-label", `Scanning: ${number(done)} of ${number(total)}`);
}

function announce(event) {
  if (event.kind === "alert" && event.title && event.state !== "resolved" && !event.muted)
    toast(event.title, event.severity, event.target ? `#/target/${encodeURIComponent(event.target)}` : "#/alerts");
  if (event.kind === "alert" || event.gap) countSoon();
  if (event.kind === "scan") tellProgress(event);
  if (shown && (event.gap || !shown.hears || shown.hears(event))) reload();
}

/* --- Who is there --- */

let unfollow = null;

function leave() {
  if (unfollow) unfollow();
  unfollow = null;
  session.role = "none";
  document.body.classList.add("out");
}

function enter() {
  leave();
  visit++;
  shown = null;
  const problem = element("p", {class: "problem", role: "alert"});
  const form = element("form", {class: "card login", onsubmit: async (event) => {
    event.preventDefault();
    try {
      await login(new FormData(form).get("token").trim());
      await begin();
    } catch (error) {
      problem.textContent = error.message;
    }
  }},
  element("h1", {}, "Log in"),
  element("p", {}, "The link that the monitor told at its start logs in by itself. The token also stands in the file that it named."),
  element("input", {name: "username", autocomplete: "username", value: "trawl", hidden: true}),
  field("Token", {name: "token", type: "password", required: true, autocomplete: "current-password"}),
  problem, element("button", {}, "Log in"));
  main.removeAttribute("aria-busy");
  main.replaceChildren(form);
  form.elements.token.focus();
}

async function begin() {
  await loadSession();
  if (session.role === "none") return enter();
  document.body.classList.remove("out");
  document.getElementById("who").textContent = session.name === session.role ? session.role : `${session.name} (${session.role})`;
  unfollow ||= follow(announce, (words, good, again) => {
    const live = document.getElementById("live");
    live.textContent = words;
    live.className = `live ${good ? "on" : "off"}`;
    if (again) {
      countSoon();
      reload();
    } else if (!good) {
      loadSession().then(() => session.role === "none" && enter(), () => null);
    }
  });
  countAlerts();
  await show();
}

function onKey(event) {
  const typing = event.target.closest("input, select, textarea, dialog");
  if (event.key !== "/" || typing || event.ctrlKey || event.metaKey || event.altKey) return;
  const search = main.querySelector('input[type="search"]');
  if (!search) return;
  event.preventDefault();
  search.select();
}

async function start() {
  const token = /^#token=(.+)$/.exec(location.hash);
  history.scrollRestoration = "manual";
  document.getElementById("pages").append(...pages.map(([name, words]) => element("a", {href: `#/${name}`}, words)));
  document.getElementById("logout").addEventListener("click", async () => {
    await request("DELETE", "/api/session");
    enter();
  });
  window.addEventListener("hashchange", () => {
    if (shown) shown.memory.scroll = window.scrollY;
    document.getElementById("dialog").close();
    if (session.role === "none") return;
    show();
    main.focus({preventScroll: true});
  });
  window.addEventListener("keydown", onKey);
  document.addEventListener("visibilitychange", () => document.hidden || reload());
  keepTime();
  if (token) {
    history.replaceState(null, "", "#/targets");
    await login(decodeURIComponent(token[1])).catch((error) => toast(error.message, "error"));
  }
  await begin().catch((error) => (error.status === 401 ? enter() : main.replaceChildren(
    element("p", {class: "empty problem"}, error.message))));
}

start();

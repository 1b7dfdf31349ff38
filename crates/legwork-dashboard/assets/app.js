// The one script of the dashboard. Every page works without it; with it, pages keep themselves up
// to date, times tick, and destructive actions ask first. It builds no HTML: the server does.
"use strict";

const body = document.body;
const liveSign = document.getElementById("live");
const trouble = document.getElementById("trouble");

// ---- Times: relative text with seconds, absolute local time in the title.

const UNITS = [["d", 86400], ["h", 3600], ["min", 60], ["s", 1]];
const local = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
const hours = { hour: "2-digit", minute: "2-digit", hourCycle: "h23" };
const clock = new Intl.DateTimeFormat(undefined, hours);

function relative(seconds) {
  const size = Math.abs(seconds);
  if (size < 1) return "now";
  const [unit, length] = UNITS.find(([, length]) => size >= length);
  const text = `${Math.floor(size / length)} ${unit}`;
  return seconds > 0 ? `in ${text}` : `${text} ago`;
}

function tick(root) {
  const now = Date.now();
  for (const time of root.querySelectorAll("time")) {
    const at = new Date(time.dateTime);
    if (Number.isNaN(at.getTime())) continue;
    const isClock = time.classList.contains("clock");
    const text = isClock ? clock.format(at) : relative((at - now) / 1000);
    if (time.textContent !== text) time.textContent = text;
    if (!isClock && !time.dataset.local) {
      time.dataset.local = "yes";
      time.title = `${local.format(at)}, ${time.title}`;
    }
  }
}

// ---- Ticked jobs: all of the page at once, and how many.

function count(form) {
  const boxes = [...form.querySelectorAll('input[name="id"]')];
  const n = boxes.filter((box) => box.checked).length;
  const all = form.querySelector("[data-all]");
  const chosen = form.querySelector("[data-chosen]");
  if (all) {
    all.closest("label").hidden = boxes.length === 0;
    all.checked = n > 0 && n === boxes.length;
    all.indeterminate = n > 0 && n < boxes.length;
  }
  if (chosen) chosen.textContent = n === 0 ? "Nothing ticked" : `${n} ticked:`;
  for (const button of form.querySelectorAll(".bulk button")) button.disabled = n === 0;
}

function prepare(root) {
  tick(root);
  for (const form of root.querySelectorAll("form.list")) count(form);
  if (root.matches && root.matches("form.list")) count(root);
}

document.addEventListener("change", (event) => {
  const form = event.target.form;
  if (!form || !form.matches("form.list")) return;
  if (event.target.matches("[data-all]")) {
    for (const box of form.querySelectorAll('input[name="id"]')) box.checked = event.target.checked;
  }
  count(form);
});

document.addEventListener("submit", (event) => {
  const question = event.submitter && event.submitter.dataset.confirm;
  if (question && !window.confirm(question)) event.preventDefault();
});

// ---- Theme: a cookie, so that the server draws the page in it from the start.

const themeButton = document.getElementById("theme");
if (themeButton) {
  themeButton.hidden = false;
  themeButton.addEventListener("click", () => {
    const root = document.documentElement;
    const isDark = root.dataset.theme
      ? root.dataset.theme === "dark"
      : window.matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = isDark ? "light" : "dark";
    const scope = `path=${body.dataset.base || "/"}; max-age=31536000; samesite=strict`;
    document.cookie = `legwork_theme=${root.dataset.theme}; ${scope}`;
  });
}

// ---- Live: fragments by id, with what the reader is doing kept.

// Where an element is within another, as tag names and positions: the same place in its successor.
function placeOf(element, root) {
  const path = [];
  for (let at = element; at !== root; at = at.parentElement) {
    path.unshift([...at.parentElement.children].indexOf(at));
  }
  return path;
}

function at(root, path) {
  return path.reduce((element, index) => element && element.children[index], root);
}

// What names a control: its address, its value, or nothing.
function nameOf(element) {
  const name = element.getAttribute("formaction") || element.getAttribute("href") || element.value;
  return `${element.tagName} ${name || ""}`;
}

function find(root, path, name) {
  const same = at(root, path);
  if (same && nameOf(same) === name) return same;
  const all = [...root.querySelectorAll("a, button, input, summary, pre")];
  return all.find((element) => nameOf(element) === name);
}

function replace(id, html) {
  const old = document.getElementById(id);
  if (!old) return;
  const template = document.createElement("template");
  template.innerHTML = html;
  const fresh = template.content.firstElementChild;
  // Not `fresh.id`: in a form, that is the control named "id".
  if (!fresh || fresh.getAttribute("id") !== id) return;

  const active = document.activeElement;
  const holdsFocus = active && active !== old && old.contains(active);
  // A field that is being written in is left alone until the reader is done.
  const isField = holdsFocus && active.matches('input:not([type="checkbox"]), select, textarea');
  if (isField && active.value) return;
  const focus = holdsFocus ? [placeOf(active, old), nameOf(active)] : null;

  const boxes = [...old.querySelectorAll('input[name="id"]:checked')];
  const ticked = new Set(boxes.map((box) => box.value));
  for (const box of fresh.querySelectorAll('input[name="id"]')) box.checked = ticked.has(box.value);
  const written = [...old.querySelectorAll("input[placeholder]")].filter((input) => input.value);
  for (const input of written) {
    const label = CSS.escape(input.getAttribute("aria-label") || "");
    const successor = fresh.querySelector(`input[aria-label="${label}"]`);
    if (successor) successor.value = input.value;
  }
  const open = [...old.querySelectorAll("details[open]")].map((details) => placeOf(details, old));
  const shift = fresh.childElementCount === old.childElementCount;
  for (const path of open) {
    const details = shift && at(fresh, path);
    if (details && details.tagName === "DETAILS") details.open = true;
  }
  const scrolled = [...old.querySelectorAll("pre")].map((pre) => pre.scrollTop);
  const left = old.scrollLeft;

  prepare(fresh);
  old.replaceWith(fresh);
  fresh.scrollLeft = left;
  fresh.querySelectorAll("pre").forEach((pre, index) => { pre.scrollTop = scrolled[index] || 0; });
  if (focus) {
    const successor = find(fresh, ...focus);
    if (successor) successor.focus({ preventScroll: true });
  }
}

let source = null;

function sign(isLive) {
  liveSign.hidden = false;
  liveSign.classList.toggle("off", !isLive);
  liveSign.lastElementChild.textContent = isLive ? "Live" : "Not live";
}

function connect() {
  if (source || !body.dataset.events || document.hidden) return;
  source = new EventSource(body.dataset.events);
  source.addEventListener("fragments", (event) => {
    sign(true);
    trouble.hidden = true;
    for (const [id, html] of Object.entries(JSON.parse(event.data))) replace(id, html);
  });
  source.addEventListener("trouble", (event) => {
    trouble.textContent = event.data;
    trouble.hidden = false;
  });
  source.addEventListener("error", () => sign(false));
}

function disconnect() {
  if (source) source.close();
  source = null;
}

// A browser opens few connections to one host: a page that nobody sees must not hold one.
document.addEventListener("visibilitychange", () => (document.hidden ? disconnect() : connect()));
window.addEventListener("pagehide", disconnect);
window.addEventListener("pageshow", connect);

prepare(document);
// What an action did is told once, not again with each reload.
const address = new URL(location.href);
if (address.searchParams.has("done")) {
  address.searchParams.delete("done");
  history.replaceState(null, "", address);
}
// Narrow windows show a part of the navigation: the part with the page that is open.
for (const entry of document.querySelectorAll("nav [aria-current]")) {
  entry.scrollIntoView({ block: "nearest", inline: "center" });
}
setInterval(() => tick(document), 1000);
connect();

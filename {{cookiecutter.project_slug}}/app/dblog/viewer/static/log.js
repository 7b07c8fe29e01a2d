// Conveniences only: the log's pages say and do everything without them.

// Keys work unless somebody is typing.
const allRows = [...document.querySelectorAll(".ui-row")];
const help = document.getElementById("log-keys");
const helpButton = document.getElementById("log-keys-button");

function move(step) {
  // Rows that are folded into a line are not seen until it is opened.
  const rows = allRows.filter((row) => row.checkVisibility());
  const at = rows.indexOf(document.activeElement);
  rows[Math.min(Math.max(at + step, 0), rows.length - 1)]?.focus();
}

const keys = {
  j: () => move(1),
  k: () => move(-1),
  "/": () => document.getElementById("log-search")?.select(),
  "?": () => help.showModal(),
};

// An element that has a key of its own shows it.
for (const element of document.querySelectorAll("[data-key]")) {
  keys[element.dataset.key] = () => element.click();
  const key = document.createElement("kbd");
  key.textContent = element.dataset.key;
  element.append(" ", key);
}

// Once turned off, the keys are off on every page.
const keysOff = document.getElementById("log-keys-off");

function storedKeysOff() {
  try {
    return localStorage.getItem("log-keys-off") === "1";
  } catch {
    return false;
  }
}

if (keysOff) {
  keysOff.checked = storedKeysOff();
  keysOff.addEventListener("change", () => {
    try {
      localStorage.setItem("log-keys-off", keysOff.checked ? "1" : "");
    } catch {
      // Storage is forbidden here: the choice lasts as long as the page.
    }
  });
}

document.addEventListener("keydown", (event) => {
  if (keysOff?.checked) return;
  const typing = event.target.closest?.("input:not([type=checkbox]), select, textarea, dialog[open]");
  if (!typing && !event.ctrlKey && !event.metaKey && !event.altKey && keys[event.key]) {
    event.preventDefault();
    keys[event.key]();
  }
});

if (helpButton) {
  helpButton.hidden = false;
  helpButton.addEventListener("click", keys["?"]);
}

for (const button of document.querySelectorAll("[data-copy]")) {
  button.hidden = false;
  button.addEventListener("click", async () => {
    const source = document.getElementById(button.dataset.copy);
    try {
      await navigator.clipboard.writeText(source.value);
      button.textContent = "Copied";
    } catch {
      // Copying needs https and the permission; without them the text is shown, selected.
      source.closest("details").open = true;
      source.select();
    }
  });
}

// The page says "12 new rows", but never scrolls by itself.
const news = document.querySelector("[data-news]");

async function look() {
  if (document.hidden) return;
  try {
    const { rows: count } = await (await fetch(news.dataset.news)).json();
    if (count > 0) {
      const link = document.createElement("a");
      link.href = news.dataset.newest;
      link.textContent = count < 100 ? `${count} new row${count > 1 ? "s" : ""}` : "99+ new rows";
      news.replaceChildren(link);
    }
  } catch {
    // The next try may find the server again.
  }
}

if (news) setInterval(look, 10_000);

// The server takes typed and picked times as times of the reader's zone.
const zoneField = document.querySelector("input[name=zone]");

if (zoneField) {
  const ahead = -new Date().getTimezoneOffset();
  const size = Math.abs(ahead);
  zoneField.value = Math.round(ahead);
  const minutes = size % 60 ? `:${String(size % 60).padStart(2, "0")}` : "";
  const note = document.querySelector("[data-picked]");
  if (ahead && note) {
    note.textContent =
      `in your time (UTC${ahead < 0 ? "\u2212" : "+"}${Math.floor(size / 60)}${minutes})`;
  }
}

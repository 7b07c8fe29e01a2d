// Conveniences only: without this file boxes are ticked and buttons pressed by hand.

const boxes = [...document.querySelectorAll(".problems-pick input[name=problem]")];
const all = document.getElementById("problems-all");
const chosen = document.getElementById("problems-chosen");
const form = document.getElementById("problems-decide");

function show() {
  const count = boxes.filter((box) => box.checked).length;
  chosen.textContent = count ? `${count} chosen` : "";
  all.checked = count === boxes.length;
  all.indeterminate = count > 0 && !all.checked;
}

// The box of the row that has the focus.
const boxHere = () => document.activeElement.closest?.("tr")?.querySelector(".problems-pick input[name=problem]");

// What is ticked; if nothing is, the row that has the focus.
function choose() {
  const here = boxHere();
  if (here && !boxes.some((box) => box.checked)) here.checked = true;
  show();
  return boxes.some((box) => box.checked);
}

const keys = {
  x: () => {
    const here = boxHere();
    if (here) here.checked = !here.checked;
    show();
  },
  e: () => {
    const button = form.querySelector("[name=status][value=resolved]");
    if (button && choose()) button.click();
  },
  m: () => {
    const menu = form.querySelector(".problems-mute");
    if (menu && choose()) {
      menu.open = true;
      menu.querySelector("select").focus();
    }
  },
};

if (form) {
  all.hidden = false;
  all.addEventListener("change", () => {
    for (const box of boxes) box.checked = all.checked;
    show();
  });
  for (const box of boxes) box.addEventListener("change", show);
  // A browser that goes back remembers what was ticked.
  addEventListener("pageshow", show);

  document.addEventListener("keydown", (event) => {
    const typing = event.target.closest?.("input:not([type=checkbox]), select, textarea, dialog[open]");
    if (typing || event.ctrlKey || event.metaKey || event.altKey || localStorage.getItem("log-keys-off")) return;
    if (keys[event.key]) {
      event.preventDefault();
      keys[event.key]();
    } else if (event.key === "Escape") {
      form.querySelector(".problems-mute")?.removeAttribute("open");
    }
  });
}

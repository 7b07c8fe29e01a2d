// Conveniences only: without this file boxes are ticked, and buttons pressed, by hand.
// The braces keep these names apart from those of log.js.
{
  const form = document.getElementById("problems-decide");
  const all = document.getElementById("problems-all");
  const boxes = [...document.querySelectorAll(".problems-pick input[name=problem]")];
  const ticked = () => boxes.filter((box) => box.checked).length;
  // The box of the row that has the focus.
  const here = () => document.activeElement.closest("tr")?.querySelector(".problems-pick input[name=problem]");

  function show() {
    const count = ticked();
    document.getElementById("problems-chosen").textContent = count ? `${count} chosen` : "";
    all.checked = count === boxes.length;
    all.indeterminate = count > 0 && !all.checked;
  }

  // A key decides about the row that has the focus, if nothing is ticked.
  function choose() {
    const box = here();
    if (box && !ticked()) box.checked = true;
    show();
  }

  if (form) {
    const menu = form.querySelector(".problems-mute");
    all.hidden = false;
    all.addEventListener("change", () => {
      for (const box of boxes) box.checked = all.checked;
      show();
    });
    for (const box of boxes) box.addEventListener("change", show);
    // A browser that goes back restores the ticks, so they are counted again.
    addEventListener("pageshow", show);

    form.addEventListener("submit", choose);
    menu?.addEventListener("toggle", () => {
      if (!menu.open) return;
      choose();
      menu.querySelector("select").focus();
    });

    document.addEventListener("keydown", (event) => {
      if (document.getElementById("log-keys-off")?.checked) return;
      const typing = event.target.closest?.("input:not([type=checkbox]), select, textarea, dialog[open]");
      if (event.key === "Escape") menu?.removeAttribute("open");
      if (event.key !== "x" || typing || event.ctrlKey || event.metaKey || event.altKey) return;
      const box = here();
      if (box) box.checked = !box.checked;
      show();
    });
  }
}

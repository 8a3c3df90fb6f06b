// Sorting, filtering and tooltips.  The page can be read in full without this script.
"use strict";
(() => {
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  const hiddenArms = new Set();
  const resource = document.getElementById("resource");
  const emulated = document.getElementById("emulated");

  function apply() {
    const wanted = resource.value;
    for (const element of all("[data-arm]")) {
      element.classList.toggle("off", hiddenArms.has(element.dataset.arm));
    }
    for (const element of all("[data-resource]")) {
      element.classList.toggle("gone", wanted !== "" && element.dataset.resource !== wanted);
    }
    for (const item of all("[data-toggle-arm]")) {
      const shown = !hiddenArms.has(item.dataset.toggleArm);
      item.querySelector("button").setAttribute("aria-pressed", String(shown));
    }
  }

  function setArm(arm, shown) {
    if (shown) hiddenArms.delete(arm); else hiddenArms.add(arm);
  }

  for (const item of all("[data-toggle-arm]")) {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...item.childNodes);
    button.addEventListener("click", () => {
      const arm = item.dataset.toggleArm;
      setArm(arm, hiddenArms.has(arm));
      apply();
    });
    item.append(button);
  }
  emulated.addEventListener("change", () => {
    for (const item of all("[data-emulated]")) setArm(item.dataset.toggleArm, emulated.checked);
    apply();
  });
  resource.addEventListener("change", apply);
  const anyEmulated = document.querySelector("[data-emulated]") !== null;
  emulated.closest("label").classList.toggle("gone", !anyEmulated);
  document.getElementById("filters").hidden = false;
  apply();

  // Sorting: numbers by data-sort, everything else by its text; stable, so that sorts combine.
  for (const table of all("[data-sortable]")) {
    const heads = all("thead th", table);
    heads.forEach((head, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => {
        const down = head.getAttribute("aria-sort") === "ascending";
        heads.forEach((other) => other.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", down ? "descending" : "ascending");
        const rows = all("tbody tr", table);
        const cell = (row) => row.cells[column];
        const compare = (a, b) => {
          const x = cell(a).dataset.sort, y = cell(b).dataset.sort;
          if (x !== undefined && y !== undefined) return Number(x) - Number(y);
          if (x !== undefined || y !== undefined) return x === undefined ? 1 : -1;
          return cell(a).textContent.trim().localeCompare(cell(b).textContent.trim());
        };
        rows.sort((a, b) => (down ? -compare(a, b) : compare(a, b)));
        table.tBodies[0].append(...rows);
      });
    });
  }

  // Tooltips: the <title> of a mark, at the pointer and at once.
  const tip = document.getElementById("tip");
  for (const mark of all(".mark")) {
    const title = mark.querySelector("title");
    if (!title) continue;
    mark.dataset.tip = title.textContent;
    title.remove();
  }
  document.addEventListener("pointermove", (event) => {
    const mark = event.target instanceof Element ? event.target.closest(".mark") : null;
    tip.hidden = !mark;
    if (!mark) return;
    tip.textContent = mark.dataset.tip;
    const box = tip.getBoundingClientRect();
    const x = Math.min(event.clientX + 14, innerWidth - box.width - 8);
    const above = event.clientY - box.height - 12;
    tip.style.left = `${Math.max(8, x)}px`;
    tip.style.top = `${above > 4 ? above : event.clientY + 18}px`;
  });
  document.addEventListener("pointerleave", () => { tip.hidden = true; });
  // A link into a closed part opens it.
  function openTarget() {
    const target = location.hash.length > 1 && document.getElementById(location.hash.slice(1));
    if (!target) return;
    for (let part = target; part; part = part.parentElement) {
      if (part instanceof HTMLDetailsElement) part.open = true;
    }
    target.scrollIntoView();
  }
  addEventListener("hashchange", openTarget);
  openTarget();

  addEventListener("beforeprint", () => all("details").forEach((part) => { part.open = true; }));
})();

// Brings the page up to date in place: what is open stays open, and place, focus and what is looked for stay too.
(() => {
  "use strict";
  const EVERY_MS = 5000, PATIENCE_MS = 8000;
  const byId = (id) => document.getElementById(id);
  const partsOf = (root) => [...root.querySelectorAll("[data-part]")];
  const silent = byId("silent"), pause = byId("pause");
  const served = new Map(partsOf(document).map((part) => [part.dataset.part, part.innerHTML]));
  let timer = 0, paused = false, answered = new Date();

  function find(box) {
    const input = box.querySelector("input"), within = byId(input.getAttribute("aria-controls"));
    const wanted = input.value.trim().toLowerCase(), rows = [...within.querySelectorAll("tbody tr")];
    let found = 0;
    for (const row of rows) {
      row.hidden = !row.textContent.toLowerCase().includes(wanted);
      found += !row.hidden;
    }
    for (const details of within.querySelectorAll("details")) {
      if (wanted && !("was" in details.dataset)) {
        details.dataset.was = details.open ? "open" : "closed";
        details.open = true;
      } else if (!wanted && "was" in details.dataset) {
        details.open = details.dataset.was === "open";
        delete details.dataset.was;
      }
    }
    box.querySelector("[role=status]").textContent = wanted ? `${found} of ${rows.length}` : "";
  }

  function prepare(root) {
    for (const box of root.querySelectorAll(".find[hidden]")) {
      box.hidden = false;
      box.querySelector("input").addEventListener("input", () => find(box));
    }
  }

  function replace(old, fresh) {
    const opened = new Map([...old.querySelectorAll("details[id]")].map((d) => [d.id, d]));
    for (const details of fresh.querySelectorAll("details[id]")) {
      const before = opened.get(details.id);
      if (before) {
        details.open = before.open;
        if ("was" in before.dataset) details.dataset.was = before.dataset.was;
      }
    }
    const focused = old.contains(document.activeElement) ? document.activeElement.closest("[id]") : null;
    const box = old.querySelector(".find"), inside = fresh.querySelector(".find ~ [id^='in-']");
    if (box && inside) {
      byId(inside.id).replaceChildren(...inside.childNodes);
      find(box);
    } else {
      old.replaceChildren(...fresh.childNodes);
    }
    if (focused && !focused.isConnected) {
      const again = byId(focused.id);
      const target = again && (again.querySelector(":scope > summary") || again);
      if (target) target.focus({ preventScroll: true });
    }
  }

  function take(fresh) {
    const before = partsOf(document), after = partsOf(fresh);
    const names = (parts) => parts.map((part) => part.dataset.part).join();
    if (names(before) !== names(after)) {
      served.clear();
      for (const part of after) served.set(part.dataset.part, part.innerHTML);
      replace(byId("main"), fresh.getElementById("main"));
      for (const part of partsOf(document.querySelector("header"))) {
        part.innerHTML = served.get(part.dataset.part);
      }
      prepare(document);
      return;
    }
    before.forEach((part, number) => {
      const html = after[number].innerHTML;
      if (served.get(part.dataset.part) === html) return;
      served.set(part.dataset.part, html);
      replace(part, after[number]);
    });
    prepare(document);
  }

  async function look() {
    clearTimeout(timer);
    if (document.hidden || paused) return;
    if (getSelection().isCollapsed) {
      try {
        const answer = await fetch(location.pathname, { cache: "no-store", signal: AbortSignal.timeout(PATIENCE_MS) });
        const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
        if (!answer.ok || !fresh.getElementById("main")) throw new Error("no page");
        const x = scrollX, y = scrollY;
        take(fresh);
        scrollTo({ left: x, top: y, behavior: "instant" });
        document.title = fresh.title;
        document.querySelector("link[rel=icon]").href = fresh.querySelector("link[rel=icon]").href;
        answered = new Date();
        silent.hidden = true;
      } catch {
        if (silent.hidden) {
          silent.textContent = `No answer since ${answered.toISOString().slice(11, 19)} UTC. ` +
            "What stands here is from then; logmetrics may have been stopped. It is asked again and again.";
          silent.hidden = false;
          document.title = "No answer - logmetrics";
        }
      }
    }
    clearTimeout(timer);
    timer = setTimeout(look, EVERY_MS);
  }

  pause.hidden = false;
  pause.addEventListener("click", () => {
    paused = !paused;
    pause.setAttribute("aria-pressed", String(paused));
    look();
  });
  document.addEventListener("visibilitychange", look);
  prepare(document);
  timer = setTimeout(look, EVERY_MS);
})();

"use strict";
// Without this script every view works; it adds the step slider, choices that apply at once, copying, and live updates.
const live = document.getElementById("live");
function prepare() {
  for (const form of document.querySelectorAll("form.controls")) {
    form.addEventListener("change", (event) => {
      if (event.target.matches("select, input[type=checkbox]")) form.requestSubmit();
    });
    form.addEventListener("submit", () => {
      for (const field of form.elements) if (field.name && field.value === "") field.disabled = true;
    });
  }
  for (const stepper of document.querySelectorAll(".stepper")) {
    const links = [...stepper.querySelectorAll("a")];
    const slider = stepper.querySelector("input");
    slider.hidden = links.length < 2;
    slider.addEventListener("input", () => slider.setAttribute("aria-valuetext", `step ${links[slider.value].textContent}`));
    slider.addEventListener("change", () => links[slider.value].click());
  }
  for (const button of document.querySelectorAll("button.copy")) {
    button.hidden = !navigator.clipboard; // only this machine or https
    button.addEventListener("click", async () => {
      const answer = await fetch(button.value);
      await navigator.clipboard.writeText(await answer.text());
      live.textContent = "copied";
    });
  }
}
async function renew() {
  const answer = await fetch(location.href);
  if (!answer.ok) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  document.querySelector("main").replaceWith(page.querySelector("main"));
  document.body.dataset.version = page.body.dataset.version;
  prepare();
}
const events = new EventSource("/events");
events.addEventListener("message", async (event) => {
  if (event.data !== document.body.dataset.version) {
    const used = document.querySelector("main :focus, main details[open]") || String(getSelection());
    if (used && document.body.dataset.version) {
      live.innerHTML = "";
      const button = live.appendChild(document.createElement("button"));
      button.textContent = "New results: show them";
      button.addEventListener("click", renew);
      return;
    }
    await renew();
  }
  live.textContent = "live";
});
events.addEventListener("error", () => { live.textContent = "not connected"; });
addEventListener("pageshow", () => {
  for (const field of document.querySelectorAll("form [disabled]")) field.disabled = false;
});
prepare();

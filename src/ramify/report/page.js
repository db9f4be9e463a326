"use strict";
// Buttons that filter and sort the patterns; without this script all of them are shown in the order of learning.
for (const list of document.querySelectorAll("ul.patterns")) {
  const controls = document.querySelector(`[data-for="${list.id}"]`);
  controls.hidden = false;
  controls.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    for (const other of controls.querySelectorAll(`button[data-group="${button.dataset.group}"]`)) {
      other.setAttribute("aria-pressed", String(other === button));
    }
    const items = [...list.children];
    if (button.dataset.shape !== undefined) {
      for (const item of items) item.hidden = button.dataset.shape !== "" && item.dataset.shape !== button.dataset.shape;
    } else {
      const sign = button.dataset.sort === "success" ? -1 : 1;
      items.sort((a, b) => sign * (Number(a.dataset[button.dataset.sort]) - Number(b.dataset[button.dataset.sort])));
      list.append(...items);
    }
    const shown = items.filter((item) => !item.hidden).length;
    controls.querySelector("[role=status]").textContent = `${shown} of ${items.length} shown`;
  });
}
// A figure as PNG, at twice its size; without this script there are its SVG and its table.
for (const button of document.querySelectorAll("button.png")) {
  const file = button.previousElementSibling;
  button.hidden = false;
  button.addEventListener("click", () => {
    const image = new Image();
    image.onload = () => {
      const canvas = document.createElement("canvas");
      [canvas.width, canvas.height] = [2 * image.width, 2 * image.height];
      canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
      const made = document.createElement("a");
      made.href = canvas.toDataURL("image/png");
      made.download = file.download.replace(/svg$/, "png");
      made.click();
    };
    image.src = file.href;
  });
}
// Paper shows what is folded away.
addEventListener("beforeprint", () => {
  for (const part of document.querySelectorAll("details.content")) part.open = true;
});

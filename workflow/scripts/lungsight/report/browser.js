// The overlay browser: filters, layers and keys over the overlays of the page's data.
const ANY = "";

class Browser {
  constructor(box, data) {
    this.box = box;
    this.data = data;
    this.at = 0;
    this.shown = data.items;
    this.selects = Object.fromEntries([...box.querySelectorAll("select")].map((each) => [each.dataset.filter, each]));
    this.opacity = box.querySelector("[data-opacity]");
    this.fill();
    this.listen();
    this.follow();
  }

  // What the filters compare: each a function of an overlay.
  static values = {
    model: (item) => String(item.model),
    class: (item) => item.class,
    outcome: (item) => item.outcome,
    patient: (item) => item.patient,
  };

  // Whether an overlay passes the filters, but for one of them.
  passes(item, except) {
    return Object.entries(this.selects).every(([name, select]) => {
      if (name === except || select.value === ANY) return true;
      if (name === "outcome" && (select.value === "right" || select.value === "wrong")) return item.right === (select.value === "right");
      return Browser.values[name](item) === select.value;
    });
  }

  // Every filter offers what the others leave.
  fill() {
    for (const [name, select] of Object.entries(this.selects)) {
      const chosen = select.value;
      const left = this.data.items.filter((item) => this.passes(item, name));
      const values = [...new Set(left.map(Browser.values[name]))];
      if (name === "class") values.sort((a, b) => this.data.classes.indexOf(a) - this.data.classes.indexOf(b));
      else if (name !== "model") values.sort();
      const words = (value) => (name === "model" ? this.data.models[value].name : name === "patient" ? value.slice(0, 6) : value);
      const options = [[ANY, "all"], ...(name === "outcome" ? [["right", "right"], ["wrong", "wrong"]] : []), ...values.map((value) => [value, words(value)])];
      select.replaceChildren(...options.map(([value, text]) => new Option(text, value)));
      select.value = options.some(([value]) => value === chosen) ? chosen : ANY;
    }
  }

  refresh() {
    this.shown = this.data.items.filter((item) => this.passes(item));
    this.at = 0;
    this.fill();
    this.draw();
  }

  step(by) {
    this.at = Math.min(Math.max(this.at + by, 0), this.shown.length - 1);
    this.draw();
  }

  draw() {
    const item = this.shown[this.at];
    const [back, next] = this.box.querySelectorAll("[data-step]");
    back.disabled = this.at <= 0;
    next.disabled = this.at >= this.shown.length - 1;
    this.box.querySelector(".count").textContent = `${item ? this.at + 1 : 0} of ${this.shown.length}`;
    if (!item) {
      this.box.querySelector(".caption").textContent = "No overlay has all of these.";
      return;
    }
    const [bare, covered] = this.box.querySelectorAll(".layers");
    const slice = this.data.slices[item.slice];
    const inside = "heat" in item;
    const of = item.of ? ` for ${item.of}` : "";
    bare.parentElement.hidden = !inside;
    covered.parentElement.classList.toggle("whole", !inside);
    const [picture, heat] = covered.querySelectorAll("img");
    picture.alt = `${item.outcome}: a slice labelled ${item.class}, probability ${item.probability}${of}, under its Grad-CAM map; enrichment ${item.enrichment}`;
    heat.hidden = !inside;
    covered.querySelector("svg").toggleAttribute("hidden", !inside);
    if (inside) {
      picture.src = slice.image;
      bare.querySelector("img").src = slice.image;
      heat.src = item.heat;
      for (const layers of [bare, covered]) this.outline(layers, slice);
    } else {
      picture.src = item.file;
    }
    const plane = Number(item.name.split("-")[1]);
    this.box.querySelector(".caption").textContent =
      `${this.data.models[item.model].name}: ${item.right ? "right" : "wrong"} (${item.outcome}), ${item.position}. ` +
      `${item.class}, p = ${item.probability.toFixed(2)}${of}, enrichment ${item.enrichment.toFixed(2)}. ` +
      `Patient ${item.patient.slice(0, 6)}, slice ${plane} from the feet.`;
  }

  outline(layers, slice) {
    const svg = layers.querySelector("svg");
    svg.setAttribute("viewBox", `0 0 ${slice.size} ${slice.size}`);
    for (const name of ["lung", "lesions"]) svg.querySelector(`.${name}`).setAttribute("d", slice[name]);
    let side = layers.querySelector(".side");
    if (!side && slice.sided) {
      side = Object.assign(document.createElement("b"), { className: "side", textContent: "R", title: "the patient's right side" });
      layers.append(side);
    }
    if (side) side.hidden = !slice.sided;
  }

  setOpacity() {
    this.box.querySelector(".heat").style.opacity = this.opacity.value / 100;
  }

  toggle(name) {
    const check = this.box.querySelector(`[data-outline=${name}]`);
    check.checked = !check.checked;
    this.setOutline(check);
  }

  setOutline(check) {
    for (const path of this.box.querySelectorAll(`path.${check.dataset.outline}`)) path.style.display = check.checked ? "" : "none";
  }

  // A link to a model's maps chooses the model.
  follow() {
    const model = this.data.models.findIndex((each) => `#${each.anchor}` === location.hash);
    if (model >= 0) {
      for (const select of Object.values(this.selects)) select.value = ANY;
      this.fill();
      this.selects.model.value = String(model);
    }
    this.refresh();
  }

  listen() {
    for (const select of Object.values(this.selects)) select.addEventListener("change", () => this.refresh());
    for (const button of this.box.querySelectorAll("[data-step]")) button.addEventListener("click", () => this.step(Number(button.dataset.step)));
    for (const check of this.box.querySelectorAll("[data-outline]")) check.addEventListener("change", () => this.setOutline(check));
    this.opacity.addEventListener("input", () => this.setOpacity());
    const hide = () => { this.opacity.value = this.opacity.value === "0" ? 100 : 0; this.setOpacity(); };
    const keys = { j: () => this.step(1), k: () => this.step(-1), l: () => this.toggle("lung"), e: () => this.toggle("lesions"), m: hide };
    this.box.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey || event.target.tagName === "SELECT") return;
      const action = keys[event.key.toLowerCase()];
      if (!action) return;
      event.preventDefault();
      action();
    });
    window.addEventListener("hashchange", () => { if (location.hash.startsWith("#maps-")) this.follow(); });
  }
}

const overlays = document.getElementById("overlays-data");
if (overlays) new Browser(document.getElementById("overlay-browser"), JSON.parse(overlays.textContent));

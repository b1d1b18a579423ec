// @ts-check
// <part-picture>: a part's picture with zoom and pan, its findings, and its heat map to fade in.
// What it is not: a source of anything; the server has put the picture, the map and the shapes into it.

const STEP = 1.25;
const LARGEST = 16;

class PartPicture extends HTMLElement {
  connectedCallback() {
    this.room = /** @type {HTMLElement} */ (this.querySelector(".room"));
    this.sheet = /** @type {HTMLElement} */ (this.querySelector(".sheet"));
    this.photo = /** @type {HTMLImageElement} */ (this.querySelector(".photo"));
    /** Screen pixels for one of the picture, and where its corner lies in the room. 0: as large as the room. */
    this.at = { scale: 0, x: 0, y: 0 };
    this.fingers = new Map();
    this.photo.addEventListener("load", () => this.#loaded());
    this.photo.addEventListener("error", () => this.classList.add("lost"));
    if (this.photo.complete && this.photo.naturalWidth) this.#loaded();
    this.room.tabIndex = 0;
    this.room.addEventListener("wheel", (event) => this.#wheel(event), { passive: false });
    this.room.addEventListener("keydown", (event) => this.#key(event));
    for (const name of ["pointerdown", "pointermove", "pointerup", "pointercancel"]) {
      this.room.addEventListener(name, (event) => this.#pointer(/** @type {PointerEvent} */ (event)));
    }
    for (const button of /** @type {NodeListOf<HTMLElement>} */ (this.querySelectorAll("[data-zoom]"))) {
      button.addEventListener("click", () => this.zoom(button.dataset.zoom ?? ""));
    }
    this.querySelector(".boxes")?.addEventListener("change", (event) => {
      this.classList.toggle("bare", !(/** @type {HTMLInputElement} */ (event.target).checked));
    });
    const heat = /** @type {HTMLElement | null} */ (this.querySelector(".heat"));
    const range = /** @type {HTMLInputElement | null} */ (this.querySelector("input[type=range]"));
    if (heat && range) {
      const fade = () => { heat.style.opacity = String(Number(range.value) / 100); };
      range.addEventListener("input", fade);
      fade();
    }
    this.watcher = new ResizeObserver(() => this.#place());
    this.watcher.observe(this.room);
  }

  disconnectedCallback() { this.watcher?.disconnect(); }

  /** "fit", "in", "out", or screen pixels for one of the picture. @param {string} how */
  zoom(how) {
    if (how === "fit") this.at = { scale: 0, x: 0, y: 0 };
    else {
      const factor = how === "in" ? STEP : how === "out" ? 1 / STEP : 0;
      this.#zoomTo(factor ? this.#scale() * factor : Number(how) / window.devicePixelRatio, this.room.clientWidth / 2, this.room.clientHeight / 2);
    }
    this.#place();
  }

  #fit() { return Math.min(this.room.clientWidth / this.photo.naturalWidth, this.room.clientHeight / this.photo.naturalHeight); }
  #scale() { return this.at.scale || this.#fit(); }

  #loaded() {
    const [width, height] = [this.photo.naturalWidth, this.photo.naturalHeight];
    this.querySelector("svg")?.setAttribute("viewBox", `0 0 ${width} ${height}`);
    this.room.style.aspectRatio = `${width} / ${height}`;
    this.#place();
  }

  /** Zoom so that what lies at (x, y) of the room stays there. */
  #zoomTo(/** @type {number} */ scale, /** @type {number} */ x, /** @type {number} */ y) {
    const before = this.#scale();
    const { left, top } = this.#corner();
    const after = Math.min(Math.max(scale, this.#fit() / 2), LARGEST);
    this.at = { scale: after, x: x - (x - left) * after / before, y: y - (y - top) * after / before };
  }

  #corner() {
    if (this.at.scale) return { left: this.at.x, top: this.at.y };
    const scale = this.#fit();
    return {
      left: (this.room.clientWidth - this.photo.naturalWidth * scale) / 2, top: (this.room.clientHeight - this.photo.naturalHeight * scale) / 2,
    };
  }

  #place() {
    if (!this.photo.naturalWidth) return;
    const scale = this.#scale();
    const { left, top } = this.#corner();
    const style = this.sheet.style;
    [style.width, style.height] = [`${this.photo.naturalWidth * scale}px`, `${this.photo.naturalHeight * scale}px`];
    style.transform = `translate(${left}px, ${top}px)`;
    this.classList.toggle("near", scale * window.devicePixelRatio >= 2);
    this.dataset.scale = (scale * window.devicePixelRatio).toFixed(3);
  }

  #wheel(/** @type {WheelEvent} */ event) {
    event.preventDefault();
    const box = this.room.getBoundingClientRect();
    this.#zoomTo(this.#scale() * (event.deltaY < 0 ? STEP : 1 / STEP), event.clientX - box.left, event.clientY - box.top);
    this.#place();
  }

  #key(/** @type {KeyboardEvent} */ event) {
    const how = /** @type {Record<string, string>} */ ({ "+": "in", "-": "out", 0: "fit" })[event.key];
    const move = /** @type {Record<string, number[]>} */ ({ ArrowLeft: [60, 0], ArrowRight: [-60, 0], ArrowUp: [0, 60], ArrowDown: [0, -60] })[event.key];
    if (how) this.zoom(how);
    else if (move) this.#move(move[0], move[1]);
    else return;
    event.preventDefault();
  }

  #move(/** @type {number} */ dx, /** @type {number} */ dy) {
    const { left, top } = this.#corner();
    this.at = { scale: this.#scale(), x: left + dx, y: top + dy };
    this.#place();
  }

  /** One finger moves the picture, two zoom it. */
  #pointer(/** @type {PointerEvent} */ event) {
    const known = this.fingers.get(event.pointerId);
    if (event.type === "pointerdown") {
      this.room.setPointerCapture(event.pointerId);
      this.fingers.set(event.pointerId, event);
    } else if (event.type !== "pointermove") this.fingers.delete(event.pointerId);
    else if (known) {
      const other = [...this.fingers.values()].find((one) => one.pointerId !== event.pointerId);
      if (other) {
        const box = this.room.getBoundingClientRect();
        const apart = (/** @type {PointerEvent} */ one) => Math.hypot(one.clientX - other.clientX, one.clientY - other.clientY);
        const middle = [(event.clientX + other.clientX) / 2 - box.left, (event.clientY + other.clientY) / 2 - box.top];
        this.#zoomTo(this.#scale() * apart(event) / Math.max(apart(known), 1), middle[0], middle[1]);
        this.#place();
      } else this.#move(event.clientX - known.clientX, event.clientY - known.clientY);
      this.fingers.set(event.pointerId, event);
    }
  }
}

customElements.define("part-picture", PartPicture);

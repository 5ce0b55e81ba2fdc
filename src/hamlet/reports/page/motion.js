// Animations of the agents: recorded episodes, drawn from the shapes of every step or shown as rendered pictures.

const playing = new Map();

function players(motions) {
  for (const motion of motions || []) {
    const key = `${motion.task}`, before = playing.get(key);
    if (before && before.motion.step === motion.step && before.motion.run === motion.run) continue;
    before?.stop();
    playing.set(key, new Player(motion));
  }
}

const playerOf = (task) => playing.get(`${task}`)?.card ?? null;
const redrawPlayers = () => playing.forEach((one) => one.draw());

function role(name) {
  const styles = getComputedStyle(document.documentElement), read = (property) => styles.getPropertyValue(property).trim();
  if (typeof name === "number") return read(`--c${name % COLOURS}`);
  return read({ ink: "--ink", faint: "--hair", ground: "--soft", card: "--card", goal: "--soft" }[name] || "--soft");
}

class Player {
  constructor(motion) {
    this.motion = motion; this.frame = 0; this.episode = 0; this.running = false; this.wanted = false;
    this.card = motion.note ? this.absent() : this.present();
  }

  absent() {
    return make("div", { class: "card motion" }, make("h3", {}, "Animation"), make("p", { class: "card-note" }, capital(this.motion.note)));
  }

  present() {
    const { motion } = this;
    this.canvas = make("canvas", { role: "img", "aria-label": `A recorded episode of ${motion.label}` });
    this.button = make("button", { type: "button", on: { click: () => this.toggle() } }, "Play");
    this.slider = make("input", { type: "range", min: 0, value: 0, step: 1, "aria-label": "Step of the episode", on: { input: () => {
      this.stop(); this.wanted = true; this.frame = Number(this.slider.value); this.draw();
    } } });
    this.count = make("span", {});
    this.caption = make("p", { class: "caption" });
    const names = motion.episodes[0].key || [];
    const key = make("ul", { class: "key" }, ...names.map(([name, index]) => {
      const dot = make("i"); dot.style.background = typeof index === "number" ? colour(index) : "var(--soft)";
      return make("li", {}, dot, name);
    }));
    const card = make("div", { class: "card motion" },
      make("div", { class: "card-head" }, make("h3", {}, "Animation"), make("small", {}, `${motion.label}, ${motion.mode}`)),
      this.canvas, make("div", { class: "play" }, this.button, this.slider, this.count), this.caption, key);
    new ResizeObserver(() => this.draw()).observe(this.canvas);
    const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
    // The animation plays while it is visible. It does not start by itself if the reader prefers reduced motion.
    new IntersectionObserver(([entry]) => {
      if (entry.isIntersecting && !calm && !this.wanted) this.start();
      else if (!entry.isIntersecting) this.stop();
    }, { threshold: 0.35 }).observe(this.canvas);
    return card;
  }

  get film() { return this.motion.episodes[this.episode]; }

  toggle() {
    this.wanted = true;
    if (this.running) this.stop();
    else this.start();
  }

  start() {
    if (this.running) return;
    this.running = true; this.button.textContent = "Pause";
    if (this.frame >= this.film.frames - 1) this.next();
    let last = null, rest = 0;
    const tick = (now) => {
      if (!this.running) return;
      const passed = last === null ? 0 : Math.min((now - last) / 1000, 0.1);
      last = now;
      if (this.frame >= this.film.frames - 1) {
        rest += passed;
        if (rest > 0.9) { rest = 0; this.next(); }
      } else this.frame = Math.min(this.film.frames - 1, this.frame + passed / this.film.interval);
      this.draw();
      requestAnimationFrame(tick);
    };
    requestAnimationFrame(tick);
  }

  next() {
    this.episode = (this.episode + 1) % this.motion.episodes.length;
    this.frame = 0;
  }

  stop() {
    this.running = false;
    if (this.button) this.button.textContent = "Play";
  }

  value(shape, name, fallback = 0) {
    const over = shape.over?.[name];
    if (!over) return shape[name] ?? fallback;
    const now = Math.floor(this.frame), next = Math.min(now + 1, this.film.frames - 1), part = this.frame - now;
    if (typeof over[now] !== "number" || shape.jumps) return over[now];
    return over[now] + part * (over[next] - over[now]);
  }

  draw() {
    if (!this.canvas || !this.canvas.clientWidth) return;
    const { film } = this, width = this.canvas.clientWidth, [left, bottom, right, top] = film.view;
    const height = Math.min(width * 1.02, (width * (top - bottom)) / (right - left)), ratio = devicePixelRatio || 1;
    this.canvas.style.height = `${height}px`;
    if (this.canvas.width !== Math.round(width * ratio) || this.canvas.height !== Math.round(height * ratio)) {
      this.canvas.width = Math.round(width * ratio); this.canvas.height = Math.round(height * ratio);
    }
    const pen = this.canvas.getContext("2d"), scale = Math.min(width / (right - left), height / (top - bottom));
    const centre = film.centre ? this.value({ over: { x: film.centre } }, "x") : 0;
    const at = (x, y) => [width / 2 + (x - centre - (left + right) / 2) * scale, height / 2 - (y - (bottom + top) / 2) * scale];
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.clearRect(0, 0, width, height);
    if (film.centre) this.ground(pen, at, centre, left, right);
    for (const shape of film.shapes || []) this[shape.kind]?.(pen, at, scale, shape);
    const now = Math.round(this.frame), step = (frame) => film.steps?.[frame] ?? frame;
    if (film.pictures) this.picture(pen, now, width, height, right / top);
    this.slider.max = film.frames - 1; this.slider.value = now;
    this.count.textContent = `${step(now)} / ${step(film.frames - 1)}`;
    const said = film.captions?.[now] || "", total = film.totals?.[now];
    this.caption.textContent = [said, total === undefined ? "" : `return so far ${number(total)}`].filter(Boolean).join("; ");
  }

  picture(pen, now, width, height, aspect) {
    const { film } = this, wide = Math.min(width, height * aspect), image = (film.images ??= [])[now] ??= new Image();
    if (!image.src) { image.onload = () => this.draw(); image.src = film.pictures[now]; }
    if (image.complete && image.naturalWidth) this.shown = image;
    // The previous picture stays visible until the next picture is decoded.
    if (this.shown) pen.drawImage(this.shown, (width - wide) / 2, 0, wide, wide / aspect);
  }

  ground(pen, at, centre, left, right) {
    pen.lineWidth = 1; pen.strokeStyle = role("faint"); pen.fillStyle = role("ground"); pen.font = "11px system-ui, sans-serif"; pen.textAlign = "center";
    for (let mark = Math.ceil(centre + left); mark <= centre + right; mark += 1) {
      const [x, y] = at(mark, 0);
      pen.beginPath(); pen.moveTo(x, y); pen.lineTo(x, y + 7); pen.stroke();
      pen.fillText(`${mark} m`.replace("-", "−"), x, y + 19);
    }
    pen.strokeStyle = role("ground"); pen.beginPath(); pen.moveTo(...at(centre + left, 0)); pen.lineTo(...at(centre + right, 0)); pen.stroke();
  }

  circle(pen, at, scale, shape) {
    const [x, y] = at(this.value(shape, "x"), this.value(shape, "y")), radius = Math.max(1.5, this.value(shape, "radius") * scale);
    pen.beginPath(); pen.arc(x, y, radius, 0, 2 * Math.PI);
    pen.globalAlpha = this.value(shape, "opacity", 1);
    if (shape.hollow) { pen.lineWidth = 2; pen.strokeStyle = role(this.value(shape, "colour", "ink")); pen.stroke(); }
    else { pen.fillStyle = role(this.value(shape, "colour", "ink")); pen.fill(); }
    pen.globalAlpha = 1;
    const text = this.value(shape, "text", "");
    if (text) this.write(pen, text, x, y - radius - 7, 12, "ink");
  }

  segment(pen, at, scale, shape) {
    pen.lineCap = "round"; pen.lineWidth = Math.max(1.5, this.value(shape, "width") * scale);
    pen.strokeStyle = role(this.value(shape, "colour", "ink")); pen.globalAlpha = this.value(shape, "opacity", 1);
    pen.beginPath(); pen.moveTo(...at(this.value(shape, "x"), this.value(shape, "y"))); pen.lineTo(...at(this.value(shape, "x2"), this.value(shape, "y2"))); pen.stroke();
    pen.globalAlpha = 1;
  }

  cell(pen, at, scale, shape) {
    const [x, y] = at(shape.x, shape.y), size = scale * 0.94, marked = this.value(shape, "marked", false);
    pen.fillStyle = role("card"); pen.strokeStyle = role("faint"); pen.lineWidth = 1;
    pen.beginPath(); pen.roundRect(x - size / 2, y - size / 2, size, size, 5); pen.fill(); pen.stroke();
    if (marked) { pen.strokeStyle = role(0); pen.lineWidth = 3; pen.stroke(); }
    const text = this.value(shape, "text", "");
    if (text) this.write(pen, text, x, y, Math.min(20, size * 0.36), marked ? 0 : shape.colour ?? "ink", marked ? 700 : 400);
  }

  label(pen, at, scale, shape) {
    const [x, y] = at(this.value(shape, "x"), this.value(shape, "y"));
    this.write(pen, this.value(shape, "text", ""), x, y, 13, this.value(shape, "colour", "ink"), 600);
  }

  write(pen, text, x, y, size, tint, weight = 400) {
    pen.font = `${weight} ${size}px system-ui, sans-serif`; pen.textAlign = "center"; pen.textBaseline = "middle";
    pen.fillStyle = role(tint); pen.fillText(text, x, y);
    pen.textBaseline = "alphabetic";
  }
}

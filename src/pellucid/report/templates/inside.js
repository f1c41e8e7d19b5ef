(() => {
  const $ = id => document.getElementById(id);
  const sheet = $("sheet"), home = sheet.innerHTML, choice = $("choice"), canvas = $("canvas"), panel = $("panel");
  const svg = canvas && canvas.querySelector("svg");
  const boxes = svg ? [...svg.querySelectorAll(".layer")] : [];
  const samples = [...document.querySelectorAll(".sample-button")];
  const narrow = matchMedia("(max-width: 800px)");
  let sample = 0, chosen = "";

  /* ---- what a slider goes through ---- */
  const viridis = ["440154", "472c7a", "3b518b", "2c718e", "21908d", "27ad81", "5cc863", "aadc32", "fde725"];
  const signed = ["053061", "2166ac", "4393c3", "92c5de", "f7f7f7", "f4a582", "d6604d", "b2182b", "67001f"];
  const parsed = stops => stops.map(stop => [0, 2, 4].map(at => parseInt(stop.slice(at, at + 2), 16)));
  const ramps = { plain: parsed(viridis), signed: parsed(signed) };
  const colour = (ramp, level) => {
    const at = (level - 1) / 254 * (ramp.length - 1), low = Math.min(Math.floor(at), ramp.length - 2), part = at - low;
    return ramp[low].map((value, place) => Math.round(value + part * (ramp[low + 1][place] - value)));
  };
  const opened = element => {
    if (!element.bytes) {
      const text = atob(element.dataset.values);
      element.bytes = Uint8Array.from(text, letter => letter.charCodeAt(0));
      element.shape = element.dataset.shape.split(",").map(Number);
      element.ramp = Number(element.dataset.low) < 0 ? ramps.signed : ramps.plain;
    }
    return element;
  };
  const bars = (element, step) => {
    const units = element.shape[1], low = Number(element.dataset.low), high = Number(element.dataset.high);
    const width = element.width = Math.max(units * Math.max(2, Math.floor(720 / units)), 1), height = element.height = 128;
    const draw = element.getContext("2d"), each = width / units, scale = high > low ? height / (high - Math.min(low, 0)) : 0;
    const zero = height + Math.min(low, 0) * scale;
    for (let unit = 0; unit < units; unit++) {
      const level = element.bytes[step * units + unit];
      if (!level) continue;
      const value = low + (level - 1) / 254 * (high - low);
      draw.fillStyle = value < 0 ? "#2166ac" : "#b2182b";
      if (low >= 0) draw.fillStyle = "#3b6ea5";
      draw.fillRect(unit * each, Math.min(zero, zero - value * scale), Math.max(each - (each > 3 ? 1 : 0), 1), Math.max(Math.abs(value * scale), 1));
    }
    draw.fillStyle = "#9aa3ad";
    draw.fillRect(0, Math.min(zero, height - 1), width, 1);
  };
  const image = (element, step) => {
    const [, rows, columns] = element.shape;
    element.width = columns; element.height = rows;
    element.classList.add("image");
    element.style.width = `${Math.min(columns * Math.max(1, Math.round(Math.min(640 / columns, 160 / rows))), 640)}px`;
    const draw = element.getContext("2d"), picture = draw.createImageData(columns, rows);
    for (let at = 0; at < rows * columns; at++) {
      const level = element.bytes[step * rows * columns + at];
      picture.data.set(level ? [...colour(element.ramp, level), 255] : [255, 255, 255, 255], 4 * at);
    }
    draw.putImageData(picture, 0, 0);
  };
  const slide = frames => {
    const input = frames.querySelector("input"), labels = frames.dataset.labels.split("|");
    const step = Number(input.value);
    input.setAttribute("aria-valuetext", frames.querySelector("output").textContent = `${labels[step]} / ${labels[labels.length - 1]}`);
    for (const element of frames.querySelectorAll("canvas")) (opened(element).shape.length > 2 ? image : bars)(element, step);
  };
  const halt = frames => {
    clearInterval(frames.timer);
    frames.timer = 0;
    frames.querySelector(".play").textContent = "▶";
    frames.querySelector(".play").setAttribute("aria-pressed", "false");
  };
  const play = frames => {
    const input = frames.querySelector("input"), button = frames.querySelector(".play");
    if (frames.timer) { halt(frames); return; }
    if (Number(input.value) >= Number(input.max)) input.value = -1;
    button.textContent = "❚❚";
    button.setAttribute("aria-pressed", "true");
    frames.timer = setInterval(() => {
      if (frames.isConnected && !frames.hidden && Number(input.value) < Number(input.max)) {
        input.value = Number(input.value) + 1;
        slide(frames);
      } else halt(frames);
    }, 160);
  };
  sheet.addEventListener("input", event => { const frames = event.target.closest(".frames"); if (frames) slide(frames); });

  /* ---- which layer and which sample ---- */
  const sift = () => {
    for (const one of panel.querySelectorAll("#sheet [data-sample], .given")) one.hidden = Number(one.dataset.sample) !== sample;
    for (const frames of sheet.querySelectorAll(".frames:not([hidden])")) slide(frames);
    samples.forEach(button => button.setAttribute("aria-pressed", Number(button.dataset.sample) === sample));
  };
  const fill = () => {
    if (chosen === "") {
      sheet.innerHTML = home;
      $("of-network").append($("network").content.cloneNode(true));
    } else {
      sheet.replaceChildren($(`layer-${chosen}`).content.cloneNode(true));
    }
    sift();
  };
  const choose = (number, moved) => {
    chosen = String(number);
    choice.value = chosen;
    boxes.forEach(box => {
      const mine = box.dataset.layer === chosen;
      box.classList.toggle("chosen", mine);
      box.setAttribute("aria-pressed", mine);
      box.setAttribute("tabindex", mine || (chosen === "" && box === boxes[0]) ? 0 : -1);
    });
    fill();
    if (moved !== "address") remember(moved);
    if (moved !== "graph") reveal();
    if (moved === "list" || moved === "graph") {  // where the panel lies below the graph, or was scrolled through, it begins anew
      if (narrow.matches || scrollY > panel.offsetTop) scrollTo({ top: panel.offsetTop, behavior: "auto" });
    } else if (moved === "jump") scrollTo({ top: narrow.matches ? panel.offsetTop : Math.min(scrollY, panel.offsetTop), behavior: "auto" });
    if (moved === "jump") sheet.querySelector("h2").focus({ preventScroll: true });  // the button that was pressed is gone
  };
  /* The layer's name is the end of the page's address, so that it can be gone back to and passed on. */
  const remember = moved => {
    const end = chosen === "" ? "" : encodeURIComponent(choice.selectedOptions[0].textContent);
    if (location.hash.slice(1) === end) return;
    try { history[moved === "keys" ? "replaceState" : "pushState"](null, "", `#${end}`); } catch { /* a frame without an address */ }
  };
  const addressed = () => {
    let name = "";
    try { name = decodeURIComponent(location.hash.slice(1)); } catch { /* no name of ours */ }
    const found = [...choice.options].find(option => option.value !== "" && option.textContent === name);
    choose(found ? found.value : "", "address");
  };
  addEventListener("popstate", addressed);
  samples.forEach(button => button.addEventListener("click", () => { sample = Number(button.dataset.sample); sift(); }));
  choice.addEventListener("change", () => choose(choice.value, "list"));
  sheet.addEventListener("click", event => {
    const jump = event.target.closest(".jump"), player = event.target.closest(".play");
    if (jump) choose(jump.dataset.to, "jump");
    if (player) play(player.closest(".frames"));
  });

  /* ---- the graph: moved, zoomed, walked through ---- */
  let reveal = () => {};
  if (svg) {
    const [, , wide, high] = svg.getAttribute("viewBox").split(" ").map(Number);
    let x = 0, y = 0, scale = 1;
    const size = () => [Math.max(canvas.clientWidth, 1), Math.max(canvas.clientHeight, 1)];
    const show = () => {
      const [width, height] = size(), across = width / scale, down = height / scale;
      x = across >= wide ? (wide - across) / 2 : Math.min(Math.max(x, 0), wide - across);
      y = down >= high ? 0 : Math.min(Math.max(y, 0), high - down);
      svg.setAttribute("viewBox", `${x} ${y} ${across} ${down}`);
    };
    const zoom = (factor, px, py) => {
      const [width, height] = size(), least = Math.min(width / wide, height / high, 1), was = scale;
      if (px === undefined) { px = width / 2; py = height / 2; }
      scale = Math.min(Math.max(scale * factor, least), 4);
      x += px / was - px / scale;
      y += py / was - py / scale;
      show();
    };
    const all = () => { const [width, height] = size(); scale = Math.min(width / wide, height / high, 1.6); x = y = 0; show(); };
    const place = box => {
      const part = box.querySelector(".box");
      return ["x", "y", "width", "height"].map(name => Number(part.getAttribute(name)));
    };
    const begin = () => {
      const [width] = size(), [left, , broad] = place(boxes[0]);
      scale = Math.min(Math.max(width / wide, 0.75), 1.15);  // two stacks beside each other are seen whole
      x = left + broad / 2 - width / scale / 2;
      y = 0;
      show();
    };
    reveal = () => {
      const box = boxes.find(one => one.dataset.layer === chosen);
      if (!box) return;
      const [width, height] = size(), [left, top, broad, tall] = place(box), margin = 40 / scale;
      if (left < x) x = left - 10; else if (left + broad > x + width / scale) x = left + broad + 10 - width / scale;
      if (top < y + margin || top + tall > y + height / scale - margin) y = top + tall / 2 - height / scale / 2;
      show();
    };
    svg.removeAttribute("width");
    svg.removeAttribute("height");
    $("in").addEventListener("click", () => zoom(1.3));
    $("out").addEventListener("click", () => zoom(1 / 1.3));
    $("fit").addEventListener("click", all);
    canvas.addEventListener("wheel", event => {
      event.preventDefault();
      const frame = canvas.getBoundingClientRect();
      zoom(Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.0015)), event.clientX - frame.left, event.clientY - frame.top);
    }, { passive: false });
    const held = new Map();
    let far = 0;
    canvas.addEventListener("pointerdown", event => { held.set(event.pointerId, [event.clientX, event.clientY]); if (held.size === 1) far = 0; });
    addEventListener("pointermove", event => {
      if (!held.has(event.pointerId)) return;
      const before = [...held.values()], [px, py] = held.get(event.pointerId), dx = event.clientX - px, dy = event.clientY - py;
      held.set(event.pointerId, [event.clientX, event.clientY]);
      far += Math.abs(dx) + Math.abs(dy);
      if (far < 5) return;
      canvas.classList.add("held");
      if (held.size === 1) { x -= dx / scale; y -= dy / scale; show(); return; }
      const after = [...held.values()], span = pair => Math.hypot(pair[0][0] - pair[1][0], pair[0][1] - pair[1][1]);
      const frame = canvas.getBoundingClientRect();
      zoom(span(after) / Math.max(span(before), 1), (after[0][0] + after[1][0]) / 2 - frame.left, (after[0][1] + after[1][1]) / 2 - frame.top);
    });
    const loose = event => { held.delete(event.pointerId); if (!held.size) canvas.classList.remove("held"); };
    addEventListener("pointerup", loose);
    addEventListener("pointercancel", loose);
    svg.addEventListener("click", event => {
      const box = event.target.closest(".layer");
      if (box && far < 5) choose(box.dataset.layer, "graph");
    });
    const beside = (box, key) => {
      const [left, top, broad] = place(box), middle = left + broad / 2;
      const score = other => {
        const [l, t, b] = place(other), dx = l + b / 2 - middle, dy = t - top;
        const ahead = { ArrowDown: dy, ArrowUp: -dy, ArrowRight: dx, ArrowLeft: -dx }[key], aside = key.endsWith("n") || key.endsWith("p") ? Math.abs(dx) : Math.abs(dy);
        return ahead > 0.5 ? ahead + 0.5 * aside : Infinity;
      };
      return boxes.map(other => [score(other), other]).sort((a, b) => a[0] - b[0]).find(([far]) => far < Infinity)?.[1];
    };
    canvas.addEventListener("keydown", event => {
      const box = event.target.closest(".layer");
      if (event.key === "+" || event.key === "=") zoom(1.3);
      else if (event.key === "-") zoom(1 / 1.3);
      else if (event.key === "0") all();
      else if (event.key === "Escape") choose("", "list");
      else if (box && event.key.startsWith("Arrow")) {
        const next = beside(box, event.key);
        if (next) { choose(next.dataset.layer, "keys"); next.focus({ preventScroll: true }); }
      } else if (box && (event.key === "Enter" || event.key === " ")) choose(box.dataset.layer, "jump");
      else return;
      event.preventDefault();
    });
    addEventListener("resize", show);
    begin();
  }
  addressed();
})();

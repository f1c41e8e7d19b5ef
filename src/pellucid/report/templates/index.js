(() => {
  const body = document.getElementById("cases").tBodies[0];
  const rows = [...body.rows];
  const form = document.getElementById("choose");
  const shown = document.getElementById("shown");
  const nothing = document.getElementById("nothing");
  const texts = rows.map(row => row.textContent.toLowerCase());
  const numbers = name => rows.map(row => row.dataset[name] === "" ? NaN : Number(row.dataset[name]));
  const ranks = (name, order) => rows.map(row => order.indexOf(row.dataset[name]));
  const keys = {
    number: numbers("number"),
    confidence: numbers("confidence"),
    error: numbers("error"),
    outcome: ranks("outcome", ["wrong", "unknown", "right"]),
    verdict: ranks("verdict", ["not supported", "mixed", "not checked", "supported"]),
  };
  let order = "";
  const sort = () => {
    if (form.elements.order.value === order) return;
    order = form.elements.order.value;
    const [name, way] = order.split(" ");
    const key = keys[name], sign = way === "down" ? -1 : 1;
    const places = rows.map((_, place) => place);
    places.sort((a, b) => isNaN(key[a]) - isNaN(key[b]) || sign * ((key[a] || 0) - (key[b] || 0)) || a - b);
    const sorted = document.createDocumentFragment();
    for (const place of places) sorted.append(rows[place]);
    body.append(sorted);
  };
  const choose = () => {
    const text = form.elements.text.value.trim().toLowerCase();
    const wanted = ["outcome", "answer", "verdict"].map(name => [name, form.elements[name].value]).filter(([, value]) => value);
    let count = 0;
    rows.forEach((row, place) => {
      const kept = wanted.every(([name, value]) => row.dataset[name] === value) && (!text || texts[place].includes(text));
      row.hidden = !kept;
      count += kept;
    });
    shown.textContent = shown.dataset.said.replace("{shown}", count).replace("{total}", rows.length);
    nothing.hidden = count > 0;
    sort();
  };
  form.hidden = false;
  form.addEventListener("input", choose);
  form.addEventListener("submit", event => event.preventDefault());
  addEventListener("pageshow", choose);
  choose();
})();

// Runs inside gr.HTML, which provides element, props, watch and trigger. SOURCE and HEIGHT are filled in by plots.py.
const SIDES = ['left', 'right'], TALL = HEIGHT, MANY = 1500;
const SIZES = {i1: Int8Array, u1: Uint8Array, i2: Int16Array, u2: Uint16Array, i4: Int32Array, u4: Uint32Array, f4: Float32Array, f8: Float64Array};
let shown = null, marks = {}, movers = [], places = {left: [], right: []}, base = {left: [], right: []};

function script() {
  if (!window.__l2vPlotly) {
    window.__l2vPlotly = new Promise((resolve, reject) => {
      const tag = document.createElement('script');
      tag.src = SOURCE;
      tag.onload = () => resolve(window.Plotly);
      tag.onerror = () => reject(new Error('the drawing library could not be loaded'));
      document.head.appendChild(tag);
    });
  }
  return window.__l2vPlotly;
}
const webgl = (() => {
  let known = null;
  return () => {
    if (known === null) {
      const probe = document.createElement('canvas');
      known = Boolean(probe.getContext('webgl2') || probe.getContext('webgl'));
    }
    return known;
  };
})();
function numbers(list) {
  if (!list || list.bdata === undefined) return list;
  const bytes = Uint8Array.from(atob(list.bdata), c => c.charCodeAt(0));
  return new SIZES[list.dtype](bytes.buffer);
}
const color = name => getComputedStyle(element).getPropertyValue(name).trim() || '#888';
const plain = text => text.replaceAll('<br>', ' ').replaceAll('&lt;', '<').replaceAll('&gt;', '>').replaceAll('&amp;', '&');
const card = side => element.querySelector(`[data-side=${side}]`);
const plot = side => card(side).querySelector('.l2v-plot');
const deep = side => (places[side].find(p => p) || []).length === 3;

// Once for each new value: numbers decoded, hover texts put where they belong, the kind of drawing chosen.
function prepare(side) {
  const figure = shown[side];
  places[side] = [];
  base[side] = figure.data.map((given, number) => {
    // A name of its own for each trace: without one, react would take a new trace for the old one at its place.
    const trace = Object.assign({}, given, {uid: `group-${number}`}, {marker: Object.assign({}, given.marker)});
    for (const axis of ['x', 'y', 'z', 'customdata']) if (trace[axis]) trace[axis] = numbers(trace[axis]);
    trace.customdata = Array.from(trace.customdata);
    trace.text = trace.customdata.map(row => shown.hover[row]);
    if (trace.type === 'scatter3d' && !webgl()) {
      trace.type = 'scatter';
      trace.marker.symbol = 'circle';
      trace.marker.size = 7;
      delete trace.z;
    }
    trace.customdata.forEach((row, i) => {
      places[side][row] = trace.z ? [trace.x[i], trace.y[i], trace.z[i]] : [trace.x[i], trace.y[i]];
    });
    return trace;
  });
  if (shown.hover.length > MANY && webgl()) base[side].forEach(t => { if (t.type === 'scatter') t.type = 'scattergl'; });
}
function ring(side, name, rows, symbol, tint, size, ranks) {
  const type = base[side].length ? base[side][0].type : 'scatter';
  const at = axis => rows.map(row => places[side][row][axis]);
  const trace = {type, uid: name, x: at(0), y: at(1), mode: ranks ? 'markers+text' : 'markers', hoverinfo: 'skip', showlegend: false,
    marker: {symbol: symbol + '-open', size: deep(side) ? size * 0.6 : size, color: tint, line: {width: 2.5, color: tint}}};
  if (deep(side)) trace.z = at(2);
  if (ranks) Object.assign(trace, {text: ranks.map(String), textposition: 'top center', textfont: {size: 12, color: color('--ink')}});
  return trace;
}
// Drawn over the marks: the picked text, its neighbours here and there, and the way of those who moved.
function overlay(side) {
  const found = [], known = row => Array.isArray(places.left[row]) && Array.isArray(places.right[row]);
  if (element.querySelector('.l2v-map-lines').checked && movers.length) {
    const rows = movers.filter(known);
    if (side === 'right') {
      const path = axis => rows.flatMap(row => [places.left[row][axis], places.right[row][axis], null]);
      const trace = {type: deep(side) ? 'scatter3d' : 'scatter', uid: 'ways', x: path(0), y: path(1), mode: 'lines', hoverinfo: 'skip', showlegend: false,
        line: {color: color('--muted'), width: deep(side) ? 3 : 1.2}};
      if (deep(side)) trace.z = path(2);
      found.push(trace);
    }
    found.push(ring(side, 'movers', rows, 'circle', color('--ink'), 13));
  }
  if (Number.isInteger(marks.pick) && known(marks.pick)) {
    const left = marks.left.filter(known), right = marks.right.filter(known), own = side === 'left' ? left : right;
    const rank = rows => rows.map(row => own.includes(row) ? own.indexOf(row) + 1 : '');
    const both = left.filter(row => right.includes(row));
    const one = left.filter(row => !both.includes(row)), other = right.filter(row => !both.includes(row));
    if (both.length) found.push(ring(side, 'both', both, 'circle', color('--good'), 15, rank(both)));
    if (one.length) found.push(ring(side, 'one', one, 'square', color('--ink'), 14, rank(one)));
    if (other.length) found.push(ring(side, 'other', other, 'diamond', color('--ink'), 16, rank(other)));
    found.push(ring(side, 'inner', [marks.pick], 'circle', color('--ink'), 18), ring(side, 'outer', [marks.pick], 'circle', color('--ink'), 24));
  }
  return found;
}
function layoutOf(side) {
  const layout = structuredClone(shown[side].layout), ink = color('--ink'), line = color('--line');
  delete layout.title;
  layout.font = {family: getComputedStyle(element).fontFamily, size: 13, color: ink};
  layout.hoverlabel = {align: 'left', bgcolor: color('--paper'), bordercolor: line, font: {color: ink}};
  layout.margin = Object.assign({}, layout.margin, {t: 30});
  layout.autosize = true;
  layout.height = TALL;
  layout.uirevision = shown.revision;
  layout.modebar = {bgcolor: 'rgba(0,0,0,0)', color: color('--muted'), activecolor: ink};
  if (layout.scene && !webgl()) {
    layout.xaxis = {visible: false};
    layout.yaxis = {visible: false, scaleanchor: 'x'};
    delete layout.scene;
  } else if (layout.scene) {
    for (const axis of ['xaxis', 'yaxis', 'zaxis']) Object.assign(layout.scene[axis], {gridcolor: line, linecolor: line});
    layout.scene.uirevision = shown.revision;
  } else {
    layout.dragmode = 'pan';
  }
  return layout;
}
function listen(side) {
  const target = plot(side);
  if (target.dataset.listens) return;
  target.dataset.listens = 'yes';
  target.on('plotly_click', event => {
    const point = event.points.find(p => Number.isInteger(p.customdata));
    if (point) trigger('pick', {row: point.customdata});
  });
  target.on('plotly_selected', event => {
    if (event) trigger('lasso', {rows: event.points.map(p => p.customdata).filter(Number.isInteger)});
  });
  target.on('plotly_deselect', () => trigger('lasso', {rows: []}));
}
async function paint() {
  if (!shown) return;
  const library = await script();
  for (const side of SIDES) {
    const target = plot(side);
    // Named one by one: plotly's own set has a button that would send the figure to its makers' server.
    const buttons = deep(side) ? [['orbitRotation', 'pan3d', 'zoom3d'], ['resetCameraDefault3d']]
      : [['pan2d', 'select2d', 'lasso2d'], ['zoomIn2d', 'zoomOut2d', 'resetScale2d']];
    await library.react(target, [...base[side], ...overlay(side)], layoutOf(side), {responsive: true, displaylogo: false,
      displayModeBar: true, scrollZoom: true, modeBarButtons: buttons});
    listen(side);
    target.setAttribute('role', 'img');
    target.setAttribute('aria-label', `${shown[side].title}: ${shown.hover.length} texts. ${shown[side].caption}`);
    target.dataset.drawn = String(Number(target.dataset.drawn || 0) + 1);
  }
}
function furnish(side) {
  const frame = card(side), head = frame.querySelector('h3');
  frame.dataset.name = shown[side].name;
  head.textContent = shown[side].title;
  head.className = shown[side].css;
  frame.querySelector('.l2v-map-caption').textContent = shown[side].caption
    + (shown[side].layout.scene && !webgl() ? ' This browser has no WebGL, which turning in space needs: the first two directions are shown.' : '');
  frame.querySelector('.l2v-data table').replaceChildren();
}
// Thousands of rows are made only when someone looks at them or takes them away.
function fill(side) {
  const table = card(side).querySelector('.l2v-data table');
  if (!shown || table.rows.length) return;
  const groups = [];
  base[side].forEach(trace => trace.customdata.forEach((row, i) => {
    const value = trace.marker.colorbar || trace.marker.cmin !== undefined ? numbers(trace.marker.color)[i] : plain(trace.name);
    groups[row] = typeof value === 'number' ? value.toFixed(4) : value;
  }));
  const axes = ['x', 'y', 'z'].slice(0, places[side].find(p => p).length);
  const add = (row, cells, tag) => cells.forEach(text => {
    const cell = document.createElement(tag);
    if (tag === 'th') cell.scope = 'col';
    cell.textContent = text;
    row.appendChild(cell);
  });
  add(table.createTHead().insertRow(), ['number', ...axes, 'colour', ...(shown.labels ? ['label'] : []), 'text (first 160 characters)'], 'th');
  const body = table.createTBody();
  shown.hover.forEach((text, row) => add(body.insertRow(), [String(row + 1), ...places[side][row].map(v => v.toFixed(3)),
    groups[row], ...(shown.labels ? [shown.labels[row]] : []), plain(text)], 'td'));
}
async function draw() {
  if (!props.value) return;
  try {
    const next = JSON.parse(props.value);
    if (!shown || shown.texts !== next.texts) { marks = {}; movers = []; }
    shown = next;
    SIDES.forEach(prepare);
    SIDES.forEach(furnish);
    await paint();
    SIDES.forEach(side => { if (card(side).querySelector('details').open) fill(side); });
  } catch (error) {
    card('left').querySelector('.l2v-map-caption').textContent = 'The maps could not be drawn: ' + error.message;
  }
}
async function mark() {
  if (!props.marks) return;
  const next = JSON.parse(props.marks);
  if (!shown || next.texts !== shown.texts) return;
  if (next.movers) movers = next.movers;
  if (next.pick !== undefined) marks = next;
  await paint();
}
element.querySelector('.l2v-map-lines').addEventListener('change', paint);
for (const side of SIDES) {
  card(side).querySelector('details').addEventListener('toggle', () => fill(side));
  // Before page.js reads the table.
  card(side).addEventListener('click', event => { if (event.target.closest('[data-export=csv]')) fill(side); }, true);
}
// The library is on its way while the server still computes, but not before someone opens the tab.
new IntersectionObserver(seen => { if (seen.some(entry => entry.isIntersecting)) script().catch(() => {}); }).observe(element);
watch('value', draw);
watch('marks', mark);
draw();
new ResizeObserver(() => {
  for (const side of SIDES) {
    const target = plot(side);
    if (window.__l2vPlotly && target && target.data && target.offsetParent) window.__l2vPlotly.then(p => p.Plots.resize(target));
  }
}).observe(element);

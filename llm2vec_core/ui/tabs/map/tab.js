// Runs inside gr.HTML, which provides element, props, watch and trigger.
const SIDES = ['left', 'right'], AXES = ['xaxis', 'yaxis'], MANY = 1500, MARGIN = {l: 8, r: 8, t: 30, b: 8};
// Paths around 0 0, for a radius of 1; charts.py fills them in.
const SHAPES = MARKERS;
const SIZES = {i1: Int8Array, u1: Uint8Array, i2: Int16Array, u2: Uint16Array, i4: Int32Array, u4: Uint32Array, f4: Float32Array, f8: Float64Array};
let given = {left: null, right: null};
let shown = null, marks = {}, movers = [], places = {left: [], right: []}, base = {left: [], right: []};

const script = window.__l2vLibrary;
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
    if (shown.hover) trace.text = trace.customdata.map(row => shown.hover[row]);
    else trace.hovertemplate = '<b>%{fullData.name}</b><extra></extra>';
    if (trace.type === 'scatter3d' && !webgl()) {
      trace.type = 'scatter';
      trace.marker.symbol = 'circle';
      trace.marker.size = 7;
      delete trace.z;
    }
    if (trace.type === 'scatter3d') Object.assign(trace.marker, {opacity: 0.6, size: Math.min(trace.marker.size || 5, 4)});
    trace.customdata.forEach((row, i) => {
      places[side][row] = trace.z ? [trace.x[i], trace.y[i], trace.z[i]] : [trace.x[i], trace.y[i]];
    });
    return trace;
  });
  if (shown.count > MANY && webgl()) base[side].forEach(t => { if (t.type === 'scatter') t.type = 'scattergl'; });
}
// What a panel shows, the same for both: its middle, and pixels a unit. Null while the panel has no size.
function view(side) {
  const target = plot(side), width = target.clientWidth - MARGIN.l - MARGIN.r, height = target.clientHeight - MARGIN.t - MARGIN.b;
  const [[left, low], [right, high]] = shown.frame, wide = right - left || 1, tall = high - low || 1;
  if (width <= 0 || height <= 0) return null;
  return {width, height, x: (left + right) / 2, y: (low + high) / 2, scale: 0.92 * Math.min(width / wide, height / tall)};
}
// The ranges of x and y that show all, remembered to tell a visitor's zoom from them.
function whole(side) {
  const seen = view(side);
  if (!seen) return null;
  const across = seen.width / 2 / seen.scale, up = seen.height / 2 / seen.scale;
  const ranges = [[seen.x - across, seen.x + across], [seen.y - up, seen.y + up]];
  // A copy: plotly writes a zoom into the arrays that it was given.
  given[side] = {revision: shown.revision, ranges: structuredClone(ranges)};
  return ranges;
}
function zoomed(side) {
  const {layout} = plot(side);
  if (!layout || !layout.xaxis || !layout.xaxis.range || !given[side] || given[side].revision !== shown.revision) return false;
  return AXES.some((axis, i) => layout[axis].range.some((end, j) => Math.abs(end - given[side].ranges[i][j]) > 1e-6));
}
// Marks at the places where plotly will draw them, so that nobody waits for its script to see the picture.
function sketch(side) {
  const target = plot(side), seen = view(side);
  if (target.data || !seen || base[side].some(t => t.type !== 'scatter' || typeof t.marker.color !== 'string')) return;
  const make = (parent, name, values) => {
    const node = parent.appendChild(document.createElementNS('http://www.w3.org/2000/svg', name));
    for (const [key, value] of Object.entries(values)) node.setAttribute(key, value);
    return node;
  };
  target.replaceChildren();
  const svg = make(target, 'svg', {viewBox: `0 0 ${target.clientWidth} ${target.clientHeight}`, width: '100%', height: '100%'});
  const middle = [MARGIN.l + seen.width / 2, MARGIN.t + seen.height / 2];
  for (const {x, y, marker} of base[side]) {
    const group = make(svg, 'g', {fill: marker.color, 'fill-opacity': marker.opacity, stroke: color('--paper'), 'stroke-width': 0.2});
    x.forEach((value, i) => make(group, 'path', {d: SHAPES[marker.symbol], transform:
      `translate(${middle[0] + seen.scale * (value - seen.x)} ${middle[1] - seen.scale * (y[i] - seen.y)}) scale(${marker.size / 2})`}));
  }
  target.dataset.sketched = 'yes';
}
function outlined(trace) {
  return deep('left') ? trace : Object.assign({}, trace, {marker: Object.assign({}, trace.marker, {line: {width: 0.8, color: color('--paper')}})});
}
// Pixels a unit, at the zoom of the panel.
function scaleOf(side) {
  const seen = view(side);
  if (!seen || !zoomed(side)) return seen && seen.scale;
  const [start, end] = plot(side).layout.xaxis.range;
  return seen.width / (end - start);
}
// Boxes of words and ranks, in pixels from the middle of the data: [x, y, half of the width, half of the height].
const free = (side, [x, y, wide, high]) => taken[side].every(([a, b, w, h]) => Math.abs(a - x) >= wide + w || Math.abs(b - y) >= high + h);
const pen = document.createElement('canvas').getContext('2d');
const WORDS = {size: 12.5, lift: 17, closer: 1.7, narrow: 420};
const wordsShown = () => element.querySelector('.l2v-map-words').checked;
// Words of the groups in sight, the largest first; those that would stand on others are left out.
function wordsOf(side) {
  const scale = deep(side) || !wordsShown() ? 0 : scaleOf(side), seen = scale && view(side);
  if (!seen) return [];
  const close = scale > WORDS.closer * seen.scale, most = seen.width > WORDS.narrow ? 3 : close ? 2 : 1;
  const groups = shown[side].words[close ? 1 : 0];
  const ranges = zoomed(side) ? AXES.map(axis => plot(side).layout[axis].range) : whole(side);
  pen.font = `600 ${WORDS.size}px ${getComputedStyle(element).fontFamily}`;
  return groups.flatMap(([row, all]) => {
    const words = all.split(' · ').slice(0, most).join(' · ');
    const [x, y] = places[side][row];
    if (x < ranges[0][0] || x > ranges[0][1] || y < ranges[1][0] || y > ranges[1][1]) return [];
    const wide = pen.measureText(words).width / 2 + 7, high = WORDS.size * 0.85;
    const ends = [ranges[0][0] * scale + wide, ranges[0][1] * scale - wide];
    const at = Math.max(ends[0], Math.min(ends[1], x * scale));
    // Farther away they would seem to be another group's.
    const lift = [WORDS.lift, -WORDS.lift, 0].find(up => free(side, [at, -y * scale - up, wide, high]));
    if (lift === undefined) return [];
    taken[side].push([at, -y * scale - lift, wide, high]);
    return [{x: at / scale, y: y + lift / scale, text: words, showarrow: false, borderpad: 1, captureevents: false,
      bgcolor: `${color('--paper')}b8`, font: {size: WORDS.size, weight: 600, color: color('--ink')}}];
  });
}
// Where each rank stands beside its mark: the first place of eight that is free; without one it is left to the list.
const BESIDE = {'top center': [0, -1], 'bottom center': [0, 1], 'middle right': [1, 0], 'middle left': [-1, 0],
  'top right': [1, -1], 'top left': [-1, -1], 'bottom right': [1, 1], 'bottom left': [-1, 1]};
let taken = {left: [], right: []};
function apart(side, rows, ranks) {
  const scale = deep(side) ? 0 : scaleOf(side);
  return rows.map((row, i) => {
    if (!scale || ranks[i] === '') return ['top center', ranks[i]];
    const box = ([right, down]) => [places[side][row][0] * scale + 14 * right, -places[side][row][1] * scale + 14 * down, 8, 7];
    const place = Object.entries(BESIDE).find(([, way]) => free(side, box(way)));
    if (!place) return ['top center', ''];
    taken[side].push(box(place[1]));
    return [place[0], ranks[i]];
  });
}
function ring(side, name, rows, symbol, tint, size, ranks) {
  const type = base[side].length ? base[side][0].type : 'scatter';
  const at = axis => rows.map(row => places[side][row][axis]);
  const trace = {type, uid: name, x: at(0), y: at(1), mode: ranks ? 'markers+text' : 'markers', hoverinfo: 'skip', showlegend: false,
    marker: {symbol: symbol + '-open', size: deep(side) ? size * 0.4 : size, color: tint, line: {width: 1.4, color: tint}}};
  if (deep(side)) trace.z = at(2);
  if (ranks) {
    const placed = apart(side, rows, ranks);
    Object.assign(trace, {text: placed.map(([, rank]) => String(rank)), textposition: placed.map(([place]) => place), textfont: {size: 12, color: color('--ink')}});
  }
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
    if (both.length) found.push(ring(side, 'both', both, 'circle', color('--good'), 13, rank(both)));
    if (one.length) found.push(ring(side, 'one', one, 'square', color('--ink'), 12, rank(one)));
    if (other.length) found.push(ring(side, 'other', other, 'diamond', color('--ink'), 14, rank(other)));
    found.push(ring(side, 'inner', [marks.pick], 'circle', color('--ink'), 18), ring(side, 'outer', [marks.pick], 'circle', color('--ink'), 24));
  }
  return found;
}
function layoutOf(side) {
  const layout = structuredClone(shown[side].layout), ink = color('--ink'), line = color('--line');
  delete layout.title;
  layout.font = {family: getComputedStyle(element).fontFamily, size: 13, color: ink};
  layout.hoverlabel = {align: 'left', bgcolor: color('--paper'), bordercolor: line, font: {color: ink}};
  layout.margin = Object.assign({}, layout.margin, MARGIN, {b: layout.margin.b});
  layout.autosize = true;
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
    const ranges = zoomed(side) ? AXES.map(axis => plot(side).layout[axis].range) : whole(side);
    if (ranges) AXES.forEach((axis, i) => Object.assign(layout[axis], {autorange: false, range: ranges[i].slice()}));
  }
  return layout;
}
const zooming = {}, close = {};
function listen(side) {
  const target = plot(side);
  if (target.dataset.listens) return;
  target.dataset.listens = 'yes';
  window.__l2vZoomed(target);
  target.on('plotly_click', event => {
    const point = event.points.find(p => Number.isInteger(p.customdata));
    if (point) trigger('pick', {row: point.customdata});
  });
  target.on('plotly_selected', event => {
    if (event) trigger('lasso', {rows: event.points.map(p => p.customdata).filter(Number.isInteger)});
  });
  target.on('plotly_deselect', () => trigger('lasso', {rows: []}));
  // Closer up there is room for more words.
  target.on('plotly_relayout', change => {
    if (!Object.keys(change).some(name => name.startsWith('xaxis'))) return;
    // A panel that only got another size is left alone: a mark that is pointed at just then would lose its click.
    // Looked at once the panel is at rest: a new answer may just have come.
    clearTimeout(zooming[side]);
    zooming[side] = setTimeout(() => {
      const was = close[side], stale = given[side]?.revision !== shown.revision;
      close[side] = zoomed(side);
      if (was || close[side] || stale) paint();
    }, 120);
  });
}
// What is highlighted, in words beside both panels.
function tell() {
  const line = element.querySelector('.l2v-map-told'), found = Number.isInteger(marks.pick) && marks.left && shown;
  line.hidden = !found;
  if (!found) { line.textContent = ''; return; }
  const both = marks.left.filter(row => marks.right.includes(row)).length, of = marks.left.length;
  line.textContent = `Ringed: text ${marks.pick + 1}. ○ ${both} of its ${of} nearest neighbours are the same on both maps, `
    + `□ ${of - both} only on the first, ◇ ${of - both} only on the second. Numbers are ranks; the texts are listed below.`;
}
async function paint() {
  if (!shown) return;
  tell();
  // Words and lines are written on flat maps alone.
  element.querySelector('.l2v-map-words').disabled = deep('left');
  const library = await script();
  for (const side of SIDES) {
    const target = plot(side);
    if (target.dataset.sketched) {
      target.replaceChildren();
      delete target.dataset.sketched;
    }
    // Named one by one: plotly's own set has a button that would send the figure to its makers' server.
    const buttons = deep(side) ? [['orbitRotation', 'pan3d', 'zoom3d'], ['resetCameraDefault3d']]
      : [['pan2d', 'select2d', 'lasso2d'], ['zoomIn2d', 'zoomOut2d', 'resetScale2d']];
    taken[side] = [];
    const layout = layoutOf(side), lines = wordsShown() && !deep(side) && shown[side].density;
    layout.annotations = wordsOf(side);
    target.dataset.words = layout.annotations.map(word => word.text).join('|');
    const density = lines ? [Object.assign({}, lines, {uid: 'density', opacity: 0.55, line: Object.assign({}, lines.line, {color: color('--muted')})})] : [];
    const traces = [...density, ...base[side].map(outlined), ...overlay(side)];
    await library.react(target, traces, layout, {responsive: true, displaylogo: false,
      displayModeBar: true, scrollZoom: true, modeBarButtons: buttons});
    listen(side);
    target.dataset.drawn = String(Number(target.dataset.drawn || 0) + 1);
  }
}
function furnish(side) {
  const frame = card(side), head = frame.querySelector('h3');
  frame.dataset.name = shown[side].name;
  head.textContent = shown[side].title;
  head.className = shown[side].css;
  frame.querySelector('.l2v-map-caption').textContent = shown[side].caption
    + (shown[side].layout.scene && !webgl() ? ' This browser has no WebGL, which a 3-D view needs, so the first two dimensions are shown.' : '');
  frame.querySelector('.l2v-data table').replaceChildren();
  plot(side).setAttribute('role', 'group');
  const words = shown[side].words[0].map(([, told]) => told.replaceAll(' · ', ', ')).join('; ');
  plot(side).setAttribute('aria-label', `${shown[side].title}: ${shown.count} texts. ${shown[side].caption}${words && ` Groups: ${words}.`}`);
}
// Thousands of rows are made only when someone looks at them or takes them away.
function fill(side) {
  const table = card(side).querySelector('.l2v-data table');
  if (!shown || !shown.hover || table.rows.length) return;
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
// A link carries what is picked, what is selected and whether the ways are drawn. Rows of a visitor's own texts stay out.
const MOST_ROWS = 300, asked = new URLSearchParams(location.search);
const picks = where => [...document.querySelectorAll(`${where} [data-pick]`)].map(button => Number(button.dataset.pick));
window.__l2vSeen.map = own => ({
  map_lines: element.querySelector('.l2v-map-lines').checked || undefined,
  map_words: wordsShown() ? undefined : false,
  map_pick: own || !Number.isInteger(marks.pick) ? undefined : marks.pick,
  map_rows: own || !picks('#map-selection').length ? undefined : picks('#map-selection').slice(0, MOST_ROWS).join('.'),
});
element.querySelector('.l2v-map-lines').checked = asked.get('map_lines') === 'true';
element.querySelector('.l2v-map-words').checked = asked.get('map_words') !== 'false';
function bringBack() {
  const row = text => /^\d{1,6}$/.test(text) && Number(text) < shown.count;
  const pick = asked.get('map_pick'), rows = (asked.get('map_rows') || '').split('.').filter(row).slice(0, MOST_ROWS);
  ['map_pick', 'map_rows'].forEach(name => asked.delete(name));
  if (pick !== null && row(pick)) trigger('pick', {row: Number(pick)});
  if (rows.length) trigger('lasso', {rows: rows.map(Number)});
}
async function draw() {
  if (!props.value) return;
  try {
    const next = JSON.parse(props.value);
    if (!shown || shown.texts !== next.texts) { marks = {}; movers = []; }
    shown = next;
    SIDES.forEach(prepare);
    SIDES.forEach(furnish);
    SIDES.forEach(sketch);
    await paint();
    if (shown.hover) bringBack();
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
for (const name of ['lines', 'words']) element.querySelector(`.l2v-map-${name}`).addEventListener('change', paint);
for (const side of SIDES) {
  card(side).querySelector('details').addEventListener('toggle', () => fill(side));
  // Before page.js reads the table.
  card(side).addEventListener('click', event => { if (event.target.closest('[data-export=csv]')) fill(side); }, true);
}
// The library is on its way while the server still computes, but not before someone opens the tab.
new IntersectionObserver(seen => { if (seen.some(entry => entry.isIntersecting)) script().catch(() => {}); }).observe(element);
window.addEventListener('l2v-theme', paint);
watch('value', draw);
watch('marks', mark);
draw();
async function fit(side) {
  const target = plot(side), library = await window.__l2vPlotly, kept = deep(side) || zoomed(side);
  await library.Plots.resize(target);
  const ranges = kept ? null : whole(side);
  if (ranges) await library.relayout(target, {'xaxis.range': ranges[0], 'yaxis.range': ranges[1]});
}
new ResizeObserver(() => {
  for (const side of SIDES) {
    const target = plot(side);
    if (window.__l2vPlotly && target && target.data && target.offsetParent) fit(side);
  }
}).observe(element);

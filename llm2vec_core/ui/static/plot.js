// Runs inside gr.HTML, which provides element, props and watch. HEIGHT is filled in by plot.py.
const script = window.__l2vLibrary;
function colors(layout) {
  const style = getComputedStyle(element);
  const ink = getComputedStyle(element).getPropertyValue('--ink').trim() || style.color;
  const line = getComputedStyle(element).getPropertyValue('--line').trim() || '#ccc';
  const paper = getComputedStyle(element).getPropertyValue('--paper').trim() || '#fff';
  layout.font = Object.assign({family: style.fontFamily, size: 13}, layout.font, {color: ink});
  layout.hoverlabel = Object.assign({}, layout.hoverlabel, {bgcolor: paper, bordercolor: line, font: {color: ink}});
  const muted = getComputedStyle(element).getPropertyValue('--muted').trim() || '#777';
  layout.modebar = {bgcolor: 'rgba(0,0,0,0)', color: muted, activecolor: ink};
  for (const axis of ['xaxis', 'yaxis']) {
    if (layout[axis]) Object.assign(layout[axis], {gridcolor: line, zerolinecolor: line, linecolor: line});
  }
  return layout;
}
// What every figure has besides its picture: what to notice, downloads, the numbers as a table. Texts, never markup.
function furnish(meta) {
  const frame = element.querySelector('.l2v-figure');
  frame.dataset.name = meta.name || 'figure';
  const line = frame.querySelector('.l2v-notice-line');
  line.hidden = !meta.notice;
  line.querySelector('span').textContent = meta.notice || '';
  const table = frame.querySelector('.l2v-data table');
  frame.querySelector('.l2v-data').hidden = !meta.columns;
  frame.querySelector('[data-export=csv]').hidden = !meta.columns;
  frame.querySelector('.l2v-tools').hidden = false;
  table.replaceChildren();
  if (!meta.columns) return;
  const fill = (row, values, tag) => values.forEach(value => {
    const cell = document.createElement(tag);
    if (tag === 'th') cell.scope = 'col';
    cell.textContent = value === null ? '–' : typeof value === 'number' ? String(Number(value.toPrecision(4))) : value;
    row.appendChild(cell);
  });
  fill(table.createTHead().insertRow(), meta.columns, 'th');
  const body = table.createTBody();
  meta.rows.forEach(values => fill(body.insertRow(), values, 'td'));
}
async function draw() {
  const value = props.value;
  if (!value) return;
  try {
    const library = await script();
    const figure = JSON.parse(value);
    const target = element.querySelector('.l2v-plot');
    furnish(figure.meta || {});
    const layout = colors(figure.layout || {});
    layout.autosize = true;
    layout.height = HEIGHT;
    layout.uirevision = 'keep';
    await library.react(target, figure.data, layout, {responsive: true, displaylogo: false, displayModeBar: innerWidth > 700 && 'hover',
      modeBarButtonsToRemove: ['sendChartToCloud', 'select2d', 'lasso2d', 'autoScale2d'],
      toImageButtonOptions: {format: 'svg'}});
    if (!target.dataset.drawn) window.__l2vZoomed(target);
    // A group and no picture: there are buttons in it. Titles of plotly are markup.
    target.setAttribute('role', 'group');
    const title = layout.title && (layout.title.text || layout.title);
    if (title) target.setAttribute('aria-label', title.replace(/<br *\/?>/g, '; ').replace(/<[^>]*>/g, ''));
    target.dataset.drawn = String(Number(target.dataset.drawn || 0) + 1);
  } catch (error) {
    const target = element.querySelector('.l2v-plot');
    target.textContent = 'This figure could not be drawn: ' + error.message;
  }
}
watch('value', draw);
window.addEventListener('l2v-theme', draw);
draw();
new ResizeObserver(() => {
  const target = element.querySelector('.l2v-plot');
  if (window.Plotly && target && target.data && target.offsetParent) window.Plotly.Plots.resize(target);
}).observe(element);

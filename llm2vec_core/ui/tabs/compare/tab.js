// Runs inside gr.HTML, which provides element and trigger. Pointing at a cell shows the pair and marks it in all
// three matrices; a tap or Enter picks it. Texts only ever go into textContent. Sizes are those of charts.py.
const LEFT = 24, TOP = 22, SIDE = 304, WIDTH = 330;
let at = [0, 1];
const frame = () => element.querySelector('.l2v-compare');
const known = () => {
  const box = frame();
  if (!box) return null;
  if (box.__source !== box.dataset.matrices) {
    box.__source = box.dataset.matrices;
    box.__data = JSON.parse(box.dataset.matrices);
  }
  return box.__data;
};
const number = (value, data, signed) => (value < 0 ? '−' : signed ? '+' : '') + Math.abs(value).toFixed(data.digits) + data.unit;
function mark(i, j) {
  const data = known(), count = data.texts.length, side = SIDE / count;
  at = [i, j];
  element.querySelectorAll('.l2v-compare-at').forEach(rect => {
    rect.setAttribute('x', LEFT + j * side);
    rect.setAttribute('y', TOP + i * side);
    rect.setAttribute('opacity', 1);
  });
  const [a, b] = data.values.map(values => values[i * count + j]);
  const shown = i === j ? 'a text compared with itself' : data.names[0] + ' ' + number(a, data) + ' · ' + data.names[1] +
    ' ' + number(b, data) + ' · difference ' + number(b - a, data, true);
  const line = element.querySelector('.l2v-compare-read');
  line.replaceChildren();
  const strong = document.createElement('b');
  strong.textContent = shown;
  line.append(strong, document.createElement('br'), (i + 1) + '. ' + data.texts[i], document.createElement('br'), (j + 1) + '. ' + data.texts[j]);
}
function cell(event) {
  const svg = event.target.closest && event.target.closest('.l2v-compare-matrix');
  if (!svg || !known()) return null;
  const box = svg.getBoundingClientRect(), scale = WIDTH / box.width, side = SIDE / known().texts.length;
  const j = Math.floor(((event.clientX - box.left) * scale - LEFT) / side), i = Math.floor(((event.clientY - box.top) * scale - TOP) / side);
  const last = known().texts.length - 1;
  return i < 0 || j < 0 || i > last || j > last ? null : [i, j];
}
element.addEventListener('pointermove', event => {
  const found = cell(event);
  if (found) mark(...found);
});
element.addEventListener('click', event => {
  const found = cell(event);
  if (!found) return;
  mark(...found);
  if (found[0] !== found[1]) trigger('pick', {i: found[0], j: found[1]});
});
element.addEventListener('keydown', event => {
  if (!event.target.closest || !event.target.closest('.l2v-compare-matrix')) return;
  const move = {ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1]}[event.key];
  const last = known().texts.length - 1;
  if (event.key === 'Enter' && at[0] !== at[1] && Math.max(...at) <= last) trigger('pick', {i: at[0], j: at[1]});
  if (!move) return;
  event.preventDefault();
  mark(...at.map((place, axis) => Math.min(last, Math.max(0, place + move[axis]))));
});

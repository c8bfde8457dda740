// Runs inside gr.HTML, which provides element, props, watch and trigger. Of all heads one is a stop of the Tab key.
const heads = () => [...element.querySelectorAll('[data-head]')];
function mark() {
  const [layer, head] = (props.chosen || '').split(',');
  const all = heads();
  const chosen = all.find(g => g.dataset.layer === layer && g.dataset.head === head);
  for (const g of all) {
    g.setAttribute('aria-pressed', String(g === chosen));
    g.setAttribute('tabindex', g === (chosen || all[0]) ? '0' : '-1');
  }
  // A large model's overview is scrolled to the head that is shown beside it.
  const frame = chosen?.closest('.l2v-see-scroll'), gap = chosen && chosen.getBoundingClientRect().top - frame.getBoundingClientRect().top;
  if (chosen && (gap < 0 || gap > frame.clientHeight - 40)) frame.scrollTop += gap - frame.clientHeight / 2;
}
const pick = g => trigger('pick', {layer: Number(g.dataset.layer), head: Number(g.dataset.head)});
element.addEventListener('click', event => {
  const g = event.target.closest('[data-head]');
  if (g) pick(g);
});
const STEPS = {ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0]};
element.addEventListener('keydown', event => {
  const g = event.target.closest('[data-head]');
  if (!g) return;
  if (event.key === 'Enter' || event.key === ' ') pick(g);
  else if (STEPS[event.key]) {
    const [down, right] = STEPS[event.key];
    const next = element.querySelector(
      `[data-layer="${Number(g.dataset.layer) + down}"][data-head="${Number(g.dataset.head) + right}"]`);
    if (next) {
      g.setAttribute('tabindex', '-1');
      next.setAttribute('tabindex', '0');
      next.focus();
    }
  } else return;
  event.preventDefault();
});
watch('chosen', mark);
new MutationObserver(mark).observe(element, {childList: true, subtree: true});
mark();

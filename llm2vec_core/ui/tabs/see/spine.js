// Runs inside gr.HTML, which provides element and trigger: of the picture with its steps, and of the lens below it.
// The style sheet shows the state of the switch; here a number runs to its new value, questions are answered, and what
// is pressed is sent to the server.
const RUN = 700;
// Of the picture: what is pressed and opens.
const PARTS = '[data-token], g[data-layer]';
const card = () => element.querySelector('.l2v-see-spine');
const causal = document.querySelector('#l2v-see-causal'), both = document.querySelector('#l2v-see-bidi');
const status = document.querySelector('#see-switch [role=status]');
const frames = new Map();

// The numbers of the switch.
const settle = number => { for (const state of number.children) state.textContent = state.dataset.value; };
function run(number) {
  cancelAnimationFrame(frames.get(number));
  settle(number);
  const [from, to] = both.checked ? number.children : [...number.children].reverse();
  const [start, end] = [from, to].map(state => Number(state.dataset.value));
  const begun = performance.now();
  const step = now => {
    const done = Math.min(1, (now - begun) / RUN), eased = 1 - (1 - done) ** 3;
    to.textContent = done < 1 ? (start + (end - start) * eased).toFixed(3) : to.dataset.value;
    if (done < 1 && to.isConnected) frames.set(number, requestAnimationFrame(step));
  };
  frames.set(number, requestAnimationFrame(step));
}
function turned() {
  // Who cannot see it is told; innerText leaves out the state that is hidden.
  status.textContent = [...element.querySelectorAll('.l2v-see-hero')].map(hero => hero.innerText.replace(/\s+/g, ' ')).join('; ');
  if (!matchMedia('(prefers-reduced-motion: reduce)').matches) element.querySelectorAll('.l2v-see-hero b').forEach(run);
}

// A question is answered once; its answer stays open when the visitor comes back to the step.
const answers = window.__l2vAnswers ||= {};
const asked = () => card().dataset.pair + card().dataset.key + card().querySelector('legend').textContent;
function reveal(option) {
  const question = card().querySelector('.l2v-see-question'), answer = card().querySelector('.l2v-see-answer');
  if (!question) return;
  const right = question.querySelector('[data-right]');
  for (const button of question.querySelectorAll('[data-option]')) {
    const chosen = button.dataset.option === option;
    button.setAttribute('aria-pressed', String(chosen));
    button.classList.toggle('right', button === right);
    button.classList.toggle('wrong', chosen && option !== '' && button !== right);
  }
  answer.querySelector('.l2v-see-verdict').textContent =
    option === '' ? '' : right.dataset.option === option ? 'Right.' : `No. The answer is “${right.textContent}”.`;
  answer.hidden = false;
}
let shown = '';
function arrive() {
  if (!card()) return;
  // Each column is a button; of all of them one is a stop of the Tab key.
  for (const svg of element.querySelectorAll('.l2v-see-sentences svg')) {
    const columns = [...svg.querySelectorAll(PARTS)];
    if (columns.some(g => g.getAttribute('tabindex') === '0')) continue;
    (svg.querySelector('.l2v-see-watched') || columns[0])?.setAttribute('tabindex', '0');
  }
  const now = card().dataset.step + card().dataset.key;
  if (now !== shown) {
    if (shown || !new URLSearchParams(location.search).has('see_switch')) (card().dataset.switch === 'bidi' ? both : causal).checked = true;
    shown = now;
  }
  status.textContent = '';
  if (card().querySelector('legend') && asked() in answers) reveal(answers[asked()]);
}

const pick = part => {
  const {sentence, token, layer} = part.dataset;
  if (layer) trigger('layer', {sentence, layer: Number(layer)});
  else trigger('pick', {sentence, token});
  if (card()) document.querySelector(layer ? '#attention-picture' : '#see-lens').scrollIntoView({behavior: 'smooth', block: 'center'});
};
element.addEventListener('click', event => {
  const part = event.target.closest(PARTS), option = event.target.closest('[data-option]');
  if (part) return pick(part);
  if (option) {
    answers[asked()] = option.dataset.option;
    return reveal(option.dataset.option);
  }
  const onward = event.target.closest('[data-tab]');
  if (onward) {
    document.querySelector(`#tabs [role=tab][id*=${onward.dataset.tab}]`).click();
    return document.querySelector('#tabs').scrollIntoView({behavior: 'smooth'});
  }
  const search = event.target.closest('.l2v-see-search');
  if (!search) return;
  document.querySelector('#tabs [role=tab][id*=search]').click();
  // A tab is built when it is first opened.
  const ask = tries => {
    const field = document.querySelector('#search-query textarea, #search-query input');
    if (!field) return tries && requestAnimationFrame(() => ask(tries - 1));
    field.value = search.dataset.query;
    field.dispatchEvent(new Event('input', {bubbles: true}));
    requestAnimationFrame(() => document.querySelector('#search-button').click());
  };
  ask(600);
});
element.addEventListener('keydown', event => {
  const part = event.target.closest('g[data-sentence]');
  if (!part) return;
  const columns = [...part.ownerSVGElement.querySelectorAll(PARTS)], at = columns.indexOf(part);
  const next = {ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: columns.length - 1}[event.key];
  if (event.key === 'Enter' || event.key === ' ') pick(part);
  else if (next === undefined) return;
  else if (columns[next]) {
    part.setAttribute('tabindex', '-1');
    columns[next].setAttribute('tabindex', '0');
    columns[next].focus();
  }
  event.preventDefault();
});
if (element.id === 'see-spine' || element.querySelector('.l2v-see-spine')) {
  for (const input of [causal, both]) input.addEventListener('change', turned);
  // A link carries the state of the switch.
  window.__l2vSeen.see = () => ({see_switch: both.checked ? 'both' : undefined});
  if (new URLSearchParams(location.search).get('see_switch') === 'both') both.checked = true;
  arrive();
  new MutationObserver(found => {
    const own = node => (node.nodeType === 1 ? node : node.parentElement)?.closest('.l2v-see-hero b, .l2v-see-answer');
    if (found.some(({type, target}) => type === 'childList' && !own(target))) arrive();
  }).observe(element, {childList: true, subtree: true});
}

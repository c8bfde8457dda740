// Runs inside gr.HTML, which provides element. The style sheet shows the state of the switch; here the number runs to its
// new value, and readers of the screen are told what they cannot see change.
const hero = () => document.querySelector('#see-opening .l2v-see-hero b');
const RUN = 700;
let frame = 0;
function settle(number) {
  for (const state of number.children) state.textContent = state.dataset.value;
}
function turn() {
  const number = hero();
  if (!number) return;
  cancelAnimationFrame(frame);
  settle(number);
  const [causal, bidirectional] = number.children;
  const [from, to] = element.querySelector('#l2v-see-bidi').checked ? [causal, bidirectional] : [bidirectional, causal];
  const told = document.querySelector('#see-opening .l2v-notice-line');
  element.querySelector('[role=status]').textContent = told ? told.innerText : '';
  if (matchMedia('(prefers-reduced-motion: reduce)').matches) return;
  const [start, end] = [from, to].map(state => Number(state.dataset.value));
  const begun = performance.now();
  const step = now => {
    const done = Math.min(1, (now - begun) / RUN), eased = 1 - (1 - done) ** 3;
    to.textContent = done < 1 ? (start + (end - start) * eased).toFixed(3) : to.dataset.value;
    if (done < 1 && to.isConnected) frame = requestAnimationFrame(step);
  };
  frame = requestAnimationFrame(step);
}
element.addEventListener('change', turn);
// What was told of the sentences before is not true of new ones.
const own = node => (node.nodeType === 1 ? node : node.parentElement)?.closest('.l2v-see-hero b, [role=status]');
new MutationObserver(found => {
  if (!found.every(({target}) => own(target))) element.querySelector('[role=status]').textContent = '';
}).observe(element.closest('#see-play'), {childList: true, characterData: true, subtree: true});
// A link carries the state of the switch.
window.__l2vSeen.see = () => ({see_switch: element.querySelector('#l2v-see-bidi').checked ? 'both' : undefined});
if (new URLSearchParams(location.search).get('see_switch') === 'both') {
  element.querySelector('#l2v-see-bidi').checked = true;
  turn();
}

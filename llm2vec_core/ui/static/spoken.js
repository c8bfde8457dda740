// What a screen reader is told: what gradio's own markup leaves out, and results, which are drawn anew each time.
(() => {
  if (window.__l2vSpoken) return;
  window.__l2vSpoken = true;
  const within = (node, selector) => [...node.querySelectorAll(selector), ...(node.matches(selector) ? [node] : [])];
  // Gradio gives every radio button a name of its own: "1 of 1", no arrow keys, and a group whose title is not its name.
  const group = title => {
    const set = title.parentElement, all = set.matches('fieldset') ? [...set.querySelectorAll('input[type=radio]')] : [];
    if (!all.length) return;
    title.id ||= `l2v-title-${all[0].name}`;
    set.setAttribute('role', 'radiogroup');
    set.setAttribute('aria-labelledby', title.id);
    for (const radio of all) radio.name = all[0].name;
  };
  const fold = button => {
    button.setAttribute('aria-expanded', String(button.classList.contains('open')));
    button.querySelector('.icon')?.setAttribute('aria-hidden', 'true');
  };
  // Arrows of lists, and what plotly draws: the figure's own name says it, and a table holds its numbers.
  const SILENT = '.dropdown-arrow, .js-plotly-plot .main-svg, .js-plotly-plot .modebar svg';
  const mend = node => {
    within(node, 'fieldset > [data-testid=block-info]').forEach(group);
    if (within(node, 'input[type=radio]').length) node.closest('fieldset')?.querySelectorAll(':scope > [data-testid=block-info]').forEach(group);
    within(node, '.label-wrap').forEach(fold);
    within(node, SILENT).forEach(each => each.setAttribute('aria-hidden', 'true'));
  };

  // One place that never goes: a status that is drawn together with its words is not read out.
  const live = document.createElement('div');
  live.id = 'l2v-live';
  live.setAttribute('role', 'status');
  live.style.cssText = 'position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%)';
  if (document.body) document.body.appendChild(live);
  else addEventListener('DOMContentLoaded', () => document.body.appendChild(live));
  // The same words twice are two messages.
  const tell = window.__l2vTell = words => { live.textContent = words + (live.textContent === words ? '\u00a0' : ''); };
  // How far a run is: at most so often, in milliseconds, unless something was pressed.
  const PATIENCE = 10000, LONGEST = 400, BUSY = '[role=progressbar], progress, .track, .l2v-away-bar';
  // Of the results that follow a press the first of this order is told; a status always.
  const RESULTS = ['see-spine', 'see-endings', 'see-lens', 'attention-picture', 'ladder-filled', 'ladder-card', 'compare-summary',
    'compare-poolings', 'search-note', 'map-selection', 'map-neighbours'];
  const summary = place => place.querySelector('[data-step]')?.getAttribute('aria-label')
    || (place.querySelector('.l2v-notice-line') || place.querySelector('h3'))?.innerText || '';
  const changed = new Set();
  let pressed = false, first = -1, timer = 0, last = 0;
  for (const name of ['pointerdown', 'keydown']) addEventListener(name, () => { pressed = true; first = RESULTS.length; }, true);
  const told = () => {
    timer = 0;
    const words = [];
    for (const place of changed) {
      if (!place.isConnected || !place.checkVisibility() || !place.matches('[data-say]')) continue;
      const busy = place.parentElement.querySelector(BUSY);
      if (busy && !pressed && performance.now() - last < PATIENCE) continue;
      last = performance.now();
      pressed = false;
      words.push(place.innerText);
    }
    const at = RESULTS.findIndex((id, i) => i <= first && changed.has(document.getElementById(id)));
    const result = at >= 0 && document.getElementById(RESULTS[at]);
    if (result && result.checkVisibility()) {
      first = at;
      words.push(summary(result));
    }
    changed.clear();
    const all = words.join(' ').replace(/\s+/g, ' ').trim();
    if (all) tell(all.length > LONGEST ? all.slice(0, LONGEST) + '…' : all);
  };
  const note = (place, added) => {
    const status = place.closest('[data-say]'), result = place.closest(RESULTS.map(id => '#' + id).join());
    for (const each of [status, result, ...added.flatMap(node => within(node, '[data-say]'))]) if (each) changed.add(each);
    if (changed.size) timer ||= setTimeout(told, 300);
  };
  // What gradio tells of its requests has no words for "done" and "failed".
  const WORDS = {'common.complete': 'Done.', 'common.error': 'That did not work.'};

  new MutationObserver(found => found.forEach(({type, target, addedNodes}) => {
    if (type === 'attributes') {
      if (target.matches('.label-wrap')) fold(target);
      // What was pressed can be pressed no more: the focus would fall out of the page. What can be pressed now is beside it.
      if (target.disabled && target === document.activeElement) target.closest('.row')?.querySelector('button:not(:disabled)')?.focus();
      return;
    }
    if (type === 'characterData' && target.data in WORDS) target.data = WORDS[target.data];
    const place = target.nodeType === 1 ? target : target.parentElement;
    if (!place || live.contains(place)) return;
    const added = [...addedNodes].filter(node => node.nodeType === 1);
    added.forEach(mend);
    note(place, added);
  })).observe(document, {childList: true, subtree: true, characterData: true, attributes: true, attributeFilter: ['class', 'disabled']});
})();

// Downloads of figures, made in the browser (figure.js draws them), and what else the page does without the server.
(() => {
  if (window.__l2vPage) return;
  window.__l2vPage = true;
  // Where the page lies on its host; only the path: a proxy may know the scheme and the host better than the server does.
  window.__l2vRoot = () => new URL((window.gradio_config || {}).root || '/', location.href).pathname.replace(/\/$/, '');
  // plotly's script, once for all figures.
  window.__l2vLibrary = () => window.__l2vPlotly ||= new Promise((resolve, reject) => {
    const tag = document.createElement('script');
    tag.src = window.__l2vRoot() + '/l2v/plotly.min.js';
    tag.onload = () => resolve(window.Plotly);
    tag.onerror = () => reject(new Error('the drawing library could not be loaded'));
    document.head.appendChild(tag);
  });
  // Plotly reads where the mouse is through transforms, but not through CSS zoom (large type): its marks would be missed.
  window.__l2vZoomed = target => {
    const mend = () => {
      const layout = target._fullLayout, own = layout._calcInverseTransform;
      if (!own || own.zoomed) return;
      layout._lastBBox = null;
      layout._calcInverseTransform = graph => {
        const now = graph._fullLayout, box = now._lastBBox, zoom = graph.currentCSSZoom || 1;
        own(graph);
        if (now._lastBBox === box || zoom === 1) return;
        now._invTransform = now._invTransform.map(row => row.map((x, i) => i < 2 ? x / zoom : x));
        now._invScaleX /= zoom;
        now._invScaleY /= zoom;
      };
      layout._calcInverseTransform.zoomed = true;
    };
    mend();
    target.on('plotly_afterplot', mend);
  };
  const save = (name, blob) => {
    const link = document.createElement('a');
    link.href = URL.createObjectURL(blob);
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  };
  // A spreadsheet must not take a visitor's text for a formula.
  const field = text => {
    if (/^[=+\-@\t\r]/.test(text) && !/^[+-]?[\d.]+(e[+-]?\d+)?%?$/i.test(text)) text = "'" + text;
    return /[",\n\r]/.test(text) ? '"' + text.replaceAll('"', '""') + '"' : text;
  };
  const csv = table => [...table.rows].map(row => [...row.cells].map(cell => field(cell.textContent)).join(',')).join('\r\n');
  document.addEventListener('click', event => {
    const button = event.target.closest && event.target.closest('[data-export]');
    if (!button) return;
    const figure = button.closest('.l2v-figure');
    const name = figure.dataset.name, kind = button.dataset.export;
    if (kind === 'csv') save(name + '.csv', new Blob(['\ufeff' + csv(figure.querySelector('.l2v-data table'))], {type: 'text/csv'}));
    else window.__l2vFigure[kind](figure).then(blob => save(`${name}.${kind}`, blob));
  });
  document.addEventListener('click', event => {
    if (event.target.closest && event.target.closest('[data-l2v=sidebar]')) document.querySelector('.sidebar .toggle-button').click();
  });
  // The focus goes into the sidebar that was opened, and back to the button when it is closed.
  document.addEventListener('click', event => {
    const toggle = event.target.closest && event.target.closest('.sidebar .toggle-button');
    // What is still hidden takes no focus.
    const move = tries => {
      const place = toggle.closest('.open') ? toggle : document.querySelector('[data-l2v=sidebar]');
      place?.focus();
      if (document.activeElement !== place && tries) requestAnimationFrame(() => move(tries - 1));
    };
    if (toggle) setTimeout(() => move(60));
  });
  // No text of a figure is smaller than this: where the screen is too narrow for that, the figure is moved sideways.
  const SMALLEST = 12;
  const legible = svg => {
    const sizes = [...svg.querySelectorAll('text')].map(text => parseFloat(text.getAttribute('font-size'))).filter(Boolean);
    const box = svg.viewBox.baseVal;
    if (!sizes.length || !box || !box.width || svg.parentElement.classList.contains('l2v-pan')) return;
    svg.style.minWidth = Math.ceil(box.width * SMALLEST / Math.max(8, Math.min(...sizes))) + 'px';
    const pan = document.createElement('div');
    pan.className = 'l2v-pan';
    svg.replaceWith(pan);
    pan.appendChild(svg);
    panned.observe(pan);
  };
  const panned = new ResizeObserver(all => all.forEach(({target}) => {
    const wide = target.scrollWidth > target.clientWidth + 1;
    for (const [name, value] of [['tabindex', '0'], ['role', 'group'], ['aria-label', 'Figure, wider than the screen']]) {
      if (wide) target.setAttribute(name, value);
      else target.removeAttribute(name);
    }
  }));
  // Code that is only read takes no focus by itself, and its long lines could not be scrolled by keyboard.
  const scrollable = code => {
    for (const [name, value] of [['tabindex', '0'], ['role', 'group'], ['aria-label', 'Code']]) code.setAttribute(name, value);
  };
  const within = (node, selector) => [...node.querySelectorAll(selector), ...(node.matches(selector) ? [node] : [])];
  new MutationObserver(found => found.forEach(({addedNodes}) => addedNodes.forEach(node => {
    if (node.nodeType !== 1) return;
    if (!node.closest('.l2v-pan')) within(node, 'svg.l2v-svg').forEach(legible);
    within(node, '.cm-scroller').forEach(scrollable);
  }))).observe(document, {childList: true, subtree: true});
  // An explanation stays on the screen, wherever its term stands.
  for (const name of ['mouseover', 'focusin']) document.addEventListener(name, event => {
    const tip = event.target.closest && event.target.closest('.l2v-term')?.querySelector('[role=tooltip]');
    if (!tip) return;
    tip.style.left = '0';
    tip.style.left = `${Math.min(0, document.documentElement.clientWidth - 8 - tip.getBoundingClientRect().right) / (tip.currentCSSZoom || 1)}px`;
  });
  // Gradio's list of examples tells of a choice also when it merely loses focus: one counts that was pressed or entered.
  let picked = false;
  document.addEventListener('focusin', event => { if (event.target.getAttribute('role') === 'combobox') picked = false; });
  document.addEventListener('mousedown', event => { if (event.target.closest('li[data-index]')) picked = true; }, true);
  document.addEventListener('keydown', event => {
    if (event.key === 'Enter' && event.target.getAttribute('role') === 'combobox') picked = true;
  }, true);
  window.__l2vPicked = key => {
    const taken = picked ? key : null;
    picked = false;
    return taken;
  };
  // On a phone the result lies screens below its fields.
  const RESULTS = {'compare-button': 'see-spine', 'ladder-fill-button': 'ladder-filled', 'compare-run': 'compare-summary',
    'search-button': 'search-note', 'map-draw': 'map-status', 'train-button': 'train-status', 'away-run': 'away-status'};
  document.addEventListener('click', event => {
    const button = innerWidth <= 700 && event.target.closest && event.target.closest('button[id]');
    const result = button && document.getElementById(RESULTS[button.id]);
    if (result) result.scrollIntoView({behavior: 'smooth', block: 'start'});
  });
  // The page has a base address, so a bare "#id" would load it anew; and what is folded away is unfolded when it is asked for.
  document.addEventListener('click', event => {
    const link = event.target.closest && event.target.closest('#tabs a[href^="#"]');
    const target = link && document.getElementById(link.getAttribute('href').slice(1));
    if (!target) return;
    event.preventDefault();
    const fold = target.querySelector(':scope > .label-wrap');
    if (fold && !fold.classList.contains('open')) fold.click();
    target.scrollIntoView({behavior: 'smooth', block: 'start'});
    const place = fold || target.querySelector('input:checked') || target;
    if (place === target) target.tabIndex = -1;
    place.focus({preventScroll: true});
  });
  // Of all tabs one is a stop of the Tab key; the arrow keys go from one to the next.
  const tabs = () => [...document.querySelectorAll('#tabs > .tab-wrapper .tab-container:not(.visually-hidden) [role=tab]')];
  const TURNS = {ArrowLeft: -1, ArrowRight: 1, Home: -Infinity, End: Infinity};
  const stops = () => tabs().forEach(tab => tab.setAttribute('tabindex', tab.getAttribute('aria-selected') === 'true' ? '0' : '-1'));
  document.addEventListener('keydown', event => {
    const all = tabs(), at = all.indexOf(event.target);
    if (at < 0 || !(event.key in TURNS)) return;
    event.preventDefault();
    const turn = TURNS[event.key], next = all[Number.isFinite(turn) ? (at + turn + all.length) % all.length : turn < 0 ? 0 : all.length - 1];
    next.focus();
    next.click();
  });
  new MutationObserver(found => {
    if (tabs().some(tab => !tab.hasAttribute('tabindex')) || found.some(({target, type}) => type === 'attributes' && target.matches('[role=tab]'))) stops();
  }).observe(document, {childList: true, subtree: true, attributes: true, attributeFilter: ['aria-selected']});
  // A row of radio buttons may be a slider with stops: the arrow keys go from one to the next, as they are seen.
  const STEPS = {ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1};
  document.addEventListener('keydown', event => {
    const row = event.key in STEPS && event.target.type === 'radio' && event.target.closest('.l2v-stops');
    if (!row) return;
    event.preventDefault();
    const place = input => Number(getComputedStyle(input.closest('label')).order);
    const stops = [...row.querySelectorAll('input[type=radio]')].sort((a, b) => place(a) - place(b));
    const next = stops[stops.indexOf(event.target) + STEPS[event.key]];
    if (!next) return;
    next.focus();
    next.click();
  });
  document.addEventListener('click', event => {
    if (!event.target.closest || !event.target.closest('.l2v-skip')) return;
    event.preventDefault(); // the page has a base address: "#tabs" alone would load it anew
    document.querySelector('#tabs [role=tab][aria-selected=true]').focus();
  });
  document.addEventListener('click', event => {
    const button = event.target.closest && event.target.closest('[data-l2v=copy]');
    if (!button || !navigator.clipboard) return;
    navigator.clipboard.writeText(button.closest('.l2v-code').querySelector('pre').textContent).then(() => say('Copied.'));
  });
  // A link to this view: the open tab and its fields. layout/links.py checks whatever comes back.
  const LONGEST_LINK = 6000;
  const asText = value => typeof value === 'string' ? value : JSON.stringify(value);
  window.__l2vTab = () => {
    const tab = document.querySelector('#tabs [role=tab][aria-selected=true]');
    return tab ? tab.id.replace(/^tab-|-button$/g, '') : '';
  };
  const say = text => {
    let place = document.getElementById('l2v-said');
    if (!place) {
      place = document.createElement('div');
      place.id = 'l2v-said';
      document.body.appendChild(place);
    }
    place.textContent = text;
    place.hidden = false;
    window.__l2vTell(text);
    clearTimeout(say.timer);
    say.timer = setTimeout(() => { place.hidden = true; place.textContent = ''; }, 6000);
  };
  // Gradio says no more than "Error" about a file that its server will refuse: it is stopped here, with the reason.
  const tooLarge = (event, files) => {
    const limit = (window.gradio_config || {}).max_file_size;
    const large = [...(files || [])].find(file => limit && file.size > limit);
    if (!large) return false;
    event.preventDefault();
    event.stopImmediatePropagation();
    const megabytes = size => (size / 2 ** 20).toLocaleString('en', {maximumFractionDigits: 1}) + ' MB';
    say(`${large.name} has ${megabytes(large.size)}; a file may have at most ${megabytes(limit)}. Nothing was uploaded.`);
    return true;
  };
  document.addEventListener('change', event => {
    if (event.target.type === 'file' && tooLarge(event, event.target.files)) event.target.value = '';
  }, true);
  document.addEventListener('drop', event => tooLarge(event, event.dataTransfer && event.dataTransfer.files), true);
  // What a tab shows beyond its fields, by tab: its own script knows, and brings it back from the address.
  window.__l2vSeen = {};
  window.__l2vLink = (names, sources, values) => {
    const tab = window.__l2vTab(), model = document.querySelector('.l2v-inuse');
    const address = new URL(location.href.split(/[?#]/)[0]);
    address.searchParams.set('tab', tab);
    if (model) address.searchParams.set('model', model.dataset.model);
    const texts = values[names.length + sources.indexOf(tab)] === 'own';
    if (texts) address.searchParams.set('own', 'texts');
    const seen = Object.entries(window.__l2vSeen[tab] ? window.__l2vSeen[tab](texts) : {});
    const own = names.map((name, i) => [name, values[i]]).concat(seen)
      .filter(([name, value]) => name.startsWith(tab + '_') && value !== null && value !== undefined)
      .map(([name, value]) => [name, asText(value)]).sort((a, b) => a[1].length - b[1].length);
    const left = [];
    for (const [name, value] of own) {
      address.searchParams.set(name, value);
      if (address.href.length > LONGEST_LINK) { address.searchParams.delete(name); left.push(name); }
    }
    const link = address.href;
    const theme = new URL(location.href).searchParams.get('__theme');
    if (theme) address.searchParams.set('__theme', theme);
    history.replaceState(null, '', address.href);
    const note = (left.length ? ' Without the longest texts: with them it would be too long for an address.' : '')
      + (texts ? ' Your own texts are not in it: whoever opens it sees our collection.' : '')
      + (own.some(([name, value]) => value === 'own') ? ' Nor is your adapter: whoever opens it sees one of our encoders.' : '');
    const shown = () => say('The link is in the address bar.' + note);
    if (navigator.clipboard) navigator.clipboard.writeText(link).then(() => say('Link copied.' + note), shown);
    else shown();
    return [];
  };
  // Pasted lines that the visitor wants to find again; a private window may refuse to keep anything.
  const LINES = 'l2v-lines';
  window.__l2vLines = () => {
    let lines = null;
    try { lines = localStorage.getItem(LINES); } catch {}
    return [lines || '', lines !== null];
  };
  window.__l2vKeepLines = (lines, wanted) => {
    try {
      if (wanted) localStorage.setItem(LINES, lines || '');
      else localStorage.removeItem(LINES);
    } catch { say('This browser keeps nothing: the lines are not kept.'); }
    return [];
  };
  // A reload begins a new visit, without the texts and the adapter of this one.
  const loaded = () => [...document.querySelectorAll('[data-none]')].some(line => line.textContent.trim() !== line.dataset.none)
    || [...document.querySelectorAll('[id$=-pasted] textarea')].some(box => box.value.trim() && box.value !== window.__l2vLines()[0])
    || document.getElementById('own-adapter');
  window.addEventListener('beforeunload', event => { if (loaded()) event.preventDefault(); });
  window.__l2vTheme = () => {
    const dark = document.body.classList.toggle('dark');
    const address = new URL(location.href);
    address.searchParams.set('__theme', dark ? 'dark' : 'light');
    history.replaceState(null, '', address.href);
    window.dispatchEvent(new Event('l2v-theme'));
    return [];
  };
  // Large type for a room: everything grows, and what only one reader needs is left out. An address carries it.
  window.__l2vPresent = (on = !document.body.classList.contains('l2v-present')) => {
    document.body.classList.toggle('l2v-present', on);
    document.querySelector('#present')?.setAttribute('aria-pressed', String(on));
    const address = new URL(location.href);
    if (on) address.searchParams.set('present', '1');
    else address.searchParams.delete('present');
    history.replaceState(null, '', address.href);
    window.dispatchEvent(new Event('resize'));
    return [];
  };
  // This script may run before the page is drawn or after the window has loaded.
  const begin = () => document.getElementById('present') ? window.__l2vPresent(true) : requestAnimationFrame(begin);
  if (new URLSearchParams(location.search).has('present')) begin();
})();

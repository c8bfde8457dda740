// Runs inside gr.HTML, which provides element. The page has a base address, so a bare "#id" would load it anew; and what
// is folded away is unfolded when it is asked for.
element.addEventListener('click', event => {
  const link = event.target.closest && event.target.closest('a[href^="#"]');
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

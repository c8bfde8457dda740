// A figure as one picture: what is seen of its card (title, legend, every panel, caption), each where it stands on the page.
window.__l2vFigure = (() => {
  const NS = 'http://www.w3.org/2000/svg', PADDING = 16;
  const LEFT_OUT = '.l2v-tools, details, script, style, input, .modebar-container';
  const KEPT = ['fill', 'stroke', 'stroke-width', 'stroke-dasharray', 'opacity', 'font-size', 'font-family', 'font-weight', 'text-anchor', 'vector-effect'];
  const pen = document.createElement('canvas').getContext('2d');
  const make = (parent, name, values) => {
    const node = parent.appendChild(document.createElementNS(NS, name));
    for (const [key, value] of Object.entries(values)) node.setAttribute(key, value);
    return node;
  };
  const seen = color => color !== 'transparent' && !/, 0\)$/.test(color);
  // The panel with its colours written out: a style sheet does not go along.
  const panel = (sheet, svg, at) => {
    const copy = svg.cloneNode(true);
    const from = [svg, ...svg.querySelectorAll('*')], to = [copy, ...copy.querySelectorAll('*')];
    from.forEach((node, i) => {
      const style = getComputedStyle(node);
      for (const name of KEPT) to[i].style.setProperty(name, style.getPropertyValue(name));
    });
    for (const [key, value] of Object.entries(at)) copy.setAttribute(key, value);
    sheet.appendChild(copy);
  };
  const plotted = async (sheet, plot, at) => {
    const library = await window.__l2vPlotly;
    const source = await library.toImage(plot, {format: 'svg', width: at.width, height: at.height});
    const drawn = new DOMParser().parseFromString(decodeURIComponent(source.slice(source.indexOf(',') + 1)), 'image/svg+xml').documentElement;
    for (const [key, value] of Object.entries(at)) drawn.setAttribute(key, value);
    sheet.appendChild(document.importNode(drawn, true));
  };
  const box = (sheet, element, at) => {
    const style = getComputedStyle(element);
    if (seen(style.backgroundColor)) make(sheet, 'rect', {...at, rx: parseFloat(style.borderRadius) || 0, fill: style.backgroundColor, opacity: style.opacity});
    for (const [side, x, y, width, height] of [['Left', 0, 0, 0, 1], ['Right', 1, 0, 0, 1], ['Top', 0, 0, 1, 0], ['Bottom', 0, 1, 1, 0]]) {
      const thick = parseFloat(style[`border${side}Width`]), color = style[`border${side}Color`];
      if (!thick || style[`border${side}Style`] === 'none' || !seen(color)) continue;
      make(sheet, 'rect', {x: at.x + x * (at.width - thick), y: at.y + y * (at.height - thick), width: width ? at.width : thick,
        height: height ? at.height : thick, fill: color});
    }
  };
  // Words as the browser broke them into lines.
  const words = (sheet, node, origin) => {
    const style = getComputedStyle(node.parentElement), range = document.createRange(), lines = [];
    for (const match of node.textContent.matchAll(/\S+/g)) {
      range.setStart(node, match.index);
      range.setEnd(node, match.index + match[0].length);
      const at = range.getBoundingClientRect(), last = lines[lines.length - 1];
      if (!at.width) continue;
      if (last && Math.abs(last.top - at.top) < 2) { last.text += ' ' + match[0]; last.right = at.right; }
      else lines.push({text: match[0], left: at.left, right: at.right, top: at.top, height: at.height});
    }
    pen.font = `${style.fontWeight} ${style.fontSize} ${style.fontFamily}`;
    const measure = pen.measureText('x'), rise = measure.fontBoundingBoxAscent / (measure.fontBoundingBoxAscent + measure.fontBoundingBoxDescent);
    for (const line of lines) {
      // The reader's machine may lack the face: the width is kept.
      const text = make(sheet, 'text', {x: line.left - origin.x, y: line.top + line.height * rise - origin.y, fill: style.color,
        textLength: line.right - line.left, lengthAdjust: 'spacingAndGlyphs', 'font-size': style.fontSize, 'font-weight': style.fontWeight,
        'font-style': style.fontStyle, 'font-family': style.fontFamily});
      text.textContent = line.text;
    }
  };
  const walk = async (sheet, element, origin) => {
    const rect = element.getBoundingClientRect();
    if (element.matches(LEFT_OUT) || !element.checkVisibility() || !rect.width) return 0;
    const at = {x: rect.x - origin.x, y: rect.y - origin.y, width: rect.width, height: rect.height};
    if (element.matches('svg')) { panel(sheet, element, at); return at.y + at.height; }
    if (element.matches('.js-plotly-plot')) { await plotted(sheet, element, at); return at.y + at.height; }
    box(sheet, element, at);
    let bottom = 0;
    for (const child of element.childNodes) {
      if (child.nodeType === 1) bottom = Math.max(bottom, await walk(sheet, child, origin));
      else if (child.nodeType === 3 && child.textContent.trim()) { words(sheet, child, origin); bottom = Math.max(bottom, at.y + at.height); }
    }
    return bottom;
  };
  const svg = async figure => {
    const origin = figure.getBoundingClientRect(), sheet = document.createElementNS(NS, 'svg');
    const card = make(sheet, 'rect', {width: '100%', height: '100%', fill: getComputedStyle(figure).backgroundColor});
    if (!seen(card.getAttribute('fill'))) card.setAttribute('fill', getComputedStyle(document.body).backgroundColor);
    let bottom = 0;
    for (const child of figure.children) bottom = Math.max(bottom, await walk(sheet, child, origin));
    const right = Math.max(0, ...[...figure.querySelectorAll('.l2v-pan > svg')].map(svg => svg.getBoundingClientRect().right - origin.x + PADDING));
    const width = Math.ceil(Math.max(origin.width, right)), height = Math.ceil(bottom + PADDING);
    for (const [key, value] of Object.entries({width, height, viewBox: `0 0 ${width} ${height}`, role: 'img', 'aria-label': figure.getAttribute('aria-label') || ''})) sheet.setAttribute(key, value);
    return {text: new XMLSerializer().serializeToString(sheet), width, height};
  };
  const png = async figure => {
    const {text, width, height} = await svg(figure), image = new Image();
    image.src = 'data:image/svg+xml;charset=utf-8,' + encodeURIComponent(text);
    await image.decode();
    const canvas = document.createElement('canvas');
    canvas.width = width * 2;
    canvas.height = height * 2;
    canvas.getContext('2d').drawImage(image, 0, 0, canvas.width, canvas.height);
    return new Promise(done => canvas.toBlob(done, 'image/png'));
  };
  return {png, svg: async figure => new Blob([(await svg(figure)).text], {type: 'image/svg+xml'})};
})();

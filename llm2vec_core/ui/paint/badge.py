"""The live proof in one line."""

from __future__ import annotations

from llm2vec_core.bidirectional import PrefixReport


def badge(causal: PrefixReport, bidirectional: PrefixReport) -> str:
    """The live proof in one line: the last token was changed; did the first ones notice?"""

    def verdict(holds: bool) -> str:
        return '<span class="ok">holds</span>' if holds else '<span class="notice-dot">fails</span>'

    return (
        '<div class="l2v"><div class="l2v-badge" role="status" id="prefix-badge"><b>Prefix test, <span class="l2v-wide">run </span>just now</b>'
        f'<span><b class="c">causal</b> {verdict(causal.is_causal)}<span class="l2v-wide">: changing the last word moved an '
        f"earlier word by {causal.moved}</span></span>"
        f'<span><b class="b">bidirectional</b> {verdict(bidirectional.is_bidirectional)}<span class="l2v-wide">: by '
        f"{bidirectional.moved}, in all {len(bidirectional.layers)} layers</span></span></div></div>"
    )

"""The live proof in one line."""

from __future__ import annotations

from llm2vec_core.bidirectional import PrefixReport


def badge(causal: PrefixReport, bidirectional: PrefixReport) -> str:
    """The live proof in one line: the last token was changed; did the first ones notice?"""

    def verdict(holds: bool) -> str:
        return '<span class="ok">holds</span>' if holds else '<span class="notice-dot">fails</span>'

    return (
        '<div class="l2v"><div class="l2v-badge" role="status" id="prefix-badge"><b>Prefix test, run just now</b>'
        f'<span><b class="c">causal</b> {verdict(causal.is_causal)}: changing the last word moved an earlier word by '
        f"{causal.moved}</span>"
        f'<span><b class="b">bidirectional</b> {verdict(bidirectional.is_bidirectional)}: by '
        f"{bidirectional.moved}, in all {len(bidirectional.layers)} layers</span></div></div>"
    )

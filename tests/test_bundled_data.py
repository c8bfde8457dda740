"""What the texts promise: enough of them, labelled, unique, plain."""

from __future__ import annotations

from collections import Counter

from llm2vec_core.bundled_data import pair_presets, passages, queries, sentence_pairs, text_groups


def test_collection():
    counts = Counter(p.topic for p in passages())
    assert len(counts) >= 12
    assert len(passages()) >= 300
    assert min(counts.values()) >= 20
    assert len({p.id for p in passages()}) == len({p.text for p in passages()}) == len(passages())
    assert all(15 <= len(p.text.split()) <= 60 and p.text.isascii() for p in passages())


def test_queries_have_answers_in_their_topic():
    topics = {p.id: p.topic for p in passages()}
    assert len(queries()) >= 40
    for query in queries():
        assert query.relevant
        assert {topics[name] for name in query.relevant} == {query.topic}


def test_pairs():
    assert Counter(p.label for p in sentence_pairs()) == {"similar": 80, "unrelated": 80, "misleading": 80}
    sentences = [s for p in sentence_pairs() for s in (p.sentence1, p.sentence2)]
    assert len(set(sentences)) == len(sentences)


def test_presets_are_what_their_kind_says():
    kinds = Counter(p.kind for p in pair_presets())
    assert set(kinds) == {
        "shared_beginning", "shared_ending", "word_order", "negation", "word_sense", "paraphrase", "code_and_description",
    }  # fmt: skip
    for preset in pair_presets():
        a, b = preset.a.lower().split(), preset.b.lower().split()
        # The first tab follows what both begin with; its first token is not counted, which some models put there.
        assert a[:2] == b[:2], preset.name
        assert a != b
        if preset.kind == "shared_ending":
            assert a[-1] == b[-1]
            assert a[:-1] != b[:-1]
        if preset.kind == "word_order":
            assert Counter("".join(c for c in preset.a.lower() if c.isalnum() or c == " ").split()) == Counter(
                "".join(c for c in preset.b.lower() if c.isalnum() or c == " ").split()
            )
    assert (pair_presets()[0].a, pair_presets()[0].b) == (
        "The bank was steep and muddy.",
        "The bank was robbed at noon.",
    )


def test_groups_of_texts():
    assert len({g.key for g in text_groups()}) == len(text_groups()) >= 7
    for group in text_groups():
        assert 4 <= len(group.texts) <= 12
        assert len(set(group.texts)) == len(group.texts) == len(group.meanings)
        assert all("\n" not in text and text.isascii() for text in group.texts)
        assert bool(group.alike) == (group.wordings is not None)
        counts = Counter(group.meanings)
        assert min(counts.values()) >= 2  # every text has a partner
        if group.wordings is None:
            continue
        assert len(group.wordings) == len(group.texts)
        # Texts that look alike and mean the same would make no point.
        assert len(set(zip(group.meanings, group.wordings, strict=True))) == len(group.texts)
        assert max(Counter(group.wordings).values()) >= 2
        for a, wording_a in zip(group.texts, group.wordings, strict=True):
            for b, wording_b in zip(group.texts, group.wordings, strict=True):
                first, second = a.lower().strip(".").split(), b.lower().strip(".").split()
                if wording_a == wording_b and group.key == "shared_beginning":
                    assert first[:3] == second[:3]
                if wording_a == wording_b and group.key == "shared_ending":
                    assert first[-3:] == second[-3:]
                if wording_a == wording_b and group.key == "word_order":
                    assert Counter(first) == Counter(second)

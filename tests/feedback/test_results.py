"""Results: planted rankings, intervals that hold, and numbers that are not given."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np
import pytest

from backends.types import Sampling
from tests.feedback.made_up import comparison, judged
from webchat.feedback import results as module
from webchat.feedback.results import Note, Results, agreement, by_variant, thumbs, votes_agreement
from webchat.feedback.results.variants import MOST_VARIANTS
from webchat.store.judgement_records import Comparison, Preferred, Thumb, VoteCount
from webchat.store.records import ConversationSettings

STRENGTHS = {"a": 1.0, "b": 0.4, "c": 0.0, "d": -0.9}
NAMES = sorted(STRENGTHS)
TIES = 0.15


def votes(
    generator: np.random.Generator, people: int, each: int, *, taste: float = 0.7
) -> Iterator[Comparison]:
    """Votes of people who differ in taste, so that those of one are alike."""
    for person in range(people):
        own = {name: value + generator.normal(0, taste) for name, value in STRENGTHS.items()}
        for _ in range(each):
            left, right = generator.choice(NAMES, 2, replace=False)
            preferred: Preferred = "tie"
            if generator.random() > TIES:
                chance = 1 / (1 + np.exp(own[right] - own[left]))
                preferred = "left" if generator.random() < chance else "right"
            yield comparison(str(left), str(right), preferred, person=f"person-{person}")


def results(told: Iterable[Comparison], **options: int) -> Results:
    """Of single votes, in place of counts."""
    return module.results((counted(vote) for vote in told if vote.preferred), **options)


def counted(vote: Comparison) -> VoteCount:
    assert vote.preferred is not None
    bad = vote.left.good is False and vote.right.good is False
    return VoteCount(vote.owner_id, vote.left.model, vote.right.model, vote.preferred, bad, 1)


def scores(found: Results) -> dict[str, float]:
    return {one.model: one.score for one in found.models if one.score is not None}


def test_settings_of_one_model_are_compared_as_variants() -> None:
    def made_with(temperature: float, prompt: str | None = None, seed: int = 1) -> ConversationSettings:
        return ConversationSettings("a", prompt, Sampling(temperature=temperature, seed=seed))

    def told(person: int, left: ConversationSettings, right: ConversationSettings) -> VoteCount:
        return VoteCount(f"person-{person}", "a", "a", "left", False, 1, left, right)

    cool, warm, seeded = made_with(0.1), made_with(0.9), made_with(0.1, seed=2)
    given = [told(person, seeded if person else cool, warm) for person in range(6)]
    assert module.results(given).notes == (Note("same_model", ("a",)),)
    named, notes = by_variant(given)
    found = module.results(named)
    assert [(one.model, one.wins) for one in found.models] == [
        ("a · temperature 0.1", 6), ("a · temperature 0.9", 0),
    ]  # fmt: skip
    assert (found.notes[-1].key, notes) == ("winless", ())
    # Two that are called alike, and one whose run says in its name what it is.
    one, other = made_with(0.1, "Be brief."), made_with(0.1, "Be long.")
    run = VoteCount("p", "a · temperature 0.1", "a", "tie", False, 1, cool, warm)
    named, _ = by_variant([told(1, one, other), run])
    called = {name for vote in named for name in (vote.left, vote.right)}
    assert {"a · temperature 0.1", "a · temperature 0.9"} < called
    assert len([name for name in called if name.startswith("a · system prompt · temperature 0.1 #")]) == 2


def test_only_so_many_variants_are_compared() -> None:
    warm = [ConversationSettings(sampling=Sampling(top_k=1 + at)) for at in range(MOST_VARIANTS + 5)]
    given = [
        VoteCount("p", "a", "a", "left", False, 2 if at < MOST_VARIANTS else 1, one, warm[0])
        for at, one in enumerate(warm)
        if at
    ]
    named, notes = by_variant(given)
    assert len(named) == MOST_VARIANTS - 1
    assert notes == (Note("many_variants", ("5",)),)


def test_a_planted_ranking_is_recovered() -> None:
    found = results(votes(np.random.default_rng(1), 50, 30), resamples=100)
    assert [one.model for one in found.models] == NAMES
    assert (found.people, found.votes, found.notes) == (50, 1500, ())
    for one in found.models:
        assert one.score_interval is not None
        assert one.rate_interval is not None
        assert one.score_interval.low < (one.score or 0) < one.score_interval.high
        assert one.rate_interval.low < one.rate < one.rate_interval.high
        assert one.votes == one.wins + one.losses + one.ties
    assert np.mean(list(scores(found).values())) == pytest.approx(1000)
    assert sum(pair.votes for pair in found.pairs) == 1500


def test_the_same_votes_give_the_same_numbers() -> None:
    told = list(votes(np.random.default_rng(2), 12, 10))
    assert results(told, resamples=100) == results(iter(told), resamples=100)


def test_two_models_score_as_their_odds_say() -> None:
    told = [comparison("a", "b", "left", person=f"p{at}") for at in range(9)]
    told += [comparison("a", "b", "right", person="p1"), comparison("a", "b", "tie", person="p2")]
    told += [comparison("b", "a", "tie", person="p3", left_good=False, right_good=False)]
    found = results(told, resamples=100)
    first, second = found.models
    assert (first.model, first.wins, first.losses, first.ties, first.both_bad) == ("a", 9, 1, 2, 1)
    assert first.rate == 10 / 12
    assert first.score is not None
    assert second.score is not None
    assert first.score - second.score == pytest.approx(400 * np.log10(10 / 2), abs=1)
    assert (found.pairs[0].first, found.pairs[0].wins, found.pairs[0].people) == ("a", 9, 9)


@pytest.mark.parametrize(
    ("told", "note"),
    [
        ([], Note("no_votes")),
        ([("a", "b", None)], Note("no_votes")),
        ([("a", "a", "left")], Note("same_model", ("a",))),
        (
            [("a", "b", "left"), ("c", "b", "left"), ("c", "a", "left"), ("a", "c", "tie")],
            Note("winless", ("b",)),
        ),
        ([("a", "b", "left"), ("b", "c", "tie"), ("a", "c", "left")], Note("unbeaten", ("a",))),
        (
            [("a", "b", "tie"), ("c", "d", "left"), ("c", "d", "right")],
            Note("disconnected", ("a, b", "c, d")),
        ),
        (
            [("a", "b", "tie"), ("c", "d", "tie"), ("a", "c", "left"), ("b", "d", "left")],
            Note("unbeaten", ("a", "b")),
        ),
    ],
)
def test_where_no_score_exists_win_rates_stand_alone(
    told: list[tuple[str, str, Preferred | None]], note: Note
) -> None:
    found = results([comparison(*one, person=f"p{at}") for one in told for at in range(8)], resamples=50)
    assert note in found.notes
    assert not scores(found)
    assert all(one.rate_interval is not None for one in found.models)


def test_one_voter_has_scores_without_intervals() -> None:
    found = results(comparison("a", "b", one) for one in ("left", "left", "right"))
    assert found.notes == (Note("one_voter"),)
    assert scores(found)
    assert all(one.score_interval is one.rate_interval is None for one in found.models)
    few = [comparison("a", "b", one, person=one) for one in ("left", "right")]
    assert results(few).notes == (Note("few_people"),)


def test_scores_that_hang_on_one_vote_have_no_intervals() -> None:
    told = [comparison("a", "b", "left", person=f"p{at}") for at in range(20)]
    found = results([*told, comparison("a", "b", "right", person="p1")], resamples=200)
    assert found.notes == (Note("unsure"),)
    assert scores(found)
    assert all(one.score_interval is None and one.rate_interval is not None for one in found.models)


def covered(simulations: int, resamples: int, people: int = 3000) -> float:
    """How often an interval holds what very many people would give."""
    many = results(votes(np.random.default_rng(0), people, 30), resamples=2)
    truth, rates = scores(many), {one.model: one.rate for one in many.models}
    held = []
    for seed in range(simulations):
        found = results(votes(np.random.default_rng(seed + 1), 25, 24), resamples=resamples)
        for one in found.models:
            assert one.score_interval is not None
            assert one.rate_interval is not None
            held.append(one.score_interval.low <= truth[one.model] <= one.score_interval.high)
            held.append(one.rate_interval.low <= rates[one.model] <= one.rate_interval.high)
    return float(np.mean(held))


@pytest.mark.slow
@pytest.mark.timeout(3000)
def test_intervals_hold_with_people_whose_votes_are_alike() -> None:
    share = covered(500, 200)
    print(f"covered: {share:.3f}")
    assert 0.90 <= share <= 0.99


def test_intervals_hold_in_a_few_simulations() -> None:
    assert covered(5, 50, 600) > 0.7


def test_intervals_by_people_are_wider_than_by_votes() -> None:
    told = list(votes(np.random.default_rng(5), 20, 30, taste=1.0))
    apart = [replace(vote, owner_id=f"{at}") for at, vote in enumerate(told)]
    by_people, by_votes = (results(one, resamples=200).models[0].rate_interval for one in (told, apart))
    assert by_people is not None
    assert by_votes is not None
    assert by_people.high - by_people.low > 1.2 * (by_votes.high - by_votes.low)


def test_thumbs_by_model_count_people() -> None:
    told = [*(Thumb(f"p{at}", "a", 1) for at in range(6)), Thumb("p0", "a", -1), Thumb("p0", "b", -1)]
    first, second = thumbs(told)
    assert (first.model, first.people, first.good, first.bad, first.share) == ("a", 6, 6, 1, 6 / 7)
    assert first.share_interval is not None
    assert first.share_interval.low < 6 / 7 < first.share_interval.high + 1e-9
    assert (second.model, second.people, second.share, second.share_interval) == ("b", 1, 0, None)


def test_agreement_is_that_of_several_people_on_one_thing() -> None:
    assert agreement([("a", 1, "good"), ("a", 2, "bad")]) is None
    assert agreement([("a", 1, "good"), ("b", 1, "good")]) is None
    # Source: the example of Krippendorff (2011), Computing Krippendorff's alpha-reliability, section B.
    first, second = "0100000010", "1110010000"
    told = [(name, at, value) for name, row in (("a", first), ("b", second)) for at, value in enumerate(row)]
    found = agreement([*told, ("a", 99, "alone")])
    assert found is not None
    assert found.alpha == pytest.approx(0.095, abs=0.001)
    assert (found.units, found.ratings) == (10, 20)
    assert found.interval.low < found.alpha < found.interval.high
    assert found == agreement(told)


def test_votes_agree_on_replies_not_on_sides() -> None:
    one, other = judged("q", "1", model="a"), judged("q", "2", model="b")
    third, fourth = judged("q", "3", model="a"), judged("q", "4", model="b")
    told = [comparison(one, other, "left", person="p"), comparison(other, one, "right", person="q")]
    told += [comparison(third, fourth, "right", person="p"), comparison(third, fourth, "right", person="q")]
    found = votes_agreement(told)
    assert found is not None
    assert found.alpha == 1
